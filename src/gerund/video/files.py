"""From what a user typed to a list of video files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from glob import glob, has_magic
from pathlib import Path
from typing import NamedTuple

from gerund.errors import VideoError
from gerund.video.naming import refusal
from gerund.video.numbering import is_numbered
from gerund.video.reader import VIDEO_SUFFIXES

_PLAYLISTS = frozenset(
    (".asx", ".concat", ".ffconcat", ".ism", ".m3u", ".m3u8", ".mpd", ".pls", ".sdp", ".smil", ".wpl", ".xspf")
)
_NOT_PLAIN = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class FoundVideos(NamedTuple):
    """What `find_videos` found.

    Attributes:
        files: in the order given, those of a folder sorted, none twice. A folder of numbered pictures is one of them.
        problems: an error for each path that led nowhere or to no file, and each folder that may not be searched.
        num_passed_over: how many files of folders have another ending than videos have; hidden ones do not count.
    """

    files: list[Path]
    problems: list[VideoError]
    num_passed_over: int


def find_videos(paths: Iterable[str | os.PathLike[str]]) -> FoundVideos:
    """Expands files, folders and patterns.

    A folder is searched to the bottom for files with a video's ending, through links but never twice through the same
    folder. Where it has none, every folder in it with numbered pictures, itself included, is a video. A file named
    outright is taken whatever its ending, unless it is a playlist. A pattern (``"*.mp4"``, ``"**/*.avi"``) that is also
    the name of an existing file means that file. Addresses, standard input, pipes, sockets and devices are problems;
    none of them is opened.
    """
    found: dict[tuple[str, str], Path] = {}
    problems: list[VideoError] = []
    others: set[tuple[str, str]] = set()
    for given in paths:
        path, known = Path(given), len(problems)
        if why := refusal(os.fspath(given)):
            files, reason = [], why
        elif os.path.isdir(path):
            files = _in_folder(path, problems, others)
            reason = (
                f"no video in this folder (endings: {' '.join(sorted(VIDEO_SUFFIXES))}), and no numbered pictures "
                "(.jpg .png)"
            )
        elif os.path.lexists(path):
            files = [path]
        elif has_magic(str(given)):
            matches = [Path(match) for match in sorted(glob(str(given), recursive=True))]
            files = []
            for match in matches:
                files += _in_folder(match, problems, others) if os.path.isdir(match) else [match]
            reason = "no video in the folders that match this pattern" if matches else "nothing matches this pattern"
        else:
            files, reason = [], "no such file or folder"
        if not files and len(problems) == known:
            problems.append(VideoError(given, reason))
        for file in files:
            if why := _refusal_of_file(file):
                problems.append(VideoError(file, why))
            elif os.path.isdir(file):
                found.setdefault((os.path.realpath(file), ""), file)
            else:
                found.setdefault((os.path.realpath(file.parent), file.name), file)
    return FoundVideos(list(found.values()), problems, len(others))


def _refusal_of_file(file: Path) -> str | None:
    """Why what is there is no video; None where it may be one, and where the reader will say more. Opens nothing."""
    try:
        mode = os.stat(file).st_mode
    except (OSError, ValueError):
        return None
    if what := _NOT_PLAIN.get(stat.S_IFMT(mode)):
        return f"it is {what}, not a file; write what it gives to a file and give that"
    if file.suffix.lower() in _PLAYLISTS:
        return "it is a playlist, not a video; give the files that it names"
    return None


def _in_folder(folder: Path, problems: list[VideoError], others: set[tuple[str, str]]) -> list[Path]:
    def report(error: OSError) -> None:
        problems.append(VideoError(error.filename, f"this folder cannot be searched ({error.strerror})"))

    found: list[Path] = []
    pictures: list[Path] = []
    beside: dict[Path, set[tuple[str, str]]] = {}
    visited: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, onerror=report, followlinks=True):
        status, here = os.stat(place), Path(place)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = sorted(name for name in names if not name.startswith("."))
        videos = [name for name in shown if Path(name).suffix.lower() in VIDEO_SUFFIXES]
        found += [here / name for name in videos]
        beside[here] = {(os.path.realpath(place), name) for name in set(shown) - set(videos)}
        if any(map(is_numbered, shown)):
            pictures.append(here)
    for here, names_here in beside.items():
        if found or here not in pictures:
            others |= names_here
    return found or pictures
