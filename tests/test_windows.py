"""Windows over long videos: what GAP's released code cuts, and what any cutting must keep."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.methods.localizers.windows import cut_windows, keep_actions, place_actions, window_span_s

LENGTHS = st.integers(1, 3000)


@pytest.mark.parametrize(
    ("num_features", "training", "count", "last"),
    [
        (128, True, 1, (0, 127)),
        (129, False, 2, (96, 128)),
        (129, True, 2, (1, 128)),
        (153, False, 2, (96, 152)),
        (153, True, 2, (25, 152)),
        (1034, False, 11, (960, 1033)),
        (1034, True, 30, (906, 1033)),
        (33, False, 1, (0, 32)),
    ],
)
def test_windows_are_those_of_the_released_code(num_features, training, count, last):
    """Number and last window of videos of 129, 153 and 1034 features were taken from GAP's running code."""
    windows = cut_windows(num_features, training=training)
    assert (len(windows), windows[0][0], windows[-1]) == (count, 0, last)


@given(LENGTHS, st.booleans())
def test_windows_cover_the_video_and_nothing_else(num_features, training):
    """Every feature is in a window, none is outside the video, and no window is longer than 128 or listed twice."""
    windows = cut_windows(num_features, training=training)
    assert {place for first, last in windows for place in range(first, last + 1)} == set(range(num_features))
    assert all(last - first < 128 for first, last in windows)
    assert windows == sorted(set(windows))


@given(LENGTHS.filter(lambda length: length >= 128))
def test_training_windows_are_full(num_features):
    """In training no window is short once the video has enough features; neighbours are at most 32 apart."""
    windows = cut_windows(num_features, training=True)
    assert {last - first for first, last in windows} == {127}
    assert all(0 < after[0] - before[0] <= 32 for before, after in pairwise(windows))


@given(LENGTHS, st.integers(1, 50), st.floats(0, 0.9))
def test_other_sizes_cover_too(num_features, size, overlap):
    """Any size and overlap that leaves a step covers the video."""
    if int(size * (1 - overlap)) < 1:
        return
    windows = cut_windows(num_features, training=False, size=size, overlap=overlap)
    assert {place for first, last in windows for place in range(first, last + 1)} == set(range(num_features))


@pytest.mark.parametrize("wrong", [{"num_features": 0}, {"size": 0}, {"overlap": 1.0}, {"overlap": -0.1}])
def test_impossible_windows_are_refused(wrong):
    """No features, no size, or an overlap without a step is an error."""
    with pytest.raises(UsageError, match="impossible"):
        cut_windows(**{"num_features": 10, "training": True, **wrong})


def test_the_released_span_is_one_feature_short():
    """A full window lasts 128 features; under compat 127, since the released code ends it where its last begins."""
    assert window_span_s((32, 159), 3.75) == (32 / 3.75, 160 / 3.75)
    assert window_span_s((32, 159), 3.75, compat="gap") == (32 / 3.75, 159 / 3.75)
    with pytest.raises(UsageError, match="compat"):
        window_span_s((0, 1), 1.0, compat="t3al")


def test_kept_actions_are_long_enough_and_of_the_classes():
    """Exactly the limit is too short; others are sorted by start plus end; a label outside the classes never counts."""
    actions = [(10.0, 12.0, "a"), (0.0, 1.0, "a"), (1.0, 8.0, "b"), (0.0, 20.0, "c"), (0.0, 9.0, "Ambiguous")]
    assert keep_actions(actions, {"a", "b"}, longer_than_s=1.0) == [(1.0, 8.0, "b"), (10.0, 12.0, "a")]


def test_actions_are_placed_by_hand():
    """In a window from 10 to 20 s: whole, three quarters (kept, cut), less (left out), outside, and without length."""
    actions = [(11.0, 12.0, "a"), (8.0, 16.0, "b"), (7.9, 15.9, "c"), (30.0, 31.0, "d"), (15.0, 15.0, "e")]
    assert place_actions(actions, (10.0, 20.0)) == [(1.0, 2.0, "a"), (0.0, 6.0, "b")]


SPANS = st.tuples(st.integers(0, 200), st.integers(1, 60)).map(lambda span: (span[0] / 4, (span[0] + span[1]) / 4))


@given(st.lists(SPANS, max_size=8), SPANS)
def test_placed_actions_agree_with_counting_samples(spans, window):
    """On a grid of quarter seconds the share inside a window equals the share of samples inside."""
    actions = [(start_s, end_s, str(place)) for place, (start_s, end_s) in enumerate(spans)]
    placed = {label: (start_s, end_s) for start_s, end_s, label in place_actions(actions, window)}
    for start_s, end_s, label in actions:
        samples = [quarter / 4 for quarter in range(int(start_s * 4), int(end_s * 4))]
        inside = [moment for moment in samples if window[0] <= moment < window[1]]
        assert (label in placed) == (len(inside) >= 0.75 * len(samples))
        if label in placed:
            assert placed[label] == (min(inside) - window[0], max(inside) + 0.25 - window[0])
