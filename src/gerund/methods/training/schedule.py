"""How the learning rate goes up and down while a method is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from gerund.errors import UsageError


class RateSchedule(Protocol):
    """What the learning rate is at each step; a dataclass, so that a run folder can tell one from another."""

    def lr_at(self, step: int) -> float:
        """The rate of a step; the first step is 0."""
        ...


@dataclass(frozen=True)
class Schedule:
    """Exponential warm-up, then half a cosine.

    Args:
        lr: the highest rate, reached when the warm-up ends.
        warmup_steps: length of the warm-up.
        period_steps: the step at which the rate is 0; None keeps `lr` after the warm-up.
        batch: the warm-up starts at ``lr / batch``; with 1 the rate is `lr` from the start.

    Raises:
        UsageError: the rate is not positive, or the warm-up does not end before the period.

    Example:
        >>> rate = Schedule(1e-4, warmup_steps=1700, period_steps=17_000, batch=128)
        >>> [f"{rate.lr_at(step):.7e}" for step in (0, 1700, 5000)]
        ['7.8125000e-07', '1.0000000e-04', '8.2141887e-05']

    Source: the code that Chen and Huang released with "Elaborative Rehearsal for Zero-Shot Action Recognition", ICCV
    2021. It multiplies the rate of the step before (PyTorch's ``CosineAnnealingLR``, counted from the first step of the
    warm-up). Up to step T = `period_steps` that is ``lr (1 + cos(pi t / T)) / (1 + cos(pi w / T))``. It does not stop
    there: the recursion starts anew from 0 and climbs to `lr` at 2 T, and so does this.
    """

    lr: float
    warmup_steps: int = 0
    period_steps: int | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        if not self.lr > 0 or self.batch < 1 or self.warmup_steps < 0:
            raise UsageError(f"a schedule needs lr > 0, batch >= 1 and warmup_steps >= 0, got {self}")
        if self.period_steps is not None and self.period_steps <= self.warmup_steps:
            raise UsageError(f"period_steps must be beyond the warm-up, got {self}")

    def lr_at(self, step: int) -> float:
        """The rate of a step; the first step is 0."""
        if step < self.warmup_steps:
            return self.lr / self.batch * float(self.batch ** (step / self.warmup_steps))
        if self.period_steps is None:
            return self.lr
        start = self.warmup_steps if step <= self.period_steps else 0
        height = 1 + math.cos(math.pi * start / self.period_steps)
        return self.lr * (1 + math.cos(math.pi * step / self.period_steps)) / height
