"""Choosing without test classes: settings, checkpoints, temperature and stacking bias, by classes that `fit` never met.

Where a protocol has no official validation classes, a share of its seen classes is held out. A method learns from the
others, what it then answers for the held-out ones decides, and it learns again from all. No test class and no test
video comes near this: whatever is asked here is a training video of a seen class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.judging import Chosen, Comparison, Judge, Wanted, is_training_free
from gerund.bench.runs.material import Material
from gerund.errors import UsageError
from gerund.metrics.generalised import ausuc

_WITHHELD = 2
"""Marks the draw of videos of kept classes apart from that of classes."""


class Fit(Protocol):
    """Fits a new method."""

    def __call__(
        self,
        settings: Mapping[str, Any],
        train: tuple[ListedVideo, ...],
        seen: tuple[str, ...],
        others: tuple[str, ...],
        folder: str,
    ) -> Any:
        """The fitted method.

        Args:
            settings: of the method.
            train: what it learns from.
            seen: the classes of these.
            others: classes without examples that it is told of.
            folder: name of the folder for its checkpoints.
        """
        ...


def choose_by_held_out(
    wanted: Wanted,
    benchmark: Benchmark,
    material: Material,
    train: tuple[ListedVideo, ...],
    seen: tuple[str, ...],
    make: Callable[..., Any],
    fit: Fit,
) -> Chosen:
    """What answers best for a share of the seen classes after learning from the rest.

    A method that learns nothing is asked about all of them.

    Args:
        wanted: what is to be chosen.
        benchmark: the protocol.
        material: its lists and features.
        train: training videos.
        seen: their classes.
        make: makes a method.
        fit: makes one and fits it.

    Raises:
        UsageError: too few classes or videos to hold some out.
        GerundError: the method fails.
    """
    probe = make(**wanted.first)
    free = is_training_free(probe)
    held = () if free and "bias" not in wanted.parts else hold_out(seen, wanted.share, wanted.seed)
    kept = tuple(label for label in seen if label not in held)
    names = seen if free else held
    asked = tuple(video for video in train if _counts(benchmark, video, names))
    apart = _withhold(train, kept, wanted) if "bias" in wanted.parts and not free else ()
    learnt: tuple[ListedVideo, ...] = ()
    if not free:
        others = (video for video in train if not any(shows(video, label) for label in held))
        learnt = tuple(video for video in others if _counts(benchmark, video, kept) and video not in apart)
    if not asked or not (free or learnt):
        raise UsageError("too few training videos to choose by held-out seen classes; give one value for each setting")
    compared = Comparison(wanted, Judge(benchmark, material, asked, names, material.train_features))
    extra = held if getattr(probe, "class_names_at_fit", False) else ()
    for number, settings in enumerate(wanted.combinations(probe, after_fit=False)):
        fitted = make(**settings) if free else fit(settings, learnt, kept, extra, f"choosing-{number}")
        compared.add(fitted, settings)
    best, found = compared.best(), compared.chosen
    if "temperature" in wanted.parts:
        found.parts["temperature"] = compared.judge.temperature(best)
    if "bias" in wanted.parts:
        both = Judge(benchmark, material, train if free else apart + asked, kept + held, material.train_features)
        is_seen = np.arange(len(seen)) < len(kept)
        found.parts["bias"] = ausuc(both.scores(best), both.examples.labels, is_seen).oracle_bias
    refit = not free and not ("checkpoint" in wanted.parts and "checkpoint" not in found.parts)
    which = f"all {len(seen)} seen classes, of which nothing is learned"
    if held:
        which = f"held-out {wanted.share * 100:g} % of seen classes ({len(held)} of {len(seen)}), seed {wanted.seed}"
    found.how = f"{which}, by {compared.judge.measures}, {'refit on all' if refit else 'no refit'}"
    found.method = None if refit else best
    return found


def choose_by_validation(wanted: Wanted, judge: Judge, methods: Sequence[tuple[Any, Mapping[str, Any]]]) -> Chosen:
    """What answers best for videos of official validation classes; nothing has to be fitted again.

    Args:
        wanted: what is to be chosen; the checkpoint always is, by the method itself.
        judge: has the videos and the classes.
        methods: fitted ones with their settings.
    """
    plain = Wanted(wanted.settings)
    compared = Comparison(plain, judge)
    for method, settings in methods:
        if hasattr(method, "choose"):
            judge.choose(method)
        if wanted.several:
            compared.add(method, settings)
        else:
            compared.chosen = Chosen({**settings, **plain.combinations(method, after_fit=True)[0]}, method=method)
    best, found = compared.best() if wanted.several else compared.chosen.method, compared.chosen
    if "temperature" in wanted.parts:
        found.parts["temperature"] = judge.temperature(best)
    if wanted or hasattr(best, "choose"):
        found.how = f"{len(judge.names)} official validation classes, no refit"
    return found


def hold_out(seen: tuple[str, ...], share: float, seed: int) -> tuple[str, ...]:
    """The seen classes that choices are made by, drawn by the seed: a share of them, and two at least.

    Raises:
        UsageError: fewer than two would be left to learn from.
    """
    count = max(2, round(share * len(seen)))
    if len(seen) - count < 2:
        raise UsageError(f"{len(seen)} seen classes are too few to hold some out; give one value for each setting")
    places = np.random.default_rng(seed).choice(len(seen), count, replace=False)
    return tuple(seen[place] for place in sorted(places))


def shows(video: ListedVideo, label: str) -> bool:
    """True where a class is to be seen in a video, whether a protocol asks about it or not."""
    return video.label == label or any(label == other for _, _, other in video.segments)


def _counts(benchmark: Benchmark, video: ListedVideo, names: tuple[str, ...]) -> bool:
    """True for a video that the protocol would ask about, if these were the classes."""
    return bool(benchmark.truth(video, names)) if benchmark.task == "localization" else video.label in names


def _withhold(videos: tuple[ListedVideo, ...], labels: tuple[str, ...], wanted: Wanted) -> tuple[ListedVideo, ...]:
    """A share of the videos of every class, at least one where there are two."""
    random = np.random.default_rng([wanted.seed, _WITHHELD])
    found: list[ListedVideo] = []
    for label in labels:
        mine = [video for video in videos if video.label == label]
        count = max(1, round(wanted.share * len(mine))) if len(mine) > 1 else 0
        found += [mine[int(place)] for place in sorted(random.permutation(len(mine))[:count])]
    return tuple(found)
