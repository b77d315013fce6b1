"""Text files that anyone may have written: as JSON or as a CSV table, with the place of every mistake."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gerund.errors import UsageError
from gerund.printing import uncell
from gerund.reading import DamageError, parse_json

_HEADINGS = {
    "video": ("video-id", "video_id", "video", "id"),
    "start": ("t-start", "t_start", "start_s", "start"),
    "end": ("t-end", "t_end", "end_s", "end"),
    "label": ("label", "action", "class"),
    "score": ("score",),
}
"""Names of columns: ActivityNet's evaluation and FreeZAD's files first, then gerund's own tables."""

_ZIP = b"PK\x03\x04"
_SHOWN = 80


def is_zip(path: Path) -> bool:
    """True for a file that begins as ``.npz`` files do.

    Raises:
        UsageError: it cannot be read.
    """
    return _bytes(path)[:4] == _ZIP


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def read_text(path: Path) -> str:
    """What is in a text file; a byte order mark is left out.

    Raises:
        UsageError: it cannot be read, is empty, is an archive, or is not UTF-8.
    """
    content = _bytes(path)
    if not content.strip():
        raise UsageError(f"{path} is empty; expected JSON or a CSV table")
    if content[:4] == _ZIP:
        raise UsageError(f"{path} is an archive such as .npz; expected JSON or a CSV table")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}); expected JSON or a CSV table") from error


def is_json(text: str) -> bool:
    """True for what can only be meant as JSON, whatever the file is called.

    Example:
        >>> is_json(' {"a": 1}'), is_json("video,label")
        (True, False)
    """
    return text.lstrip()[:1] in ("{", "[")


def json_object(path: Path, text: str) -> dict[str, Any]:
    """The JSON object that a file holds.

    Args:
        path: for messages.
        text: what is in it.

    Raises:
        UsageError: it is no JSON, another value, or a name stands twice in one object, of which JSON would silently
            keep the last.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise UsageError(f"{path}: {short(twice)} stands twice in one object; join what belongs to it")
        return found

    try:
        content = parse_json(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: broken JSON: {error.msg}; expected one JSON object") from error
    except DamageError as error:
        raise UsageError(f"{path}: {error}; it cannot be one of these files") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a JSON object with an entry for each video, got {short(content)}")
    return content


def table_rows(
    path: Path, text: str, wanted: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row of a CSV table.

    Rows with something under ``error`` are no answers, so none; nor are those of such a table that name a video alone,
    for nothing was found in it.

    The guard that gerund puts before what a spreadsheet would run (`gerund.printing.cell`) is taken off.

    Args:
        path: for messages.
        text: what is in it.
        wanted: quantities whose columns must be there: of ``video``, ``start``, ``end``, ``label``, ``score``.
        optional: quantities that come behind the wanted ones where the table has them.

    Raises:
        UsageError: a column is missing, a row has too many or too few cells, or one of these cells is empty.
    """
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [name.strip().lower() for name in next((row for row in lines if any(map(str.strip, row))), [])]
        columns = {
            quantity: next(header.index(alias) for alias in aliases if alias in header)
            for quantity, aliases in _HEADINGS.items()
            if set(aliases) & set(header)
        }
        missing = [_HEADINGS[name][0] for name in wanted if name not in columns]
        if missing:
            raise UsageError(
                f"{path}, line {lines.line_num}: no column {', '.join(missing)}; expected the headings "
                f"{','.join(_HEADINGS[name][0] for name in wanted)} in any order, got {short(','.join(header))}"
            )
        names = (*wanted, *(name for name in optional if name in columns))
        error = header.index("error") if "error" in header else None
        for row in lines:
            if not any(map(str.strip, row)):
                continue
            if len(row) != len(header):
                raise UsageError(f"{path}, line {lines.line_num}: {len(row)} cells where the header has {len(header)}")
            if error is not None and row[error].strip():
                continue
            cells = [uncell(row[columns[name]].strip()) for name in names]
            if error is not None and cells[0] and not any(cells[1:]):
                continue
            if "" in cells:
                empty = _HEADINGS[names[cells.index("")]][0]
                raise UsageError(f"{path}, line {lines.line_num}: the column {empty} is empty")
            yield lines.line_num, cells
    except csv.Error as broken:
        raise UsageError(f"{path}, line {lines.line_num}: broken CSV: {broken}") from broken


def number(value: object, *where: object) -> float:
    """A finite number, from a number of JSON or from a cell.

    Args:
        value: an int, a float, or text.
        where: what it is and where it stands, in parts that become one text if a message is needed.

    Raises:
        UsageError: it is none.

    Example:
        >>> number("2.50", "line ", 7, ": score")
        2.5
    """
    if isinstance(value, float) and math.isfinite(value):
        return value
    found = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            found = float(value)
    if not math.isfinite(found):
        raise UsageError(f"{''.join(map(str, where))} is {short(value)}; expected a finite number")
    return found


def short(value: object) -> str:
    """A value as a message can show it.

    Example:
        >>> short("x" * 99)[-5:]
        'xx...'
    """
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
