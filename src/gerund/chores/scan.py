"""Finds videos that cannot be used: corrupt ones, short ones, copies, and listed ones that are not there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gerund.chores.pool import each
from gerund.chores.verdicts import STATES, State, Verdict
from gerund.errors import VideoError
from gerund.record import Record, settings_id
from gerund.video.identity import content_id
from gerund.video.process import WorkerLostError
from gerund.video.workers import Workers

Progress = Callable[[int, int], None]
"""Called with the number of videos done and the number in all."""


@dataclass(frozen=True)
class Strictness:
    """What is called bad.

    Attributes:
        shortest_s: a video that lasts less is short.
        fewest_frames: a video that shows fewer frames is short.
        thorough: decode every frame; else only the places of all frames and the first picture are looked at.
        copies: of files that are equal byte by byte all but the first are bad.
    """

    shortest_s: float = 0.5
    fewest_frames: int = 2
    thorough: bool = True
    copies: bool = True

    @property
    def key(self) -> str:
        """Tells records of one strictness from those of another; only what is kept in them counts."""
        return settings_id(kind="scan", thorough=self.thorough)

    def judge(self, found: Verdict) -> Verdict:
        """The same with the state that follows from how long the video is, where nothing is wrong with the file."""
        if found.state == "corrupt" or found.duration_s is None or found.frames is None:
            return replace(found, same_as=None)
        reason = None
        if found.duration_s < self.shortest_s:
            reason = f"it lasts {found.duration_s:.2f} s, less than {self.shortest_s:g} s"
        elif found.frames < self.fewest_frames:
            reason = f"it has {found.frames} frames, fewer than {self.fewest_frames}"
        return replace(found, state="short" if reason else "ok", reason=reason, same_as=None)


def scan(
    ids: Mapping[Path, str],
    missing: Iterable[str],
    strictness: Strictness,
    *,
    workers: Workers,
    at_once: int,
    record: Record | None = None,
    progress: Progress | None = None,
) -> list[Verdict]:
    """Looks into every file, in processes that decode.

    Args:
        ids: the files, with what lists call them.
        missing: ids of listed videos that have no file.
        strictness: what is called bad.
        workers: the processes.
        at_once: how many files are looked into at once.
        record: what was found before is taken from it, and every verdict is added to it as soon as it is there; it is
            closed when the scan is through, and then has these verdicts alone.
        progress: told after every video.

    Returns:
        A verdict for each file in their order, then for each missing video.
    """
    known = {path: _earlier(path, strictness.key, record) for path in ids} if record else {}
    found = {path: verdict for path, verdict in known.items() if verdict}
    if record:
        record.begin()
    todo = [path for path in ids if path not in found]
    look = partial(_look, thorough=strictness.thorough, workers=workers)
    for path, item in each(todo, look, at_once=at_once, stop=workers.close):
        if isinstance(item, Exception):
            raise item
        found[path] = item
        if record:
            record.append(item.to_line(strictness.key))
        if progress:
            progress(len(found), len(ids))
    judged = [strictness.judge(replace(found[path], id=name)) for path, name in ids.items()]
    verdicts = _without_copies(judged, strictness)
    verdicts += [Verdict(name, name, "missing", "it is listed, and no file of it is here") for name in missing]
    if record:
        _write_down(verdicts, set(found.values()), strictness.key, record)
    return verdicts


def _earlier(path: Path, key: str, record: Record) -> Verdict | None:
    """What is on record of a file, under whatever name it had."""
    try:
        line = record.find(os.path.abspath(path), content_id(path), key)
    except VideoError:
        return None
    return Verdict.of_line(line) if line else None


def _look(path: Path, *, thorough: bool, workers: Workers) -> Verdict:
    """What a worker says about a file; only the state that its length gives is not in it yet.

    Raises:
        VideoError: the process that should have looked did not start, which no video is to blame for.
    """
    place, name = os.path.abspath(path), path.stem
    try:
        content, size = content_id(path), path.stat().st_size
    except (VideoError, OSError) as error:
        return Verdict(place, name, "corrupt", getattr(error, "reason", str(error)))
    try:
        index, damaged = workers.check(path, thorough=thorough)
    except VideoError as error:
        if isinstance(error, WorkerLostError) and not error.has_begun:
            raise
        return Verdict(place, name, "corrupt", error.reason, content, size)
    facts = Verdict(
        place,
        name,
        "ok",
        content=content,
        bytes=size,
        frames=len(index.times_s),
        duration_s=index.duration_s,
        fps=f"{index.fps.numerator}/{index.fps.denominator}",
        width=index.width,
        height=index.height,
    )
    if damaged:
        return replace(facts, state="corrupt", reason=f"{damaged} of its {facts.frames} frames are damaged")
    return facts


def _without_copies(verdicts: Sequence[Verdict], strictness: Strictness) -> list[Verdict]:
    """Says of files that are equal to an earlier one which that is.

    Equal contents are compared byte by byte before they are called equal: of a large file `content_id` has seen parts.
    """
    groups: dict[str, list[int]] = {}
    for place, verdict in enumerate(verdicts):
        if verdict.content:
            groups.setdefault(verdict.content, []).append(place)
    judged = list(verdicts)
    for places in (places for places in groups.values() if len(places) > 1):
        first_of: dict[str, str] = {}
        for place in places:
            verdict = judged[place]
            original = first_of.setdefault(_sha256(verdict.video), verdict.video)
            if original == verdict.video:
                continue
            if verdict.state == "ok" and strictness.copies:
                verdict = replace(verdict, state="duplicate", reason=f"it is the same file as {original}")
            judged[place] = replace(verdict, same_as=original)
    return judged


def _sha256(path: str) -> str:
    """Of the whole file; of one that cannot be read something that no other has."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return path


def _write_down(verdicts: Sequence[Verdict], known: set[Verdict], key: str, record: Record) -> None:
    """Leaves these verdicts and no others on record."""
    lines = [verdict.to_line(key) for verdict in verdicts]
    for verdict, line in zip(verdicts, lines, strict=True):
        if verdict not in known or not record.has(line):
            record.append(line)
    record.close([line["video"] for line in lines], only=True)


def count_states(verdicts: Iterable[Verdict]) -> dict[State, int]:
    """How often each state occurs, the good one first; those that do not occur are not there."""
    states = [verdict.state for verdict in verdicts]
    return {state: states.count(state) for state in STATES if state in states}
