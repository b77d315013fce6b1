"""What videos show, in names: rows of a table with their numbers and folders turned into classes, or folders alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gerund.errors import UsageError
from gerund.lessons.rows import Row, is_number, read_rows
from gerund.text.actions import read_file
from gerund.text.names import VOCABULARIES, read_vocabulary, to_words

SUBSETS: Mapping[str, str] = {
    "train": "training", "trn": "training", "training": "training",
    "val": "validation", "validate": "validation", "validation": "validation",
    "test": "test", "tst": "test", "testing": "test",
}  # fmt: skip
"""How people call the parts of a data set, and what they mean; none of them is the name of an action."""
_ROLES = re.compile(r".+_test_split\d$")


@dataclass(frozen=True)
class Labels:
    """Rows whose labels are names of actions in words.

    Attributes:
        rows: in the order of the table or the folder.
        sha256: of the table, or of the names of the files where folders are the classes.
        num_left_out: rows of test and validation videos, which are not learned from.
    """

    rows: tuple[Row, ...]
    sha256: str
    num_left_out: int = 0


def labels_of_table(path: Path, actions: str = "") -> Labels:
    """The labels of a table.

    Args:
        path: see `gerund.lessons.rows`.
        actions: a list of the classes, a file or a built-in one: what numbers mean, and which names there are.

    Raises:
        UsageError: a line cannot be read, or a label is a number that means no class for sure, or on no list.
    """
    if _ROLES.fullmatch(path.stem):
        raise UsageError(
            f"{path}: lists of this name are HMDB51's own, whose numbers say who is tested and not what is shown; "
            "train with --on hmdb51-closed, or give a folder for each class"
        )
    rows = read_rows(path)
    kept = _for_training(rows)
    names = _names(kept, path, _listed(actions) if actions else ())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    found = tuple(replace(row, label=name) for row, name in zip(kept, names, strict=True))
    return Labels(found, sha256, len(rows) - len(kept))


def labels_of_folders(videos: Iterable[str], folder: Path, actions: str = "") -> Labels:
    """The labels of videos that lie in a folder for each class.

    Args:
        videos: their paths below `folder`; the first part is the class, whatever lies below it.
        folder: for messages.
        actions: as above.

    Raises:
        UsageError: a video lies in no folder, or the folders are parts of a data set and not classes.
    """
    paths = sorted(videos)
    if alone := [path for path in paths if "/" not in path]:
        raise UsageError(
            f"{folder}/{alone[0]} lies in no folder of a class; put videos into a folder for each class, or give a "
            "table (--labels FILE)"
        )
    parts = list(dict.fromkeys(path.split("/")[0] for path in paths))
    if parts and all(part.casefold() in SUBSETS for part in parts):
        raise UsageError(
            f"{folder}: its folders are {', '.join(parts)}, which are parts of a data set and no actions; give the "
            f"part to learn from (--videos {folder / parts[0]})"
        )
    rows = tuple(Row((path,), path.split("/")[0], f"{folder}/{path}") for path in paths)
    names = _names(rows, folder, _listed(actions) if actions else ())
    found = tuple(replace(row, label=name) for row, name in zip(rows, names, strict=True))
    return Labels(found, hashlib.sha256("\n".join(paths).encode("utf-8", "surrogateescape")).hexdigest())


def _for_training(rows: Sequence[Row]) -> list[Row]:
    """The rows to learn from: where a column tells training from test videos, those of training alone."""
    parts = [SUBSETS.get(row.subset.strip().casefold(), "") for row in rows]
    if "training" not in parts or not {"validation", "test"} & set(parts):
        return list(rows)
    return [row for row, part in zip(rows, parts, strict=True) if part == "training"]


def _listed(actions: str) -> tuple[str, ...]:
    """A list of classes, each at its place: unlike a list to choose from, it may not name one twice.

    Raises:
        UsageError: there is no such list, or it names a class twice.
    """
    if actions.lower() in VOCABULARIES:
        return tuple(map(to_words, read_vocabulary(actions.lower())))
    names = tuple(to_words(entry.name) for entry in read_file(Path(actions)).entries)
    first: dict[str, int] = {}
    for place, name in enumerate(names):
        if (before := first.setdefault(name.casefold(), place)) != place:
            raise UsageError(f"{actions}: {name!r} is named as number {before} and as number {place}, counted from 0")
    return names


def _names(rows: Sequence[Row], where: Path, listed: tuple[str, ...]) -> list[str]:
    """The class of every row in words; classes that differ in case alone are one, spelled as it comes first."""
    if rows and all(is_number(row.label) for row in rows):
        spelled = _counted(rows, where, listed) if listed else _of_folders_with_numbers(rows, where)
    else:
        spelled = [to_words(row.label or _folder_of(row)) for row in rows]
    known = {name.casefold(): name for name in listed}
    for row, name in zip(rows, spelled, strict=True):
        if listed and name.casefold() not in known:
            raise UsageError(f"{row.place}: {name!r} is not on the list of actions ({len(listed)} names)")
        known.setdefault(name.casefold(), name)
    return [known[name.casefold()] for name in spelled]


def _counted(rows: Sequence[Row], where: Path, listed: tuple[str, ...]) -> list[str]:
    """Names by their places in a list, counted from 0 or from 1 as the numbers themselves show.

    Raises:
        UsageError: a number is beyond the list, or both ways of counting fit.
    """
    numbers = [int(row.label) for row in rows]
    most = max(numbers)
    first = 0 if 0 in numbers else 1
    if most >= len(listed) + first:
        row = rows[numbers.index(most)]
        raise UsageError(f"{row.place}: the label {most} is none of the {len(listed)} actions, counted from {first}")
    if first and most < len(listed):
        raise UsageError(
            f"{where}: neither 0 nor {len(listed)} is among its labels, so it cannot be told whether they are counted "
            "from 0 or from 1; write names instead of numbers, or list the classes that are there alone"
        )
    return [listed[number - first] for number in numbers]


def _of_folders_with_numbers(rows: Sequence[Row], where: Path) -> list[str]:
    """Names by the folders in the paths, where each number goes with one folder and each folder with one number.

    Raises:
        UsageError: there are no folders, or they do not go with the numbers.
    """
    advice = f"{where}: its labels are numbers; give the list of the classes that they count (--actions FILE)"
    pairs = {(row.label, PurePosixPath(_plain(row.video)).parent.name) for row in rows}
    numbers, folders = ({pair[side] for pair in pairs} for side in (0, 1))
    fits = len(pairs) == len(numbers) == len(folders)
    if not fits or any(not folder or folder.casefold() in SUBSETS for folder in folders):
        raise UsageError(advice)
    return [to_words(_folder_of(row)) for row in rows]


def _folder_of(row: Row) -> str:
    """The folder that a video lies in by the table, which stands for a label that no column says.

    Raises:
        UsageError: it lies in none, or in a part of a data set.
    """
    folder = PurePosixPath(_plain(row.video)).parent.name
    if not folder or folder.casefold() in SUBSETS:
        raise UsageError(f"{row.place}: has neither a label nor the folder of a class, got {row.video!r:.80}")
    return folder


def _plain(path: str) -> str:
    return path.replace("\\", "/")
