"""Fitting for a benchmark: methods learn from the seen classes of a split; settings are chosen on some of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.tasks import SplitVideos, tasks
from gerund.bench.runs.answers import Answers
from gerund.bench.runs.choosing import choose_by_held_out, choose_by_validation, shows
from gerund.bench.runs.judging import Chosen, Judge, Wanted, is_training_free, take
from gerund.bench.runs.material import Material, Present, examples, space
from gerund.bench.runs.schema import Costs
from gerund.errors import GerundError, UsageError, in_words
from gerund.examples import Examples
from gerund.methods.failures import errors_of, errors_while
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
        settings: those of the method that were given or chosen.
        chosen: the checkpoint, temperature and bias, as far as they were chosen.
        choice: how all of these were chosen; ``""`` where nothing was.
        held_out: for each choice its accuracy, or average mAP, on the held-out classes.
        used: settings, protocol and compat switches of the method that answered.
        trained_on: classes that a method learned elsewhere.
        batch_independent: whether the first answers are the same when their videos are asked one by one.
        wall_s: seconds by the clock.
        cpu_s: seconds of CPU.
        costs: of the method: what it learned, and how long that and its answers took.
    """

    name: str
    answers: list[Answers] = field(default_factory=list)
    num_train: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, float] = field(default_factory=dict)
    choice: str = ""
    held_out: dict[str, float] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)
    trained_on: tuple[str, ...] = ()
    batch_independent: bool | None = None
    wall_s: float = 0.0
    cpu_s: float = 0.0
    costs: Costs = field(default_factory=Costs)


class Learning:
    """Fits a method once for every set of training videos and class names, whatever the number of splits.

    Args:
        benchmark: the protocol.
        make: makes a method from the settings in `choices`; called anew for every fit.
        material: lists and features.
        choices: settings to choose among, each with its values. All combinations are compared by official validation
            classes where the protocol has them; else they are fitted without a share of the seen classes and compared
            on these, and the best is then fitted on all. Test classes play no part.
        choose: what else is chosen in the same way, of `PARTS`. Official validation classes choose a checkpoint anyway.
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
        choose: Collection[str] = (),
        held_out: float = 0.2,
        seed: int = 0,
        allow_missing: bool = False,
        folder: Path | None = None,
        shared: Collection[Any] = (),
        progress: Say | None = None,
    ) -> None:
        self._benchmark, self._make, self._material = benchmark, make, material
        self._wanted = Wanted(choices or {}, tuple(choose), held_out, seed)
        self._present, self._folder, self._shared = Present(material, allow_missing), folder, tuple(shared)
        self._say = progress or (lambda words: None)
        self._key: object = None
        self._fitted: tuple[list[tuple[Any, dict[str, Any]]], Chosen] = ([], Chosen({}))

    def method(self, task: SplitVideos, done: SplitRun) -> Any:
        """A method that is ready to answer for the split.

        Raises:
            UsageError: it has to learn and there is nothing to learn from, or is to choose and cannot.
        """
        probe = self._make(**self._wanted.first)
        self._wanted.check(probe, self._benchmark)
        by_validation = bool(task.validation) and "bias" not in self._wanted.parts
        if is_training_free(probe):
            return self._choose_free(task, done, by_validation) if self._wanted else probe
        train, seen, others = self.training(task, done, probe)
        key = (tuple(video.video for video in train), task.split.seen, others, by_validation)
        if key != self._key:
            self._key, self._fitted = key, self._learn(train, seen, others, done, by_validation)
        fitted, chosen = self._fitted
        if self._is_shared(task.split):  # what it takes up while it answers for one split must not reach another
            place = f"training-{done.name}"
            copied = [(self._copy(method), settings) for method, settings in fitted]
            fitted = [
                (same[0] if same else self._fit_with(settings, train, seen, others, place, chosen), settings)
                for same, settings in copied
            ]
        if by_validation and (self._wanted or hasattr(fitted[0][0], "choose")):
            return self._validate(task, done, fitted)
        return _noted(done, chosen, *fitted[0])

    def training(
        self, task: SplitVideos, done: SplitRun, method: Any
    ) -> tuple[tuple[ListedVideo, ...], tuple[str, ...], tuple[str, ...]]:
        """What a method learns from for a split: videos, their classes, and the other classes that it must know.

        Raises:
            UsageError: features are missing, or there is no training video.
        """
        split = task.split
        train = self._present.only(task.train, "train", done.missing)
        seen = tuple(label for label in split.seen if any(shows(video, label) for video in train))
        if not seen and is_training_free(method):
            what = ", ".join([*self._wanted.several, *self._wanted.parts])
            raise UsageError(
                f"{type(method).__name__} learns nothing to choose {what} by, and {self._benchmark.name} split "
                f"{split.name} has no video of a seen class; give one value for each setting, and leave --choose out"
            )
        if not seen:
            raise UsageError(
                f"{type(method).__name__} has to learn, and {self._benchmark.name} split {split.name} has no training "
                "video here; train it elsewhere and give the folder (--trained), or take a training-free method"
            )
        if len(seen) < len(split.seen):
            self._say(f"split {split.name}: {len(split.seen) - len(seen)} seen classes have no training video here")
        done.num_train = len(train)
        others = tuple(sorted(split.unseen + split.validation)) if getattr(method, "class_names_at_fit", False) else ()
        return train, seen, others

    def _choose_free(self, task: SplitVideos, done: SplitRun, by_validation: bool) -> Any:
        """A method that learns nothing, with the settings that suit validation classes, or seen ones, best."""
        wanted, probe = self._wanted, self._make(**self._wanted.first)
        if by_validation:
            combinations = wanted.combinations(probe, after_fit=False)
            return self._validate(task, done, [(self._make(**each), each) for each in combinations])
        train, seen, _ = self.training(task, done, probe)
        self._say(f"split {done.name}: choosing by {len(train)} videos of {len(seen)} seen classes")
        chosen = choose_by_held_out(wanted, self._benchmark, self._material, train, seen, self._make, self._fit_with)
        return _noted(done, chosen, chosen.method, chosen.settings)

    def _validate(self, task: SplitVideos, done: SplitRun, methods: list[tuple[Any, dict[str, Any]]]) -> Any:
        """The method that suits the official validation classes of a split best."""
        videos = self._present.only(task.validation, "validation", done.missing)
        self._say(f"split {done.name}: choosing by {len(videos)} videos of validation classes")
        names, features = task.split.validation, self._material.test_features
        judge = Judge(self._benchmark, self._material, videos, names, features)
        chosen = choose_by_validation(self._wanted, judge, methods)
        return _noted(done, chosen, chosen.method, chosen.settings)

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

    def _learn(
        self,
        train: tuple[ListedVideo, ...],
        seen: tuple[str, ...],
        others: tuple[str, ...],
        done: SplitRun,
        by_validation: bool,
    ) -> tuple[list[tuple[Any, dict[str, Any]]], Chosen]:
        """Fitted methods with their settings, one unless validation classes will choose, and how they were chosen."""
        wanted, folder = self._wanted, f"training-{done.name}"
        if by_validation:
            found = []
            for number, each in enumerate(wanted.combinations(self._make(**wanted.first), after_fit=False)):
                self._say(f"fitting on {len(train)} videos of {len(seen)} classes")
                settings = {**wanted.first, **each}
                place = f"{folder}-{number}" if number else folder
                found.append((self._fit_with(settings, train, seen, others, place), settings))
            return found, Chosen({})
        chosen = Chosen(wanted.first)
        if wanted:
            self._say(f"split {done.name}: choosing by held-out seen classes")
            chosen = choose_by_held_out(
                wanted, self._benchmark, self._material, train, seen, self._make, self._fit_with
            )
        if chosen.method is not None:
            return [(chosen.method, chosen.settings)], chosen
        self._say(f"fitting on {len(train)} videos of {len(seen)} classes")
        return [(self._fit_with(chosen.settings, train, seen, others, folder, chosen), chosen.settings)], chosen

    def _fit_with(
        self,
        settings: Mapping[str, Any],
        train: tuple[ListedVideo, ...],
        seen: tuple[str, ...],
        others: tuple[str, ...],
        folder: str,
        chosen: Chosen | None = None,
    ) -> Any:
        """A fitted method; with what was chosen, it ends where the checkpoint was."""
        method = self._make(**settings)
        if self._folder and hasattr(method, "folder"):
            method.folder = self._folder / folder
        number = chosen.parts.get("checkpoint") if chosen else None
        if number is not None and hasattr(method, "stop_epoch"):
            method.stop_epoch = int(number)
        fitted = fit(method, self._examples(train, seen), space(seen + others, self._material))
        if number is not None:
            take(fitted, number, {})
        return fitted

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


def _noted(done: SplitRun, chosen: Chosen, method: Any, settings: dict[str, Any]) -> Any:
    """The method, after it was written down how it was chosen."""
    done.settings, done.chosen, done.held_out = settings, dict(chosen.parts), chosen.held_out
    done.choice = chosen.how
    return method
