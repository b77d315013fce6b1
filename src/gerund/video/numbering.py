"""Pictures named by numbers: which files of a folder are one video, in the order of their numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from gerund.errors import VideoError
from gerund.reading import DamageError, parse_json, read_at_most

PICTURE_SUFFIXES = frozenset((".jpg", ".jpeg", ".png"))
"""Endings of the pictures that a folder is read from."""

PICTURES_FPS = Fraction(25)
"""Pictures a second of a folder, where neither a person nor a file in it says it."""

RATE_FILE = "frames.json"
"""Beside the pictures that 'gerund data frames' writes: ``{"fps": "25/1"}`` and what else it likes to say."""

_MOST_RATE_BYTES = 1 << 16
_FASTEST_FPS = 1_000_000

_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
_MOST_DIGITS = 18
_NAMED = 3


def is_numbered(name: str) -> bool:
    """True for the name of a picture that has a number in it; hidden ones do not count.

    Example:
        >>> is_numbered("img_00012.jpg"), is_numbered("cover.png"), is_numbered("v_1.avi")
        (True, False, False)
    """
    return _parts(name) is not None


def stated_rate(folder: Path) -> Fraction | None:
    """Pictures a second as a file beside the pictures says; None where there is none, or it says something else."""
    try:
        rate = Fraction(parse_json(read_at_most(folder / RATE_FILE, _MOST_RATE_BYTES))["fps"])
    except (OSError, ValueError, TypeError, KeyError, ZeroDivisionError, DamageError):
        return None
    return rate if 0 < rate <= _FASTEST_FPS else None


def rate_of(path: Path) -> Fraction:
    """Pictures a second of a folder where no person says it; of a file, which has a rate of its own, any."""
    return (stated_rate(path) if os.path.isdir(path) else None) or PICTURES_FPS


def numbered_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their numbers, which may begin anywhere and have no hole.

    The number is the last one in a name; what stands before and behind it is the same in all names, so that a folder
    with several series, as optical flow beside pictures, is not taken for one video. Leading zeros do not matter.
    Files that are no pictures are passed over.

    Raises:
        VideoError: it cannot be searched, or there are no pictures, holes, several series, or two of one number.
    """
    try:
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError as error:
        raise VideoError(folder, f"this folder cannot be searched ({error.strerror})") from error
    pictures = sorted(name for name in names if Path(name).suffix.lower() in PICTURE_SUFFIXES)
    parts = {name: found for name in pictures if (found := _parts(name))}
    if not parts:
        raise VideoError(folder, "it is a folder without numbered pictures (.jpg or .png), so it is no video")
    if without := [name for name in pictures if name not in parts]:
        raise VideoError(folder, f"it has numbered pictures and others: {_some(without)}; move those elsewhere")
    series = dict.fromkeys(f"{before}*{behind}" for before, _, behind in parts.values())
    if len(series) > 1:
        raise VideoError(
            folder, f"it has several series of pictures: {_some(series)}; keep one video to a folder, named alike"
        )
    ordered = sorted(parts, key=lambda name: parts[name][1])
    for one, other in pairwise(ordered):
        left, right = parts[one][1], parts[other][1]
        if left == right:
            raise VideoError(folder, f"{one} and {other} have the same number; keep one of them")
        if right != left + 1:
            raise VideoError(
                folder, f"picture {left + 1} is missing between {one} and {other}; number the pictures without holes"
            )
    return [folder / name for name in ordered]


def _parts(name: str) -> tuple[str, int, str] | None:
    """What stands before the last number, that number, and what stands behind it; the ending counts in lower case."""
    path = Path(name)
    if path.suffix.lower() not in PICTURE_SUFFIXES or name.startswith("."):
        return None
    found = _LAST_NUMBER.fullmatch(path.stem)
    if found is None or len(found[2]) > _MOST_DIGITS:
        return None
    return found[1], int(found[2]), found[3] + path.suffix.lower()


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:_NAMED]) + (", ..." if len(listed) > _NAMED else "")
