"""From archives to a data set's folder: fetched, unpacked beside, and moved over file by file; gone on from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gerund.assets import DownloadProgress
from gerund.chores.converting import RECORD
from gerund.chores.downloads import Source, obtain
from gerund.chores.programs import Programs
from gerund.chores.unpacking import ArchiveError, is_rar, unpack
from gerund.errors import AssetError, GerundError, VideoError, reason_of
from gerund.record import SCHEMA, Record, settings_id
from gerund.video.identity import content_id

ARCHIVES = ".archives"
"""Where archives lie in a data set's folder until they are unpacked."""

Where = Callable[[PurePosixPath], Path | None]
"""From a file's path in an archive to its place in the data set's folder; None for a file that is not wanted."""


@dataclass(frozen=True)
class Placed:
    """What came out of one archive.

    Attributes:
        source: the archive.
        files: how many files of it are in their place.
        passed_over: how many are not wanted.
        known: it was unpacked by an earlier command.
        errors: what went wrong; the archive is tried again by the next command then.
    """

    source: Source
    files: int = 0
    passed_over: int = 0
    known: bool = False
    errors: tuple[str, ...] = ()


def place_archives(
    sources: Sequence[Source],
    out: Path,
    where: Where,
    *,
    wanted: str,
    programs: Programs,
    keep: bool = False,
    again: bool = False,
    progress: DownloadProgress | None = None,
) -> Iterator[Placed]:
    """Fetches one archive after the other and moves what is wanted into a folder.

    An archive that is damaged or refused costs itself, and one inside of another costs that one.

    Args:
        sources: the archives.
        out: the data set's folder.
        where: where files go.
        wanted: tells what `where` wants from anything else that it could; unpacked archives count for the same alone.
        programs: for rar archives.
        keep: leave archives that were fetched in the folder.
        again: unpack also those that were unpacked before.
        progress: told about downloads.

    Raises:
        UsageError: a program is missing, or another process is at work in the folder.
        OutputError: the disk is full.
    """
    folder = out / ARCHIVES
    folder.mkdir(parents=True, exist_ok=True)
    settings = settings_id(kind="archives", wanted=wanted)
    record = Record(out / RECORD)
    try:
        record.begin()
        for source in sources:
            name, content = os.path.abspath(folder / source.name), _content(source)
            line = record.find(name, content, settings)
            if line and not again:
                yield Placed(source, line["files"], line["passed_over"], known=True)
                continue
            done = _place(source, out, where, programs, keep, progress)
            record.append(
                {
                    "schema": SCHEMA,
                    "settings": settings,
                    "content": content,
                    "video": name,
                    "error": "; ".join(done.errors) or None,
                    "files": done.files,
                    "passed_over": done.passed_over,
                }
            )
            yield done
        record.close([os.path.abspath(folder / source.name) for source in sources])
    finally:
        record.release()
        for place in (*folder.iterdir(), folder):
            with suppress(OSError):  # what was kept, or has only begun to come, is in it
                place.rmdir()


def _content(source: Source) -> str:
    """What tells an archive from others: its address, or what is in the file."""
    try:
        return source.place if source.is_address else content_id(source.place)
    except VideoError:  # it is not there, which `obtain` will say
        return ""


def _place(
    source: Source, out: Path, where: Where, programs: Programs, keep: bool, progress: DownloadProgress | None
) -> Placed:
    staged = out / ARCHIVES / f"{source.name}.unpacked"
    shutil.rmtree(staged, ignore_errors=True)
    try:
        archive = obtain(source, out / ARCHIVES, progress=progress)
        try:
            unpack(archive, staged, programs)
        except ArchiveError as error:
            if source.is_address and not source.digest:
                archive.unlink()
                raise ArchiveError(f"{error}; it was deleted, and the next command fetches it anew") from error
            raise
        errors = _unpack_inner(staged, programs)
        files, passed_over = _move(staged, out, where)
    except (GerundError, OSError) as error:
        if not isinstance(error, ArchiveError | AssetError | OSError):
            raise
        return Placed(source, errors=(reason_of(error),))
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    if source.is_address and not keep and not errors:
        archive.unlink()
    return Placed(source, files, passed_over, errors=tuple(errors))


def _unpack_inner(staged: Path, programs: Programs) -> list[str]:
    """Unpacks the rar archives that lie at the top of an archive, as HMDB51's do; says what is wrong with some."""
    errors = []
    for inner in sorted(staged.glob("*.rar")):
        target = staged / f"{inner.name}.unpacked"
        try:
            if is_rar(inner):
                unpack(inner, target, programs)
                for entry in list(target.iterdir()):
                    if os.path.lexists(staged / entry.name):
                        raise ArchiveError(f"{inner.name} is refused: another archive beside it has {entry.name} too")
                    entry.rename(staged / entry.name)
            else:
                raise ArchiveError(f"{inner.name} is no rar archive")
        except ArchiveError as error:
            errors.append(str(error))
        shutil.rmtree(target, ignore_errors=True)
        inner.unlink()
    return errors


def _move(staged: Path, out: Path, where: Where) -> tuple[int, int]:
    """Moves the files that are wanted to their places, and counts them and the others."""
    files = passed_over = 0
    for folder, _, names in os.walk(staged):
        for name in names:
            path = Path(folder, name)
            place = where(PurePosixPath(path.relative_to(staged).as_posix()))
            if place is None:
                passed_over += 1
                continue
            target = out / place
            target.parent.mkdir(parents=True, exist_ok=True)
            path.chmod(0o644)
            os.replace(path, target)
            files += 1
    return files, passed_over
