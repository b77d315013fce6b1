"""What a method needs: numbers that it learns, time to learn them, time for answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gerund.bench.runs.schema import SplitResult


class Clock:
    """Seconds since it was made, by the clock and of CPU; all threads of this process count."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def wall_s(self) -> float:
        """Seconds by the clock."""
        return round(time.perf_counter() - self._wall_s, 3)

    def cpu_s(self) -> float:
        """Seconds of CPU."""
        return round(time.process_time() - self._cpu_s, 6)


def num_parameters(method: Any) -> int | None:
    """How many numbers a fitted method has learned; None where it does not show them.

    They are those of its ``state()``, or where it has none those of its attributes that end in ``_``, as learned ones
    do by convention. A training-free method has learned none; parts such as an encoder of texts do not count.

    Example:
        >>> class Mine:
        ...     def __init__(self):
        ...         self.map_, self.texts = np.zeros((3, 4)), np.zeros((9, 9))
        >>> num_parameters(Mine()), num_parameters(object())
        (12, None)
    """
    if getattr(method, "training_free", False):
        return 0
    try:
        learned = method.state() if hasattr(method, "state") else _learned(method)
        return _count(learned) or None
    except Exception:  # it is code of anybody, and only looked at
        return None


def _learned(method: Any) -> dict[str, Any]:
    found = getattr(method, "__dict__", {})
    return {name: value for name, value in found.items() if name.endswith("_") and not name.startswith("_")}


def _count(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, Mapping):
        return sum(map(_count, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_count, value))
    if callable(getattr(value, "parameters", None)):  # a network of PyTorch
        return sum(int(one.numel()) for one in value.parameters())
    return int(value.numel()) if callable(getattr(value, "numel", None)) else 0


@dataclass(frozen=True)
class Total:
    """The costs of a whole run; None where a split does not say them.

    Attributes:
        num_parameters: the fewest and the most numbers learned on a split.
        train_wall_s: seconds of choosing and fitting on all splits.
        train_cpu_s: the same in seconds of CPU.
        ask_cpu_ms: milliseconds of CPU for one test video, from its features to the answer.
    """

    num_parameters: tuple[int, int] | None
    train_wall_s: float | None
    train_cpu_s: float | None
    ask_cpu_ms: float | None

    @classmethod
    def of(cls, splits: Sequence[SplitResult]) -> Total:
        """Adds up the splits of a report."""
        learned = _known(split.costs.num_parameters for split in splits)
        asked, videos = _known(split.costs.ask_cpu_s for split in splits), sum(split.num_test for split in splits)
        walls, cpus = (_known(getattr(split.costs, f"train_{of}_s") for split in splits) for of in ("wall", "cpu"))
        return cls(
            (int(min(learned)), int(max(learned))) if learned else None,
            sum(walls) if walls else None,
            sum(cpus) if cpus else None,
            1000 * sum(asked) / videos if asked and videos else None,
        )

    def cells(self) -> tuple[str, str, str]:
        """Parameters, seconds of training, milliseconds of CPU a video, as a table has them."""
        train = "-" if self.train_wall_s is None else f"{self.train_wall_s:.1f}"
        ask = "-" if self.ask_cpu_ms is None else f"{self.ask_cpu_ms:.3g}"
        return _range(self.num_parameters), train, ask

    def words(self) -> str:
        """The same as a sentence."""
        if self == Total(None, None, None, None):
            return "not recorded"
        learned, train, ask = self.cells()
        cpu = "" if self.train_cpu_s is None else f" ({self.train_cpu_s:.1f} s of CPU)"
        return f"{learned} numbers learned; trained for {train} s{cpu}; {ask} ms of CPU a video, without its features"


def _range(of: tuple[int, int] | None) -> str:
    if of is None:
        return "-"
    return f"{of[0]:,}" if of[0] == of[1] else f"{of[0]:,} to {of[1]:,}"


def _known(values: Iterable[float | None]) -> list[float]:
    """All of them; nothing where one is not known, or there is none."""
    found = list(values)
    return [] if None in found else [value for value in found if value is not None]
