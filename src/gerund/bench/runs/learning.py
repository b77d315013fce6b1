"""Fitting for a benchmark: methods learn from the seen classes of a split; settings are chosen on some of them."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.tasks import SplitVideos, tasks
from gerund.bench.runs.answers import Answers
from gerund.bench.runs.material import Material, Present, examples, space
from gerund.errors import GerundError, UsageError, in_words
from gerund.examples import Examples
from gerund.methods.failures import errors_of, errors_while
from gerund.methods.questions import ask_scores
from gerund.text.classes import ClassSpace

Say = Callable[[str], None]
"""Say in words what is being done."""

Make = Callable[..., Any]
"""Makes a new method from settings."""


@dataclass
class SplitRun:
    """What happened on one split.

    Attributes:
        name: of the split.
        answers: for each exam what was asked and answered.
        num_train: training videos used.
        missing: listed videos without features, left out: ``{"train": n, "test": n}``.
        settings: those chosen on held-out seen classes.
        held_out: for each choice its accuracy on the held-out classes.
        used: settings, protocol and compat switches of the method that answered.
        trained_on: classes that a method learned elsewhere.
        batch_independent: whether the first answers are the same when their videos are asked one by one.
        wall_s: seconds by the clock.
        cpu_s: seconds of CPU.
    """

    name: str
    answers: list[Answers] = field(default_factory=list)
    num_train: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    held_out: dict[str, float] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    batch_independent: bool | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0


class Learning:
    """Fits a method once for every set of training videos and class names, whatever the number of splits.

    Args:
        benchmark: the protocol.
        make: makes a method from the settings in `choices`; called anew for every fit.
        material: lists and features.
        choices: settings to choose among, each with its values. All combinations are fitted without a share of the seen
            classes and compared on these; the best is then fitted on all. Test classes play no part.
        held_out: that share.
        seed: of held-out classes.
        allow_missing: leave out listed videos that have no features, and count them, instead of refusing.
        folder: methods with an attribute ``folder`` keep checkpoints and a log in one of their own in it.
        shared: what methods are built on, such as an encoder: it learns nothing, so it is not copied with them.
        progress: told what is being done.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        make: Make,
        material: Material,
        *,
        choices: Mapping[str, Sequence[Any]] | None = None,
        held_out: float = 0.2,
        seed: int = 0,
        allow_missing: bool = False,
        folder: Path | None = None,
        shared: Collection[Any] = (),
        progress: Say | None = None,
    ) -> None:
        self._benchmark, self._make, self._material = benchmark, make, material
        self._choices, self._held_out, self._seed = choices or {}, held_out, seed
        self._present, self._folder, self._shared = Present(material, allow_missing), folder, tuple(shared)
        self._say = progress or (lambda words: None)
        self._key: object = None
        self._fitted: tuple[Any, dict[str, Any], dict[str, float]] = (None, {}, {})

    def method(self, task: SplitVideos, done: SplitRun) -> Any:
        """A method that is ready to answer for the split.

        Raises:
            UsageError: it has to learn and there is nothing to learn from, or is to choose and cannot.
        """
        probe = self._make(**self._first())
        several = [name for name, values in self._choices.items() if len(values) > 1]
        if getattr(probe, "training_free", False):
            if several:
                raise UsageError(
                    f"{type(probe).__name__} learns nothing to choose {several[0]} by; give one value for it"
                )
            return probe
        if several and not hasattr(probe, "score"):
            raise UsageError(f"settings of localizers cannot be chosen yet; give one value for {several[0]}")
        split = task.split
        train = self._present.only(task.train, "train", done.missing)
        seen = tuple(label for label in split.seen if any(_shows(video, label) for video in train))
        if not seen:
            raise UsageError(
                f"{type(probe).__name__} has to learn, and {self._benchmark.name} split {split.name} has no training "
                "video here; train it elsewhere and give the folder (--trained), or take a training-free method"
            )
        if len(seen) < len(split.seen):
            self._say(f"split {split.name}: {len(split.seen) - len(seen)} seen classes have no training video here")
        done.num_train = len(train)
        others = tuple(sorted(split.unseen + split.validation)) if getattr(probe, "class_names_at_fit", False) else ()
        key = (tuple(video.video for video in train), split.seen, others)
        if key != self._key:
            self._key, self._fitted = key, (self._fit(train, seen, others, done), done.settings, done.held_out)
        method, done.settings, done.held_out = self._fitted
        if self._is_shared(split):  # what it takes up while it answers for one split must not reach another
            copied = self._copy(method)
            method = copied[0] if copied else self._fit_with(done.settings, train, seen, others, done)
        if task.validation and hasattr(method, "choose"):
            validation = self._present.only(task.validation, "validation", done.missing)
            self._say(f"split {split.name}: choosing by {len(validation)} videos of validation classes")
            names, features = split.validation, self._material.test_features
            asked = examples(self._benchmark, validation, names, features, self._material)
            with errors_of(method, "choose"):
                return method.choose(asked, space(names, self._material))
        return method

    def _copy(self, method: Any) -> list[Any]:
        """A method with all that it has learned, over the same parts; nothing where it holds what cannot be copied."""
        parts = [part for part in getattr(method, "__dict__", {}).values() if hasattr(part, "fingerprint")]
        try:
            return [copy.deepcopy(method, {id(part): part for part in (*self._shared, *parts)})]
        except Exception as error:
            self._say(f"{type(method).__name__} cannot be copied ({in_words(error)}); it learns anew for each split")
            return []

    def _is_shared(self, split: Split) -> bool:
        return sum(other.seen == split.seen for other in self._benchmark.splits) > 1

    def _first(self) -> dict[str, Any]:
        return {name: values[0] for name, values in self._choices.items()}

    def _fit(
        self, train: tuple[ListedVideo, ...], seen: tuple[str, ...], others: tuple[str, ...], done: SplitRun
    ) -> Any:
        settings = self._first()
        if any(len(values) > 1 for values in self._choices.values()):
            settings = self._compare(train, seen, done)
        self._say(f"fitting on {len(train)} videos of {len(seen)} classes")
        done.settings = settings
        return self._fit_with(settings, train, seen, others, done)

    def _fit_with(
        self,
        settings: Mapping[str, Any],
        train: tuple[ListedVideo, ...],
        seen: tuple[str, ...],
        others: tuple[str, ...],
        done: SplitRun,
    ) -> Any:
        method = self._make(**settings)
        if self._folder and hasattr(method, "folder"):
            method.folder = self._folder / f"training-{done.name}"
        return fit(method, self._examples(train, seen), space(seen + others, self._material))

    def _compare(self, train: tuple[ListedVideo, ...], seen: tuple[str, ...], done: SplitRun) -> dict[str, Any]:
        """The settings that answer best for a share of the seen classes after learning from the rest."""
        held = self._hold_out(seen)
        kept = tuple(label for label in seen if label not in held)
        learnt = tuple(video for video in train if video.label in kept)
        asked = self._examples(tuple(video for video in train if video.label in held), held)
        best: dict[str, Any] = {}
        best_accuracy = -1.0
        for values in itertools.product(*self._choices.values()):
            settings = dict(zip(self._choices, values, strict=True))
            self._say(f"trying {settings} on {len(held)} held-out seen classes")
            method = self._make(**settings)
            extra = held if getattr(method, "class_names_at_fit", False) else ()
            fitted = fit(method, self._examples(learnt, kept), space(kept + extra, self._material))
            scores = ask_scores(fitted, asked.inputs, space(held, self._material))
            accuracy = float((scores.argmax(axis=1) == asked.labels).mean())
            done.held_out[str(settings)] = accuracy
            if accuracy > best_accuracy:
                best, best_accuracy = settings, accuracy
        return best

    def _hold_out(self, seen: tuple[str, ...]) -> tuple[str, ...]:
        count = max(2, round(self._held_out * len(seen)))
        if len(seen) - count < 2:
            raise UsageError(f"{len(seen)} seen classes are too few to hold some out; give one value for each setting")
        places = np.random.default_rng(self._seed).choice(len(seen), count, replace=False)
        return tuple(seen[place] for place in sorted(places))

    def _examples(self, videos: tuple[ListedVideo, ...], names: tuple[str, ...]) -> Examples:
        return examples(self._benchmark, videos, names, self._material.train_features, self._material)


def train(
    benchmark: Benchmark, make: Make, material: Material, *, splits: Sequence[str] | None = None, **settings: Any
) -> Iterator[tuple[SplitRun, Any]]:
    """Fits a method for every split without asking anything of it.

    Args:
        benchmark: the protocol.
        make: makes a method.
        material: lists and features.
        splits: names of the splits; all by default.
        settings: of `Learning`.

    Yields:
        What happened on each split, and the fitted method.
    """
    learning = Learning(benchmark, make, material, **settings)
    for task in select(benchmark, material, splits):
        done = SplitRun(task.split.name)
        with errors_while(f"split {done.name}"):
            method = learning.method(task, done)
        yield done, method


def select(benchmark: Benchmark, material: Material, splits: Sequence[str] | None) -> list[SplitVideos]:
    """The tasks of some splits, or of all.

    Raises:
        UsageError: there is no such split.
    """
    names = [split.name for split in benchmark.splits]
    if lost := [name for name in splits or () if name not in names]:
        raise UsageError(f"{benchmark.name} has no split {lost[0]}; there are {', '.join(names)}")
    found = tasks(benchmark, material.train, material.test)
    return [task for task in found if splits is None or task.split.name in splits]


def fit(method: Any, given: Examples, classes: ClassSpace) -> Any:
    """What the method's `fit` gives.

    Raises:
        GerundError: it fails, or gives nothing back.
    """
    with errors_of(method, "fit"):
        fitted = method.fit(given, classes)
    if not hasattr(fitted, "score") and not hasattr(fitted, "locate"):
        raise GerundError(f"{type(method).__name__}.fit must return the method (return self), it gave {fitted!r}")
    return fitted


def _shows(video: ListedVideo, label: str) -> bool:
    return video.label == label or any(label == other for _, _, other in video.segments)
