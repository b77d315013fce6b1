"""What a training will take, told before it is begun: steps, parameters, memory and time.

A few steps are computed for it and thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gerund.examples import Examples
from gerund.methods.training.schedule import steps_of_epoch
from gerund.text.classes import ClassSpace

_SAMPLE = 64


@dataclass(frozen=True)
class Plan:
    """What the training loop would do.

    Attributes:
        num_examples: how many examples there are.
        epochs: passes over them.
        batch: examples a step.
        drop_last: whether a smaller last batch is left out.
        how: the rest in words: schedule, optimiser, device.
        num_parameters: of the network.
        num_trained: of them, those that are trained.
        memory: bytes by what they hold.
        step_s: seconds that one step took.
        grows: more videos are more examples; False where the examples are something else, such as one graph.
    """

    num_examples: int
    epochs: int
    batch: int
    drop_last: bool
    how: Mapping[str, str]
    num_parameters: int
    num_trained: int
    memory: Mapping[str, int]
    step_s: float
    grows: bool = True

    def num_steps(self, num_videos: int) -> int:
        """Steps in all, with so many videos."""
        count = num_videos if self.grows else self.num_examples
        return self.epochs * steps_of_epoch(count, self.batch, drop_last=self.drop_last)

    def seconds(self, num_videos: int) -> float:
        """How long that would take, if every step were as fast as the one that was timed."""
        return self.num_steps(num_videos) * self.step_s

    def lines(self) -> list[str]:
        """It in words, a line each."""
        words = ", ".join(f"{name} {size_in_words(count)}" for name, count in self.memory.items())
        per_epoch = steps_of_epoch(self.num_examples, self.batch, drop_last=self.drop_last)
        each = f"{self.batch} videos a step" if self.grows else f"batch {self.batch} of {self.num_examples} examples"
        tail = ", a smaller last batch left out" if self.drop_last else ""
        return [
            f"{self.epochs} epochs of {per_epoch} steps, {each}{tail}",
            *(f"{name}: {value}" for name, value in self.how.items()),
            f"parameters: {self.num_parameters:,}, of which {self.num_trained:,} are trained",
            f"memory: about {size_in_words(sum(self.memory.values()))} ({words}); an estimate",
            f"a step took {duration_in_words(self.step_s)}; all {self.num_steps(self.num_examples):,} about "
            f"{duration_in_words(self.seconds(self.num_examples))}, an estimate without validation and checkpoints",
        ]


@dataclass(frozen=True)
class Trial:
    """What fitting a method took that does not learn by steps.

    Attributes:
        num_examples: how many examples there are.
        num_tried: of them, those that it was fitted on.
        num_parameters: numbers that it learned; None where it does not give them.
        num_bytes: that they take; None alike.
        fit_s: seconds that it took.
    """

    num_examples: int
    num_tried: int
    num_parameters: int | None
    num_bytes: int | None
    fit_s: float

    def seconds(self, num_videos: int) -> float:
        """How long it would take, if it grew with the videos."""
        return self.fit_s * num_videos / self.num_tried

    def lines(self) -> list[str]:
        """It in words, a line each."""
        known = "not known: it has no state()"
        if self.num_parameters is not None and self.num_bytes is not None:
            known = f"{self.num_parameters:,}, {size_in_words(self.num_bytes)}; while it learns it may need more"
        return [
            "learns in one go, without epochs and steps",
            f"parameters: {known}",
            f"a fit on {self.num_tried} of {self.num_examples} videos took {duration_in_words(self.fit_s)}; all about "
            f"{duration_in_words(self.seconds(self.num_examples))} if it grows with the videos, an estimate",
        ]


@dataclass
class DryRun:
    """Given to the training loop as its `progress`, it ends the run after a few steps, and has the plan then.

    Attributes:
        plan: None until the loop was reached.
    """

    plan: Plan | None = field(default=None)

    def __call__(self, step: int, total: int, loss: float) -> None:
        """Never told: the run ends before."""


class DryRunOver(BaseException):
    """Ends a fit whose plan is known."""


def try_out(method: Any, examples: Examples, classes: ClassSpace) -> Plan | Trial:
    """What fitting a method would take; the method is of no use afterwards, and nothing is written.

    One that learns with the training loop, and hands its attribute ``progress`` on to it, is stopped after a few steps.
    Any other is fitted on a few videos of each class, or, where it has such an attribute for something else, on all.

    Args:
        method: a new one.
        examples: what it would learn from.
        classes: with these classes.
    """
    if hasattr(method, "progress"):
        method.progress = run = DryRun()
        some, start_s = examples, time.perf_counter()
        try:
            method.fit(examples, classes)
        except DryRunOver:
            if run.plan is not None:
                return replace(run.plan, grows=run.plan.num_examples == len(examples))
    else:
        some = examples.take(_some_of_each(examples.labels))
        start_s = time.perf_counter()
        method.fit(some, classes)
    fit_s = time.perf_counter() - start_s
    state = method.state() if hasattr(method, "state") else None
    return Trial(
        num_examples=len(examples),
        num_tried=len(some),
        num_parameters=None if state is None else sum(np.asarray(array).size for array in state.values()),
        num_bytes=None if state is None else sum(np.asarray(array).nbytes for array in state.values()),
        fit_s=fit_s,
    )


def _some_of_each(labels: Any) -> list[int]:
    """Places of some examples, as many of every class, at least one."""
    count = max(1, _SAMPLE // len(np.unique(labels)))
    return sorted(int(place) for label in np.unique(labels) for place in np.flatnonzero(labels == label)[:count])


def size_in_words(count: int) -> str:
    """Bytes in words.

    Example:
        >>> size_in_words(999), size_in_words(2_500_000)
        ('999 B', '2.5 MB')
    """
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}"


def duration_in_words(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> duration_in_words(0.0123), duration_in_words(90), duration_in_words(7300), duration_in_words(200_000)
        ('0.012 s', '90 s', '2.0 h', '2.3 days')
    """
    if seconds < 1:
        return f"{seconds:.2g} s"
    for limit, length, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}" if length < 3600 else f"{seconds / length:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"
