"""Lists of actions as people type them, and text files with one name a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gerund.errors import UsageError
from gerund.text.actions.entries import Entry, Listed
from gerund.text.actions.tables import from_table, is_headed

_ITEM = re.compile(r'\s*"([^"\r\n]*)"\s*(?=[,;，；、\r\n]|$)|([^,;，；、\r\n]+)')
_LINE_END = re.compile(r"\r\n|\r|\n")
_BULLET = re.compile(r"[-*•–]\s+(?=\S)")
_NUMBERED = re.compile(r"(\d{1,6})(?:[.):]\s*|\s+)(?=\S)")


def read_typed(text: str, place: str) -> Listed:
    """Names between commas, semicolons or line ends; one in double quotes may hold them.

    Example:
        >>> [entry.name for entry in read_typed('punching; "cutting, then eating", boxing', "").entries]
        ['punching', 'cutting, then eating', 'boxing']
    """
    found = [(quoted or bare).strip() for quoted, bare in _ITEM.findall(text)]
    return Listed(tuple(Entry(name, (), f"{place}, name {n}") for n, name in enumerate(filter(None, found), 1)))


def read_lines(text: str, place: str) -> Listed:
    """Names one a line, as in a text file.

    Empty lines, remarks (``#``), bullets, numbers that count the lines and separators at their ends are left out.
    Commas inside lines stay, but a file of one line is a list as it is typed. A table is read as one.

    Raises:
        UsageError: a name is too long, or it is a table that cannot be read.
    """
    numbered = [(n, line.strip()) for n, line in enumerate(_LINE_END.split(text), 1)]
    lines = [(n, line) for n, line in numbered if line and not line.startswith("#")]
    names = _without_marks([line for _, line in lines])
    if names and (any("\t" in name for name in names) or is_headed("\n".join(names))):
        return from_table(text, place, delimiter="\t" if any("\t" in name for name in names) else "")
    if len(names) == 1:
        return read_typed(names[0], f"{place}, line {lines[0][0]}")
    entries = []
    for (number, _), name in zip(lines, names, strict=True):
        where = f"{place}, line {number}"
        bare = name.rstrip(",; \t")
        if bare.startswith("<") and number == 1:
            raise UsageError(f"{where}: looks like HTML or XML; expected one name a line")
        if bare := bare.strip('"') if bare.startswith('"') and bare.endswith('"') else bare:
            entries.append(Entry(bare, (), where))
    return Listed(tuple(entries))


def _without_marks(lines: Sequence[str]) -> list[str]:
    """The lines without bullets or numbers, where all have one and the numbers count up."""
    if len(lines) > 1 and all(_BULLET.match(line) for line in lines):
        return [_BULLET.sub("", line, count=1) for line in lines]
    found = [_NUMBERED.match(line) for line in lines]
    counted = [int(match[1]) for match in found if match]
    if len(lines) > 1 and counted in (list(range(len(lines))), list(range(1, len(lines) + 1))):
        return [_NUMBERED.sub("", line, count=1) for line in lines]
    return list(lines)
