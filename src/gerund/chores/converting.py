"""A folder of videos in another form: file by file, each there whole or not at all, and gone on from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gerund.chores.pool import each
from gerund.errors import GerundError, OutputError, UsageError, VideoError, reason_of
from gerund.record import SCHEMA, Line, Record, settings_id
from gerund.video.files import find_videos
from gerund.video.identity import content_id
from gerund.video.workers import Workers
from gerund.writing import check_folder, stops_when_full

RECORD = "gerund.jsonl"
"""The record of a folder of results: a line for each video that says what was made of it."""


class Form(Protocol):
    """What videos are turned into."""

    @property
    def ending(self) -> str:
        """What the name of a result ends in; ``""`` for folders."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that results depend on besides the video."""
        ...

    def make(self, source: Path, target: Path, workers: Workers) -> int:
        """Writes the result for one video and returns how many pictures it has; who fails leaves what there is."""
        ...


@dataclass(frozen=True)
class Job:
    """One video and where its result goes."""

    source: Path
    target: Path


def plan(source: Path, out: Path, ending: str) -> tuple[list[Job], list[VideoError]]:
    """What is to be made of a file, or of every video in a folder, and what could not be searched.

    The folders of the source are those of the results.

    Raises:
        UsageError: nothing is there, results would lie among the sources, or two results would have one name.
    """
    check_folder(out)
    inside, outside = os.path.realpath(source), os.path.realpath(out)
    if os.path.isdir(inside) and os.path.commonpath([inside, outside]) == inside:
        raise UsageError(f"{out} lies in {source}, so its videos would be taken for sources; name a folder elsewhere")
    found = find_videos([source])
    if not found.files:
        raise UsageError("; ".join(map(str, found.problems)))
    jobs: dict[Path, Job] = {}
    for path in found.files:
        below = os.path.relpath(path, source)
        inner = Path(path.resolve().name if below == "." or not os.path.isdir(source) else below)
        target = out / inner.with_name((inner.name if path.is_dir() else inner.stem) + ending)
        if target in jobs:
            raise UsageError(
                f"{jobs[target].source} and {path} would both become {target}; move one of them to another folder"
            )
        jobs[target] = Job(path, target)
    return list(jobs.values()), found.problems


class Conversion:
    """Turns videos into something else.

    Args:
        form: into what.
        out: the folder of the results; made where it is not there.
        workers: the processes that decode.
        overwrite: make everything anew.

    Attributes:
        num_known: how many results were there before.

    Raises:
        UsageError: another process is writing there, or the record is not one.
    """

    def __init__(self, form: Form, out: Path, workers: Workers, *, overwrite: bool = False) -> None:
        self._form, self._out, self._workers, self._overwrite = form, out, workers, overwrite
        self._settings = settings_id(**form.settings)
        self.num_known = 0
        out.mkdir(parents=True, exist_ok=True)
        self._record = Record(out / RECORD)

    def release(self) -> None:
        """Lets go of the record."""
        self._record.release()

    def run(self, jobs: Sequence[Job], *, at_once: int) -> Iterator[tuple[Job, Exception | None]]:
        """Makes what is not there yet.

        Yields:
            Every job with None, or with what kept it from being done, in the order in which they are ready.

        Raises:
            OutputError: the disk is full.
        """
        self._record.begin()
        known = [] if self._overwrite else [job for job in jobs if self._is_done(job)]
        self.num_known = len(known)
        yield from ((job, None) for job in known)
        done = {job.target for job in known}
        todo = [job for job in jobs if job.target not in done]
        try:
            for job, made in each(todo, self._make, at_once=at_once, stop=self._workers.close):
                if isinstance(made, OutputError):
                    raise made
                error = made if isinstance(made, Exception) else self._keep(job, made)
                if error is not None:
                    self._record.append(self._line(job, error=reason_of(error)))
                yield job, error
        finally:
            for job in todo:
                _remove(_part(job))
        self._record.close([os.path.abspath(job.source) for job in jobs])

    def _is_done(self, job: Job) -> bool:
        try:
            line = self._record.find(os.path.abspath(job.source), content_id(job.source), self._settings)
        except VideoError:
            return False
        return line is not None and line["made"] == self._name(job) and line["bytes"] == _size(job.target)

    def _make(self, job: Job) -> Line:
        """Makes a result beside its place, and the line that says so."""
        content = content_id(job.source)
        if os.path.lexists(job.target) and not self._overwrite:
            raise GerundError(
                f"{job.target} is there already, and the record does not say that it was made of this video in this "
                "way; give --overwrite to replace it, or another folder"
            )
        part = _part(job)
        _remove(part)
        with stops_when_full(job.target):
            part.parent.mkdir(parents=True, exist_ok=True)
            frames = self._form.make(job.source, part, self._workers)
        return self._line(job, content=content, size=_size(part), frames=frames)

    def _keep(self, job: Job, line: Line) -> OSError | None:
        """Puts a result in its place. It is on record first: who is killed between the two makes it again."""
        self._record.append(line)
        try:
            if job.target.is_dir():
                _remove(job.target)
            os.replace(_part(job), job.target)
        except OSError as error:
            return error
        return None

    def _line(
        self, job: Job, *, content: str = "", size: int | None = None, frames: int = 0, error: str | None = None
    ) -> Line:
        return {
            "schema": SCHEMA,
            "settings": self._settings,
            "content": content,
            "video": os.path.abspath(job.source),
            "error": error,
            "made": self._name(job),
            "bytes": size,
            "frames": frames,
        }

    def _name(self, job: Job) -> str:
        return job.target.relative_to(self._out).as_posix()


def _part(job: Job) -> Path:
    """Where a result lies while it is made; only who holds the record writes there."""
    return job.target.with_name(f".{job.target.name}.part")


def _size(path: Path) -> int | None:
    """The bytes of a file, or of the files in a folder; None where nothing is."""
    try:
        return sum(entry.stat().st_size for entry in os.scandir(path)) if path.is_dir() else path.stat().st_size
    except OSError:
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
