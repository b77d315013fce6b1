"""Files that commands write: refused in time where they cannot be, and never half there."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gerund.errors import OutputError, UsageError

STDOUT = "-"
"""What stands for standard output wherever a command takes the name of a text file."""

_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
"""What keeps every file from being written, not only the one at hand."""


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = (), *, folders: bool = False) -> None:
    """Refuses outputs that cannot be written, or would destroy an input or each other, before anything is computed.

    Args:
        outputs: files to be written; None for those that were not asked for; one may be ``-``, standard output.
        inputs: files that are read; those that do not exist play no part.
        folders: an output may be a folder that is there.

    Raises:
        UsageError: which one, and why.
    """
    read = {path.resolve() for path in inputs if path and path.exists()}
    seen: set[Path] = set()
    named = [path for path in outputs if path]
    if sum(is_stdout(path) for path in named) > 1:
        raise UsageError("two outputs go to standard output (-); give one of them a file")
    for path in (path for path in named if not is_stdout(path)):
        place, folder = path.resolve(), path.absolute().parent
        if place in read:
            raise UsageError(f"{path} is read by this command; give the output another name")
        if place in seen:
            raise UsageError(f"{path} is named for two outputs; give each its own file")
        seen.add(place)
        if not folder.is_dir():
            raise UsageError(f"cannot write {path}: the folder {path.parent} does not exist")
        if path.is_dir() and not folders:
            raise UsageError(f"cannot write {path}: it is a folder")
        if not os.access(path if path.exists() else folder, os.W_OK):
            raise UsageError(f"cannot write {path}: no permission")


def check_folder(folder: Path) -> None:
    """Refuses a folder for files that cannot be one: what stands in its place, or in its way, is none.

    Raises:
        UsageError: which, and why.
    """
    place = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not place.is_dir():
        raise UsageError(f"cannot write into {folder}: {place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"cannot write into {folder}: no permission in {place}")


def is_stdout(path: str | Path | None) -> bool:
    """True for what stands for standard output."""
    return path is not None and str(path) == STDOUT


@contextmanager
def stops_when_full(path: str | os.PathLike[str]) -> Iterator[None]:
    """Tells an error that every output to come would meet, such as a full disk, from one of this file alone.

    Raises:
        OutputError: the disk or the quota is full, or may not be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise OutputError(path, error) from error
        raise


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into, which has its name only once all of it is there, also after the machine went down.

    Until then it lies beside under a name of its own that begins with a dot and ends in ``.part``, so that processes
    and threads that write the same file do not meet; when the block raises it is removed, and what was there before is
    there still. Its bytes are brought to the disk (fsync) before it gets its name: without that a crash can leave an
    empty file under the name of a good one. The folder is not: a crash then leaves the former file, which is whole.

    A link stays a link, and the file behind it is written; permissions stay those of the file that was there. What is
    no plain file, such as a pipe or a device, is written straight into.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            yield stream
        return
    part = target.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes a file as `whole_file` does."""
    with whole_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes a file in UTF-8 as `whole_file` does.

    Args:
        path: the file; ``-`` is standard output.
        text: all of it.

    Raises:
        OSError: it cannot be written.
    """
    if is_stdout(path):
        _to_standard_output(text)
    else:
        write_bytes(path, text.encode())


def _to_standard_output(text: str) -> None:
    """What a file would hold, to the byte: a terminal that knows few letters must not change the names in a table."""
    sys.stdout.flush()
    if raw := getattr(sys.stdout, "buffer", None):
        raw.write(text.encode("utf-8", "surrogateescape"))
    else:
        sys.stdout.write(text)
    sys.stdout.flush()


class GrowingFile:
    """A file that grows by whole pieces: a piece that cannot be written leaves no part of itself behind.

    Args:
        path: the file; made where it is not there. A pipe or a device only takes the pieces.
        keep: how many bytes of what is there stay.

    Raises:
        UsageError: it cannot be opened.
    """

    def __init__(self, path: Path, *, keep: int = 0) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error
        self._is_plain = stat.S_ISREG(os.fstat(self._file).st_mode)
        self.size = keep
        self._cut()

    def append(self, text: str) -> None:
        """Adds a piece, such as a line; it is with the system when this returns, and outlives the process.

        Raises:
            OutputError: it cannot be written; the file is as it was.
            BrokenPipeError: who read the pipe is gone.
        """
        rest = memoryview(text.encode("utf-8", "surrogateescape"))
        size = len(rest)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            self._cut()
            raise OutputError(self.path, error) from error
        except BaseException:  # Ctrl-C between two parts of a piece
            self._cut()
            raise
        self.size += size

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)

    def _cut(self) -> None:
        if self._is_plain:
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)


class StandardOutput:
    """Standard output, taking pieces as a `GrowingFile` does."""

    def append(self, text: str) -> None:
        """Prints a piece at once.

        Raises:
            OutputError: it cannot be written, because it leads to a full disk.
            BrokenPipeError: who read it is gone.
        """
        with standard_output():
            _to_standard_output(text)

    def close(self) -> None:
        """Standard output stays open."""


@contextmanager
def standard_output() -> Iterator[None]:
    """Tells what keeps standard output from being written, and keeps what it still holds from failing once more."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        drop_standard_output()
        raise OutputError("standard output", error) from error


def drop_standard_output() -> None:
    """Leads standard output nowhere, so that the end of the process does not stumble over what is left in it."""
    with suppress(OSError, ValueError):  # it is none of the system's, or closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
