"""Pictures to the size a model wants: pure functions on uint8 arrays, equal to Pillow's resampling to the bit."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gerund.errors import UsageError
from gerund.types import FrameArray


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
    method = Image.Resampling.BICUBIC if bicubic else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(frame).resize((width, height), method))


def centre_crop(frame: FrameArray, size_px: int) -> FrameArray:
    """Cuts the central square out of a picture ``[H, W, 3]``; an odd remainder goes to the bottom and the right.

    Raises:
        UsageError: the picture is smaller than the square.
    """
    height, width = frame.shape[:2]
    if min(height, width) < size_px:
        raise UsageError(f"cannot cut {size_px} x {size_px} pixels out of {width} x {height}; resize first")
    top, left = (height - size_px) // 2, (width - size_px) // 2
    return frame[top : top + size_px, left : left + size_px]
