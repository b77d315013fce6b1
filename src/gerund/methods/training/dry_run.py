"""What a training will take, told before it is begun: steps, parameters, memory and time.

Two steps are computed for it and thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
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

    def num_steps(self, num_examples: int) -> int:
        """Steps in all, with so many examples."""
        return self.epochs * steps_of_epoch(num_examples, self.batch, drop_last=self.drop_last)

    def seconds(self, num_examples: int) -> float:
        """How long that would take, if every step were as fast as the one that was timed."""
        return self.num_steps(num_examples) * self.step_s

    def lines(self) -> list[str]:
        """It in words, a line each."""
        words = ", ".join(f"{name} {_size(count)}" for name, count in self.memory.items())
        tail = ", a smaller last batch left out" if self.drop_last else ""
        return [
            f"{self.epochs} epochs of {steps_of_epoch(self.num_examples, self.batch, drop_last=self.drop_last)} steps, "
            f"{self.batch} videos a step{tail}",
            *(f"{name}: {value}" for name, value in self.how.items()),
            f"parameters: {self.num_parameters:,}, of which {self.num_trained:,} are trained",
            f"memory: about {_size(sum(self.memory.values()))} ({words}); an estimate",
            f"a step took {_duration(self.step_s)}; all {self.num_steps(self.num_examples):,} about "
            f"{_duration(self.seconds(self.num_examples))}, an estimate without validation and checkpoints",
        ]


@dataclass(frozen=True)
class Trial:
    """What fitting a method took that does not learn by steps.

    Attributes:
        num_examples: how many examples there are.
        num_tried: of them, those that it was fitted on.
        num_parameters: numbers that it learned; None where it does not give them.
        memory: bytes by what they hold.
        fit_s: seconds that it took.
    """

    num_examples: int
    num_tried: int
    num_parameters: int | None
    memory: Mapping[str, int]
    fit_s: float

    def seconds(self, num_examples: int) -> float:
        """How long it would take, if it grew with the examples."""
        return self.fit_s * num_examples / self.num_tried

    def lines(self) -> list[str]:
        """It in words, a line each."""
        words = ", ".join(f"{name} {_size(count)}" for name, count in self.memory.items())
        known = "not known: it has no state()" if self.num_parameters is None else f"{self.num_parameters:,}"
        return [
            "learns in one go, without epochs and steps",
            f"parameters: {known}",
            f"memory: at least {_size(sum(self.memory.values()))} ({words})",
            f"a fit on {self.num_tried} of {self.num_examples} videos took {_duration(self.fit_s)}; all about "
            f"{_duration(self.seconds(self.num_examples))} if it grows with the videos, an estimate",
        ]


@dataclass
class DryRun:
    """Given to the training loop as its `progress`, it ends the run after two steps, and has the plan then.

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

    One that learns with the training loop, and hands its attribute ``progress`` on to it, is stopped after two steps.
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
                return run.plan
    else:
        some = examples.take(_some_of_each(examples.labels))
        start_s = time.perf_counter()
        method.fit(some, classes)
    fit_s = time.perf_counter() - start_s
    state = method.state() if hasattr(method, "state") else None
    vectors = examples.inputs[0].vectors if len(examples) else np.zeros(0)
    return Trial(
        num_examples=len(examples),
        num_tried=len(some),
        num_parameters=None if state is None else sum(np.asarray(array).size for array in state.values()),
        memory={
            **({} if state is None else {"parameters": sum(np.asarray(array).nbytes for array in state.values())}),
            "features": len(examples) * vectors.nbytes,
        },
        fit_s=fit_s,
    )


def _some_of_each(labels: Any) -> list[int]:
    """Places of some examples, as many of every class, at least one."""
    count = max(1, _SAMPLE // len(np.unique(labels)))
    return sorted(int(place) for label in np.unique(labels) for place in np.flatnonzero(labels == label)[:count])


def _size(count: int) -> str:
    """Bytes in words.

    Example:
        >>> _size(999), _size(2_500_000)
        ('999 B', '2.5 MB')
    """
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.3g} {unit}"


def _duration(seconds: float) -> str:
    """Seconds in words.

    Example:
        >>> _duration(0.0123), _duration(90), _duration(7300), _duration(200_000)
        ('0.012 s', '90 s', '2.0 h', '2.3 days')
    """
    if seconds < 1:
        return f"{seconds:.2g} s"
    for limit, length, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}" if length < 3600 else f"{seconds / length:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"
