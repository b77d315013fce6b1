"""What is to be chosen, and how well candidates answer for videos of classes that they have not learned from."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.material import Material, TrackSource, examples, inputs, space
from gerund.bench.runs.measuring import measure
from gerund.bench.runs.questions import ask_scores, ask_when
from gerund.errors import UsageError
from gerund.examples import Examples
from gerund.methods.base import Checkpointed, Choosing
from gerund.methods.failures import errors_of
from gerund.metrics.calibration import best_logit_scale
from gerund.types import FloatArray

PARTS = ("checkpoint", "temperature", "bias")
"""What can be chosen besides settings: an epoch, the temperature of recognition, the stacking bias of generalised."""

_ASKS_FOR = {"temperature": "recognition", "bias": "generalised"}


@dataclass(frozen=True)
class Wanted:
    """What is to be chosen.

    Attributes:
        settings: of the method, each with its values; those with one value are given, not chosen.
        parts: of `PARTS`.
        share: of the seen classes, that is held out.
        seed: decides which.

    Raises:
        UsageError: a part is not one of `PARTS`, or the share is none.
    """

    settings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    parts: Collection[str] = ()
    share: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if strange := sorted(set(self.parts) - set(PARTS)):
            raise UsageError(f"{strange[0]!r} cannot be chosen (--choose); there are {', '.join(PARTS)}")
        if not 0 < self.share < 1:
            raise UsageError(f"the share of held-out classes lies between 0 and 1, got {self.share}")

    @property
    def several(self) -> list[str]:
        """Settings with more than one value."""
        return [name for name, values in self.settings.items() if len(values) > 1]

    @property
    def first(self) -> dict[str, Any]:
        """The first value of every setting."""
        return {name: values[0] for name, values in self.settings.items()}

    def __bool__(self) -> bool:
        return bool(self.several or self.parts)

    def combinations(self, method: Any, *, after_fit: bool) -> list[dict[str, Any]]:
        """All combinations of the settings that matter for a fit, or of those that only matter afterwards."""
        later = {} if is_training_free(method) else dict.fromkeys(getattr(method, "chosen_after_fit", ()))
        mine = {name: values for name, values in self.settings.items() if (name in later) == after_fit}
        return [dict(zip(mine, values, strict=True)) for values in itertools.product(*mine.values())]

    def check(self, method: Any, benchmark: Benchmark) -> None:
        """Refuses what cannot be chosen for a method on a protocol.

        Raises:
            UsageError: the protocol asks for something else, or the method has no checkpoints.
        """
        for name, task in _ASKS_FOR.items():
            if name in self.parts and benchmark.task != task:
                raise UsageError(
                    f"--choose {name} is for protocols of {task} recognition, and {benchmark.name} is {benchmark.task}"
                    if task == "generalised"
                    else f"--choose {name} is for protocols of recognition among unseen classes, which says how sure a "
                    f"method is; {benchmark.name} is {benchmark.task}"
                )
        has_some = hasattr(method, "checkpoints") or hasattr(method, "choose")
        if "checkpoint" in self.parts and (is_training_free(method) or not has_some):
            raise UsageError(f"--choose checkpoint: {type(method).__name__} keeps no checkpoints to choose from")


@dataclass
class Chosen:
    """What was chosen.

    Attributes:
        settings: of the method.
        parts: the number of the ``"checkpoint"``, the ``"temperature"``, the ``"bias"``.
        held_out: for each choice how well it answered.
        how: how it was chosen, for a report; ``""`` where there was nothing to choose.
        method: the method that answered best, if it needs no other fit.
    """

    settings: dict[str, Any]
    parts: dict[str, float] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)
    how: str = ""
    method: Any = None


@dataclass(frozen=True)
class Judge:
    """Says how well methods answer for labelled videos among some classes.

    Attributes:
        benchmark: says what is answered, and how segments are scored.
        material: where the tracks are.
        videos: who is asked; none of them a test video.
        names: among which classes; none of them a test class.
        features: which of the material's tracks.
    """

    benchmark: Benchmark
    material: Material
    videos: tuple[ListedVideo, ...]
    names: tuple[str, ...]
    features: TrackSource

    @property
    def measures(self) -> str:
        """What the figure is."""
        return "average mAP" if self.benchmark.task == "localization" else "top-1"

    @cached_property
    def examples(self) -> Examples:
        """The videos with their labels."""
        return examples(self.benchmark, self.videos, self.names, self.features, self.material)

    def figure(self, method: Any) -> float:
        """The share of right answers, or the average mAP, 0..1."""
        if self.benchmark.task == "localization":
            asked = inputs([video.video for video in self.videos], self.features, self.material)
            classes, order = space(self.names, self.material), range(len(self.videos))
            answers = ask_when(self.benchmark, method, self.videos, self.names, asked, order, classes)
            return measure([answers], self.benchmark, frozenset())["average mAP"] / 100
        return float((self.scores(method).argmax(axis=1) == self.examples.labels).mean())

    def scores(self, method: Any) -> FloatArray:
        """Scores ``[N, C]``."""
        return ask_scores(method, self.examples.inputs, space(self.names, self.material))

    def temperature(self, method: Any) -> float:
        """What scores are divided by, so that their softmax is as likely as can be."""
        return 1 / best_logit_scale(self.scores(method), self.examples.labels)

    def choose(self, method: Choosing) -> None:
        """Lets a method that can choose do it by itself."""
        with errors_of(method, "choose"):
            method.choose(self.examples, space(self.names, self.material))


@dataclass
class Comparison:
    """Candidates as they are compared; of equal ones the first is the best.

    Attributes:
        wanted: what is to be chosen.
        judge: says how well they answer.
        chosen: the best so far.
    """

    wanted: Wanted
    judge: Judge
    chosen: Chosen = field(default_factory=lambda: Chosen({}))
    _best: float = -1.0

    def add(self, method: Any, settings: Mapping[str, Any]) -> None:
        """Compares all that one fitted method can be."""
        for number, values in self._states(method):
            take(method, number, values)
            figure = self.judge.figure(method)
            mine = {**settings, **values}
            parts: dict[str, float] = {} if number is None else {"checkpoint": number}
            self.chosen.held_out[str({**mine, **parts})] = figure
            if figure > self._best:
                self._best = figure
                self.chosen.settings, self.chosen.parts, self.chosen.method = mine, parts, method

    def best(self) -> Any:
        """The method that answered best, as it did then."""
        later = self.wanted.combinations(self.chosen.method, after_fit=True)[0]
        number = self.chosen.parts.get("checkpoint")
        take(self.chosen.method, number, {name: self.chosen.settings[name] for name in later})
        return self.chosen.method

    def _states(self, method: Any) -> Iterator[tuple[int | None, dict[str, Any]]]:
        numbers: Sequence[int | None] = [None]
        if "checkpoint" in self.wanted.parts and hasattr(method, "checkpoints"):
            numbers = list(method.checkpoints())
            if not numbers:
                raise UsageError(
                    f"{type(method).__name__} has kept no checkpoints to choose from; let it keep them all"
                )
        elif "checkpoint" in self.wanted.parts:
            self.judge.choose(method)
        return itertools.product(numbers, self.wanted.combinations(method, after_fit=True))


def take(method: Any, checkpoint: float | None, values: Mapping[str, Any]) -> None:
    """Makes a fitted method answer with a checkpoint, and with other values of what only matters after a fit.

    Raises:
        UsageError: it has no such setting, or it cannot be changed.
    """
    if checkpoint is not None:
        with errors_of(method, "take_checkpoint"):
            method.take_checkpoint(int(checkpoint))
    for name, value in values.items():
        try:
            getattr(method, name)
            setattr(method, name, value)
        except AttributeError as error:
            raise UsageError(
                f"{type(method).__name__}.chosen_after_fit names {name}, which cannot be set on a fitted one: {error}"
            ) from error


def is_training_free(method: Any) -> bool:
    """True for a method that learns nothing."""
    return bool(getattr(method, "training_free", False))


def _numbers(method: Checkpointed) -> list[int]:
    with errors_of(method, "checkpoints"):
        numbers = list(method.checkpoints())
    if not numbers:
        raise UsageError(f"{type(method).__name__} has kept no checkpoints to choose from; let it keep them all")
    return numbers
