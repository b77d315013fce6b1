"""What is made of videos for a network that sees pixels: a recipe, and the clips that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gerund.errors import UsageError
from gerund.types import FloatArray64, FrameArray, IntArray, kind_of
from gerund.video.clipping import ClipSampling
from gerund.video.transforms import Augmentation, Preparation


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Clips of several videos, ready for a network; plain arrays, which a message can carry to another process.

    Attributes:
        frames: uint8 ``[B, C, T, size, size, 3]``, RGB: C clips of T frames of each of B videos. Where each picture is
            cut several times, the cuts of a clip follow each other.
        times_s: when each frame is shown in its video, float64 ``[B, C, T]``.
        places: which videos these are, as places among those that were asked about, int64 ``[B]``.

    Raises:
        UsageError: the arrays are of other shapes or types.
    """

    frames: FrameArray
    times_s: FloatArray64
    places: IntArray

    def __post_init__(self) -> None:
        frames, times_s, places = self.frames, self.times_s, self.places
        kinds = [array.dtype.str[1:] for array in (frames, times_s, places)]
        fits = frames.ndim == 6 and frames.shape[:3] == times_s.shape and frames.shape[:1] == places.shape
        if kinds != ["u1", "f8", "i8"] or not fits:
            raise UsageError(
                "a batch of clips is uint8 [B, C, T, h, w, 3], float64 [B, C, T] and int64 [B], got "
                f"{kind_of(frames)}, {kind_of(times_s)} and {kind_of(places)}"
            )

    def __len__(self) -> int:
        return len(self.places)

    def to_message(self) -> tuple[dict[str, Any], bytes]:
        """All of it as fields for JSON and the bytes of its three arrays, as `gerund.video.messages` carries them."""
        arrays = self.frames, self.times_s, self.places
        return {"shape": list(self.frames.shape)}, b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)

    @classmethod
    def from_message(cls, fields: dict[str, Any], body: bytes) -> ClipBatch:
        """What `to_message` was given.

        Raises:
            UsageError: the bytes are not those of such a batch.
        """
        try:
            shape = tuple(int(length) for length in fields["shape"])
            pixels, moments = int(np.prod(shape, dtype=object)), int(np.prod(shape[:3], dtype=object))
            if len(shape) != 6 or min(shape) < 0 or len(body) != pixels + 8 * (moments + shape[0]):
                raise ValueError(f"{len(body)} bytes for clips {list(shape)}")
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"this message is no batch of clips ({error})") from error
        frames = np.frombuffer(body, np.uint8, pixels).reshape(shape)
        times_s = np.frombuffer(body, np.float64, moments, offset=pixels).reshape(shape[:3])
        return cls(frames, times_s, np.frombuffer(body, np.int64, offset=pixels + 8 * moments))


@dataclass(frozen=True)
class ClipRecipe:
    """What is made of a video.

    Attributes:
        sampling: which frames.
        preparation: how each picture becomes what the network looks at.
    """

    sampling: ClipSampling
    preparation: Preparation | Augmentation

    def __post_init__(self) -> None:
        self.ways(None)

    @property
    def size_px(self) -> int:
        """Side of the squares that come out."""
        way = self.preparation
        return way.preparation.size_px if isinstance(way, Augmentation) else way.size_px

    @property
    def num_bytes(self) -> int:
        """What the pictures of one video take."""
        of = self.sampling
        return of.clips * of.crops * of.frames * self.size_px**2 * 3

    def ways(self, generator: np.random.Generator | None) -> tuple[Preparation, ...]:
        """A preparation for each crop; with a generator, an augmentation is drawn once for the whole video."""
        way = self.preparation
        if isinstance(way, Augmentation):
            way = way.preparation if generator is None else way.drawn(generator)
        return way.crops(self.sampling.crops)
