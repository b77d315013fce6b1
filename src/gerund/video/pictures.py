"""A folder of numbered pictures as a video: which pictures, in which order, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter

from gerund.errors import VideoError
from gerund.types import FrameArray
from gerund.video.index import Index
from gerund.video.limits import Limits
from gerund.video.media import open_picture
from gerund.video.numbering import numbered_pictures
from gerund.video.orientation import as_seen


class PictureFolder:
    """Reads a folder of numbered pictures, one file at a time; asked as `gerund.video.decoding.Decoder` is.

    Args:
        path: the folder.
        limits: what its pictures may be.
        fps: pictures a second.

    Attributes:
        steps: how many pictures were met so far.
    """

    def __init__(self, path: Path, limits: Limits, fps: Fraction) -> None:
        self._path, self._limits, self._fps = path, limits, fps
        self._files: list[Path] = []
        self._colours = VideoReformatter()
        self.steps = 0

    def build_index(self) -> Index:
        """Which pictures there are; the first is opened, for its size.

        Raises:
            VideoError: there are none, a number is missing, or the first cannot be read.
        """
        self._files = numbered_pictures(self._path)
        height, width = self._read(0).shape[:2]
        times_s = np.arange(len(self._files)) / float(self._fps)
        return Index(
            times_s=times_s,
            duration_s=len(self._files) / float(self._fps),
            fps=self._fps,
            width=width,
            height=height,
            stored_px=(width, height),
            stamps=None,
            keyframes=np.empty(0, np.int64),
        )

    def by_seeking(self, wanted: list[int], index: Index) -> Iterator[tuple[int, FrameArray]]:
        """As `from_start`: every picture is a file of its own."""
        return self.from_start(wanted, index)

    def from_start(self, wanted: list[int], index: Index) -> Iterator[tuple[int, FrameArray]]:
        """The pictures of some numbers, counted from 0, ascending.

        Raises:
            VideoError: one cannot be read, or is of another size than the first.
        """
        files = self._files = self._files or numbered_pictures(self._path)
        if len(files) != len(index.times_s):
            raise VideoError(self._path, f"it had {len(index.times_s)} pictures and has {len(files)} now; ask again")
        for number in wanted:
            picture = self._read(number)
            if picture.shape[:2] != (index.height, index.width):
                raise VideoError(
                    self._path,
                    f"{files[number].name} has {picture.shape[1]} x {picture.shape[0]} pixels and {files[0].name} "
                    f"{index.width} x {index.height}; bring all pictures of a video to one size",
                )
            yield number, picture

    def count_damaged(self, index: Index) -> int:
        """Reads every picture; one that is damaged is an error, so there are none.

        Raises:
            VideoError: one cannot be read, or is of another size than the first.
        """
        for _ in self.from_start(list(range(len(index.times_s))), index):
            pass
        return 0

    def _read(self, number: int) -> FrameArray:
        self.steps += 1
        file = self._files[number]
        try:
            frame = open_picture(file, self._limits)
        except VideoError as error:
            raise VideoError(self._path, f"{file.name}: {error.reason}") from error
        rgb = self._colours.reformat(frame, frame.width, frame.height, "rgb24", threads=1)
        return as_seen(np.asarray(rgb.to_ndarray(), np.uint8), frame)
