"""Questions put to a method, and its answers, refused where they are none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import LocalizationAnswers
from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.methods.base import Localizer, Recognizer
from gerund.methods.failures import errors_of
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, IntArray, Segments, Track


def ask_scores(method: Recognizer, batch: Inputs, classes: ClassSpace) -> FloatArray:
    """Scores ``[N, C]``, sure to be finite.

    Raises:
        UsageError: they are of another shape, or one is no number.
        GerundError: the method fails.
    """
    with errors_of(method, "score"):
        answers = np.array(method.score(batch, classes), np.float32)  # a copy: it may write its next answer there
    finite = bool(np.isfinite(answers).all())
    if answers.shape != (len(batch), len(classes)) or not finite:
        raise UsageError(
            f"{type(method).__name__}.score must give finite numbers [{len(batch)}, {len(classes)}], got "
            f"{answers.shape}{'' if finite else ' with NaN or infinity'}"
        )
    return answers


def ask_segments(method: Localizer, track: Track, classes: ClassSpace) -> Segments:
    """Segments, each of a class that was asked about; `Segments` itself sees to it that they are finite.

    Raises:
        UsageError: one is of another class, or they are no `Segments`.
        GerundError: the method fails.
    """
    with errors_of(method, "locate"):
        found = method.locate(track, classes)
    if not isinstance(found, Segments):
        raise UsageError(f"{type(method).__name__}.locate must give Segments, got {type(found).__name__}")
    asked = set(classes.names)
    strange = [item.action for item in found if item.action not in asked]
    if strange:
        raise UsageError(f"{type(method).__name__}.locate answered {strange[0]!r}, which was not asked about")
    return found


def ask_when(
    benchmark: Benchmark,
    method: Localizer,
    videos: Sequence[ListedVideo],
    names: tuple[str, ...],
    asked: Inputs,
    order: Sequence[int] | IntArray,
    classes: ClassSpace,
    *,
    split: str = "",
    paper: str = "",
    ask: Callable[[Localizer, Track, ClassSpace], Segments] | None = None,
) -> LocalizationAnswers:
    """Segments in some videos, and what is true of these.

    Args:
        benchmark: says which annotated actions count.
        method: who is asked.
        videos: the videos.
        names: the candidates as the data set spells them.
        asked: the tracks of the videos in the order in which they are asked.
        order: for each of these the place of its video.
        classes: the candidates in words.
        split: name of the split.
        paper: name of the exam.
        ask: asks about one video; `ask_segments` by default.

    Raises:
        UsageError: an answer is none.
        GerundError: the method fails.
    """
    labels = dict(zip(classes.names, names, strict=True))
    found: list[tuple[str, float, float, str, float]] = []
    for place, track in zip(order, asked, strict=True):
        for item in (ask or ask_segments)(method, track, classes):
            found.append((videos[int(place)].video, item.start_s, item.end_s, labels[item.action], item.score))
    truth = [(video.video, *action) for video in videos for action in benchmark.truth(video, names)]
    return LocalizationAnswers(split, paper, names, tuple(truth), tuple(found))


def logit_scale_of(method: Any) -> float:
    """The factor that makes its scores logits; 0 where it does not say that they become probabilities.

    Raises:
        UsageError: it is no number above 0.
    """
    given = getattr(method, "logit_scale", 0.0)
    if not isinstance(given, int | float | np.number) or not 0 <= given < np.inf:
        raise UsageError(f"{type(method).__name__}.logit_scale must be a finite number above 0, got {given!r}")
    return float(given)
