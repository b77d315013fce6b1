"""The two answers that any localizer has to beat: the whole video, and windows of one length everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from gerund.encoders.base import Encoder, require_same_encoder, unit
from gerund.examples import Examples
from gerund.methods.card import MethodCard
from gerund.methods.localizers.contrast import video_classes
from gerund.text.classes import ClassSpace
from gerund.types import Segment, Segments, Track


@dataclass(frozen=True)
class WholeVideo:
    """One segment from start to end with the most probable class; strong where videos are cut to their action."""

    takes: ClassVar[str] = "track"
    training_free: ClassVar[bool] = True

    encoder: Encoder

    def fit(self, examples: Examples | None = None, classes: ClassSpace | None = None) -> Self:
        """Nothing is learned."""
        return self

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """The whole video as one segment; its score is its probability."""
        start_s, end_s = float(track.spans_s[0, 0]), float(track.spans_s[-1, 1])
        best, p = _top_class(self.encoder, track, classes)
        return Segments([Segment(start_s, end_s, classes.names[best], p, p)])


@dataclass(frozen=True)
class UniformWindows:
    """Windows of `window_s` seconds at half their length, scored by their mean cosine with the most probable class."""

    takes: ClassVar[str] = "track"
    training_free: ClassVar[bool] = True

    encoder: Encoder
    window_s: float = 3.0

    def fit(self, examples: Examples | None = None, classes: ClassSpace | None = None) -> Self:
        """Nothing is learned."""
        return self

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """Windows over the whole video, the last one ending with it."""
        start_s, end_s = float(track.spans_s[0, 0]), float(track.spans_s[-1, 1])
        best, p = _top_class(self.encoder, track, classes)
        cosines = unit(track.vectors) @ self.encoder.encode_classes(classes)[best]
        centres_s = track.spans_s.mean(axis=1)
        last_s = max(end_s - self.window_s, start_s)
        found = []
        for begin_s in np.append(np.arange(start_s, last_s, self.window_s / 2), last_s).tolist():
            stop_s = min(begin_s + self.window_s, end_s)
            inside = cosines[(centres_s >= begin_s) & (centres_s < stop_s)]
            if len(inside):
                found.append(Segment(begin_s, stop_s, classes.names[best], float(inside.mean()), p))
        return Segments(found)


def _top_class(encoder: Encoder, track: Track, classes: ClassSpace) -> tuple[int, float]:
    require_same_encoder(track, encoder)
    mean = unit(track.vectors).astype(np.float64).mean(axis=0)
    vectors = encoder.encode_classes(classes)
    texts, hubness = vectors.astype(np.float64), encoder.hubness(vectors)
    return video_classes(mean, texts, hubness, scale=encoder.logit_scale, keep_share=1.0, max_classes=1)[0]


CARDS = (
    MethodCard("whole", WholeVideo, "baseline: the whole video as one segment", task="localization"),
    MethodCard("uniform", UniformWindows, "baseline: windows of one length everywhere", task="localization"),
)
