"""What may reach a terminal or a cell of a table: no control characters, nothing that a spreadsheet would run.

File names, action lists, model servers and other people's files decide what stands in a line that gerund prints. A
sequence that moves the cursor, retitles the window or turns the reading direction around must not be one of them. JSON
needs no marks taken away: it has escapes for them.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and many emoji are not themselves without them
_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠]")  # with the wide forms, as OWASP lists them
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def printable(text: object) -> str:
    r"""A value on one line that any terminal can show: what is no letter, or would steer, becomes a question mark.

    Control characters, line ends, marks that turn the reading direction and bytes that are no text are replaced one for
    one, so that the length stays.

    Example:
        >>> printable("run\x1b[2J\nning")
        'run?[2J?ning'
    """
    return "".join(mark if _is_shown(mark) else "?" for mark in str(text))


def printable_lines(text: object) -> str:
    r"""The same for text of several lines, which keeps its line ends and tabs.

    Example:
        >>> printable_lines("two\nlines\x07")
        'two\nlines?'
    """
    return "".join(mark if mark in "\n\t" or _is_shown(mark) else "?" for mark in str(text))


def printable_json(text: str) -> str:
    r"""JSON that says the same, with all that a terminal may not show written as escapes.

    Example:
        >>> print(printable_json('{"Übung": "\x7f\x9b2J"}'))
        {"Übung": "\u007f\u009b2J"}
    """
    return "".join(mark if mark in "\n\t" or _is_shown(mark) else json.dumps(mark)[1:-1] for mark in text)


def cell(value: Any) -> Any:
    """A cell of a table in CSV: text on one line that no spreadsheet takes for a formula; numbers stay as they are.

    Text that would be a formula gets an apostrophe in front, and `uncell` takes it off again, exactly, where there were
    no control characters.

    Example:
        >>> cell("=1+2"), cell(" @me"), cell("-5 km run"), cell("-0.25"), cell(-0.25), cell("don't")
        ("'=1+2", "' @me", "'-5 km run", '-0.25', -0.25, "don't")
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = printable(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV, every value guarded by `cell`.

    Example:
        >>> print(csv_text([["a,b", "=1", None, 2]]), end="")
        "a,b",'=1,,2
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def uncell(text: str) -> str:
    """What `cell` was given: takes its apostrophe off, and nothing else.

    Example:
        >>> uncell("'-5 km run"), uncell("-0.25"), uncell("'tis")
        ('-5 km run', '-0.25', "'tis")
    """
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Prints to standard output, or to standard error, what a terminal may show of the text, line by line."""
    stream = sys.stderr if err else sys.stdout
    stream.write(printable_lines(text) + ("\n" if nl else ""))
    stream.flush()


def _is_shown(mark: str) -> bool:
    return mark.isprintable() or mark in _JOINERS or unicodedata.category(mark) == "Zs"
