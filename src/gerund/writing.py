"""Files that commands write: refused in time where they cannot be, and never half there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gerund.errors import UsageError


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None] = (), *, folders: bool = False) -> None:
    """Refuses outputs that cannot be written, or would destroy an input or each other, before anything is computed.

    Args:
        outputs: files to be written; None for those that were not asked for.
        inputs: files that are read; those that do not exist play no part.
        folders: an output may be a folder that is there.

    Raises:
        UsageError: which one, and why.
    """
    read = {path.resolve() for path in inputs if path and path.exists()}
    seen: set[Path] = set()
    for path in (path for path in outputs if path):
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


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into, which has its name only once all of it is there, also after the machine went down.

    Until then it lies beside under a name of its own that begins with a dot and ends in ``.part``, so that processes
    and threads that write the same file do not meet; when the block raises it is removed, and what was there before is
    there still. Its bytes are brought to the disk (fsync) before it gets its name: without that a crash can leave an
    empty file under the name of a good one. The folder is not: a crash then leaves the former file, which is whole.

    A link stays a link, and the file behind it is written. What is no plain file, such as a pipe or a device, is
    written straight into.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        with target.open("wb") as stream:
            yield stream
        return
    part = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes a file as `whole_file` does."""
    with whole_file(path) as file:
        file.write(content)


def write_text(path: Path, text: str) -> None:
    """Writes a file in UTF-8 as `whole_file` does."""
    write_bytes(path, text.encode())
