"""Tables that say what videos show, in the forms in which people have them: read in bounds, told by their lines.

==================================  =====================================================================
form                                who has it
==================================  =====================================================================
``path,label`` with or without head  anyone; STDD and VideoMAE (``path,label`` or ``path,frames,label``)
``path label``                      UCF101's and HMDB51's lists, mmaction2 (also ``path frames label``), TEAR
``path`` alone                      LoCATe-GAT's Kinetics lists: the folder is the label
``label,youtube_id,time_start,...``  Kinetics
``index,videoname,labels``          LoCATe-GAT
``video,start_s,end_s,label``       localizers; ActivityNet's JSON (``{"database": ...}``) says the same
JSON Lines of objects               Elaborative Rehearsal (``videoname``, ``label``)
==================================  =====================================================================
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gerund.errors import UsageError
from gerund.printing import uncell
from gerund.reading import DamageError, parse_json, read_at_most
from gerund.video.reader import VIDEO_SUFFIXES

MOST_BYTES = 1 << 27
"""The longest table; that of Kinetics-700 has a fifth of it."""
_LONGEST_CELL = 4096

VIDEO_COLUMNS = frozenset((
    "video", "path", "file", "filename", "file_name", "videoname", "video_name", "video_path", "video-id", "video_id",
    "vid", "clip", "youtube_id",
))  # fmt: skip
LABEL_COLUMNS = frozenset(["label", "labels", "class", "classname", "class_name", "action"])
_STARTS = frozenset(["start_s", "start", "t_start", "t-start", "start_time"])
_ENDS = frozenset(["end_s", "end", "t_end", "t-end", "end_time"])
_SUBSETS = frozenset(["split", "subset"])
_DELIMITERS = ("\t", ",", ";")
_ENDINGS = "|".join(sorted(ending[1:] for ending in VIDEO_SUFFIXES))
_FILE = re.compile(rf"(.+?\.(?:{_ENDINGS}))(?:\s+(.*))?", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        videos: what the video may be called: its path or id as written, of cut Kinetics videos several.
        label: as written, a name or a number; ``""`` where no column says it.
        place: the line, for messages: ``"a.csv, line 3"``.
        span_s: when the action happens; None for the whole video.
        subset: of the line, as written; ``""`` where no column says it.
    """

    videos: tuple[str, ...]
    label: str
    place: str
    span_s: tuple[float, float] | None = None
    subset: str = ""

    @property
    def video(self) -> str:
        """What it is called in messages."""
        return self.videos[0]


def is_number(text: str) -> bool:
    """True for a whole number from 0 on, as classes are counted."""
    return bool(_NUMBER.fullmatch(text))


def read_rows(path: Path) -> list[Row]:
    """All lines of a table, in its order.

    Raises:
        UsageError: it cannot be read, is too large, or a line is of another form; the line is named.
    """
    text = _text_of(path)
    start = text.lstrip()[:1]
    if start == "{" and path.suffix.lower() == ".json":
        rows = list(_annotations(text, path))
    elif start == "{":
        rows = list(_json_lines(text, path))
    else:
        rows = list(_table(text, path))
    if not rows:
        raise UsageError(f"{path}: the table of labels is empty; expected a line such as clips/a.mp4,waving")
    return rows


def _text_of(path: Path) -> str:
    try:
        if path.is_dir():
            raise UsageError(f"{path}: is a folder; expected a table of labels (--videos takes the folder)")
        content = read_at_most(path, MOST_BYTES)
    except DamageError as error:
        raise UsageError(f"{path}: {error}; a table of labels has a short line for each video") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: expected a table of labels as UTF-8 text; save it as UTF-8") from error
    if "\0" in text:
        raise UsageError(f"{path}: expected a table of labels as UTF-8 text; this is a binary file")
    return text


def _table(text: str, path: Path) -> Iterator[Row]:
    lines = _cells(text, path)
    first = next(lines, None)
    if first is None:
        return
    number, cells = first
    head = [cell.casefold() for cell in cells]
    if VIDEO_COLUMNS & set(head):
        make, width = _headed(head, path), len(head)
    else:
        make, width = _headless(cells, f"{path}, line {number}"), len(cells)
        yield make(cells, f"{path}, line {number}")
    for number, cells in lines:
        place = f"{path}, line {number}"
        if len(cells) != width:
            raise UsageError(f"{place}: has {len(cells)} columns, the first line {width}")
        yield make(cells, place)


_Make = Callable[[Sequence[str], str], Row]
"""From the cells of a line and its place to a row."""


def _cells(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, each with its number, cut into cells."""
    first = next((line for line in text.split("\n") if line.strip()), "")
    mark = next((mark for mark in _DELIMITERS if mark in first), "")
    if not mark:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield number, _checked(_between_blanks(line.strip()), f"{path}, line {number}")
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                place = f"{path}, line {reader.line_num}"
                yield reader.line_num, _checked([uncell(cell).strip() for cell in cells], place)
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: cannot be read as a table; {error}") from error


def _checked(cells: list[str], place: str) -> list[str]:
    longest = max(map(len, cells))
    if longest > _LONGEST_CELL:
        raise UsageError(f"{place}: a cell of {longest} characters; expected paths and labels")
    return cells


def _between_blanks(line: str) -> list[str]:
    """A line without delimiters: files and labels may hold blanks themselves.

    Example:
        >>> [_between_blanks(line) for line in ("A b/c d.avi 3", "a.mp4 120 3", "x/y shoot bow", "a.mp4 1.5 2 wave")]
        [['A b/c d.avi', '3'], ['a.mp4', '3'], ['x/y', 'shoot bow'], ['a.mp4', '1.5', '2', 'wave']]
    """
    found = _FILE.fullmatch(line)
    if found:
        file, rest = found[1], found[2] or ""
    else:
        file, _, rest = line.partition(" ")
        if " " in rest and is_number(line.rsplit(" ", 1)[1]) and not all(map(is_number, rest.split())):
            file, _, rest = line.rpartition(" ")  # a class with blanks in a path without ending
    words = rest.split()
    if len(words) == 2 and all(map(is_number, words)):
        return [file, words[1]]  # the number of frames stands between
    if len(words) > 2 and _is_time(words[0]) and _is_time(words[1]):
        return [file, words[0], words[1], " ".join(words[2:])]
    return [file, " ".join(words)] if words else [file]


def _headed(head: list[str], path: Path) -> _Make:
    """How to read the lines of a table whose first line names its columns.

    Raises:
        UsageError: a column is there twice, or there is a start without an end.
    """

    def column(names: frozenset[str], what: str) -> int | None:
        called = [place for place, cell in enumerate(head) if cell in names]
        if len(called) > 1:
            both = " and ".join(repr(head[place]) for place in called)
            raise UsageError(f"{path}, line 1: the columns {both} may both be the {what}; rename all but one")
        return called[0] if called else None

    video, label = column(VIDEO_COLUMNS, "video"), column(LABEL_COLUMNS, "label")
    start, end, subset = column(_STARTS, "start"), column(_ENDS, "end"), column(_SUBSETS, "subset")
    if (start is None) != (end is None):
        raise UsageError(f"{path}, line 1: a start and an end belong together (start_s, end_s)")
    cut = [head.index(name) for name in ("time_start", "time_end") if name in head] if "youtube_id" in head else []

    def make(cells: Sequence[str], place: str) -> Row:
        videos: tuple[str, ...] = (_named(cells[video or 0], place),)
        if len(cut) == 2:
            seconds = [_time(cells[at], place) for at in cut]
            videos = (f"{videos[0]}_{int(seconds[0]):06d}_{int(seconds[1]):06d}", videos[0])
        span_s = None if start is None or end is None else _span(cells[start], cells[end], place)
        shown = "" if label is None else _labelled(cells[label], place)
        return Row(videos, shown, place, span_s, "" if subset is None else cells[subset])

    return make


def _headless(cells: Sequence[str], place: str) -> _Make:
    """How to read the lines of a table without a head, by the first of them."""
    if len(cells) == 1:
        return lambda row, where: Row((_named(row[0], where),), "", where)
    if len(cells) in (2, 3):
        return lambda row, where: Row((_named(row[0], where),), _labelled(row[-1], where), where)
    if len(cells) == 4 and _is_time(cells[1]) and _is_time(cells[2]):
        return lambda row, where: Row(
            (_named(row[0], where),), _labelled(row[3], where), where, _span(row[1], row[2], where)
        )
    raise UsageError(
        f"{place}: {len(cells)} columns, and the first line does not say which are which; write a head such as "
        "path,label or video,start_s,end_s,label"
    )


def _json_lines(text: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        try:
            entry = parse_json(line)
        except ValueError as error:
            raise UsageError(f"{place}: expected JSON on each line; {error}") from error
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: expected an object, got {type(entry).__name__}")
        cells = {str(key).casefold(): value for key, value in entry.items() if isinstance(value, str | int | float)}
        if not VIDEO_COLUMNS & set(cells):
            raise UsageError(f'{place}: expected {{"video": ..., "label": ...}}')
        yield _headed(list(cells), path)([str(value) for value in cells.values()], place)


def _annotations(text: str, path: Path) -> Iterator[Row]:
    """Annotations as ActivityNet, THUMOS14 and GAP have them: a row for each action."""
    try:
        content = parse_json(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: this is not JSON: {error.msg}") from error
    except DamageError as error:
        raise UsageError(f"{path}: {error}") from error
    database = content.get("database")
    if not isinstance(database, Mapping):
        raise UsageError(f'{path}: expected {{"database": {{video: {{"annotations": [...]}}}}}}')
    for video, entry in database.items():
        place = f"{path}, the entry of {video}"
        try:
            for action in entry.get("annotations", []):
                start_s, end_s = action["segment"]
                span_s = _span(str(start_s), str(end_s), place)
                label = _labelled(str(action["label"]), place)
                yield Row((_named(video, place),), label, place, span_s, str(entry.get("subset", "")))
        except UsageError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f'{place}: needs "annotations" with a "label" and a "segment" of two seconds ({error})'
            ) from error


def _named(video: str, place: str) -> str:
    if not video:
        raise UsageError(f"{place}: names no video")
    return video


def _labelled(label: str, place: str) -> str:
    if not label:
        raise UsageError(f"{place}: has no label")
    return label


def _is_time(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _time(text: str, place: str) -> float:
    if not _is_time(text) or not 0 <= float(text) < 1e6:
        raise UsageError(f"{place}: expected a moment in seconds from 0 on, got {text[:40]!r}")
    return float(text)


def _span(start: str, end: str, place: str) -> tuple[float, float]:
    start_s, end_s = _time(start, place), _time(end, place)
    if end_s <= start_s:
        raise UsageError(f"{place}: an action must end after it starts, got {start} to {end}")
    return start_s, end_s
