"""Files that commands write: refused in time where they cannot be, and never half there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

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


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all; what is no plain file, such as a pipe, is written straight into.

    Raises:
        OSError: it cannot be written.
    """
    target = path.resolve()  # a link stays a link
    if target.exists() and not target.is_file():
        target.write_text(text, encoding="utf-8")
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
