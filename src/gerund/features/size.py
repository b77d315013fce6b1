"""How much room tracks will take, told before any is made."""

from __future__ import annotations

from gerund.encoders.base import VideoHalf
from gerund.video.memory import FrameSource

_SPAN_BYTES = 16
_HOUR_S = 3600


def size_in_words(encoder: VideoHalf, video: FrameSource, *, dense: bool, fixed: bool) -> str:
    """The room for an hour of video, as float32 and as float16, judged by one video.

    Args:
        encoder: makes the tracks.
        video: the one to judge by.
        dense: as `extract_many` takes it.
        fixed: all videos have as many vectors, whatever they last; then it is the room for one video.
    """
    count = sum(len(window.spans) for window in encoder.sample(video, dense=dense))
    scale = 1.0 if fixed else _HOUR_S / video.duration_s
    whole, half = (count * (encoder.dim * each + _SPAN_BYTES) * scale for each in (4, 2))
    per = "a video" if fixed else "an hour of video"
    return f"{megabytes(whole)} {per} as float32, {megabytes(half)} as float16 (--half)"


def megabytes(count: float) -> str:
    """A number of bytes for people.

    Example:
        >>> megabytes(29_721_600), megabytes(8_300), megabytes(5.2e9)
        ('29.7 MB', '8.3 kB', '5.2 GB')
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"
