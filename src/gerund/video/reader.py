"""Videos, frame by frame: a frame is named by its position in display order."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gerund.errors import UsageError, VideoError
from gerund.types import Clip, FloatArray64, FrameArray, IntArray, kind_of
from gerund.video.index import Index
from gerund.video.limits import Limits
from gerund.video.naming import refusal
from gerund.video.numbering import rate_of
from gerund.video.sampling import frames_on_screen

if TYPE_CHECKING:
    from gerund.video.decoding import Decoder
    from gerund.video.pictures import PictureFolder

_FINEST_FPS = 1_001_000

VIDEO_SUFFIXES = frozenset(
    (
        ".3gp",
        ".avi",
        ".flv",
        ".gif",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    )
)
"""Endings by which a folder is searched; a file named outright is tried whatever its ending."""


class Video:
    """A video, frame by frame and second by second; nothing is opened before the first question.

    It is a file, or a folder of numbered pictures (JPEG or PNG, one size, no holes) in the order of their numbers.

    Time 0 is the moment the first frame is shown, whatever the file's own clock says. Frame ``i`` is on screen over
    ``[times_s[i], times_s[i + 1])``. Rotation flags are applied, so `width` and `height` are those of the picture as
    seen; pictures that differ in size from the first are scaled to it. Colours are full-range RGB, converted with the
    matrix that the file names.

    Args:
        path: the file or folder.
        limits: how large its pictures may be.
        fps: pictures a second of a folder; without it what its ``frames.json`` says, else 25. A file has a rate of its
            own.

    Raises:
        VideoError: it is an address or standard input, which are not read.
        UsageError: it is no path at all, or the rate is none.

    Example:
        >>> clip = Video("match.mp4").read(times_s=[1.0, 2.0])  # doctest: +SKIP
        >>> clip.frames.shape  # doctest: +SKIP
        (2, 240, 320, 3)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        limits: Limits | None = None,
        fps: float | Fraction | None = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise UsageError(f"a video file is named by its path; got {kind_of(path)}")
        if isinstance(path, str) and (reason := refusal(path)):  # a Path can have lost a slash of it already
            raise VideoError(path, reason)
        self.path = Path(path)
        self._given_fps = None if fps is None else as_rate(fps)
        self._limits = limits or Limits()

    def __repr__(self) -> str:
        return f"Video({str(self.path)!r})"

    @cached_property
    def pictures_fps(self) -> Fraction:
        """The rate of a folder of pictures."""
        return self._given_fps or rate_of(self.path)

    @property
    def num_frames(self) -> int:
        """How many frames the file really shows; headers are often off by one."""
        return len(self.index.times_s)

    @property
    def times_s(self) -> FloatArray64:
        """When each frame is first shown: ``[num_frames]``, ascending, starting at 0."""
        return self.index.times_s

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last."""
        return self.index.duration_s

    @property
    def fps(self) -> Fraction:
        """Average frame rate as the file states it."""
        return self.index.fps

    @property
    def width(self) -> int:
        """Width of the picture as seen, in pixels."""
        return self.index.width

    @property
    def height(self) -> int:
        """Height of the picture as seen, in pixels."""
        return self.index.height

    @property
    def keyframes(self) -> IntArray:
        """Numbers of the frames that decode without any other, ascending; empty where the file cannot be sought in."""
        stamps = self.index.stamps
        if stamps is None:
            return np.empty(0, np.int64)
        return np.searchsorted(stamps, np.intersect1d(self.index.keyframes, stamps)).astype(np.int64)

    def frames_at(self, times_s: Sequence[float] | FloatArray64) -> IntArray:
        """Numbers of the frames on screen at some moments; moments outside the video give its first or last frame."""
        return frames_on_screen(self.times_s, times_s)

    def read(
        self, indices: Sequence[int] | IntArray | None = None, *, times_s: Sequence[float] | FloatArray64 | None = None
    ) -> Clip:
        """Decodes the named frames into memory, in the order asked for, repeats included.

        Args:
            indices: frame numbers in display order, ``0 <= i < num_frames``. Without `indices` and `times_s`: all.
            times_s: moments instead of numbers; the frame on screen at each is returned.

        Raises:
            VideoError: the file cannot be opened or decoded.
            UsageError: both arguments are given, or a number is outside the video.
        """
        if indices is not None and times_s is not None:
            raise UsageError("read() takes frame numbers or times, not both")
        if times_s is not None:
            wanted = self.frames_at(times_s)
        elif indices is not None:
            wanted = np.asarray(indices, np.int64).reshape(-1)
        else:
            wanted = np.arange(self.num_frames)
        unique, places = np.unique(wanted, return_inverse=True)
        pictures = [picture for _, picture in self.frames(unique)]
        empty = np.empty((0, self.height, self.width, 3), np.uint8)
        stacked = np.stack(pictures)[places] if pictures else empty
        return Clip(stacked, self.times_s[wanted])

    def frames(self, indices: Sequence[int] | IntArray) -> Generator[tuple[int, FrameArray]]:
        """Decodes the named frames one at a time, in constant memory.

        Args:
            indices: frame numbers, strictly ascending.

        Yields:
            Pairs of frame number and picture, uint8 ``[H, W, 3]``.

        Raises:
            VideoError: the file cannot be opened, or decoding breaks.
            UsageError: a number is outside the video, or they do not ascend.
        """
        wanted = [int(i) for i in indices]
        if any(a >= b for a, b in pairwise(wanted)):
            raise UsageError("frames() expects strictly ascending frame numbers")
        if wanted and not (wanted[0] >= 0 and wanted[-1] < self.num_frames):
            raise UsageError(
                f"{self.path}: asked for frame {wanted[0] if wanted[0] < 0 else wanted[-1]}, "
                f"the video has frames 0 to {self.num_frames - 1}"
            )
        from gerund.video.decoding import CannotSeekError

        done = 0
        if self.index.stamps is not None:
            try:
                for item in self._decoder.by_seeking(wanted, self.index):
                    yield item
                    done += 1
            except (CannotSeekError, VideoError):
                pass  # decoding from the start tells whether the file is at fault or the seek
        if done < len(wanted):
            yield from self._decoder.from_start(wanted[done:], self.index)

    def count_damaged(self) -> int:
        """Decodes every frame and tells how many the decoder itself calls damaged.

        Raises:
            VideoError: the file cannot be opened or decoded, or fewer frames come out than it has.
        """
        return self._decoder.count_damaged(self.index)

    @cached_property
    def index(self) -> Index:
        """Where its frames are, found in one pass over the file, or by whoever has made that pass already."""
        return self._decoder.build_index()

    @property
    def steps(self) -> int:
        """How many packets and pictures were met so far; who watches a long question sees whether there is progress."""
        return self._decoder.steps

    @cached_property
    def _decoder(self) -> Decoder | PictureFolder:
        if os.path.isdir(self.path):
            from gerund.video.pictures import PictureFolder

            return PictureFolder(self.path, self._limits, self.pictures_fps)
        from gerund.video.decoding import Decoder

        return Decoder(self.path, self._limits)


def as_rate(fps: object) -> Fraction:
    """A number of frames a second as a fraction.

    Raises:
        UsageError: it is none, or not above 0.
    """
    if isinstance(fps, bool) or not isinstance(fps, int | float | Fraction | np.integer | np.floating):
        raise UsageError(f"fps is a number of frames a second, got {kind_of(fps)}")
    if not 0 < float(fps) < np.inf:
        raise UsageError(f"fps must be above 0 and finite, got {fps}")
    rate = Fraction(fps) if isinstance(fps, Fraction) else Fraction(float(fps)).limit_denominator(_FINEST_FPS)
    return rate or Fraction(float(fps))
