"""What every encoder offers: a half for videos, a half for texts, or both in one space.

The protocols say what is asked of an encoder and have defaults, so that a class that inherits them writes only what is
its own; one that is built otherwise needs all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
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


class Half(Protocol):
    """What both halves of an encoder have.

    Attributes:
        name: what users call it.
        dim: length of its vectors.
    """

    name: str
    dim: int

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would; `RANDOM` stands before that of weights that nobody trained."""
        ...

    def remarks(self) -> list[str]:
        """What a user should know about how the answers are computed, such as int8's agreement with float32."""
        return [_RANDOM_REMARK] if is_random(self.fingerprint) else []

    def graphs(self) -> dict[str, Graph]:
        """Its networks by the names that their files get when they are exported."""
        return {}


class VideoHalf(Half, Protocol):
    """Frames to vectors: a class that inherits it writes `sample`, `raw_windows`, and how pictures are prepared.

    Attributes:
        batch: how many windows are best encoded together.
        preparation: what is done to a picture, so that the process that decodes does it as well. Without one `prepare`
            is asked, and whole pictures come to this process, which is slower and needs more memory.
        unit_only: its vectors are directions, whose length means nothing, so that there are no raw ones to keep.
    """

    batch: int = 1
    preparation: Preparation | None = None
    unit_only: bool = False

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Which frames to look at: the whole video densely in time, or a few windows that tell what it shows."""
        ...

    def prepare(self, picture: FrameArray) -> FrameArray:
        """One decoded picture ``[H, W, 3]`` as the network wants it, uint8."""
        return picture if self.preparation is None else self.preparation(picture)

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames of windows of one length ``[B, T, h, w, 3]`` to vectors ``[B, S, dim]``, all kept.

        They are as the network gives them, of any length.
        """
        ...

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """The same as unit vectors; here alone the vectors of videos lose their length."""
        return unit(self.raw_windows(frames, dense=dense))


class TextHalf(Half, Protocol):
    """Texts to vectors: a class that inherits it writes `encode_texts`."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to vectors ``[N, dim]``, unit vectors unless the encoder says otherwise."""
        ...

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """Classes to unit vectors ``[C, dim]``: the mean of the vectors of each class's texts; the last are remembered.

        Raises:
            UsageError: a text cannot be encoded.
        """
        kept = vars(self).get("_last_classes")
        if kept is None or kept[0] != classes:
            groups = self.texts_of(classes)
            vectors = self.encode_class_texts([text for group in groups for text in group])
            bounds = np.cumsum([0, *map(len, groups)])
            kept = classes, unit(np.stack([vectors[a:b].mean(axis=0) for a, b in pairwise(bounds)]))
            vars(self)["_last_classes"] = kept
        vectors_of_classes: FloatArray = kept[1]
        return vectors_of_classes

    def encode_class_texts(self, texts: Sequence[str]) -> FloatArray:
        """What `encode_classes` asks: `encode_texts`, unless texts that are asked for again are kept somewhere."""
        return self.encode_texts(texts)

    def texts_of(self, classes: ClassSpace) -> Sequence[Sequence[str]]:
        """The texts that `encode_classes` encodes for each class."""
        return classes.texts

    def hubness(self, class_vectors: FloatArray) -> FloatArray:
        """How near each class is to videos of any kind, ``[C]``; taken from its cosines, else hubs win too often."""
        return np.zeros(len(class_vectors), np.float32)

    def unfamiliar(self, classes: ClassSpace) -> list[str]:
        """Names of the classes that it knows beforehand it cannot tell, so that its answer is a guess."""
        return []

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts are in scripts that its vocabulary does not have."""
        return []


class Encoder(VideoHalf, TextHalf, Protocol):
    """Frames and texts to vectors in one space, so that their inner product says how well they agree.

    Attributes:
        logit_scale: factor that turns inner products into logits whose softmax is a fair probability.
    """

    logit_scale: float = 1.0


class VideoOnly(Encoder):
    """Frames to features that no text has a place among: asked about texts it says so, and what to do instead."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Refused, as are all questions about texts.

        Raises:
            UsageError: always.
        """
        raise self._refusal()

    def texts_of(self, classes: ClassSpace) -> Sequence[Sequence[str]]:
        """Refused; see `encode_texts`."""
        raise self._refusal()

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Refused; see `encode_texts`."""
        raise self._refusal()

    def _refusal(self) -> UsageError:
        return UsageError(
            f"{self.name} encodes videos alone and knows no words, so it cannot be asked about actions. Keep its "
            "features ('gerund extract --encoder ...') and train a method on them, with the class texts of another "
            "encoder ('gerund train METHOD --model minilm'); or ask a model that has both, such as i3d-minilm"
        )


class TextOnly(Encoder):
    """Texts to vectors that no video has a place among: asked about videos it says so, and what to do instead."""

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Refused, as are all questions about videos.

        Raises:
            UsageError: always.
        """
        raise self.refusal()

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Refused; see `sample`."""
        raise self.refusal()

    def refusal(self) -> UsageError:
        """What there is to say to who shows it a video."""
        return UsageError(
            f"{self.name} encodes texts alone and looks at no video; 'gerund models' says which encoders do. It can "
            "stand for the classes of a method that learns ('gerund evaluate METHOD --model NAME')"
        )


def require_frames(encoder: VideoHalf) -> None:
    """Refuses an encoder of texts alone, before any video is opened.

    Raises:
        UsageError: it is one.
    """
    if isinstance(encoder, TextOnly):
        raise encoder.refusal()


RANDOM = "random-"
"""Begins the fingerprint of an encoder whose weights are random."""
_RANDOM_REMARK = "its weights are random, so its vectors say nothing of the videos; 'gerund evaluate' refuses them"


def is_random(fingerprint: str) -> bool:
    """True for an encoder whose weights were drawn, not learned, so that what it says of videos means nothing."""
    return fingerprint.startswith(RANDOM)


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
