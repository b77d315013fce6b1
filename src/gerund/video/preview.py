"""A video for a browser: whether it plays as it is, and a small copy of one that does not."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from gerund.video.limits import Limits
from gerund.video.media import open_media
from gerund.video.reader import Video
from gerund.video.transforms import resize_short_side, short_side_size, without_far_ends

PREVIEW_TYPE = "video/mp4"
_SHORT_PX = 360
_FPS = 30
_PLAYABLE = {"video/mp4": {"h264", "av1", "vp9"}, "video/webm": {"vp8", "vp9", "av1"}}


def playable_type(path: Path, limits: Limits) -> str | None:
    """The type under which browsers play a file as it is, or None.

    Raises:
        VideoError: it cannot be opened.
    """
    with open_media(path, limits) as (container, stream):
        codec, depth = stream.codec_context.codec.canonical_name, stream.codec_context.pix_fmt or ""
        names = container.format.name.split(",")
        zero = not stream.start_time
    kind = "video/mp4" if "mp4" in names else "video/webm" if "webm" in names else None
    ordinary = depth in ("yuv420p", "yuvj420p") and zero
    return kind if kind and ordinary and codec in _PLAYABLE[kind] else None


def encode_preview(video: Video) -> bytes:
    """The pictures of a video as a small H.264 file with the same clock, starting at 0, without sound.

    Raises:
        VideoError: it cannot be read.
    """
    step = max(1, round(float(video.fps) / _FPS))
    base = Fraction(1, 90_000)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_FPS, options={"crf": "30", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        for number, picture in video.frames(np.arange(0, video.num_frames, step)):
            middle = without_far_ends(picture)
            short_px = max(2, min(_SHORT_PX, *middle.shape[:2]))
            if not number:
                height, width = short_side_size(middle.shape[0], middle.shape[1], short_px)
                stream.height, stream.width = height // 2 * 2, width // 2 * 2  # H.264 stores colour for pairs of pixels
            small = resize_short_side(middle, short_px)[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(small), format="rgb24")
            frame.pts, frame.time_base = round(video.times_s[number] / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()
