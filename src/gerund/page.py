"""One self-contained page: the videos themselves beside clickable timelines, in a single file without the network."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np

from gerund.errors import GerundError
from gerund.printing import printable
from gerund.types import Segments
from gerund.video.reader import Video
from gerund.video.transforms import resize_short_side, short_side_size
from gerund.writing import write_text

_EMBED_BYTES = 24_000_000
"""A larger file is embedded as a preview; browsers grow slow on pages of many tens of megabytes."""

_PREVIEW_SHORT_PX = 360
_PREVIEW_FPS = 30
_PLAYABLE = {"video/mp4": {"h264", "av1", "vp9"}, "video/webm": {"vp8", "vp9", "av1"}}


@dataclass(frozen=True)
class Located:
    """What was found in one video, or why it could not be read."""

    path: Path
    duration_s: float | None
    segments: Segments
    error: str | None = None


def write_page(target: Path, model: str, results: Sequence[Located]) -> None:
    """Writes the page; a video that browsers cannot play, or a large one, is embedded as a small H.264 preview.

    Raises:
        OSError: the page cannot be written.
    """
    videos = [_entry(result) for result in results]
    # "<" is escaped so that no label or file name can end the script element that holds the data
    data = json.dumps({"model": model, "videos": videos}).replace("<", "\\u003c")
    template = files("gerund").joinpath("page.html").read_text(encoding="utf-8")
    write_text(target, template.replace("__DATA__", data))


def _entry(result: Located) -> dict[str, Any]:
    source, error = None, result.error
    if error is None:
        try:
            source = data_url(result.path)
        except (GerundError, av.error.FFmpegError, OSError) as problem:
            error = f"the segments were found, but no preview could be made: {problem}"
    return {
        "video": printable(str(result.path)),
        "duration_s": result.duration_s,
        "segments": result.segments.distinct().to_dicts(),
        "source": source,
        "error": error,
    }


def data_url(path: Path) -> str:
    """The video as an address that holds all of its bytes, playable in a browser."""
    kind = _playable_type(path)
    if kind and path.stat().st_size <= _EMBED_BYTES:
        content = path.read_bytes()
    else:
        kind, content = "video/mp4", encode_preview(path)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def encode_preview(path: Path) -> bytes:
    """The pictures of a video as a small H.264 file with the same clock, starting at 0, without sound."""
    video = Video(path)
    step = max(1, round(float(video.fps) / _PREVIEW_FPS))
    base = Fraction(1, 90_000)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=_PREVIEW_FPS, options={"crf": "30", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = base
        short_px = max(2, min(_PREVIEW_SHORT_PX, video.height, video.width))
        height, width = short_side_size(video.height, video.width, short_px)
        stream.height, stream.width = height // 2 * 2, width // 2 * 2  # H.264 stores colour for pairs of pixels
        for number, picture in video.frames(np.arange(0, video.num_frames, step)):
            small = resize_short_side(picture, short_px)[: stream.height, : stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(small), format="rgb24")
            frame.pts, frame.time_base = round(video.times_s[number] / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _playable_type(path: Path) -> str | None:
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        codec, depth = stream.codec_context.codec.canonical_name, stream.codec_context.pix_fmt or ""
        names = container.format.name.split(",")
        zero = not stream.start_time
    kind = "video/mp4" if "mp4" in names else "video/webm" if "webm" in names else None
    ordinary = depth in ("yuv420p", "yuvj420p") and zero
    return kind if kind and ordinary and codec in _PLAYABLE[kind] else None
