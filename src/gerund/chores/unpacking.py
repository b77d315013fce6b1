"""Archives of others: unpacked into an empty folder, within bounds, and refused whole where they want more than that.

No name leads out of the folder; there are plain files and folders in it and nothing else; it does not grow beyond what
the archive may unfold to. Tar and zip are read here. Rar is left to an installed program, and what that made is looked
through before anybody uses it.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from gerund.chores.programs import ProgramError, Programs, find_programs
from gerund.errors import GerundError, reason_of
from gerund.reading import MOST_UNFOLDED_BYTES
from gerund.writing import stops_when_full

MOST_FILES = 1_000_000
"""The largest data sets that are known have a fourth of it in all."""

_DEEPEST = 16
_LONGEST_PART = 255
_UNFOLDED_PER_BYTE = 16
_PIECE_BYTES = 1 << 20
_RAR_S = 6 * 3600.0


@dataclass(frozen=True)
class _RarTool:
    """How a program lists an archive and unpacks it.

    Attributes:
        listings: arguments of the calls that list it.
        name: finds the name of a member in a line of these.
        link: finds the lines that tell of anything but plain files and folders.
        unpacking: arguments of the call that unpacks it.
    """

    listings: tuple[tuple[str, ...], ...]
    name: str
    link: str
    unpacking: tuple[str, ...]


_SEVEN_ZIP = _RarTool(
    (("l", "-slt", "-ba", "--", "{archive}"),),
    r"Path = (.+)",
    r"(Symbolic|Hard) Link = .+",
    ("x", "-y", "-p-", "-o{folder}", "--", "{archive}"),
)
_RAR_TOOLS = {
    "unrar": _RarTool(
        (("lb", "-p-", "--", "{archive}"), ("lt", "-p-", "--", "{archive}")),
        r"(\S.*)",
        r" *Type: (?!File$|Directory$).*",
        ("x", "-y", "-p-", "-idq", "--", "{archive}", "{folder}/"),
    ),
    "unar": _RarTool((), "", "", ("-quiet", "-no-directory", "-output-directory", "{folder}", "{archive}")),
    "bsdtar": _RarTool(
        (("-t", "-f", "{archive}"), ("-t", "-v", "-f", "{archive}")),
        r"(.+)",
        r"[lhbcps][rwx-]{9}.*",
        ("-x", "-f", "{archive}", "-C", "{folder}"),
    ),
    "7zz": _SEVEN_ZIP,
    "7z": _SEVEN_ZIP,
}
"""The best first. unar lists nothing that is safe to read line by line, and keeps names inside its folder by itself."""


class ArchiveError(GerundError):
    """An archive that is damaged, or wants what no archive of videos needs; nothing of it is kept."""


def find_rar_tools() -> list[tuple[str, str]]:
    """The programs that unpack rar archives: names and paths, the best first.

    Raises:
        UsageError: there is none.
    """
    return find_programs(
        tuple(_RAR_TOOLS),
        purpose="unpacking .rar archives",
        install="apt install unrar (or unar, libarchive-tools), brew install unar (or libarchive)",
    )


def is_rar(archive: Path) -> bool:
    """True for a file that begins as rar archives do."""
    with archive.open("rb") as file:
        return file.read(4) == b"Rar!"


def unpack(archive: Path, folder: Path, programs: Programs) -> None:
    """Unpacks an archive, tar, tar.gz, zip or rar by its content, into a new folder.

    Raises:
        ArchiveError: it is none of these, damaged, or refused; the folder is gone again.
        UsageError: it is a rar archive, and there is no program for these.
        OutputError: the disk is full; the folder is gone again.
    """
    folder.mkdir(parents=True)
    try:
        with stops_when_full(folder):
            size = archive.stat().st_size
            most_bytes = max(MOST_UNFOLDED_BYTES, _UNFOLDED_PER_BYTE * size)
            if is_rar(archive):
                _unpack_rar(archive, folder, most_bytes, programs)
            elif zipfile.is_zipfile(archive):
                _unpack_zip(archive, folder, most_bytes)
            else:
                _unpack_tar(archive, folder, most_bytes)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, GerundError) or not isinstance(error, Exception):
            raise
        # zlib, struct, tarfile, zipfile, Unicode, memory, recursion, ...: whatever damage makes of a library
        raise ArchiveError(f"{archive.name} cannot be unpacked: {reason_of(error)}") from error


def inside(name: str, archive: Path) -> PurePosixPath:
    r"""A member's name as a path below the folder.

    Raises:
        ArchiveError: it leads elsewhere, or could not be a file's name everywhere.

    Example:
        >>> inside("UCF-101/./Archery/a.avi", Path("x.rar")).as_posix()
        'UCF-101/Archery/a.avi'
    """
    path = PurePosixPath(name)
    wrong = not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]
    wrong = wrong or len(path.parts) > _DEEPEST or any(len(os.fsencode(part)) > _LONGEST_PART for part in path.parts)
    if wrong or any(ord(mark) < ord(" ") for mark in name):
        raise ArchiveError(
            f"{archive.name} is refused: it has a member named {name!r}, which is no path below a folder"
        )
    return path


class _Guard:
    """A stream that is unfolded no further than a bound, and never by much at a time."""

    def __init__(self, stream: IO[bytes], most_bytes: int, archive: Path) -> None:
        self._stream, self._most_bytes, self._archive = stream, most_bytes, archive

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _PIECE_BYTES:  # a header that wants to be larger than any is
            raise ArchiveError(f"{self._archive.name} is refused: a header of it has {size} bytes")
        self._require(self._stream.tell() + size)
        return self._stream.read(size)

    def seek(self, place: int, whence: int = 0) -> int:
        self._require(place)
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _require(self, place: int) -> None:
        if place > self._most_bytes + _PIECE_BYTES:
            raise _too_large(self._archive, self._most_bytes)


def _unpack_tar(archive: Path, folder: Path, most_bytes: int) -> None:
    with archive.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        plain: Any = gzip.GzipFile(fileobj=raw) if packed else raw
        guard: Any = _Guard(plain, most_bytes, archive)
        left, count = most_bytes, 0
        with tarfile.open(fileobj=guard, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # it would keep all of them
                count += 1
                if count > MOST_FILES:
                    raise ArchiveError(f"{archive.name} is refused: it has more than {MOST_FILES:,} members")
                if member.isdir() and member.name.strip("./") == "":
                    continue
                path = folder / inside(member.name, archive)
                if member.isdir():
                    path.mkdir(parents=True, exist_ok=True)
                elif not member.isreg() or member.issparse():
                    raise _not_plain(archive, member.name)
                else:
                    left -= member.size
                    if left < 0:
                        raise _too_large(archive, most_bytes)
                    stream = tar.extractfile(member)
                    assert stream
                    _write(stream, path, member.size, archive)
            if not packed and _block_at(raw, tar.offset) != bytes(tarfile.BLOCKSIZE):
                raise ArchiveError(f"{archive.name} is damaged: it breaks off")
        if packed:
            while plain.read(_PIECE_BYTES):  # to the end, whose checksum tells whether all of it was right
                guard.seek(plain.tell())
    if not count:
        raise ArchiveError(f"{archive.name} is no archive, or an empty one; tar, tar.gz, zip and rar are unpacked")


def _block_at(file: IO[bytes], place: int) -> bytes:
    file.seek(place)
    return file.read(tarfile.BLOCKSIZE)


def _unpack_zip(archive: Path, folder: Path, most_bytes: int) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        if sum(member.file_size for member in members) > most_bytes or len(members) > MOST_FILES:
            raise _too_large(archive, most_bytes)
        for member in members:
            path = folder / inside(member.filename, archive)
            if member.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _not_plain(archive, member.filename)
            if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ArchiveError(f"{archive.name} is encrypted, or compressed in an unusual way")
            with opened.open(member) as stream:
                _write(stream, path, member.file_size, archive)


def _write(stream: IO[bytes], path: Path, size: int, archive: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    with path.open("xb") as file:
        while piece := stream.read(_PIECE_BYTES):
            done += len(piece)
            if done > size:
                break
            file.write(piece)
    if done != size:
        raise ArchiveError(f"{archive.name} is damaged: {path.name} does not have the {size} bytes that it says")


def _unpack_rar(archive: Path, folder: Path, most_bytes: int, programs: Programs) -> None:
    """Asks one program after the other, for not each knows every kind of rar archive."""
    complaints: list[str] = []
    for tool, program in find_rar_tools():
        try:
            return _unpack_rar_by(_RAR_TOOLS[tool], program, archive, folder, most_bytes, programs)
        except ProgramError as error:
            complaints.append(str(error))
            shutil.rmtree(folder)
            folder.mkdir()
    raise ArchiveError(f"{archive.name} cannot be unpacked: {'; '.join(complaints)}")


def _unpack_rar_by(
    tool: _RarTool, program: str, archive: Path, folder: Path, most_bytes: int, programs: Programs
) -> None:
    place = {"archive": os.path.abspath(archive), "folder": os.path.abspath(folder)}

    def call(arguments: tuple[str, ...], watch: Callable[[], str | None] | None = None) -> str:
        command = [program, *(argument.format(**place) for argument in arguments)]
        done = programs.run(command, folder=folder, within_s=_RAR_S, watch=watch)
        if done.code:
            raise ProgramError(f"{Path(program).name} ended with {done.code}: {done.last_words}")
        return done.said

    for number, listing in enumerate(tool.listings):
        for line in call(listing).splitlines():
            if re.fullmatch(tool.link, line):
                raise _not_plain(archive, line.strip())
            if not number and (found := re.fullmatch(tool.name, line)):
                inside(found[1].rstrip("/"), archive)
    refusals: list[ArchiveError] = []

    def watch() -> str | None:
        try:
            _look_through(folder, archive, most_bytes)
        except ArchiveError as error:
            refusals.append(error)
            return str(error)
        return None

    try:
        call(tool.unpacking, watch)
    finally:
        if refusals:
            raise refusals[0]


def _look_through(folder: Path, archive: Path, most_bytes: int) -> None:
    """Refuses what is no plain file or folder, and too much of it.

    Raises:
        ArchiveError: which.
    """
    size = count = 0
    for entry in _entries(folder):
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:  # renamed by who is still at work
            continue
        if not stat.S_ISDIR(status.st_mode):
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise _not_plain(archive, os.path.relpath(entry.path, folder))
            size += status.st_size
        count += 1
        if size > most_bytes or count > MOST_FILES:
            raise _too_large(archive, most_bytes)


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            for entry in found:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    yield from _entries(entry.path)
    except FileNotFoundError:
        return


def _not_plain(archive: Path, name: str) -> ArchiveError:
    return ArchiveError(f"{archive.name} is refused: its member {name!r} is a link or a device, no plain file")


def _too_large(archive: Path, most_bytes: int) -> ArchiveError:
    return ArchiveError(
        f"{archive.name} is refused: it unfolds to more than {most_bytes / 1e6:.0f} MB or {MOST_FILES:,} files, which "
        "no archive of videos of its size does"
    )
