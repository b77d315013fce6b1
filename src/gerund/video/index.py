"""Where every frame of a file is: what one pass over it finds out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from gerund.types import FloatArray64, IntArray


@dataclass(frozen=True, eq=False)
class Index:
    """Built from the packets of a file, or from its pictures where packets are not enough.

    Attributes:
        times_s: when each frame is first shown, ascending, starting at 0 ``[N]``.
        duration_s: from the start of the first frame to the end of the last.
        fps: average frame rate as the file states it.
        width: of the picture as seen, in pixels.
        height: see `width`.
        stored_px: width and height of the first picture before any turn; pictures of another size are scaled to it.
        stamps: timestamp of every frame in display order where the file can be read by seeking, else None ``[N]``.
        keyframes: timestamps of the keyframes, ascending.
    """

    times_s: FloatArray64
    duration_s: float
    fps: Fraction
    width: int
    height: int
    stored_px: tuple[int, int]
    stamps: IntArray | None
    keyframes: IntArray

    def to_message(self) -> tuple[dict[str, Any], bytes]:
        """All of it as fields for JSON and the bytes of its three arrays."""
        stamps = np.empty(0, np.int64) if self.stamps is None else self.stamps
        fields = {
            "duration_s": self.duration_s,
            "fps": [self.fps.numerator, self.fps.denominator],
            "size": [self.width, self.height],
            "stored_px": list(self.stored_px),
            "seekable": self.stamps is not None,
            "counts": [len(self.times_s), len(stamps), len(self.keyframes)],
        }
        return fields, b"".join(array.tobytes() for array in (self.times_s, stamps, self.keyframes))

    @classmethod
    def from_message(cls, fields: dict[str, Any], body: bytes) -> Index:
        """What `to_message` was given."""
        num_frames, num_stamps, num_keyframes = fields["counts"]
        times_s = np.frombuffer(body, np.float64, num_frames)
        stamps = np.frombuffer(body, np.int64, num_stamps, offset=8 * num_frames)
        keyframes = np.frombuffer(body, np.int64, num_keyframes, offset=8 * (num_frames + num_stamps))
        return cls(
            times_s=times_s,
            duration_s=float(fields["duration_s"]),
            fps=Fraction(*fields["fps"]),
            width=int(fields["size"][0]),
            height=int(fields["size"][1]),
            stored_px=(int(fields["stored_px"][0]), int(fields["stored_px"][1])),
            stamps=stamps if fields["seekable"] else None,
            keyframes=keyframes,
        )
