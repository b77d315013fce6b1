"""Questions about when, put to a localizer, with what is true beside its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import LocalizationAnswers
from gerund.examples import Inputs
from gerund.methods.base import Localizer
from gerund.methods.questions import ask_segments
from gerund.text.classes import ClassSpace
from gerund.types import IntArray, Segments, Track


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
