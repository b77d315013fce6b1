"""What every encoder offers: pictures and texts into one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gerund.encoders.graph import Graph
from gerund.errors import GerundError, UsageError
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FrameArray, IntArray, Track
from gerund.video.memory import FrameSource
from gerund.video.transforms import Preparation


@dataclass(frozen=True)
class Window:
    """Frames that go through the encoder together, and what comes out of them.

    Attributes:
        frames: frame numbers ``[T]``, ascending; a short video repeats its last one.
        spans: for each vector that is kept, the half-open range of frame numbers it speaks for, ``[S, 2]``.
        skip: how many leading vectors are dropped, because they only gave context to the others.
        preparation: how the pictures are prepared, where it is not as the encoder would.
    """

    frames: IntArray
    spans: IntArray
    skip: int = 0
    preparation: Preparation | None = None


class Encoder(Protocol):
    """Frames and texts to unit vectors in one space, so that their inner product says how well they agree.

    Attributes:
        name: what users call it.
        dim: length of the vectors.
        batch: how many windows are best encoded together.
        logit_scale: factor that turns inner products into logits whose softmax is a fair probability.

    An encoder whose pictures are prepared by a `gerund.video.transforms.Preparation` has it as `preparation`. The
    process that decodes then prepares them as well; without it, whole pictures come to this process for `prepare`,
    which is slower and needs more memory. One whose network gives vectors of other lengths than 1 has
    ``raw_windows(frames, dense=...)`` beside `encode_windows`, for `Sampling.of(encoder, raw=True)`; one that says
    ``unit_only = True`` makes directions, whose length means nothing.
    """

    name: str
    dim: int
    batch: int
    logit_scale: float

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would."""
        ...

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Which frames to look at: the whole video densely in time, or a few windows that tell what it shows."""
        ...

    def prepare(self, picture: FrameArray) -> FrameArray:
        """One decoded picture ``[H, W, 3]`` as the network wants it, uint8."""
        ...

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames of windows of one length ``[B, T, h, w, 3]`` to unit vectors ``[B, S, dim]``, all kept."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to unit vectors ``[N, dim]``."""
        ...

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """Classes to unit vectors ``[C, dim]``, each from all of its texts."""
        ...

    def texts_of(self, classes: ClassSpace) -> Sequence[Sequence[str]]:
        """The texts that `encode_classes` encodes for each class."""
        ...

    def hubness(self, class_vectors: FloatArray) -> FloatArray:
        """How near each class is to videos of any kind, ``[C]``; taken from its cosines, else hubs win too often."""
        ...

    def unfamiliar(self, classes: ClassSpace) -> list[str]:
        """Names of the classes that it knows beforehand it cannot tell, so that its answer is a guess."""
        ...

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts are in scripts that its vocabulary does not have."""
        ...

    def remarks(self) -> list[str]:
        """What a user should know about how the answers are computed, such as int8's agreement with float32."""
        ...

    def graphs(self) -> dict[str, Graph]:
        """Its networks by the names that their files get when they are exported."""
        ...


def require_same_encoder(track: Track, encoder: Encoder) -> None:
    """Refuses a track that another encoder, or the same one with other settings, has made.

    Raises:
        UsageError: the fingerprints differ.
    """
    if track.encoder != encoder.fingerprint:
        raise UsageError(
            f"this track was made by the encoder {track.encoder}, not by {encoder.name} ({encoder.fingerprint}); "
            "vectors of different encoders cannot be compared, so extract it again"
        )


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors of length 1 along the last axis; a zero vector stays zero.

    Raises:
        GerundError: a number is not finite.

    Example:
        >>> unit(np.array([[3e38, 0.0], [3.0, 4.0]], np.float32)).round(3).tolist()
        [[1.0, 0.0], [0.6000000238418579, 0.800000011920929]]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not np.isfinite(length).all():
        if not np.isfinite(vectors).all():
            raise GerundError("vectors must be finite numbers; these have NaN or infinity, so the encoder failed")
        # The squares are too large for their type: scaled down first, no such vector turns into zeros.
        largest = np.abs(vectors).max(axis=-1, keepdims=True).astype(np.float64)
        scaled = vectors / np.maximum(largest, 1)
        length = np.linalg.norm(scaled, axis=-1, keepdims=True)
        return np.asarray(scaled / np.maximum(length, 1e-12), np.float32)
    return np.asarray(vectors / np.maximum(length, 1e-12), np.float32)
