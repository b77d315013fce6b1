"""Single frames of a video, each with the share of it that it speaks for."""

from __future__ import annotations

import numpy as np

from gerund.encoders.base import Window
from gerund.types import IntArray
from gerund.video.memory import FrameSource
from gerund.video.sampling import TIME_SLACK_S, dense_times, segment_centres


def at_rate(video: FrameSource, rate_hz: float) -> list[Window]:
    """So many frames a second, each the one on screen in the middle of its share of a second."""
    moments_s = dense_times(video.duration_s, rate_hz)
    borders = np.searchsorted(video.times_s, moments_s - 0.5 / rate_hz - TIME_SLACK_S)
    return covering(video.frames_at(moments_s), borders, video.num_frames)


def of_equal_parts(num_frames: int, count: int) -> list[Window]:
    """The centre frames of so many equal parts of a video."""
    borders = np.arange(count) * num_frames // count
    return covering(segment_centres(num_frames, count), borders, num_frames)


def covering(frames: IntArray, borders: IntArray, num_frames: int) -> list[Window]:
    """Each frame once, with spans that follow each other from the first frame of the video to the last.

    Args:
        frames: ascending, repeats allowed ``[N]``.
        borders: where the share of each would begin ``[N]``; moved where a share would miss its frame.
        num_frames: of the video.
    """
    numbers, first = np.unique(frames, return_index=True)
    starts = np.clip(borders[first], np.append(0, numbers[:-1] + 1), numbers)
    starts[0] = 0
    return single_frames(numbers, starts, np.append(starts[1:], num_frames))


def single_frames(frames: IntArray, starts: IntArray, ends: IntArray) -> list[Window]:
    """A window for every frame ``[N]``, with the range of frames that it speaks for."""
    return [Window(frames[place : place + 1], np.array([[starts[place], ends[place]]])) for place in range(len(frames))]
