"""Which way up a decoded picture is meant to be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from av.buffer import Buffer

from gerund.types import FrameArray

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


def as_seen(picture: FrameArray, frame: VideoFrame) -> FrameArray:
    """A picture ``[H, W, 3]`` turned and mirrored as its file asks for."""
    quarter_turns = round(frame.rotation / 90) % 4
    turned = np.rot90(picture, quarter_turns) if quarter_turns else picture
    return np.ascontiguousarray(np.flip(turned, quarter_turns % 2) if _is_mirrored(frame) else turned)


def _is_mirrored(frame: VideoFrame) -> bool:
    """True when the file asks for a mirror image as well: `VideoFrame.rotation` only tells where its right goes."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        # PyAV before version 19 stumbles over every kind of side data that it has no name for.
        return False
    if not isinstance(matrix, Buffer):
        return False
    right_x, right_y, _, down_x, down_y = np.frombuffer(bytes(matrix), np.int32)[:5].astype(np.float64)
    return bool(right_x * down_y < right_y * down_x)
