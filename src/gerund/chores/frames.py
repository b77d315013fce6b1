"""Videos as folders of numbered pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from gerund.chores.rhythm import own_rate, steady_frames
from gerund.types import FrameArray
from gerund.video.reader import Video
from gerund.video.transforms import resize_short_side
from gerund.video.workers import Workers
from gerund.writing import write_text

ABOUT = "frames.json"
"""Beside the pictures: their rate as a fraction and their number, so that they are a video with a clock."""

_DIGITS = 6
_JPEG_QUALITY = 95


def pictures_of(
    path: Path, rate: Fraction | None, short_px: int | None, workers: Workers
) -> Iterator[tuple[Fraction, FrameArray]]:
    """The pictures of a video at a steady rate, each with that rate.

    Args:
        path: the file.
        rate: pictures a second; None for the video's own.
        short_px: larger pictures are scaled so that their shorter side has so many pixels.
        workers: the processes that decode.

    Raises:
        VideoError: it cannot be read.
    """
    with workers.reading(Video(path)) as reading:
        chosen = rate or own_rate(reading.video)
        numbers = steady_frames(reading.video, chosen)
        wanted, counts = np.unique(numbers, return_counts=True)
        for (_, found), count in zip(reading.pictures(wanted, {None: wanted.tolist()}), counts, strict=True):
            picture = found[None]
            if short_px is not None and min(picture.shape[:2]) > short_px:
                picture = resize_short_side(picture, short_px)
            for _ in range(int(count)):
                yield chosen, picture


@dataclass(frozen=True)
class Frames:
    """A folder for each video: ``000001.jpg`` and on, and `ABOUT`.

    Attributes:
        rate: pictures a second; None for the video's own.
        short_px: see `pictures_of`.
        format: of the pictures.
    """

    rate: Fraction | None = None
    short_px: int | None = None
    format: Literal["jpg", "png"] = "jpg"
    ending: str = ""

    @property
    def settings(self) -> Mapping[str, Any]:
        """All that results depend on besides the video."""
        rate = str(self.rate) if self.rate else "own"
        return {"kind": "frames", "rate": rate, "short_px": self.short_px, "format": self.format}

    def make(self, source: Path, target: Path, workers: Workers) -> int:
        """Writes the pictures of a video into a new folder.

        Raises:
            VideoError: it cannot be read.
        """
        target.mkdir()
        number, rate = 0, Fraction(0)
        options = {"quality": _JPEG_QUALITY} if self.format == "jpg" else {}
        for number, (rate, picture) in enumerate(pictures_of(source, self.rate, self.short_px, workers), 1):
            Image.fromarray(picture).save(target / f"{number:0{_DIGITS}d}.{self.format}", **options)
        about = {"fps": f"{rate.numerator}/{rate.denominator}", "frames": number, "video": source.name}
        write_text(target / ABOUT, json.dumps(about) + "\n")
        return number
