from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.video.sampling import dense_times, segment_centres, sliding_windows, spread_windows

lengths = st.integers(1, 400)
counts = st.integers(1, 40)


# Uniform sampling


@given(st.integers(1, 100_000), st.integers(1, 300))
def test_segment_centres_are_the_exact_centres(num_frames, count):
    """Frame k is the one that holds the middle of the k-th of `count` equal parts, in exact arithmetic."""
    exact = [math.floor(Fraction(2 * k + 1, 2) * num_frames / count) for k in range(count)]
    assert segment_centres(num_frames, count).tolist() == exact


@given(st.integers(1, 100_000), st.integers(1, 300))
def test_segment_centres_ascend_inside_the_video_and_are_symmetric(num_frames, count):
    """Numbers ascend in range; seen from the end they are the same, up to the one frame of rounding down."""
    centres = segment_centres(num_frames, count)
    assert len(centres) == count
    assert (np.diff(centres) >= 0).all()
    assert centres[0] >= 0
    assert centres[-1] < num_frames
    mirrored = num_frames - 1 - centres[::-1]
    assert np.isin(centres - mirrored, [0, 1]).all()


@given(lengths, counts)
def test_segment_centres_leave_no_stretch_unseen(num_frames, count):
    """Every frame is within half a segment, and one frame of rounding, of a chosen one."""
    distances = np.abs(np.arange(num_frames)[:, None] - segment_centres(num_frames, count)).min(axis=1)
    assert distances.max() <= num_frames / count / 2 + 1


@pytest.mark.parametrize(
    ("num_frames", "count", "expected"),
    [(8, 8, list(range(8))), (16, 8, [1, 3, 5, 7, 9, 11, 13, 15]), (3, 1, [1]), (2, 4, [0, 0, 1, 1]), (1, 3, [0] * 3)],
)
def test_segment_centres_by_hand(num_frames, count, expected):
    """All frames when as many are asked for; every second for half; repeats in a short video."""
    assert segment_centres(num_frames, count).tolist() == expected


# Sampling by time


@given(st.floats(0.001, 10_000), st.floats(0.01, 30))
def test_dense_times_are_centres_of_equal_spans(duration_s, rate_hz):
    """Moments are one span apart, the first half a span in; all are inside, and none that has room is missing."""
    moments = dense_times(duration_s, rate_hz)
    assert moments[0] == pytest.approx(min(0.5 / rate_hz, duration_s))
    np.testing.assert_allclose(np.diff(moments), 1 / rate_hz, rtol=1e-6)
    assert (moments >= 0).all()
    assert (moments <= duration_s).all()
    assert moments[-1] + 1 / rate_hz > duration_s - 1e-6


@pytest.mark.parametrize(
    ("duration_s", "rate_hz", "expected"),
    [
        (2.0, 1, [0.5, 1.5]),
        (2.49, 1, [0.5, 1.5]),
        (2.51, 1, [0.5, 1.5, 2.5]),
        (0.1, 2, [0.1]),
        (10, 0.25, [2.0, 6.0, 10.0]),
    ],
)
def test_dense_times_by_hand(duration_s, rate_hz, expected):
    """A last span counts when at least half of it is there; a video shorter than half a span gives its end."""
    assert dense_times(duration_s, rate_hz).tolist() == expected


# Windows


@given(lengths, counts, counts)
def test_sliding_windows_cover_every_frame(num_frames, length, stride):
    """Windows of consecutive frames start in order, reach the end, and leave out nothing that the stride does not."""
    windows = sliding_windows(num_frames, length, stride)
    assert windows.shape[1] == length
    assert windows[0, 0] == 0
    assert windows[-1, -1] == num_frames - 1
    if num_frames >= length:
        assert (np.diff(windows, axis=1) == 1).all()
        assert (np.diff(windows[:, 0]) > 0).all()
        assert (np.diff(windows[:, 0]) <= stride).all()
        if stride <= length:
            assert set(windows.ravel()) == set(range(num_frames))
    else:
        assert windows.tolist() == [[*range(num_frames), *[num_frames - 1] * (length - num_frames)]]


@given(lengths, counts, counts)
def test_sliding_windows_are_those_of_a_plain_loop(num_frames, length, stride):
    """Starting at 0 and moving by the stride as long as a window fits; one more at the end if frames are left over."""
    starts = []
    while (start := len(starts) * stride) + length <= num_frames:
        starts.append(start)
    if num_frames > length and starts[-1] + length < num_frames:
        starts.append(num_frames - length)
    assert sliding_windows(num_frames, length, stride)[:, 0].tolist() == (starts or [0])


@given(lengths, counts, counts)
def test_spread_windows_are_few_even_and_symmetric(num_frames, length, count):
    """No more windows than asked for or needed; they start at 0 and end with the video, evenly to one frame."""
    windows = spread_windows(num_frames, length, count)
    assert len(windows) == min(count, math.ceil(num_frames / length))
    assert windows.min() >= 0
    assert windows.max() < num_frames
    if num_frames < length:
        assert windows.tolist() == [[*range(num_frames), *[num_frames - 1] * (length - num_frames)]]
        return
    assert (np.diff(windows, axis=1) == 1).all()
    if len(windows) == 1:
        before, after = windows[0, 0], num_frames - 1 - windows[0, -1]
        assert 0 <= after - before <= 1
    else:
        assert windows[0, 0] == 0
        assert windows[-1, -1] == num_frames - 1
        steps = np.diff(windows[:, 0])
        assert steps.min() > 0
        assert steps.max() - steps.min() <= 1


@given(lengths, counts)
def test_enough_spread_windows_cover_the_video(num_frames, length):
    """With no limit on their number, the windows together hold every frame."""
    assert set(spread_windows(num_frames, length, 1000).ravel()) == set(range(num_frames))


@pytest.mark.parametrize(
    ("num_frames", "length", "count", "expected"),
    [
        (20, 16, 5, [0, 4]),
        (16, 16, 5, [0]),
        (100, 16, 1, [42]),
        (64, 16, 4, [0, 16, 32, 48]),
        (101, 10, 5, [0, 23, 46, 68, 91]),
    ],
)
def test_spread_windows_by_hand(num_frames, length, count, expected):
    """One window sits in the middle; two or more reach both ends."""
    assert spread_windows(num_frames, length, count)[:, 0].tolist() == expected


# Wrong questions


@pytest.mark.parametrize(
    "call",
    [
        lambda: segment_centres(0, 4),
        lambda: segment_centres(4, 0),
        lambda: dense_times(0.0, 4),
        lambda: dense_times(float("nan"), 4),
        lambda: dense_times(1.0, -1),
        lambda: sliding_windows(0, 4, 1),
        lambda: sliding_windows(4, 0, 1),
        lambda: sliding_windows(4, 4, 0),
        lambda: spread_windows(-1, 4, 1),
        lambda: spread_windows(4, -4, 1),
        lambda: spread_windows(4, 4, 0),
    ],
)
def test_nothing_to_sample_is_a_usage_error(call):
    """Counts, lengths, strides, rates and durations must be above 0; the message names the one that is not."""
    with pytest.raises(UsageError, match=r"(num_frames|count|length|stride|duration_s|rate_hz) must be above 0"):
        call()
