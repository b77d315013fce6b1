"""The training-free recognizer: a video is the mean of its track, and the nearest class text wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from gerund.encoders.base import Encoder, require_same_encoder, unit
from gerund.examples import Examples, Inputs
from gerund.methods.card import MethodCard
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, Track


@dataclass(frozen=True)
class Similarity:
    """Cosine between a video's mean vector and every class, less what every video gives the class.

    Args:
        encoder: turns the class names into vectors; must be the one that made the tracks.
    """

    takes: ClassVar[str] = "track"
    training_free: ClassVar[bool] = True

    encoder: Encoder

    @property
    def logit_scale(self) -> float:
        """Factor that makes scores logits of fair probabilities: the encoder's."""
        return self.encoder.logit_scale

    def fit(self, examples: Examples | None = None, classes: ClassSpace | None = None) -> Self:
        """Nothing is learned."""
        return self

    def score(self, inputs: Inputs | Sequence[Track], classes: ClassSpace) -> FloatArray:
        """Scores ``[N, C]``: cosines of tracks and classes less the encoder's `hubness`."""
        for track in inputs:
            require_same_encoder(track, self.encoder)
        means = np.stack([track.vectors.mean(axis=0) for track in inputs])
        vectors = self.encoder.encode_classes(classes)
        return np.asarray(unit(means) @ vectors.T - self.encoder.hubness(vectors), np.float32)


CARDS = (MethodCard("similarity", Similarity, "cosine of video and class text"),)
