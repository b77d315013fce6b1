"""Pictures at a steady rate: which frame stands for each."""

from __future__ import annotations

from fractions import Fraction

from gerund.errors import UsageError
from gerund.types import IntArray
from gerund.video.reader import Video
from gerund.video.sampling import dense_times

_FASTEST = 1000
_FINEST = 1001
_CLOSE = 0.01


def parse_rate(text: str) -> Fraction:
    """A rate as typed: pictures a second.

    Example:
        >>> parse_rate("12.5"), parse_rate("30000/1001")
        (Fraction(25, 2), Fraction(30000, 1001))

    Raises:
        UsageError: it is no rate above 0 and up to 1000.
    """
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= _FASTEST:
        raise UsageError(f"a rate is a number such as 25, 12.5 or 30000/1001, up to {_FASTEST}; got {text!r}")
    return rate


def own_rate(video: Video) -> Fraction:
    """The rate that a video states, or where its frames contradict that, their number over its duration."""
    if abs(video.num_frames - video.duration_s * float(video.fps)) <= max(1.0, _CLOSE * video.num_frames):
        return video.fps
    rate = Fraction(video.num_frames / video.duration_s).limit_denominator(_FINEST)
    return min(max(rate, Fraction(1, _FINEST)), Fraction(_FASTEST))


def steady_frames(video: Video, rate: Fraction) -> IntArray:
    """The frame on screen in the middle of each equal part of a video; frames are left out or repeated as it takes.

    Returns:
        Frame numbers ``[N]``, ascending; ``N`` is the duration times the rate, rounded, at least 1.
    """
    return video.frames_at(dense_times(video.duration_s, float(rate)))
