"""Frames that are in memory already, read the way a file is."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from gerund.errors import UsageError
from gerund.types import Clip, FloatArray64, FrameArray, IntArray, kind_of, require_frames
from gerund.video.reader import Video, as_rate
from gerund.video.sampling import frames_on_screen

_UNKNOWN_FPS = Fraction(25)
"""Of a single frame, whose clip cannot say it; what `Video` takes for files that do not say it."""
_FINEST_FPS = 1_001_000


class FrameSource(Protocol):
    """What frames can be taken from: `Video` and `MemoryVideo`; see `Video` for what each of these says."""

    @property
    def path(self) -> Path:
        """Its name."""
        ...

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        ...

    @property
    def times_s(self) -> FloatArray64:
        """When each is first shown, ``[num_frames]``, ascending from 0."""
        ...

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last."""
        ...

    @property
    def fps(self) -> Fraction:
        """Average frame rate."""
        ...

    @property
    def width(self) -> int:
        """Of the picture as seen, in pixels."""
        ...

    @property
    def height(self) -> int:
        """Of the picture as seen, in pixels."""
        ...

    @property
    def keyframes(self) -> IntArray:
        """Numbers of the frames that need no other."""
        ...

    def frames_at(self, times_s: Sequence[float] | FloatArray64) -> IntArray:
        """Numbers of the frames on screen at some moments."""
        ...

    def frames(self, indices: Sequence[int] | IntArray) -> Generator[tuple[int, FrameArray]]:
        """The named frames one at a time, with their numbers."""
        ...

    def read(
        self, indices: Sequence[int] | IntArray | None = None, *, times_s: Sequence[float] | FloatArray64 | None = None
    ) -> Clip:
        """The named frames at once."""
        ...


class MemoryVideo:
    """Frames in memory as a video: the same questions as to `Video`, nothing copied and nothing decoded.

    Time 0 is the moment the first frame is shown, as in `Video`; `start_s` says when that was in the clip's own time.
    Encoders of motion, such as the default model's, take the frames for consecutive ones at the rate that the times
    tell; those of single frames take any.

    Args:
        frames: a clip whose times ascend, or uint8 ``[T, H, W, 3]`` with `fps`. At least one frame.
        fps: frames a second of an array; of a clip it is what its times say.
        name: what answers call it.

    Raises:
        UsageError: there is no frame or no rate, the times do not ascend, or the array is of another shape or type.

    Example:
        >>> video = MemoryVideo(np.zeros((50, 4, 6, 3), np.uint8), fps=25)
        >>> video.num_frames, video.duration_s, video.frames_at([1.0]).tolist()
        (50, 2.0, [25])
    """

    def __init__(self, frames: Clip | FrameArray, *, fps: float | Fraction | None = None, name: str = "") -> None:
        self.path = Path(name or "frames in memory")
        if isinstance(frames, Clip):
            if fps is not None:
                raise UsageError("fps is for an array of frames; a clip has times of its own")
            self._clip = frames
        else:
            require_frames(frames)
            if fps is None:
                raise UsageError("an array of frames needs its rate; give fps, the number of frames a second")
            self._clip = Clip(frames, np.arange(len(frames)) / float(as_rate(fps)))
        count, height, width = self._clip.frames.shape[:3]
        if not (count and height and width):
            raise UsageError(f"a video has at least one frame of at least one pixel, got {kind_of(self._clip.frames)}")
        clock_s = np.asarray(self._clip.times_s, np.float64)
        if (np.diff(clock_s) <= 0).any():
            raise UsageError(
                "the times of a clip must ascend for it to stand for a video, each frame once; read its frames in order"
            )
        self.num_frames, self.height, self.width = count, height, width
        self.start_s = float(clock_s[0])
        self.times_s: FloatArray64 = clock_s - clock_s[0]
        if fps is not None:
            self.fps = as_rate(fps)
        elif count == 1:
            self.fps = _UNKNOWN_FPS
        else:
            self.fps = Fraction((count - 1) / float(self.times_s[-1])).limit_denominator(_FINEST_FPS)
        self.duration_s = float(self.times_s[-1]) + float(1 / self.fps)

    def __repr__(self) -> str:
        return f"MemoryVideo({self._clip!r}, {float(self.fps):g} frames a second)"

    @property
    def keyframes(self) -> IntArray:
        """All frames, for none needs another."""
        return np.arange(self.num_frames)

    def frames_at(self, times_s: Sequence[float] | FloatArray64) -> IntArray:
        """Numbers of the frames on screen at some moments; moments outside the video give its first or last frame."""
        return frames_on_screen(self.times_s, times_s)

    def read(
        self, indices: Sequence[int] | IntArray | None = None, *, times_s: Sequence[float] | FloatArray64 | None = None
    ) -> Clip:
        """The named frames in the order asked for, repeats included; see `Video.read`.

        Raises:
            UsageError: both arguments are given, or a number is outside the video.
        """
        if indices is not None and times_s is not None:
            raise UsageError("read() takes frame numbers or times, not both")
        wanted = np.arange(self.num_frames) if indices is None else np.asarray(indices, np.int64).reshape(-1)
        if times_s is not None:
            wanted = self.frames_at(times_s)
        self._require_inside(wanted)
        return Clip(self._clip.frames[wanted], self.times_s[wanted])

    def frames(self, indices: Sequence[int] | IntArray) -> Generator[tuple[int, FrameArray]]:
        """The named frames one at a time, as views; see `Video.frames`.

        Raises:
            UsageError: a number is outside the video, or they do not ascend.
        """
        wanted = np.asarray(indices, np.int64).reshape(-1)
        self._require_inside(wanted)
        if (np.diff(wanted) <= 0).any():
            raise UsageError("frame numbers must ascend strictly")
        for number in wanted.tolist():
            yield number, self._clip.frames[number]

    def _require_inside(self, wanted: IntArray) -> None:
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < self.num_frames):
            raise UsageError(f"frame numbers must be in [0, {self.num_frames}), got {wanted.min()} to {wanted.max()}")


VideoLike = str | os.PathLike[str] | Video | MemoryVideo | Clip | FrameArray
"""What a video may be given as: a file, a folder of pictures, a handle, or frames in memory (arrays need a rate)."""


def as_source(given: object, *, fps: float | Fraction | None = None, name: str = "") -> FrameSource:
    """What a user passes for a video as something that frames can be taken from.

    Args:
        given: see `VideoLike`.
        fps: frames a second, for arrays and folders of pictures.
        name: what answers call frames that have no file.

    Raises:
        UsageError: it is something else, or an array without a rate.
        VideoError: it is an address or standard input.
    """
    if isinstance(given, str | os.PathLike):
        path = os.fspath(given)
        if not isinstance(path, str):
            raise UsageError("the path of a video is text; os.fsdecode turns bytes into it")
        if not path:
            raise UsageError("the path of the video is empty")
        return Video(given, fps=fps)
    if isinstance(given, Clip):
        return MemoryVideo(given, name=name or "clip")
    if isinstance(given, np.ndarray):
        return MemoryVideo(given, fps=fps, name=name or "array")
    if isinstance(given, Video | MemoryVideo):
        return given
    advice = "; np.asarray(...) makes an array of it" if hasattr(given, "__array__") else ""
    raise UsageError(
        "a video is a path, a Video, a Clip, a uint8 array [T, H, W, 3] with fps, or a Track of this model's; "
        f"got {kind_of(given)}{advice}"
    )
