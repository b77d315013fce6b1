"""Sliding and Pooled: windows, joins and pools known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from gerund import ClassSpace, Inputs, Segment, Segments, Track, UsageError
from gerund.methods import Pooled, Sliding
from gerund.methods.adapters import cut_windows

AB = ClassSpace(("a", "b"))


class Means:
    """Scores of the classes are the first numbers of the mean vector."""

    takes = "vector"

    def __init__(self, scale=0.0):
        self.logit_scale = scale
        self.asked = []

    def fit(self, examples, classes):
        self.fitted = classes
        return self

    def score(self, inputs, classes):
        self.asked.append(inputs)
        return inputs.vectors[:, : len(classes)]


def track(rows, step_s=1.0, start_s=0.0):
    """One vector for each step."""
    edges = start_s + step_s * np.arange(len(rows) + 1)
    return Track(np.array(rows, np.float32), np.stack([edges[:-1], edges[1:]], axis=1), "stub", True)


def test_windows_cover_the_video_and_end_with_it():
    """Half overlap, the last one reaches the end, an odd rest is covered, and nothing is asked twice."""
    spans_s = track(np.zeros((11, 1))).spans_s
    assert cut_windows(spans_s, 4.0) == [(0, 4), (2, 6), (4, 8), (6, 10), (7, 11)]
    assert cut_windows(spans_s, 11.0) == [(0, 11)]
    assert cut_windows(spans_s, 11.5) == []
    assert cut_windows(spans_s + 100, 4.0) == cut_windows(spans_s, 4.0)
    assert len(cut_windows(spans_s, 0.5)) == 11, "windows shorter than a step are one vector each"


def test_stretches_that_an_action_wins_are_its_segments():
    """4 s of a, 4 s of b: with windows of 2 s the stretches that each wins, scored by the mean of its windows."""
    given = track([[1, 0]] * 4 + [[0, 1]] * 4, start_s=10.0)
    found = Sliding(Means(), window_s=2.0).locate(given, AB)
    spans = {item.action: (item.start_s, item.end_s, item.score) for item in found}
    # windows begin each second: (10,12) (11,13) (12,14) a, (13,15) tied, which the first action wins, then three of b
    assert spans["a"] == (10.0, 15.0, pytest.approx((1 + 1 + 1 + 0.5) / 4))
    assert spans["b"] == (14.0, 18.0, pytest.approx(1.0))
    assert [item.action for item in found] == ["b", "a"], "best score first"
    assert all(item.confidence is None for item in found), "no scale is stated"


def test_two_stretches_of_one_action_stay_apart():
    """a, b, a: two segments of a, and neither runs through b."""
    given = track([[1, 0]] * 4 + [[0, 1]] * 4 + [[1, 0]] * 4)
    found = Sliding(Means(), window_s=2.0).locate(given, AB)
    spans = sorted((item.start_s, item.end_s) for item in found if item.action == "a")
    assert spans == [(0.0, 5.0), (7.0, 12.0)], "a window that is half of each goes to the first action"


def test_confidence_is_the_share_in_the_whole_video():
    """With a scale it is the softmax of the whole track's scores: means 0.75 and 0.25 at a scale of 4."""
    given = track([[1, 0]] * 6 + [[0, 1]] * 2)
    shares = np.exp([4 * 0.75, 4 * 0.25]) / np.exp([4 * 0.75, 4 * 0.25]).sum()
    found = Sliding(Means(4.0), window_s=2.0).locate(given, AB)
    assert {item.action: item.confidence for item in found} == pytest.approx(dict(zip("ab", shares, strict=True)))


def test_only_actions_that_win_are_in_play_and_the_best_of_them_stay():
    """A class that wins no window has no segment; of more than allowed those stay that fit the whole video best."""
    classes = ClassSpace(("a", "b", "c", "never"))
    rows = [[1, 0, 0, 0.5]] * 6 + [[0, 1, 0, 0.5]] * 4 + [[0, 0, 1, 0.5]] * 2
    found = Sliding(Means(), window_s=2.0).locate(track(rows), classes)
    assert {item.action for item in found} == {"a", "b", "c"}
    found = Sliding(Means(), window_s=2.0, max_classes=2).locate(track(rows), classes)
    assert {item.action for item in found} == {"a", "b"}


def test_one_action_alone_stands_out_from_the_rest_of_the_video():
    """With one class there is no other to win against: windows that are not below the mean count."""
    found = Sliding(Means(), window_s=2.0).locate(track([[0]] * 4 + [[2]] * 4 + [[0]] * 4), ClassSpace(("a",)))
    (item,) = found
    assert (item.start_s, item.end_s) == (3.0, 9.0)
    (alone,) = Sliding(Means()).locate(track([[2]]), ClassSpace(("a",)))
    assert (alone.start_s, alone.end_s) == (0.0, 1.0), "a short video is its own mean"


def test_short_videos_are_one_window_and_lengths_are_joined():
    """Where no window fits, the whole video is one; of several lengths, what overlaps too much is dropped."""
    short = Sliding(Means()).locate(track([[1, 0]]), AB)
    assert [(item.start_s, item.end_s, item.action) for item in short] == [(0.0, 1.0, "a")]
    both = Sliding(Means(), window_s=(2.0, 4.0)).locate(track([[1, 0]] * 8), AB)
    assert [(item.start_s, item.end_s) for item in both] == [(0.0, 8.0)]


def test_a_recognizer_gets_windows_with_the_objects_of_their_video():
    """Every window is a track of its own vectors and times, and brings the objects along; windows come in batches."""
    means = Means()
    Sliding(means, window_s=1.0, objects=np.array([3, 1])).locate(track(np.eye(2)[[0, 1] * 300]), AB)
    assert [len(inputs) for inputs in means.asked] == [1, 256, 256, 88]
    assert means.asked[1][3].spans_s.tolist() == [[3.0, 4.0]]
    assert all((inputs.objects == [3, 1]).all() and len(inputs.objects) == len(inputs) for inputs in means.asked)


def test_at_most_so_many_segments():
    """The best of them, by score."""
    rows = np.eye(2)[[0, 0, 1, 1] * 8]
    assert len(Sliding(Means(), window_s=1.0, max_segments=3).locate(track(rows), AB)) == 3


class Finds:
    """Answers with the segments that it was made with."""

    takes = "track"

    def __init__(self, *segments):
        self.segments = Segments(segments)

    def fit(self, examples, classes):
        self.fitted = classes
        return self

    def locate(self, track, classes):
        return self.segments


def test_an_action_scores_as_its_best_segment():
    """The best of two segments counts; what has none is 1 below the lowest of all segments, or below 0."""
    classes = ClassSpace(("a", "b", "c"))
    three = Finds(Segment(0, 1, "a", 2.0, 0.5), Segment(1, 2, "a", 5.0, 0.5), Segment(0, 1, "c", 3.0, 0.5))
    assert Pooled(three).score(Inputs([track([[0.0]])]), classes).tolist() == [[5.0, -1.0, 3.0]]
    low = Finds(Segment(0, 1, "b", -4.0, None), Segment(0, 1, "b", -7.0, None))
    assert Pooled(low).score(Inputs([track([[0.0]])] * 2), classes).tolist() == [[-8.0, -4.0, -8.0]] * 2
    assert Pooled(Finds()).score(Inputs([track([[0.0]])]), classes).tolist() == [[0.0, 0.0, 0.0]]


def test_what_adapts_learns_through():
    """Fitting an adapter fits what it adapts."""
    for adapter, inner in ((Sliding(Means()), "recognizer"), (Pooled(Finds()), "localizer")):
        assert adapter.fit(None, AB) is adapter
        assert getattr(adapter, inner).fitted is AB


@pytest.mark.parametrize("settings", [{"window_s": 0.0}, {"window_s": (2.0, -1.0)}, {"max_classes": 0}])
def test_settings_out_of_range(settings):
    """Windows have a length, and some action is in play."""
    with pytest.raises(UsageError, match="window_s is above 0"):
        Sliding(Means(), **settings)


def test_frames_cannot_be_cut_out_of_a_track():
    """A recognizer that takes decoded frames does not slide over vectors, and a localizer has to have moments."""
    frames, mean = Means(), Finds()
    frames.takes, mean.takes = "clip", "vector"
    with pytest.raises(UsageError, match="decoded frames"):
        Sliding(frames)
    with pytest.raises(UsageError, match="no moments"):
        Pooled(mean)
