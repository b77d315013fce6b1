"""What counts as an answer, and which figures follow from it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs.answers import LocalizationAnswers, RecognitionAnswers
from gerund.bench.runs.material import Material, inputs
from gerund.bench.runs.measuring import measure
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import ToyWorld
from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.methods.questions import ask_scores
from gerund.metrics.calibration import brier, expected_calibration_error
from gerund.text.classes import ClassSpace
from gerund.types import Segment, Segments
from toyruns import MATERIAL, REST, SEEN, SHARED, WORLD, Least, Of, localization

# What is asked, and what counts as an answer


class Centred(Least):
    """Looks at its neighbours while it is asked about base classes only."""

    def score(self, inputs, classes):
        scores = super().score(inputs, classes)
        return scores - scores.mean(axis=0) if set(classes.names) <= set(SPLIT.seen) else scores


SPLIT = WORLD.generalised.splits[0]
BASE = Benchmark("b2n", "base-to-novel", "toyworld", "toyworld", (SPLIT,))


def test_one_paper_that_depends_on_neighbours_is_enough():
    """A split is batch-independent only where all of its papers are."""
    assert next(run(BASE, Centred, MATERIAL)).batch_independent is False
    assert next(run(BASE, Least, MATERIAL)).batch_independent is True


def test_why_scores_are_refused_is_said():
    """NaN is told as such, and a wrong shape is not taken for it."""
    for factor, ending in ((np.nan, "with NaN or infinity"), (1.0, "got \\(30, 5\\)")):

        class Wrong(Least):
            def score(self, inputs, classes):
                return super().score(inputs, classes)[:, : 6 if factor != 1.0 else 5] * factor  # noqa: B023

        with pytest.raises(UsageError, match=f"{ending}$"):
            next(run(WORLD.benchmark, Wrong, MATERIAL))


def test_a_method_cannot_write_over_its_answers():
    """Answers are copied, so that a method which gives the same array every time is still compared with itself."""
    kept = np.zeros((2, 3), np.float32)

    class Buffered:
        def score(self, inputs, classes):
            kept[:] += 1
            return kept

    asked = Inputs.of(np.ones((2, 4), np.float32)), ClassSpace(("a", "b", "c"))
    first = ask_scores(Buffered(), *asked)
    ask_scores(Buffered(), *asked)
    assert (first == 1).all() and (kept == 2).all()


@pytest.mark.parametrize(("shift", "same"), [(1e-6, True), (0.05, False)])
def test_rounding_is_not_dependence(shift, same):
    """A difference in the last digits is none; a twentieth of a score is."""

    class Shifted(Least):
        def score(self, inputs, classes):
            return super().score(inputs, classes) * (1 + shift * (len(inputs) > 1))

    assert next(run(SHARED, Shifted, MATERIAL)).batch_independent is same


def test_many_videos_are_asked_in_batches_and_sorted_back():
    """Beyond one batch every video still gets its own answer, and no method sees more than a batch."""
    world = ToyWorld(num_seen=4, num_unseen=3, num_videos=100, num_splits=1)
    sizes = []

    class Own:
        takes = "vector"
        training_free = True

        def score(self, inputs, classes):
            sizes.append(len(inputs))
            return np.repeat(inputs.vectors[:, :1], len(classes), axis=1)

    done = next(run(world.benchmark, Own, Material(world.listing, world.listing, world, world)))
    answer = done.answers[0]
    wanted = np.array([track.vectors[0, 0] for track in world.tracks(answer.videos)])
    np.testing.assert_array_equal(answer.scores[:, 0], wanted)
    assert max(sizes) == 256 and answer.num_videos == 300


@pytest.mark.parametrize(
    "wrong",
    [lambda s: s[:, :-1], lambda s: s[:-1], lambda s: s[0], lambda s: s.astype(float) * 1e300, lambda s: s * np.nan],
)
def test_scores_of_another_shape_are_refused(wrong):
    """A number for every video and class, or no answer at all."""

    class Wrong(Least):
        def score(self, inputs, classes):
            return wrong(super().score(inputs, classes))

    with pytest.raises(UsageError, match=r"must give finite numbers"), np.errstate(over="ignore"):
        next(run(WORLD.benchmark, Wrong, MATERIAL))


@pytest.mark.parametrize("scale", [np.nan, np.inf, -1.0, "x", None])
def test_a_scale_that_is_none_is_refused(scale):
    """Probabilities need a finite factor above 0."""

    class Scaled(Least):
        logit_scale = scale

    with pytest.raises(UsageError, match=r"Scaled\.logit_scale must be a finite number"):
        next(run(WORLD.benchmark, Scaled, MATERIAL))


class OneTrack(Of):
    def ids(self):
        return ["v"]

    def tracks(self, ids):
        return WORLD.tracks(WORLD.ids()[:1])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Segments([Segment(0.0, 1.0, "diving", 1.0, 1.0)]), "answered 'diving', which was not asked about"),
        (Segments([Segment(0.0, 1.0, "ShotPut", 1.0, 1.0)]), "answered 'ShotPut'"),
        ([], "must give Segments, got list"),
        (None, "must give Segments, got NoneType"),
    ],
)
def test_segments_of_what_was_not_asked_are_refused(answer, said):
    """A localizer answers with the classes it was given, in their words."""
    benchmark, listing = localization()

    class Located:
        takes = "track"
        training_free = True

        def locate(self, track, classes):
            return answer

    with pytest.raises(UsageError, match=said):
        next(run(benchmark, Located, Material(listing, listing, OneTrack(), OneTrack())))


def test_segments_keep_their_times_and_get_the_data_sets_names():
    """Words go to the method, the data set's spelling into the answers, with truth beside it."""
    benchmark, listing = localization()

    class Located:
        takes = "track"
        training_free = True

        def locate(self, track, classes):
            return Segments([Segment(0.5, 1.5, classes.names[1], 0.25, 1.0)])

    answer = next(run(benchmark, Located, Material(listing, listing, OneTrack(), OneTrack()))).answers[0]
    assert answer.found == (("v", 0.5, 1.5, "ShotPut", 0.25),)
    assert answer.truth == (("v", 0.0, 1.0, "Jump"), ("v", 1.0, 2.0, "ShotPut"))


def test_a_paper_without_features_is_refused():
    """Leaving out missing videos ends where a whole side is missing, which is named."""
    for names, said in ((SPLIT.unseen, "of novel classes"), (SPLIT.seen, "of base classes")):
        gone = [video.video for video in WORLD.listing if video.label in names]
        material = replace(MATERIAL, test_features=Of(lacking=gone))
        with pytest.raises(UsageError, match=f"no test video {said} has features"):
            next(run(BASE, Least, material, allow_missing=True))


def test_objects_are_needed_of_every_video():
    """Where videos come with objects, one without is an error that names it."""
    ids = WORLD.ids()[:3]
    objects = SimpleNamespace(places={video: [1, 2] for video in ids[:2]})
    with pytest.raises(UsageError, match=f"1 of 3 videos have no objects, such as {ids[2]}"):
        inputs(ids, WORLD, replace(MATERIAL, objects=objects))
    found = inputs(ids[:2], WORLD, replace(MATERIAL, objects=objects))
    assert found.objects.tolist() == [[1, 2], [1, 2]] and inputs(ids, WORLD, MATERIAL).objects is None


def test_videos_of_validation_classes_are_looked_for_among_the_test_features():
    """They come from the lists that are tested, so their features do too, and missing ones are counted apart."""
    benchmark = replace(SHARED, splits=(Split("0", SEEN, REST[:3], REST[3:]),))
    gone = [video.video for video in WORLD.listing if video.label == REST[3]]
    got = []

    class Choosing(Least):
        def choose(self, held_out, classes):
            got.append((len(held_out), held_out.labels.max(), classes.names))
            return self

    material = replace(MATERIAL, test_features=Of(lacking=gone))
    done = next(run(benchmark, Choosing, material, allow_missing=True))
    assert done.missing == {"train": 0, "test": 0, "validation": 5}
    assert got == [(10, 2, REST[3:])]


# Which figures follow


def recognised(scores, labels, *, scale=0.0, paper="", seen=()):
    names = tuple("abcdefgh"[: len(scores[0])])
    is_seen = np.array([name in seen for name in names])
    videos = tuple(map(str, range(len(labels))))
    return RecognitionAnswers("0", paper, videos, np.array(labels), names, is_seen, np.array(scores, np.float32), scale)


CALLED = [[1.0, 0.0, 0.0], [0.4, 0.2, 0.0], [0.0, 0.1, 0.5]]


@pytest.mark.parametrize("scale", [0.5, 2.0, 30.0])
def test_calibration_is_that_of_the_scaled_scores(scale):
    """ECE and Brier are those of the softmax of scale times scores, as a plain loop computes it."""
    figures = measure([recognised(CALLED, [0, 1, 2], scale=scale)], WORLD.benchmark, frozenset())
    p = np.array([np.exp(scale * np.array(row)) / sum(np.exp(scale * s) for s in row) for row in CALLED])
    assert figures["ECE"] == pytest.approx(100 * expected_calibration_error(p, np.array([0, 1, 2])), abs=1e-4)
    assert figures["Brier"] == pytest.approx(100 * brier(p, np.array([0, 1, 2])), abs=1e-4)


def test_a_large_scale_does_not_overflow():
    """Scores of hundreds are shifted before they are raised."""
    scores = (400 * np.array(CALLED)).tolist()
    assert np.isfinite(
        list(measure([recognised(scores, [0, 1, 2], scale=100.0)], WORLD.benchmark, frozenset()).values())
    ).all()


def test_no_scale_means_no_probabilities():
    """Where a method does not say that its scores become probabilities, none are made of them."""
    assert not {"ECE", "Brier"} & set(measure([recognised(CALLED, [0, 1, 2])], WORLD.benchmark, frozenset()))


def test_overlap_free_figures_keep_the_candidates():
    """They are over the videos of these classes, answered among all; without such a class there is none."""
    answer = recognised(CALLED, [0, 1, 2])
    figures = measure([answer], WORLD.benchmark, frozenset("bc"))
    assert figures["top-1"] == pytest.approx(200 / 3) and figures["top-1, overlap-free"] == 50.0
    assert "top-1, overlap-free" not in measure([answer], WORLD.benchmark, frozenset("x"))
    assert measure([recognised(CALLED, [0, 1, 1])], WORLD.benchmark, frozenset("b"))["mean class top-1"] == 50.0


def test_base_and_novel_are_figures_of_their_own():
    """Only the novel side has an overlap-free figure, and H needs both sides."""
    base = recognised([[1.0, 0.0], [1.0, 0.0]], [0, 1], paper="base", seen="ab")
    novel = recognised([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]], [0, 1, 1, 1], paper="novel")
    figures = measure([base, novel], BASE, frozenset("ab"))
    assert list(figures) == ["base", "novel", "H", "novel, overlap-free"]
    assert figures == {"base": 50.0, "novel": 50.0, "H": 50.0, "novel, overlap-free": 50.0}
    assert measure([novel], BASE, frozenset("a")) == {"novel": 50.0, "novel, overlap-free": 100.0}
    assert measure([novel], BASE, frozenset()) == {"novel": 50.0}


def test_generalised_figures_without_overlap_keep_the_seen_side():
    """Seen videos stay; of the unseen ones those of free classes; all are answered among all classes."""
    scores = [[9, 0, 1], [0, 9, 1], [5, 0, 1], [0, 0, 9]]
    answer = recognised(scores, [0, 1, 2, 1], seen="a")
    figures = measure([answer], WORLD.generalised, frozenset("b"))
    assert figures["seen"] == 100.0 and figures["unseen"] == pytest.approx(100 / 3)
    assert figures["unseen, overlap-free"] == 50.0 and figures["H, overlap-free"] == pytest.approx(200 / 3)
    for free in (frozenset(), frozenset("a")):
        assert "unseen, overlap-free" not in measure([answer], WORLD.generalised, free)


def test_localization_figures_without_overlap_are_over_their_classes():
    """The mean over free classes alone, of the same detections."""
    truth = (("v", 0.0, 1.0, "x"), ("v", 2.0, 3.0, "y"))
    answer = LocalizationAnswers("0", "", ("x", "y"), truth, (("v", 0.0, 1.0, "x", 1.0),))
    benchmark = localization()[0]
    assert measure([answer], benchmark, frozenset("x")) == {
        "mAP@0.5": 50.0, "average mAP": 50.0, "average mAP, overlap-free": 100.0,
    }  # fmt: skip
    assert "average mAP, overlap-free" not in measure([answer], benchmark, frozenset())
    assert answer.num_videos == 1


def test_a_split_without_videos_has_no_figures():
    """Nothing was asked, so nothing is said."""
    assert measure([replace(recognised(CALLED, [0, 1, 2]), labels=np.zeros(0, np.int64))], BASE, frozenset()) == {}
