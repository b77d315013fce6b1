"""Segments and their sinks, tracks and clips."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
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


def test_shapes_are_checked():
    """A clip needs a time for each frame and a track a span for each vector."""
    with pytest.raises(UsageError, match="times"):
        Clip(np.zeros((2, 4, 4, 3), np.uint8), np.zeros(3))
    with pytest.raises(UsageError, match="uint8"):
        Clip(np.zeros((2, 4, 4, 3)), np.zeros(2))
    with pytest.raises(UsageError, match="spans_s"):
        Track(np.zeros((2, 4), np.float32), np.zeros((3, 2)), "x")
