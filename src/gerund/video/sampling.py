"""Which frames to look at: pure functions from lengths to frame numbers and moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerund.errors import UsageError
from gerund.types import FloatArray64, IntArray

TIME_SLACK_S = 1e-6
"""Half of nothing on screen, but more than the rounding of a timestamp that was printed with six digits."""


def frames_on_screen(shown_s: FloatArray64, moments_s: Sequence[float] | FloatArray64) -> IntArray:
    """Numbers of the frames on screen at some moments; moments outside the video give its first or last frame.

    Args:
        shown_s: when each frame is first shown, ascending ``[N]``, at least one.
        moments_s: in any order ``[M]``.

    Returns:
        Frame numbers ``[M]``, each in ``[0, N)``.

    Example:
        >>> frames_on_screen(np.array([0.0, 0.5, 1.0]), [-1.0, 0.6, 0.9999999, 7.0]).tolist()
        [0, 1, 2, 2]
    """
    found = np.searchsorted(shown_s, np.asarray(moments_s, np.float64) + TIME_SLACK_S, side="right") - 1
    return np.clip(found, 0, len(shown_s) - 1).astype(np.int64)


def segment_centres(num_frames: int, count: int) -> IntArray:
    """Uniform sampling: the centres of `count` equal segments of the video.

    A video shorter than `count` repeats frames.

    Returns:
        Frame numbers ``[count]``, ascending, each in ``[0, num_frames)``.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> segment_centres(10, 4).tolist()
        [1, 3, 6, 8]
    """
    _require_positive(num_frames=num_frames, count=count)
    return ((np.arange(count) + 0.5) * num_frames / count).astype(np.int64)


def dense_times(duration_s: float, rate_hz: float) -> FloatArray64:
    """Dense sampling by time: the centres of consecutive spans of ``1 / rate_hz`` seconds.

    At least one moment is returned; a last span that is less than half there is left out.

    Returns:
        Moments in seconds ``[T]``, ascending, each in ``[0, duration_s]``.

    Raises:
        UsageError: a duration or a rate that is not above 0.

    Example:
        >>> dense_times(1.0, 4).tolist()
        [0.125, 0.375, 0.625, 0.875]
    """
    _require_positive(duration_s=duration_s, rate_hz=rate_hz)
    count = max(1, int(np.floor(duration_s * rate_hz + 0.5)))
    return np.asarray(np.minimum((np.arange(count) + 0.5) / rate_hz, duration_s), np.float64)


def sliding_windows(num_frames: int, length: int, stride: int) -> IntArray:
    """Windows of consecutive frames, the last one moved back so that it ends with the video.

    A video shorter than `length` gives one window that repeats its last frame.

    Returns:
        Frame numbers ``[N, length]``.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> sliding_windows(7, 4, 2).tolist()
        [[0, 1, 2, 3], [2, 3, 4, 5], [3, 4, 5, 6]]
    """
    _require_positive(num_frames=num_frames, length=length, stride=stride)
    last = max(num_frames - length, 0)
    starts = np.unique(np.append(np.arange(0, last + 1, stride), last))
    return np.asarray(np.minimum(starts[:, None] + np.arange(length), num_frames - 1), np.int64)


def spread_windows(num_frames: int, length: int, count: int) -> IntArray:
    """At most `count` windows of consecutive frames, spread evenly over the video and not more than are needed.

    Returns:
        Frame numbers ``[N, length]``, ``1 <= N <= count``; a video shorter than `length` repeats its last frame.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> spread_windows(100, 10, 3)[:, 0].tolist()
        [0, 45, 90]
    """
    _require_positive(num_frames=num_frames, length=length, count=count)
    last = max(num_frames - length, 0)
    needed = min(count, -(-num_frames // length))
    starts = np.linspace(0, last, needed).round().astype(np.int64) if needed > 1 else np.array([last // 2])
    return np.asarray(np.minimum(starts[:, None] + np.arange(length), num_frames - 1), np.int64)


def segment_draws(num_frames: int, count: int, generator: np.random.Generator) -> IntArray:
    """One frame drawn from each of `count` equal segments of the video; `segment_centres` takes the middle of each.

    Returns:
        Frame numbers ``[count]``, ascending, each in ``[0, num_frames)``.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> segment_draws(4, 4, np.random.default_rng(0)).tolist()
        [0, 1, 2, 3]
    """
    _require_positive(num_frames=num_frames, count=count)
    return ((np.arange(count) + generator.random(count)) * num_frames / count).astype(np.int64)


def consecutive_clips(
    num_frames: int, length: int, count: int, generator: np.random.Generator | None = None
) -> IntArray:
    """Clips of consecutive frames, one for each of `count` equal parts of the video.

    A clip begins with its part, or with a generator anywhere in it where the clip still fits. Where the video ends the
    last frame repeats. A video of fewer frames than clips gives one clip for each frame.

    Source: LoCATe-GAT's released code: ``period = max(num_frames // count, 1)``, clip i begins at ``i * period`` plus,
    while training, a number drawn from ``[0, max(1, period - length))``.

    Returns:
        Frame numbers ``[N, length]`` with ``N = min(count, num_frames)``, clips in ascending order.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> consecutive_clips(186, 16, 25)[:3, 0].tolist()
        [0, 7, 14]
        >>> consecutive_clips(3, 4, 2).tolist()
        [[0, 1, 2, 2], [1, 2, 2, 2]]
    """
    _require_positive(num_frames=num_frames, length=length, count=count)
    period = max(num_frames // count, 1)
    starts = np.arange(min(count, num_frames // period)) * period
    if generator is not None:
        starts = starts + generator.integers(0, max(1, period - length), len(starts))
    return np.asarray(np.minimum(starts[:, None] + np.arange(length), num_frames - 1), np.int64)


def strided_views(
    num_frames: int, length: int, step: float, count: int, generator: np.random.Generator | None = None
) -> IntArray:
    """Views of `length` frames spread over `step` times as many, at even distances from the first frame to the last.

    One view alone lies in the middle. With a generator every view begins anywhere; their order is that of time. Where
    the video is shorter than a view, its last frame repeats.

    Source: the sampling of PySlowFast, which STDD and Open-VCLIP use: numbers ``linspace(start, start + span - 1,
    length)`` with ``span = length * step``, cut to whole ones, and views at ``i * floor(rest / (count - 1))``.

    Args:
        num_frames: of the video.
        length: frames of a view.
        step: frames from one to the next, about; 1 is consecutive frames.
        count: how many views.
        generator: draws where each begins.

    Returns:
        Frame numbers ``[count, length]``.

    Raises:
        UsageError: a number that is not above 0.

    Example:
        >>> strided_views(300, 8, 16, 3)[:, 0].tolist(), strided_views(300, 8, 16, 1)[0, :3].tolist()
        ([0, 86, 172], [86, 104, 122])
    """
    _require_positive(num_frames=num_frames, length=length, step=step, count=count)
    span = length * step
    rest = max(num_frames - span, 0.0)
    if generator is not None:
        starts = np.sort(generator.random(count)) * rest
    else:
        starts = np.arange(count) * np.floor(rest / (count - 1)) if count > 1 else np.array([np.floor(rest / 2)])
    numbers = starts[:, None] + np.linspace(0, max(span - 1, 0.0), length)
    return np.minimum(numbers.astype(np.int64), num_frames - 1)


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise UsageError(f"{name} must be above 0, got {value}")
