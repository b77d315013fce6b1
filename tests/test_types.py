"""Segments and their sinks, tracks and clips."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.encoders.base import unit
from gerund.errors import GerundError, UsageError
from gerund.types import Clip, Segment, Segments, Track, vtt_time

FOUND = Segments(
    [
        Segment(10.0, 12.5, "playing guitar", 1.0, 0.25),
        Segment(0.5, 3.0, 'saying "a, b" <loud> & clear', 7.5, 0.75),
        Segment(1.0, 2.0, "playing guitar", 3.0, 0.25),
    ]
)


def test_best_first_and_by_time():
    """Iteration is in order of score, `by_time` in order of start."""
    assert [s.score for s in FOUND] == [7.5, 3.0, 1.0]
    assert [s.start_s for s in FOUND.by_time()] == [0.5, 1.0, 10.0]
    assert [s.score for s in FOUND.top(2)] == [7.5, 3.0]


def test_equal_scores_keep_their_order():
    """Sorting is stable."""
    names = [s.action for s in Segments([Segment(0, 1, name, 1.0, 1.0) for name in "cab"])]
    assert names == ["c", "a", "b"]


def test_csv_reads_back():
    """A standard CSV reader gets every field back, with commas and quotes in the name."""
    rows = list(csv.DictReader(io.StringIO(FOUND.to_csv("a,b.mp4"))))
    assert rows[0]["action"] == 'saying "a, b" <loud> & clear'
    assert [float(row["start_s"]) for row in rows] == [0.5, 1.0, 10.0]
    assert {row["video"] for row in rows} == {"a,b.mp4"}
    assert len(FOUND.to_csv("x", header=False).splitlines()) == 3


def test_dicts_are_json():
    """Dicts hold plain numbers, rounded to a millisecond and a millionth."""
    item = Segments([Segment(np.float64(1 / 3), np.float64(2 / 3), "a", np.float64(1 / 7), 0.1)]).to_dicts()[0]
    expected = {"start_s": 0.333, "end_s": 0.667, "action": "a", "score": 0.142857, "confidence": 0.1}
    assert json.loads(json.dumps(item)) == expected


def test_vtt_is_in_order_of_time_and_escaped():
    """WebVTT begins with its mark; cues ascend; marks in names are escaped so that no player drops them."""
    text = FOUND.to_vtt()
    assert text.startswith("WEBVTT\n\n00:00:00.500 --> 00:00:03.000\n")
    assert "&lt;loud&gt; &amp; clear (75%)" in text
    assert text.count("-->") == 3


@given(st.floats(0, 359_999))
def test_vtt_times_round_to_the_millisecond(seconds):
    """A time read back is within half a millisecond."""
    hours, minutes, rest = vtt_time(seconds).split(":")
    assert len(rest) == 6
    assert abs(int(hours) * 3600 + int(minutes) * 60 + float(rest) - seconds) < 0.000501


def test_distinct_leaves_out_what_is_covered():
    """A window inside a better segment of its action goes, one of another action or mostly outside stays."""
    found = Segments(
        [
            Segment(0, 10, "a", 5, 1),
            Segment(2, 5, "a", 4, 1),
            Segment(2, 5, "b", 3, 1),
            Segment(9, 14, "a", 2, 1),
        ]
    )
    assert [s.score for s in found.distinct()] == [5, 3, 2]


def test_coverage_is_counted_once():
    """Where better segments overlap each other, what they share covers once."""
    found = Segments([Segment(0, 10, "a", 3, 1), Segment(5.1, 15.1, "a", 2, 1), Segment(5.1, 27, "a", 1, 1)])
    assert len(found.distinct()) == 3


def test_what_does_not_stand_out_is_not_shown():
    """A segment of score 0 is kept in the list and left out of what people see."""
    assert len(Segments([Segment(0, 1, "a", 0.0, 1)]).distinct()) == 0


@pytest.mark.parametrize("bad", [(2.0, 1.0, 0.0), (0.0, float("nan"), 0.0), (0.0, 1.0, float("inf"))])
def test_impossible_segments_are_refused(bad):
    """A segment that ends before it starts, or is not finite, is an error."""
    start, end, score = bad
    with pytest.raises(UsageError):
        Segments([Segment(start, end, "a", score, 1.0)])


SPANS_S = np.array([[0.0, 1.0], [1.0, 2.0]])
VECTORS = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_tracks_hold_finite_numbers(bad):
    """One number that is none, in a vector or a span, is refused where the track is made."""
    for place in ((0, 0), (1, 1)):
        vectors, spans_s = VECTORS.copy(), SPANS_S.copy()
        vectors[place] = spans_s[place] = bad
        with pytest.raises(UsageError, match="vectors of a track must be finite"):
            Track(vectors, SPANS_S, "x")
        with pytest.raises(UsageError, match="spans of a track must be finite"):
            Track(VECTORS, spans_s, "x")
    with pytest.raises(UsageError, match="finite number of seconds"):
        Track(VECTORS, SPANS_S, "x", duration_s=bad)


def test_one_vector_may_stand_for_a_video_of_unknown_length():
    """An end at infinity is for a track of one span alone; a start never is there, nor an end before all time."""
    whole = Track(VECTORS[:1], np.array([[0.0, np.inf]]), "x")
    assert whole.spans_s[0, 1] == np.inf
    for spans_s in ([[np.inf, np.inf]], [[0.0, -np.inf]], [[-np.inf, np.inf]], [[0.0, np.nan]]):
        with pytest.raises(UsageError):
            Track(VECTORS[:1], np.array(spans_s), "x")
    for spans_s in ([[0.0, 1.0], [1.0, np.inf]], [[0.0, np.inf], [1.0, 2.0]], [[0.0, np.inf], [0.0, np.inf]]):
        with pytest.raises(UsageError):
            Track(VECTORS, np.array(spans_s), "x")


def test_spans_do_not_run_backwards():
    """A span that ends before it starts is named by its place; an empty one is allowed."""
    with pytest.raises(UsageError, match=r"\[2\.0, 1\.0\] at 1"):
        Track(VECTORS, np.array([[0.0, 1.0], [2.0, 1.0]]), "x")
    Track(VECTORS, np.array([[0.0, 1.0], [1.0, 1.0]]), "x")


def test_arrays_are_arrays_of_numbers():
    """Lists, texts and complex numbers are refused, and moments must be finite."""
    for vectors in ([[1.0, 0.0]], np.array([["a", "b"]]), np.array([[1j, 0]])):
        with pytest.raises(UsageError, match="track"):
            Track(vectors, np.array([[0.0, 1.0]]), "x")
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    for times_s in ([0.0, 1.0], np.array([0.0, np.nan]), np.array(["a", "b"])):
        with pytest.raises(UsageError, match="times"):
            Clip(frames, times_s)
    with pytest.raises(UsageError, match="got list"):
        Clip([[0]], np.zeros(1))


def test_clips_and_tracks_are_compared_by_what_they_hold():
    """Equality is one bool; one number, one moment or one property more makes the difference; there is no hash."""
    clip = Clip(np.zeros((2, 4, 4, 3), np.uint8), np.array([0.0, 1.0]))
    assert clip == Clip(clip.frames.copy(), clip.times_s.copy())
    assert clip != Clip(clip.frames + np.uint8(1), clip.times_s)
    assert clip != Clip(clip.frames, clip.times_s + 1)
    track = Track(VECTORS, SPANS_S, "x", True, 2.0, "a.mp4")
    assert track == Track(VECTORS.copy(), SPANS_S.copy(), "x", True, 2.0, "b.mp4")
    for changed in (
        Track(VECTORS * 2, SPANS_S, "x", True, 2.0),
        Track(VECTORS, SPANS_S + 1, "x", True, 2.0),
        Track(VECTORS, SPANS_S, "y", True, 2.0),
        Track(VECTORS, SPANS_S, "x", False, 2.0),
        Track(VECTORS, SPANS_S, "x", True, 3.0),
        Track(VECTORS[:1], SPANS_S[:1], "x", True, 2.0),
        "x",
    ):
        assert track != changed
    for value in (clip, track):
        with pytest.raises(TypeError, match="unhashable"):
            hash(value)


def test_values_are_printed_without_their_arrays():
    """Shapes and times, on one short line."""
    assert repr(Clip(np.zeros((0, 4, 6, 3), np.uint8), np.zeros(0))) == "Clip(0 frames of 6 x 4 pixels)"
    assert (
        repr(Clip(np.zeros((1, 4, 6, 3), np.uint8), np.array([0.5]))) == "Clip(1 frame of 6 x 4 pixels, 0.50 to 0.50 s)"
    )
    track = Track(VECTORS, SPANS_S, "1f5a", False, 2.0, "a.mp4")
    assert repr(track) == "Track(2 vectors of 2 numbers of 'a.mp4', 0.00 to 2.00 s, not dense, encoder '1f5a')"
    assert repr(Track(VECTORS[:0], SPANS_S[:0], "x")) == "Track(0 vectors of 2 numbers, encoder 'x')"


@pytest.mark.parametrize("huge", [3e38, -3e38, 1e20])
def test_huge_components_keep_their_direction(huge):
    """A vector whose squares overflow its type is a unit vector like any other, and its neighbours stay theirs."""
    found = unit(np.array([[huge, 0, 0], [huge, huge, 0], [3, 4, 0], [0, 0, 0]], np.float32))
    sign, half = np.sign(huge), np.sign(huge) / np.sqrt(2)
    expected = [[sign, 0, 0], [half, half, 0], [0.6, 0.8, 0], [0, 0, 0]]
    np.testing.assert_allclose(found, np.array(expected, np.float32), atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_has_no_direction(bad):
    """Vectors with NaN or infinity are an error, not zeros."""
    with pytest.raises(GerundError, match="finite"):
        unit(np.array([[1.0, bad]], np.float32))


def test_shapes_are_checked():
    """A clip needs a time for each frame and a track a span for each vector."""
    with pytest.raises(UsageError, match="times"):
        Clip(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3))
    with pytest.raises(UsageError, match="uint8"):
        Clip(np.zeros((2, 4, 4, 3)), np.zeros(2))
    with pytest.raises(UsageError, match="spans_s"):
        Track(np.zeros((2, 4), np.float32), np.zeros((3, 2)), "x")
