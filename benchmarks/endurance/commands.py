"""Commands as a user types them, watched from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ACTIONS = "punching, playing soccer, applying makeup, playing guitar, dancing, throwing discus, waving, climbing stairs"


@dataclass(frozen=True)
class Run:
    """How one command went: its exit status, or None where it was killed."""

    status: int | None
    took_s: float
    peak_mb: float
    output: str


def gerund(*words: str | Path, kill_after_s: float | None = None, at_most_s: float = 1800.0) -> Run:
    """Runs a command, and kills it without warning after some time if asked to; its workers have to notice."""
    command = [sys.executable, "-m", "gerund", *map(str, words)]
    begin_s, peak = time.monotonic(), 0
    with tempfile.TemporaryFile() as output:  # a pipe could fill up and stop the command
        process = psutil.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        killed = False
        while process.poll() is None:
            passed_s = time.monotonic() - begin_s
            with suppress(psutil.Error):
                family = [process, *process.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            if (kill_after_s is not None and passed_s >= kill_after_s) or passed_s > at_most_s:
                process.kill()
                killed = True
            time.sleep(0.02)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return Run(None if killed else process.returncode, time.monotonic() - begin_s, peak / 1e6, text)


def lines_of(path: Path) -> list[dict]:
    """Every line of a JSON Lines file; a torn one is an error."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if text and not text.endswith("\n"):
        raise ValueError(f"{path}: the last line is torn")
    return [json.loads(line) for line in text.splitlines()]


def numbers_in(value: object) -> list[float]:
    """All numbers of an answer, in order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in numbers_in(value[key])]
    if isinstance(value, list):
        return [number for item in value for number in numbers_in(item)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def names_in(value: object) -> list[str]:
    """All words of an answer, in order."""
    if isinstance(value, dict):
        return [name for key in sorted(value) for name in [key, *names_in(value[key])]]
    if isinstance(value, list):
        return [name for item in value for name in names_in(item)]
    return [value] if isinstance(value, str) else []


def same_answer(one: dict, other: dict, tolerance: float = 1e-6) -> bool:
    """Two lines say the same: words equal, numbers within the tolerance."""
    ours, theirs = numbers_in(one), numbers_in(other)
    close = len(ours) == len(theirs) and all(abs(a - b) <= tolerance for a, b in zip(ours, theirs, strict=True))
    return close and names_in(one) == names_in(other)
