"""A method on a protocol: the only code that holds test labels while a method runs.

A method gets training videos of seen classes with their labels, and class names; then test videos without name or
label, in an order drawn from the seed, so that not even their order says what they show. What it answers is kept, and
every figure is computed from that.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.tasks import Exam, SplitVideos
from gerund.bench.runs.answers import Answers, RecognitionAnswers
from gerund.bench.runs.costs import Clock, num_parameters
from gerund.bench.runs.learning import Learning, Make, Say, SplitRun, select
from gerund.bench.runs.material import Material, Present, inputs, space
from gerund.bench.runs.questions import ask_scores, ask_segments, ask_when, logit_scale_of
from gerund.bench.runs.schema import Costs
from gerund.errors import UsageError
from gerund.methods.catalog import describe_method
from gerund.methods.failures import errors_while
from gerund.types import Segments

_BATCH = 256
_PROBES = 3


def run(
    benchmark: Benchmark,
    make: Make,
    material: Material,
    *,
    splits: Sequence[str] | None = None,
    choices: Mapping[str, Sequence[Any]] | None = None,
    choose: Collection[str] = (),
    held_out: float = 0.2,
    seed: int = 0,
    allow_missing: bool = False,
    fitted: Callable[[Split], tuple[Any, tuple[str, ...]]] | None = None,
    shared: Collection[Any] = (),
    progress: Say | None = None,
) -> Iterator[SplitRun]:
    """Runs a method over the splits of a benchmark, one after the other.

    Args:
        benchmark: the protocol.
        make: makes a method from the settings in `choices`; called anew for every fit.
        material: lists and features.
        splits: names of the splits to run; all by default.
        choices: settings to choose among, each with its values, see `Learning`.
        choose: what else is chosen, of `PARTS`.
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
        choose=choose,
        held_out=held_out,
        seed=seed,
        allow_missing=allow_missing,
        shared=shared,
        progress=progress,
    )
    present = Present(material, allow_missing)
    ready = [_prepare(benchmark, task, present) for task in select(benchmark, material, splits)]
    for task, exams, done in ready:
        whole = Clock()
        with errors_while(f"split {done.name}"):
            if fitted:
                method, done.trained_on = fitted(task.split)
                learned: dict[str, float] = {}
            else:
                training = Clock()
                method = learning.method(task, done)
                learned = {"train_wall_s": training.wall_s(), "train_cpu_s": training.cpu_s()}
            done.costs = Costs(num_parameters(method), **learned, ask_cpu_s=0.0)
            done.used = describe_method(method)
            for exam in exams:
                say(f"split {done.name}: {len(exam.videos)} videos among {len(exam.candidates)} classes")
                done.answers.append(_ask(benchmark, task, exam, method, material, seed, done))
        done.wall_s, done.cpu_s = whole.wall_s(), whole.cpu_s()
        yield done


def _prepare(benchmark: Benchmark, task: SplitVideos, present: Present) -> tuple[SplitVideos, list[Exam], SplitRun]:
    """A split with the test videos that have features; so what is missing is known before anything is learned."""
    done = SplitRun(task.split.name)
    exams = [Exam(p.name, present.only(p.videos, "test", done.missing), p.candidates) for p in task.exams]
    for exam in exams:
        if not exam.videos:
            which = f" of {exam.name} classes" if exam.name else ""
            raise UsageError(
                f"{benchmark.name} split {done.name}: no test video{which} has features; extract them first"
            )
    return task, exams, done


def _ask(
    benchmark: Benchmark, task: SplitVideos, exam: Exam, method: Any, material: Material, seed: int, done: SplitRun
) -> Answers:
    """Asks about every video of a exam in a drawn order and sorts the answers back."""
    classes = space(exam.candidates, material)
    order = np.random.default_rng([seed, 1]).permutation(len(exam.videos))
    asked = inputs([exam.videos[place].video for place in order], material.test_features, material)
    if benchmark.task == "localization":

        def ask(*question: Any) -> Segments:
            clock = Clock()
            found = ask_segments(*question)
            _add(done, clock)
            return found

        return ask_when(
            benchmark,
            method,
            exam.videos,
            exam.candidates,
            asked,
            order,
            classes,
            split=task.split.name,
            paper=exam.name,
            ask=ask,
        )
    scores = np.zeros((len(exam.videos), len(exam.candidates)), np.float32)
    for start in range(0, len(order), _BATCH):
        some = asked[start : start + _BATCH]
        batch = some.alone()  # no other video can be reached from it
        clock = Clock()
        answers = ask_scores(method, batch, classes)
        _add(done, clock)
        scores[order[start : start + _BATCH]] = answers
        if start == 0:
            alone = [ask_scores(method, batch.take([place]), classes)[0] for place in range(min(_PROBES, len(batch)))]
            same = np.allclose(alone, answers[: len(alone)], rtol=1e-3, atol=1e-4 * np.abs(answers).max())
            done.batch_independent = bool(same) and done.batch_independent is not False
    places = {name: place for place, name in enumerate(exam.candidates)}
    temperature = done.chosen.get("temperature")
    return RecognitionAnswers(
        split=task.split.name,
        paper=exam.name,
        videos=tuple(video.video for video in exam.videos),
        labels=np.array([places[video.label] for video in exam.videos], np.int64),
        classes=exam.candidates,
        is_seen=np.array([name in task.split.seen for name in exam.candidates]),
        scores=scores,
        logit_scale=1 / temperature if temperature else logit_scale_of(method),
        bias=done.chosen.get("bias"),
    )


def _add(done: SplitRun, clock: Clock) -> None:
    done.costs = msgspec.structs.replace(done.costs, ask_cpu_s=(done.costs.ask_cpu_s or 0.0) + clock.cpu_s())
