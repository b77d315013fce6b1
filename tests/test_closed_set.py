"""Closed-set protocols: tested on the classes that were trained on, said to be so, and never on the same videos."""

from __future__ import annotations

import numpy as np
import pytest
from typer.testing import CliRunner

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.benchmarks import find_benchmark
from gerund.bench.protocols.tasks import tasks
from gerund.bench.runs.report import Report
from gerund.bench.runs.toyworld import ToyWorld
from gerund.bench.runs.trained import keep, take_up
from gerund.cli import app
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.catalog import find_method
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.training.lesson import Lesson, read_lesson, write_lesson
from gerund.text.classes import ClassSpace

WORLD = ToyWorld(num_seen=6, num_unseen=3, num_videos=5)


def gerund(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_official_lists_decide_who_trains_and_who_is_tested():
    """Training list to the one side, test list to the other, videos on neither to none; all classes are candidates."""
    videos = [
        ListedVideo("a", "wave", lists=frozenset({"train1", "test2"})),
        ListedVideo("b", "walk", lists=frozenset({"test1", "train2"})),
        ListedVideo("c", "wave", lists=frozenset({"train1", "train2"})),
        ListedVideo("d", "walk", lists=frozenset({"test3"})),
    ]
    benchmark = find_benchmark("hmdb51-closed")
    first, second = tasks(Benchmark("x", "closed-set", "hmdb51", "hmdb51", benchmark.splits[:2]), *[_of(videos)] * 2)
    assert [[video.video for video in side] for side in (first.train, first.test)] == [["a", "c"], ["b"]]
    assert [[video.video for video in side] for side in (second.train, second.test)] == [["b", "c"], ["a"]]
    (exam,) = first.exams
    assert exam.candidates == benchmark.splits[0].seen and len(exam.candidates) == 51


def _of(videos):
    return Listing("hmdb51", tuple(videos))


def test_a_video_on_both_lists_is_not_trained_on():
    """Where lists contradict each other the test list wins."""
    both = ListedVideo("a", "wave", lists=frozenset({"train1", "test1"}))
    other = ListedVideo("b", "wave", lists=frozenset({"train1"}))
    benchmark = Benchmark("x", "closed-set", "hmdb51", "hmdb51", find_benchmark("hmdb51-closed").splits[:1])
    (task,) = tasks(benchmark, *[_of([both, other])] * 2)
    assert [[video.video for video in side] for side in (task.train, task.test)] == [["b"], ["a"]]


def test_closed_set_and_zero_shot_cannot_be_mistaken():
    """A closed-set protocol has no unseen class, every other one for recognition has some; the value says so."""
    with pytest.raises(UsageError, match="closed-set protocol has no unseen"):
        Benchmark("x", "closed-set", "ucf101", "ucf101", (Split("0", ("a",), ("b",)),))
    for task in ("recognition", "generalised", "base-to-novel"):
        with pytest.raises(UsageError, match="is closed-set"):
            Benchmark("x", task, "ucf101", "ucf101", (Split("0", ("a",), ()),))
    with pytest.raises(UsageError, match="no class to answer among"):
        Split("0", (), ())


def test_a_report_says_that_it_is_closed_set(tmp_path):
    """In its heading, and no class counts as free of overlap; the classifier finds what the world hides."""
    pytest.importorskip("scipy")
    done = gerund("evaluate", "linear", "--on", "toyworld-closed", "--out", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    assert "closed-set: tested on the classes that were trained on; not a zero-shot result" in done.output
    assert "overlap checked against: nothing: no class is unseen" in done.output
    report = Report.read(tmp_path / "r.json").data
    assert report.benchmark.task == "closed-set"
    assert report.splits[0].overlap_free.of == 0
    assert (report.splits[0].num_train, report.splits[0].num_test) == (448, 112)
    assert report.summary["top-1"].mean > 95
    again = gerund("report", tmp_path / "r.json", "--recompute")
    assert "all the same" in again.output


def test_the_classifier_is_no_zero_shot_method():
    """Asked about unseen classes it refuses, and the command with it."""
    pytest.importorskip("scipy")
    done = gerund("evaluate", "linear", "--on", "toyworld", "--splits", "0", "-q")
    assert done.exit_code == 2
    assert "answers for the 40 classes that it has seen, and not for" in done.output


@pytest.fixture
def trained(tmp_path):
    """ESZSL on the training videos of the closed-set split."""
    split = WORLD.closed.splits[0]
    ids = [video.video for video in WORLD.listing if "test1" not in video.lists]
    labels = [split.seen.index(WORLD.listing.by_id[video].label) for video in ids]
    given = Examples(Inputs.of(WORLD.tracks(ids)), np.array(labels))
    keep(Eszsl(WORLD).fit(given, ClassSpace(split.seen)), tmp_path, WORLD.closed, split, WORLD)
    return tmp_path, split


def take(folder, benchmark, split):
    return take_up(folder, find_method("eszsl"), {"texts": WORLD}, benchmark, split, WORLD)


def test_a_method_trained_on_the_very_split_is_asked(trained):
    """Its lesson names protocol and split, so its training videos are known to be others."""
    folder, split = trained
    _, classes = take(folder, WORLD.closed, split)
    assert classes == split.seen


@pytest.mark.parametrize("learned_on", ["videos of one's own", "toyworld-closed split 7", "other split 0"])
def test_a_method_that_may_have_seen_the_test_videos_is_refused(trained, learned_on):
    """Trained on own videos, on another split or another protocol: the tested videos may be among them."""
    folder, split = trained
    known = read_lesson(folder)
    changes = {
        "videos of one's own": {"benchmark": "", "sha256": "", "split": ""},
        "toyworld-closed split 7": {"split": "7"},
        "other split 0": {"benchmark": "other", "sha256": "0" * 64},
    }[learned_on]
    fields = {name: getattr(known, name) for name in Lesson.__struct_fields__}
    write_lesson(Lesson(**(fields | changes)), folder)
    with pytest.raises(UsageError, match=f"has learned from {learned_on}, and toyworld-closed also asks"):
        take(folder, WORLD.closed, split)


def test_lessons_of_before_are_still_read(trained):
    """A lesson with the five fields that it had once is one, with nothing known of the rest."""
    folder, _ = trained
    (folder / "lesson.json").write_text(
        '{"benchmark": "toyworld", "sha256": "0", "split": "0", "classes": ["a"], "features": "toyworld"}'
    )
    lesson = read_lesson(folder)
    assert (lesson.classes, lesson.features, lesson.encoder, lesson.videos) == (("a",), "toyworld", "", {})


def test_the_toy_protocol_hides_the_last_fifth():
    """Every class has videos on both sides, four to one."""
    (task,) = tasks(WORLD.closed, WORLD.listing, WORLD.listing)
    assert {video.label for video in task.train} == {video.label for video in task.test} == set(WORLD.names)
    assert (len(task.train), len(task.test)) == (36, 9)
