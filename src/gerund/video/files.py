"""From what a user typed to a list of video files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path

from gerund.errors import VideoError
from gerund.video.reader import VIDEO_SUFFIXES


def find_videos(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], list[VideoError]]:
    """Expands files, folders and patterns.

    A folder is searched to the bottom for files with a video's ending, through links but never twice through the same
    folder. A file named outright is taken whatever its ending. A pattern (``"*.mp4"``, ``"**/*.avi"``) that is also
    the name of an existing file means that file.

    Returns:
        Files in the order given, those of a folder sorted, none twice; and an error for each path that led nowhere and
        each folder that may not be searched.
    """
    found: dict[tuple[str, str], Path] = {}
    problems: list[VideoError] = []
    for given in paths:
        path, known = Path(given), len(problems)
        if os.path.isdir(path):
            files = _in_folder(path, problems)
            reason = f"no video in this folder (endings: {' '.join(sorted(VIDEO_SUFFIXES))})"
        elif os.path.lexists(path):
            files = [path]
        elif has_magic(str(given)):
            matches = [Path(match) for match in sorted(glob(str(given), recursive=True))]
            files = []
            for match in matches:
                files += _in_folder(match, problems) if os.path.isdir(match) else [match]
            reason = "no video in the folders that match this pattern" if matches else "nothing matches this pattern"
        else:
            files, reason = [], "no such file or folder"
        if not files and len(problems) == known:
            problems.append(VideoError(path, reason))
        for file in files:
            found.setdefault((os.path.realpath(file.parent), file.name), file)
    return list(found.values()), problems


def _in_folder(folder: Path, problems: list[VideoError]) -> list[Path]:
    def report(error: OSError) -> None:
        problems.append(VideoError(error.filename, f"this folder cannot be searched ({error.strerror})"))

    found: list[Path] = []
    visited: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=report, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix.lower() in VIDEO_SUFFIXES and not name.startswith("."):
                found.append(Path(place) / name)
    return found
