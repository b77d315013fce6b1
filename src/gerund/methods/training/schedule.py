"""How the learning rate goes up and down while a method is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

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


@dataclass(frozen=True)
class CosineSchedule:
    """Linear warm-up, then half a cosine down to a last rate, which stays.

    Args:
        lr: the highest rate, of the step in which the warm-up has ended.
        period_steps: the step from which the rate is `end_lr`.
        warmup_steps: length of the warm-up.
        start_lr: the rate of the first step of a warm-up.
        end_lr: the last rate.

    Raises:
        UsageError: the rate is not positive, another one is negative or higher, or the warm-up fills the period.

    Example:
        >>> rate = CosineSchedule(3.33e-6, period_steps=22, warmup_steps=2, start_lr=3.33e-8, end_lr=3.33e-8)
        >>> [f"{rate.lr_at(step):.7g}" for step in (0, 1, 2, 12, 22, 30)]
        ['3.33e-08', '1.68165e-06', '3.33e-06', '1.68165e-06', '3.33e-08', '3.33e-08']

    Source: Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts; the warm-up as the released code of STDD has it.
    """

    lr: float
    period_steps: int
    warmup_steps: int = 0
    start_lr: float = 0.0
    end_lr: float = 0.0

    def __post_init__(self) -> None:
        _check_rates(self, self.lr, self.warmup_steps, self.start_lr, self.end_lr)
        if self.period_steps <= self.warmup_steps:
            raise UsageError(f"period_steps must be beyond the warm-up, got {self}")

    def lr_at(self, step: int) -> float:
        """The rate of a step; the first step is 0."""
        if step < self.warmup_steps:
            return _warming_up(step, self.lr, self.warmup_steps, self.start_lr)
        done = min(1.0, (step - self.warmup_steps) / (self.period_steps - self.warmup_steps))
        return self.end_lr + (self.lr - self.end_lr) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class StepSchedule:
    """Linear warm-up, then a rate that falls by a factor now and then.

    Args:
        lr: the highest rate.
        period_steps: steps between two falls, counted from the first step; None for none.
        factor: what a fall multiplies the rate by.
        falls: the steps of the falls themselves, instead of every period.
        warmup_steps: length of the warm-up.
        start_lr: the rate of the first step of a warm-up.

    Raises:
        UsageError: the rate is not positive, another one is negative or higher, or there are no such falls.

    Example:
        >>> rate = StepSchedule(1e-4, period_steps=40)
        >>> [f"{rate.lr_at(step):.3g}" for step in (0, 39, 40, 80)]
        ['0.0001', '0.0001', '1e-05', '1e-06']
        >>> rate = StepSchedule(1.0, falls=(60, 120), factor=0.5, warmup_steps=4)
        >>> [rate.lr_at(step) for step in (0, 1, 4, 59, 60, 120)]
        [0.0, 0.25, 1.0, 1.0, 0.5, 0.25]
    """

    lr: float
    period_steps: int | None = None
    factor: float = 0.1
    falls: tuple[int, ...] = ()
    warmup_steps: int = 0
    start_lr: float = 0.0

    def __post_init__(self) -> None:
        _check_rates(self, self.lr, self.warmup_steps, self.start_lr, 0.0)
        if (self.period_steps is not None and (self.period_steps < 1 or self.falls)) or not 0 < self.factor <= 1:
            raise UsageError(
                f"give period_steps of at least 1 or falls, and a factor above 0 and at most 1, got {self}"
            )

    def lr_at(self, step: int) -> float:
        """The rate of a step; the first step is 0."""
        if step < self.warmup_steps:
            return _warming_up(step, self.lr, self.warmup_steps, self.start_lr)
        count = sum(step >= fall for fall in self.falls) if self.period_steps is None else step // self.period_steps
        return self.lr * float(self.factor**count)


ScheduleName = Literal["exponential", "cosine", "step"]


def make_schedule(
    name: ScheduleName, lr: float, *, warmup_steps: int, period_steps: int | None, batch: int, num_steps: int
) -> RateSchedule:
    """A schedule by its name, as far as a handful of settings decides it.

    Args:
        name: ``"exponential"`` is `Schedule`, ``"cosine"`` falls to 0, ``"step"`` falls to a tenth each time.
        lr: the highest rate.
        warmup_steps: steps until it is reached.
        period_steps: the step at which the rate is 0, or the steps between two falls. None is the end of training, or a
            third of it.
        batch: where an exponential warm-up begins, see `Schedule`.
        num_steps: steps in all.

    Raises:
        UsageError: there is no such schedule, or it cannot be.
    """
    if name == "exponential":
        return Schedule(lr, warmup_steps, period_steps or num_steps, batch)
    if name == "cosine":
        return CosineSchedule(lr, period_steps or num_steps, warmup_steps)
    if name == "step":
        return StepSchedule(lr, period_steps or max(1, math.ceil(num_steps / 3)), warmup_steps=warmup_steps)
    raise UsageError(f"schedule is 'exponential', 'cosine' or 'step', got {name!r}")


def steps_of_epoch(num_examples: int, batch: int, *, drop_last: bool = False) -> int:
    """Steps of one pass over the examples.

    Example:
        >>> steps_of_epoch(23, 8), steps_of_epoch(23, 8, drop_last=True)
        (3, 2)
    """
    return num_examples // batch if drop_last else math.ceil(num_examples / batch)


def _warming_up(step: int, lr: float, warmup_steps: int, start_lr: float) -> float:
    return start_lr + step * (lr - start_lr) / warmup_steps


def _check_rates(schedule: object, lr: float, warmup_steps: int, *others: float) -> None:
    if not 0 < lr < math.inf or warmup_steps < 0 or not all(0 <= other <= lr for other in others):
        raise UsageError(f"a schedule needs lr > 0, other rates from 0 to lr, and warmup_steps >= 0, got {schedule}")
