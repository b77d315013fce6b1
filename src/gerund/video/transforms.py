"""Pictures to the size a model wants: pure functions on uint8 arrays, equal to Pillow's resampling to the bit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from gerund.errors import UsageError
from gerund.types import FrameArray

_STRIP = 8
"""A picture whose sides differ by more than this factor is cut to it before it is scaled: the square in its middle does
not need the rest, and a strip of 30000 x 1 pixels scaled to a height of 256 would take 6 GB."""


@dataclass(frozen=True)
class Preparation:
    """How a picture becomes what a network looks at, as a value that can be sent to the process that decodes.

    Attributes:
        size_px: side of the square that comes out.
        short_px: the shorter side is scaled to this and the central square cut out; None squashes the whole picture.
        bicubic: which filter scales, with antialiasing; else bilinear.
        half_even: where an odd remainder of the cut goes: to the bottom and the right, or, as torchvision has it, to
            where rounding half to even sends it.
        along: where the square is cut along the longer side, from 0 (left or top) to 1; None is the middle.
        across: the same along the shorter side.
        mirrored: left and right are swapped in the end.

    Example:
        >>> Preparation(224, 256)(np.zeros((240, 320, 3), np.uint8)).shape
        (224, 224, 3)
    """

    size_px: int
    short_px: int | None
    bicubic: bool = False
    half_even: bool = False
    along: float | None = None
    across: float | None = None
    mirrored: bool = False

    def __call__(self, picture: FrameArray) -> FrameArray:
        """A picture ``[H, W, 3]`` as uint8 ``[size_px, size_px, 3]`` in memory of its own."""
        ready = self._squared(picture)
        return np.ascontiguousarray(ready[:, ::-1]) if self.mirrored else ready

    def crops(self, count: int) -> tuple[Preparation, ...]:
        """The same for `count` squares at even distances along the longer side, the first at the left or the top.

        Raises:
            UsageError: several are asked for, and the whole picture is squashed into one.

        Example:
            >>> [way.along for way in Preparation(224, 224).crops(3)]
            [0.0, None, 1.0]
        """
        if count == 1:
            return (self,)
        if self.short_px is None:
            raise UsageError("a preparation that squashes whole pictures has no crops; give one with short_px")
        places = (number / (count - 1) for number in range(count))
        return tuple(replace(self, along=None if place == 0.5 else place) for place in places)

    def _squared(self, picture: FrameArray) -> FrameArray:
        if self.short_px is None:
            return _resize(picture, self.size_px, self.size_px, bicubic=self.bicubic)
        scaled = resize_short_side(without_far_ends(picture), self.short_px, bicubic=self.bicubic)
        if self.along is None and self.across is None:
            return centre_crop(scaled, self.size_px, half_even=self.half_even)
        down, right = self.across, self.along
        if scaled.shape[0] > scaled.shape[1]:
            down, right = right, down
        top, left = (_begin(side - self.size_px, at) for side, at in zip(scaled.shape, (down, right), strict=False))
        return scaled[top : top + self.size_px, left : left + self.size_px].copy()


@dataclass(frozen=True)
class Augmentation:
    """A preparation that is drawn anew for every clip: scale, place of the square and mirror image.

    Attributes:
        preparation: what it varies; the scale where nothing is drawn.
        least_px: the shorter side is scaled to a length drawn from here to `most_px`.
        most_px: see `least_px`.
        mirror: how often left and right are swapped, from 0 to 1.

    Raises:
        UsageError: the square does not fit into the smallest picture, or the chance is none.

    Source: the training of STDD and Open-VCLIP (224 to 256 pixels, a random square of 224, half of the clips mirrored)
    and of LoCATe-GAT (256 pixels).

    Example:
        >>> Augmentation(Preparation(224, 224), 224, 256).drawn(np.random.default_rng(0)).short_px
        252
    """

    preparation: Preparation
    least_px: int
    most_px: int
    mirror: float = 0.5

    def __post_init__(self) -> None:
        if not self.preparation.size_px <= self.least_px <= self.most_px:
            raise UsageError(f"a square of {self.preparation.size_px} pixels must fit into {self.least_px} pixels")
        if not 0 <= self.mirror <= 1:
            raise UsageError(f"mirror is a chance from 0 to 1, got {self.mirror}")

    def drawn(self, generator: np.random.Generator) -> Preparation:
        """One preparation, for all frames of a clip."""
        short_px = int(generator.integers(self.least_px, self.most_px + 1))
        along, across, chance = generator.random(3).tolist()
        return replace(self.preparation, short_px=short_px, along=along, across=across, mirrored=chance < self.mirror)


def short_side_size(height_px: int, width_px: int, short_px: int) -> tuple[int, int]:
    """Height and width after scaling the shorter side to `short_px`; the longer side is rounded down.

    Example:
        >>> short_side_size(240, 320, 256)
        (256, 341)
    """
    if height_px <= width_px:
        return short_px, max(short_px, width_px * short_px // height_px)
    return max(short_px, height_px * short_px // width_px), short_px


def resize_short_side(frame: FrameArray, short_px: int, *, bicubic: bool = False) -> FrameArray:
    """Scales a picture ``[H, W, 3]`` so that its shorter side is `short_px`, with antialiasing."""
    height, width = short_side_size(frame.shape[0], frame.shape[1], short_px)
    return _resize(frame, height, width, bicubic=bicubic)


def without_far_ends(frame: FrameArray) -> FrameArray:
    """The middle of a picture ``[H, W, 3]`` that is a strip, at most 8 times as long as wide; others as they are.

    The middle stays the middle to the pixel: what is cut off is the same on both ends.

    Example:
        >>> without_far_ends(np.zeros((1, 30001, 3), np.uint8)).shape, without_far_ends(np.zeros((9, 4, 3))).shape
        ((1, 9, 3), (9, 4, 3))
    """
    height, width = frame.shape[:2]
    most = _STRIP * min(height, width)
    far_down, far_right = (max(0, side - most) // 2 for side in (height, width))
    return frame[far_down : height - far_down, far_right : width - far_right]


def centre_crop(frame: FrameArray, size_px: int, *, half_even: bool = False) -> FrameArray:
    """Copies the central square out of a picture ``[H, W, 3]``.

    Args:
        frame: the picture.
        size_px: side of the square.
        half_even: an odd remainder goes where rounding half to even sends it; else to the bottom and the right.

    Raises:
        UsageError: the picture is smaller than the square.
    """
    height, width = frame.shape[:2]
    if min(height, width) < size_px:
        raise UsageError(f"cannot cut {size_px} x {size_px} pixels out of {width} x {height}; resize first")
    top, left = (round(rest / 2) if half_even else rest // 2 for rest in (height - size_px, width - size_px))
    return frame[top : top + size_px, left : left + size_px].copy()


def _begin(rest: int, place: float | None) -> int:
    """Where a cut begins, of `rest` + 1 places; each is as likely for a place drawn from [0, 1)."""
    return rest // 2 if place is None else min(int(place * (rest + 1)), rest)


def _resize(frame: FrameArray, height: int, width: int, *, bicubic: bool) -> FrameArray:
    if frame.shape[:2] == (height, width):
        return frame.copy()
    method = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(frame).resize((width, height), method))
