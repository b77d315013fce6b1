"""From answers to figures: what is measured stands in `measures`, one file for each kind of figure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from gerund.bench.protocols.benchmark import Benchmark, Task
from gerund.bench.runs import measures
from gerund.bench.runs.answers import Answers, LocalizationAnswers
from gerund.discovery import modules_of
from gerund.errors import GerundError, UsageError


@dataclass(frozen=True)
class Measure:
    """Figures that are computed together.

    Every file in `measures` has a tuple `MEASURES` of these; a new file there is a new metric, in every report.

    Attributes:
        tasks: whose answers it can be computed from.
        of: from the answers of a split, the protocol, and the unseen classes that share no name with a class that was
            trained on, to figures in percent by name; a name that says more than the metric may follow after a comma,
            as in ``"top-1, overlap-free"``. Of recognition it gets `RecognitionAnswers`, one of each exam, of
            localization `LocalizationAnswers`; a figure that they do not have is left out.
        main: the figure that stands for all others of these tasks where there is room for one; ``""`` for none.
    """

    tasks: tuple[Task, ...]
    of: Callable[[Sequence[Any], Benchmark, frozenset[str]], Mapping[str, float]]
    main: str = ""


def measure(answers: Sequence[Answers], benchmark: Benchmark, free: frozenset[str]) -> dict[str, float]:
    """The figures of one split in percent.

    Args:
        answers: one for each exam.
        benchmark: says what is measured.
        free: unseen classes that share no name with a class that was trained on; the main figures of unseen classes
            come a second time, over the videos of these classes alone. The candidates stay the same.

    Raises:
        UsageError: the answers are not of the kind that the protocol asks for.
        GerundError: two measures give figures of one name, or one gives what is no finite number.
    """
    if not answers:
        return {}
    wanted = benchmark.task == "localization"
    if any(isinstance(answer, LocalizationAnswers) != wanted for answer in answers):
        raise UsageError(f"{benchmark.name} asks for {benchmark.task}, and these are answers of another kind")
    found: dict[str, float] = {}
    for one in _measures_of(benchmark.task):
        for name, value in one.of(answers, benchmark, free).items():
            if name in found:
                raise GerundError(f"two measures of {benchmark.task} give a figure {name!r}; rename one of them")
            if not math.isfinite(value):
                raise GerundError(f"the figure {name!r} of {benchmark.name} is {value}, which is no number")
            found[name] = float(value)
    return found


def main_figure(task: str) -> str:
    """The figure that stands for a task where there is room for one; ``""`` for a task that is not known.

    Example:
        >>> main_figure("recognition"), main_figure("generalised"), main_figure("localization")
        ('top-1', 'H', 'average mAP')
    """
    return next((one.main for one in _measures_of(task) if one.main), "")


def _measures_of(task: str) -> Iterator[Measure]:
    return (one for one in _all() if task in one.tasks)


@cache
def _all() -> tuple[Measure, ...]:
    return tuple(one for module in modules_of(measures) for one in getattr(module, "MEASURES", ()))
