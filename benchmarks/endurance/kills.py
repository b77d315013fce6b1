"""Commands killed at moments drawn by seed, and run again."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.endurance.commands import ACTIONS, gerund, lines_of, same_answer

CLIPS = 4


@dataclass(frozen=True)
class Job:
    """A command that can be stopped and run again, and how its result is compared with an undisturbed one."""

    name: str
    words: Callable[[Path], list[str | Path]]
    differs: Callable[[Path, Path], str]


def _lines_differ(ours: Path, theirs: Path) -> str:
    found, wanted = lines_of(ours / "out.jsonl"), lines_of(theirs / "out.jsonl")
    if [line["video"] for line in found] != [line["video"] for line in wanted]:
        return f"other videos: {[line['video'] for line in found]}"
    wrong = [a["video"] for a, b in zip(found, wanted, strict=True) if not same_answer(a, b)]
    return f"other answers: {wrong}" if wrong else ""


def _stores_differ(ours: Path, theirs: Path) -> str:
    found, wanted = (sorted(p.relative_to(f) for p in f.rglob("*.npz")) for f in (ours / "out", theirs / "out"))
    if found != wanted:
        return f"other files: {found}"
    for name in found:
        with np.load(ours / "out" / name) as a, np.load(theirs / "out" / name) as b:
            if any(not np.allclose(a[key], b[key], atol=1e-6) for key in ("vectors", "spans_s")):
                return f"other vectors: {name}"
    return ""


def _folders_differ(ours: Path, theirs: Path) -> str:
    found, wanted = ({p.relative_to(f): p for p in f.rglob("*") if p.is_file()} for f in (ours / "out", theirs / "out"))
    kept = {name for name in wanted if name.suffix in (".safetensors", ".npz", ".json", ".pt")}
    if missing := kept - set(found):
        return f"missing: {sorted(missing)}"
    other = [name for name in sorted(kept) if not _same_file(found[name], wanted[name])]
    return f"other bytes: {other}" if other else ""


def _same_file(one: Path, other: Path) -> bool:
    """Equal to the byte; a checkpoint by what it holds, for pickle writes equal values that are one object once."""
    if one.suffix != ".pt" or one.read_bytes() == other.read_bytes():
        return one.read_bytes() == other.read_bytes()
    import torch

    return _equal(*(torch.load(path, weights_only=True) for path in (one, other)))


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if hasattr(one, "numpy"):
        return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()
    return type(one) is type(other) and one == other


def jobs(clips: list[Path], model: str) -> list[Job]:
    """The commands that have to survive."""
    ask: list[str | Path] = [*clips, "--actions", ACTIONS, "--model", model, "--quiet"]
    return [
        Job("classify --json", lambda out: ["classify", *ask, "--json", out / "out.jsonl"], _lines_differ),
        Job("locate --json", lambda out: ["locate", *ask, "--json", out / "out.jsonl"], _lines_differ),
        Job(
            "extract",
            lambda out: ["extract", *clips, "--encoder", model, "--few", "--out", out / "out"],
            _stores_differ,
        ),
        Job("train devise", lambda out: ["train", "devise", "--on", "toyworld", "--out", out / "out"], _folders_differ),
    ]


def try_kills(files: list[Path], scratch: Path, *, count: int, seed: int, model: str, only: str = "") -> int:
    """Kills each command `count` times, each time followed by one run to the end; returns the exit status.

    Of the commands whose names begin with `only`.
    """
    clips = sorted((file for file in files if file.suffix == ".avi"), key=lambda file: file.stat().st_size)[:CLIPS]
    rng, troubles = random.Random(seed), []
    for job in (job for job in jobs(clips, model) if job.name.startswith(only)):
        calm = scratch / "calm"
        calm.mkdir()
        undisturbed = gerund(*job.words(calm))
        if undisturbed.status != 0:
            print(f"{job.name}: undisturbed it ends with {undisturbed.status}\n{undisturbed.output}")
            return 1
        wrong = 0
        for number in range(count):
            place = scratch / "disturbed"
            place.mkdir()
            gerund(*job.words(place), kill_after_s=rng.uniform(0, undisturbed.took_s))
            again = gerund(*job.words(place))
            problem = f"status {again.status}: {again.output[-500:]}" if again.status != 0 else job.differs(place, calm)
            if problem:
                wrong += 1
                troubles.append(f"{job.name}, kill {number}: {problem}")
            shutil.rmtree(place)
        print(f"{job.name}: {count} kills, {wrong} ended differently", flush=True)
        shutil.rmtree(calm)
    print("\n".join([f"seed {seed}, {len(clips)} clips, {model}", *troubles]))
    return int(bool(troubles))
