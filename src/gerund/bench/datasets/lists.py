"""Readers of the files in which data sets say what their videos show: one function for each format.

They are pure: what the file says comes out, in its order, with labels and subsets as it spells them. Which data set a
file belongs to and how its spelling maps to classes is the business of `gerund.bench.datasets`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from gerund.bench.datasets.listing import ListedVideo
from gerund.errors import UsageError
from gerund.printing import uncell
from gerund.reading import DamageError, parse_json
from gerund.video.reader import VIDEO_SUFFIXES

ListFormat = Literal["annotations", "classwise", "kinetics", "metas", "hmdb", "table", "paths", "templates"]

VIDEO_COLUMNS = ("video", "videoname", "video_name", "filename", "path", "vid")
LABEL_COLUMNS = ("class", "label", "labels")
_SUBSETS = {
    "train": "training", "trn": "training", "training": "training",
    "val": "validation", "validate": "validation", "validation": "validation",
    "test": "test", "tst": "test", "testing": "test",
}  # fmt: skip
_HEAD_BYTES = 65536
_CUT_CLIP = re.compile(r"[\w-]{11}_\d{6}_\d{6}")
_HMDB_NAME = re.compile(r"(.+)_test_split(\d)$")


def subset_of(word: str) -> str:
    """The name of a subset in whichever of the usual spellings; ``""`` for any other word.

    Example:
        >>> subset_of("validate"), subset_of("tst"), subset_of("background")
        ('validation', 'test', '')
    """
    return _SUBSETS.get(word.strip().lower(), "")


def stem_of(path: str) -> str:
    r"""A video's id: its file name without folders and without a video's ending.

    Example:
        >>> stem_of("Biking/v_Biking_g01_c01.avi"), stem_of("Mr. Bean_eat_f"), stem_of(r"val\a.b.MP4")
        ('v_Biking_g01_c01', 'Mr. Bean_eat_f', 'a.b')
    """
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in VIDEO_SUFFIXES else name


def recognise(path: Path) -> ListFormat | None:
    """The format of a file by what it begins with; None when it lists no videos.

    Raises:
        UsageError: it cannot be opened.
    """
    head = _head(path)
    start = head.lstrip()
    found: ListFormat | None = None
    if path.suffix.lower() == ".json":
        if re.search(r'"database"\s*:\s*\{', head):
            found = "annotations"
        elif start.startswith("[") and '"id"' in head and ('"template"' in head or '"label"' in head):
            found = "templates"
        elif re.match(r'\{\s*"[^"]+"\s*:\s*\[\s*"[^"]+\.(mp4|avi|mkv|webm)"', start):
            found = "classwise"
    elif path.suffix.lower() == ".jsonl":
        found = "metas" if '"videoname"' in start.split("\n", 1)[0] else None
    elif start:
        line = start.splitlines()[0]
        header = [word.strip().strip('"').lower() for word in line.split(",")]
        if {"label", "youtube_id"} <= set(header):
            found = "kinetics"
        elif _column(header, VIDEO_COLUMNS) is not None and _column(header, LABEL_COLUMNS) is not None:
            found = "table"
        elif _HMDB_NAME.match(path.stem) and re.search(r"\s[012]\s*$", line):
            found = "hmdb"
        elif _names_a_video(_path_and_rest(line)[0]):
            found = "paths"
    return found


def read_annotations(path: Path) -> list[ListedVideo]:
    """The videos of an ActivityNet-style file, ``{"database": {id: {"subset", "annotations": [...]}}}``.

    THUMOS14 comes in this form too. The label of a video is that of its first annotation, ``""`` where it has none.

    Raises:
        UsageError: it is no such file, or an entry lacks a subset, a label or a segment of two numbers in order.
    """
    text = _read(path)
    content = _json(text, path)
    database = content.get("database") if isinstance(content, dict) else None
    if not isinstance(database, dict):
        raise UsageError(f'{path}, line 1: expected {{"database": {{video: ...}}}}')
    videos = []
    for video, entry in database.items():
        try:
            segments = tuple(_segment(annotation) for annotation in entry.get("annotations", []))
            duration_s, fps = float(entry.get("duration") or 0), float(entry.get("fps") or 0)
            subset = subset_of(entry["subset"]) or str(entry["subset"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            line = text.count("\n", 0, max(text.find(json.dumps(video)), 0)) + 1
            raise UsageError(
                f'{path}, line {line}: the entry of {video} needs "subset" and "annotations" with a "label" and a '
                f'"segment" of two seconds in order ({type(error).__name__}: {error})'
            ) from error
        label = segments[0][2] if segments else ""
        videos.append(ListedVideo(video, label, subset, segments=segments, duration_s=duration_s, fps=fps))
    return videos


def read_classwise(path: Path) -> list[ListedVideo]:
    """The videos of a JSON file that maps every class to the names of its files.

    Raises:
        UsageError: it is no such file.
    """
    content = _json(_read(path), path)
    if not isinstance(content, dict) or not all(isinstance(names, list) for names in content.values()):
        raise UsageError(f"{path}, line 1: expected an object that maps every class to a list of files")
    return [ListedVideo(stem_of(str(name)), label) for label, names in content.items() for name in names]


def read_templates(path: Path) -> list[ListedVideo]:
    """The videos of a Something-Something list, ``[{"id": "1", "template": "Pushing [something]"}, ...]``.

    Raises:
        UsageError: it is no such file, or an entry lacks an id.
    """
    text = _read(path)
    content = _json(text, path)
    videos = []
    for number, entry in enumerate(content if isinstance(content, list) else [None], 1):
        if not isinstance(entry, dict) or "id" not in entry:
            raise UsageError(f'{path}, entry {number}: expected a list of objects with "id" and "template"')
        label = str(entry.get("template") or entry.get("label") or "")
        videos.append(ListedVideo(str(entry["id"]), label.replace("[", "").replace("]", "")))
    return videos


def read_kinetics(path: Path) -> list[ListedVideo]:
    """The clips of a Kinetics list, a CSV with label, youtube_id and as a rule time_start, time_end and split.

    A clip's id is ``<youtube_id>_<start>_<end>`` with six digits each, as its file is named; the bare YouTube id where
    the list gives no times.

    Raises:
        UsageError: a row lacks a label or an id, or has times that are no numbers.
    """
    videos = []
    for line, row in _rows(path):
        video, label = row.get("youtube_id", "").strip(), row.get("label", "").strip()
        if not video or not label:
            raise UsageError(f"{path}, line {line}: expected a label and a youtube_id, got {','.join(row.values())!r}")
        if row.get("time_start", "").strip():
            try:
                start_s, end_s = (int(float(row[column])) for column in ("time_start", "time_end"))
            except (KeyError, ValueError) as error:
                raise UsageError(f"{path}, line {line}: time_start and time_end must be seconds") from error
            video = f"{video}_{start_s:06d}_{end_s:06d}"
        videos.append(ListedVideo(video, label, subset_of(row.get("split", ""))))
    return videos


def read_table(path: Path) -> list[ListedVideo]:
    """The videos of a CSV that has a column for the video's file and one for its class.

    Raises:
        UsageError: there are no such columns, or a row leaves one empty.
    """
    videos = []
    rows = _rows(path)
    header = list(rows[0][1]) if rows else []
    video, label = (_column(header, names) for names in (VIDEO_COLUMNS, LABEL_COLUMNS))
    if video is None or label is None:
        raise UsageError(f"{path}, line 1: expected columns such as 'video' and 'class', got {', '.join(header)}")
    for line, row in rows:
        if not row[video].strip() or not row[label].strip():
            raise UsageError(f"{path}, line {line}: expected a video and a class, got {','.join(row.values())!r}")
        videos.append(ListedVideo(stem_of(row[video].strip()), row[label].strip(), subset_of(row.get("subset", ""))))
    return videos


def read_metas(path: Path, classes: Sequence[str] = ()) -> list[ListedVideo]:
    """The videos of a JSON Lines file with "videoname" and "label", a name or a place in `classes`.

    Raises:
        UsageError: a line is no such object, or its label is not a place in `classes`.
    """
    videos = []
    for line, text in _lines(path):
        try:
            entry = parse_json(text)
            label = entry["label"]
            name = classes[label] if isinstance(label, int) and label >= 0 else str(label)
            videos.append(ListedVideo(stem_of(entry["videoname"]), name))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise UsageError(
                f'{path}, line {line}: expected {{"videoname": ..., "label": ...}} with a label below {len(classes)}, '
                f"got {text[:80]!r}"
            ) from error
    return videos


def read_hmdb(path: Path) -> list[ListedVideo]:
    """The videos of one class of an official HMDB51 split, ``brush_hair_test_split1.txt``.

    Every line is a file and 1 for training (list ``"train1"``), 2 for test (``"test1"``), 0 for neither.

    Raises:
        UsageError: the file has another name, or a line another form.
    """
    name = _HMDB_NAME.match(path.stem)
    if name is None:
        raise UsageError(f"{path}: expected a name such as brush_hair_test_split1.txt")
    label, number = name.groups()
    roles: dict[str, frozenset[str]] = {
        "0": frozenset(), "1": frozenset({f"train{number}"}), "2": frozenset({f"test{number}"}),
    }  # fmt: skip
    videos = []
    for line, text in _lines(path):
        file, _, role = text.strip().rpartition(" ")
        if role not in roles or not file:
            raise UsageError(f"{path}, line {line}: expected a file and 0, 1 or 2, got {text!r}")
        videos.append(ListedVideo(stem_of(file.strip()), label, lists=roles[role]))
    return videos


def read_paths(path: Path, classes: Sequence[str] = ()) -> list[ListedVideo]:
    """The videos of a plain list, one file a line, with or without its class as folder and as number.

    ``Biking/v_Biking_g01_c01.avi 11``, ``v_Biking_g01_c01.avi 10`` and ``clips/a.mp4,3`` are all such lines. The label
    is the folder; without one, or with one such as ``val``, it is the number, where the file's numbers are exactly the
    places of `classes` counted from 0 or from 1; otherwise ``""``.

    Raises:
        UsageError: a line does not name a file.
    """
    found: list[tuple[str, str, int]] = []
    for line, text in _lines(path):
        file, rest = _path_and_rest(text)
        if not _names_a_video(file):
            raise UsageError(f"{path}, line {line}: expected a video file, got {text!r}")
        folder = file.replace("\\", "/").rpartition("/")[0].rpartition("/")[2]
        numbers = re.findall(r"\d+", rest)
        found.append((stem_of(file), "" if subset_of(folder) else folder, int(numbers[-1]) if numbers else -1))
    used = {number for _, _, number in found}
    first = min(used, default=-1)
    counted = bool(classes) and first in (0, 1) and used == set(range(first, first + len(classes)))
    return [
        ListedVideo(video, folder or (classes[number - first] if counted else "")) for video, folder, number in found
    ]


def read_class_names(path: Path) -> tuple[str, ...]:
    """A list of classes, one a line, with or without a last line break.

    Raises:
        UsageError: the file cannot be read, is empty, or names a class twice.
    """
    names: dict[str, int] = {}
    for line, text in _lines(path):
        if text.strip() in names:
            raise UsageError(f"{path}, line {line}: {text.strip()!r} is on line {names[text.strip()]} already")
        names[text.strip()] = line
    if not names:
        raise UsageError(f"{path}, line 1: expected one class a line, got an empty file")
    return tuple(names)


READERS: dict[ListFormat, Callable[[Path], list[ListedVideo]]] = {
    "annotations": read_annotations,
    "classwise": read_classwise,
    "kinetics": read_kinetics,
    "hmdb": read_hmdb,
    "table": read_table,
    "templates": read_templates,
}
"""Readers of the formats that say everything themselves; `read_paths` and `read_metas` also want the classes."""


def _segment(annotation: dict[str, Any]) -> tuple[float, float, str]:
    start_s, end_s = (float(second) for second in annotation["segment"])
    if end_s < start_s:
        raise ValueError(f"{start_s} is after {end_s}")
    return start_s, end_s, str(annotation["label"])


def _path_and_rest(line: str) -> tuple[str, str]:
    """A line's file and what follows it; files may hold spaces, class names commas."""
    endings = "|".join(sorted(ending[1:] for ending in VIDEO_SUFFIXES))
    match = re.match(rf"(.*?\.(?:{endings}))(?:[\s,]+(.*))?$", line.strip(), re.IGNORECASE)
    if match:
        return match[1], match[2] or ""
    file, _, rest = line.strip().partition(",")
    return file, rest


def _names_a_video(file: str) -> bool:
    return stem_of(file) != file.replace("\\", "/").rsplit("/", 1)[-1] or bool(_CUT_CLIP.fullmatch(stem_of(file)))


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    return next((column for column in header if column.strip().lower() in names), None)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(_read(path).split("\n"), restval="")
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    return [(reader.line_num, {k: uncell(v) for k, v in row.items() if k is not None}) for row in reader]


def _lines(path: Path) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(_read(path).split("\n"), 1) if line.strip()]


def _json(text: str, path: Path) -> Any:
    try:
        return parse_json(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}: this is not JSON: {error.msg}") from error
    except DamageError as error:
        raise UsageError(f"{path}: {error}") from error


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).decode("utf-8-sig", "replace")
    except OSError as error:
        raise UsageError(f"{path}: it cannot be opened ({error.strerror})") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UsageError(f"{path}, line {line}: expected UTF-8 text") from error
    except OSError as error:
        raise UsageError(f"{path}: it cannot be read ({error.strerror})") from error
