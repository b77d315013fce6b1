"""A method on a protocol: the only code that holds test labels while a method runs.

A method gets training videos of seen classes with their labels, and class names; then test videos without name or
label, in an order drawn from the seed, so that not even their order says what they show. What it answers is kept, and
every figure is computed from that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.tasks import Paper, Task
from gerund.bench.runs.answers import Answers, LocalizationAnswers, RecognitionAnswers
from gerund.bench.runs.learning import Learning, Make, Progress, SplitRun, select
from gerund.bench.runs.material import Material, Present, inputs, space
from gerund.bench.runs.questions import ask_scores, ask_segments, logit_scale_of
from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.methods.base import Localizer
from gerund.methods.catalog import describe_method
from gerund.methods.failures import errors_while
from gerund.text.classes import ClassSpace
from gerund.types import IntArray

_BATCH = 256
_PROBES = 3


def run(
    benchmark: Benchmark,
    make: Make,
    material: Material,
    *,
    splits: Sequence[str] | None = None,
    choices: Mapping[str, Sequence[Any]] | None = None,
    held_out: float = 0.2,
    seed: int = 0,
    allow_missing: bool = False,
    fitted: Callable[[Split], tuple[Any, tuple[str, ...]]] | None = None,
    shared: Collection[Any] = (),
    progress: Progress | None = None,
) -> Iterator[SplitRun]:
    """Runs a method over the splits of a benchmark, one after the other.

    Args:
        benchmark: the protocol.
        make: makes a method from the settings in `choices`; called anew for every fit.
        material: lists and features.
        splits: names of the splits to run; all by default.
        choices: settings to choose among, each with its values. All combinations are fitted without a share of the seen
            classes and compared on these; the best is then fitted on all. Test classes play no part.
        held_out: that share.
        seed: of held-out classes and of the order in which test videos are asked.
        allow_missing: leave out listed videos that have no features, and count them, instead of refusing.
        fitted: gives for a split a method that has learned elsewhere, and the classes it has learned from.
        shared: what methods are built on, see `Learning`.
        progress: told what is being done.

    Yields:
        What happened on each split.

    Raises:
        UsageError: a split is unknown, features are missing, or there is nothing left to train on or to ask.
        GerundError: the method fails, in whatever way.
    """
    say = progress or (lambda words: None)
    learning = Learning(
        benchmark,
        make,
        material,
        choices=choices,
        held_out=held_out,
        seed=seed,
        allow_missing=allow_missing,
        shared=shared,
        progress=progress,
    )
    present = Present(material, allow_missing)
    ready = [_prepare(benchmark, task, present) for task in select(benchmark, material, splits)]
    for task, papers, done in ready:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        with errors_while(f"split {done.name}"):
            if fitted:
                method, done.trained_on = fitted(task.split)
            else:
                method = learning.method(task, done)
            done.used = describe_method(method)
            for paper in papers:
                say(f"split {done.name}: {len(paper.videos)} videos among {len(paper.candidates)} classes")
                done.answers.append(_ask(benchmark, task, paper, method, material, seed, done))
        done.wall_s, done.cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
        yield done


def _prepare(benchmark: Benchmark, task: Task, present: Present) -> tuple[Task, list[Paper], SplitRun]:
    """A split with the test videos that have features; so what is missing is known before anything is learned."""
    done = SplitRun(task.split.name)
    papers = [Paper(p.name, present.only(p.videos, "test", done.missing), p.candidates) for p in task.papers]
    for paper in papers:
        if not paper.videos:
            which = f" of {paper.name} classes" if paper.name else ""
            raise UsageError(
                f"{benchmark.name} split {done.name}: no test video{which} has features; extract them first"
            )
    return task, papers, done


def _ask(
    benchmark: Benchmark, task: Task, paper: Paper, method: Any, material: Material, seed: int, done: SplitRun
) -> Answers:
    """Asks about every video of a paper in a drawn order and sorts the answers back."""
    classes = space(paper.candidates, material)
    order = np.random.default_rng([seed, 1]).permutation(len(paper.videos))
    asked = inputs([paper.videos[place].video for place in order], material.test_features, material)
    if benchmark.task == "localization":
        return _ask_when(benchmark, task, paper, method, asked, order, classes)
    scores = np.zeros((len(paper.videos), len(paper.candidates)), np.float32)
    for start in range(0, len(order), _BATCH):
        some = asked[start : start + _BATCH]
        batch = Inputs(list(some), some.objects)  # a plain list: no other video can be reached from it
        answers = ask_scores(method, batch, classes)
        scores[order[start : start + _BATCH]] = answers
        if start == 0:
            alone = [ask_scores(method, batch.take([place]), classes)[0] for place in range(min(_PROBES, len(batch)))]
            same = np.allclose(alone, answers[: len(alone)], rtol=1e-3, atol=1e-4 * np.abs(answers).max())
            done.batch_independent = bool(same) and done.batch_independent is not False
    places = {name: place for place, name in enumerate(paper.candidates)}
    return RecognitionAnswers(
        split=task.split.name,
        paper=paper.name,
        videos=tuple(video.video for video in paper.videos),
        labels=np.array([places[video.label] for video in paper.videos], np.int64),
        classes=paper.candidates,
        is_seen=np.array([name in task.split.seen for name in paper.candidates]),
        scores=scores,
        logit_scale=logit_scale_of(method),
    )


def _ask_when(
    benchmark: Benchmark,
    task: Task,
    paper: Paper,
    method: Localizer,
    asked: Inputs,
    order: IntArray,
    classes: ClassSpace,
) -> LocalizationAnswers:
    labels = dict(zip(classes.names, paper.candidates, strict=True))
    found: list[tuple[str, float, float, str, float]] = []
    for place, track in zip(order, asked, strict=True):
        video = paper.videos[int(place)].video
        for item in ask_segments(method, track, classes):
            found.append((video, item.start_s, item.end_s, labels[item.action], item.score))
    truth = [(v.video, *action) for v in paper.videos for action in benchmark.truth(v, paper.candidates)]
    return LocalizationAnswers(task.split.name, paper.name, paper.candidates, tuple(truth), tuple(found))
