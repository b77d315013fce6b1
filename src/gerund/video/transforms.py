"""Pictures to the size a model wants: pure functions on uint8 arrays, equal to Pillow's resampling to the bit."""

from __future__ import annotations

from dataclasses import dataclass

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

    Example:
        >>> Preparation(224, 256)(np.zeros((240, 320, 3), np.uint8)).shape
        (224, 224, 3)
    """

    size_px: int
    short_px: int | None
    bicubic: bool = False
    half_even: bool = False

    def __call__(self, picture: FrameArray) -> FrameArray:
        """A picture ``[H, W, 3]`` as uint8 ``[size_px, size_px, 3]`` in memory of its own."""
        if self.short_px is None:
            return _resize(picture, self.size_px, self.size_px, bicubic=self.bicubic)
        scaled = resize_short_side(without_far_ends(picture), self.short_px, bicubic=self.bicubic)
        return centre_crop(scaled, self.size_px, half_even=self.half_even)


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


def _resize(frame: FrameArray, height: int, width: int, *, bicubic: bool) -> FrameArray:
    if frame.shape[:2] == (height, width):
        return frame.copy()
    method = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(frame).resize((width, height), method))
