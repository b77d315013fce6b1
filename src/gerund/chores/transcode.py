"""Videos as small H.264 files with a steady rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from gerund.chores.frames import steady_pictures
from gerund.errors import VideoError
from gerund.types import FrameArray
from gerund.video.workers import Workers

_BT601 = 6
"""SMPTE 170M, in the numbers of ISO/IEC 23091-2."""


@dataclass(frozen=True)
class Transcoded:
    """An ``.mp4`` for each video, without sound: H.264, pictures at a steady rate.

    Attributes:
        rate: pictures a second; None for the video's own.
        short_px: larger pictures are scaled so that their shorter side has so many pixels.
        crf: x264's measure of loss: 0 is none, 18 hardly to be seen.
    """

    rate: Fraction | None = None
    short_px: int | None = None
    crf: int = 18
    ending: str = ".mp4"

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that results depend on besides the video."""
        rate = str(self.rate) if self.rate else "own"
        return {"kind": "transcode", "rate": rate, "short_px": self.short_px, "crf": self.crf}

    def make(self, source: Path, target: Path, workers: Workers) -> int:
        """Writes a video anew; its pictures come from a process that decodes, and only they are encoded here.

        Raises:
            VideoError: it cannot be read, or what was written is not whole.
        """
        with steady_pictures(source, self.rate, self.short_px, workers) as (rate, pictures):
            count = self._encode(target, rate, pictures)
        index, _ = workers.check(target, thorough=False)
        if len(index.times_s) != count:
            raise VideoError(source, f"{count} pictures were written, and {len(index.times_s)} are in the file")
        return count

    def _encode(self, target: Path, rate: Fraction, pictures: Iterator[FrameArray]) -> int:
        """Writes pictures of one size, and tells how many."""
        count = 0
        with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            options = {"crf": str(self.crf), "preset": "fast", "threads": "1"}
            stream = container.add_stream("libx264", rate=rate, options=options)
            stream.pix_fmt = "yuv420p"
            stream.codec_context.colorspace = _BT601
            stream.codec_context.color_range = int(ColorRange.MPEG)
            for count, picture in enumerate(map(_even, pictures), 1):
                if count == 1:
                    stream.height, stream.width = picture.shape[:2]
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                    format="yuv420p", dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
                )
                frame.pts, frame.time_base = count - 1, 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return count


def _even(picture: FrameArray) -> FrameArray:
    """A picture with even sides, as H.264 stores colour for pairs of pixels: a line is cut off, a lone one doubled."""
    height, width = picture.shape[:2]
    if min(height, width) == 1:
        picture = np.repeat(np.repeat(picture, 2 if height == 1 else 1, axis=0), 2 if width == 1 else 1, axis=1)
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: height // 2 * 2, : width // 2 * 2])
