"""Lists of actions that are tables: CSV and TSV."""

from __future__ import annotations

import csv
import io

from gerund.errors import UsageError
from gerund.text.actions.entries import COLUMNS, WHOLE_LISTS, Entry, Listed

_DELIMITERS = (",", ";", "\t")
_ADVICE = (
    f"call the column with the names {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]} in the first line, or keep it alone"
)


def from_table(text: str, place: str, *, delimiter: str = "") -> Listed:
    """The names in a table: in the column that is called so, or in its only one; a single line is a list.

    Args:
        text: the whole file.
        place: its name, for messages.
        delimiter: what stands between columns; by default the first of comma, semicolon and tab in the first line.

    Raises:
        UsageError: it has several columns and none or more than one is called so, or its quotes are broken.
    """
    rows = _rows(text, place, delimiter or delimiter_of(text))
    if not rows:
        raise UsageError(f"{place}: the table is empty; {_ADVICE}")
    (_, head), body = rows[0], rows[1:]
    if max(len(cells) for _, cells in rows) == 1:
        titled = head[0].strip().casefold() in (*COLUMNS, *WHOLE_LISTS)
        return Listed(
            tuple(Entry(cells[0].strip(), (), f"{place}, line {n}") for n, cells in (body if titled else rows))
        )
    column = _column([cell.strip().casefold() for cell in head], body, place)
    if column is None:
        return Listed(tuple(Entry(cell.strip(), (), f"{place}, line 1") for cell in head if cell.strip()))
    entries = []
    for number, cells in body:
        if len(cells) <= column:
            raise UsageError(f"{place}, line {number}: has {len(cells)} columns, the first line {len(head)}")
        entries.append(Entry(cells[column].strip(), (), f"{place}, line {number}"))
    return Listed(tuple(entries))


def delimiter_of(text: str) -> str:
    """What stands between the columns of a table, told by its first line."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return next((mark for mark in _DELIMITERS if mark in first), ",")


def is_headed(text: str) -> bool:
    """True when the first line is the head of a table with several columns, one of which holds names."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    cells = [cell.strip(' "').casefold() for cell in first.split(delimiter_of(text))]
    return len(cells) > 1 and any(cell in COLUMNS for cell in cells)


def _column(head: list[str], body: list[tuple[int, list[str]]], place: str) -> int | None:
    """Which column holds the names; None for a single line that is a list."""
    called = [place for place, cell in enumerate(head) if cell in COLUMNS]
    if not called and not body:
        return None
    if not called:
        raise UsageError(f"{place}: {len(head)} columns, and the first line does not say which holds names; {_ADVICE}")
    worded = [n for n in called if any(len(cells) > n and not _is_number(cells[n]) for _, cells in body)] or called
    if len(worded) > 1:
        names = " and ".join(repr(head[n]) for n in worded)
        raise UsageError(f"{place}: the columns {names} may both hold names; rename all but one")
    if (cells := [row[worded[0]] for _, row in body if len(row) > worded[0]]) and all(map(_is_number, cells)):
        raise UsageError(f"{place}: the column {head[worded[0]]!r} holds numbers, not names; {_ADVICE}")
    return worded[0]


def _rows(text: str, place: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, each with its line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise UsageError(f"{place}, line {reader.line_num}: cannot be read as a table; {error}") from error
    return rows


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
