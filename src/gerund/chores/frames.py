"""Videos as folders of numbered pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from gerund.chores.rhythm import own_rate, steady_frames
from gerund.types import FrameArray, IntArray
from gerund.video.numbering import RATE_FILE
from gerund.video.reader import Video
from gerund.video.transforms import resize_short_side
from gerund.video.workers import Reading, Workers
from gerund.writing import write_text

_DIGITS = 6
_JPEG_QUALITY = 95


@contextmanager
def steady_pictures(
    path: Path, rate: Fraction | None, short_px: int | None, workers: Workers
) -> Iterator[tuple[Fraction, Iterator[FrameArray]]]:
    """A video's pictures at a steady rate, and that rate.

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
        yield chosen, _pictures(reading, steady_frames(reading.video, chosen), short_px)


def _pictures(reading: Reading, numbers: IntArray, short_px: int | None) -> Iterator[FrameArray]:
    wanted, counts = np.unique(numbers, return_counts=True)
    for (_, found), count in zip(reading.pictures(wanted, {None: wanted.tolist()}), counts, strict=True):
        picture = found[None]
        if short_px is not None and min(picture.shape[:2]) > short_px:
            picture = resize_short_side(picture, short_px)
        yield from repeat(picture, int(count))


@dataclass(frozen=True)
class Frames:
    """A folder for each video: ``000001.jpg`` and on, and `RATE_FILE`, so that they are a video with a clock.

    Attributes:
        rate: pictures a second; None for the video's own.
        short_px: see `steady_pictures`.
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
        number = 0
        with steady_pictures(source, self.rate, self.short_px, workers) as (rate, pictures):
            for number, picture in enumerate(pictures, 1):
                file = target / f"{number:0{_DIGITS}d}.{self.format}"
                Image.fromarray(picture).save(file, quality=_JPEG_QUALITY)  # which PNG passes over
        about = {"fps": f"{rate.numerator}/{rate.denominator}", "frames": number, "video": source.name}
        write_text(target / RATE_FILE, json.dumps(about) + "\n")
        return number
