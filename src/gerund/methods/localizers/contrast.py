"""The training-free localizer: where a video looks more like an action than the rest of it does.

Source: section D.7 of the project's localisation specification, which joins published pieces: pseudo-labels and mean
removal from T3AL (Liberatori et al., CVPR 2024), outer-inner contrast from FreeZAD, and shorter, lower-scored windows
inside long segments. The functions below are its numbered steps; none looks at a label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from gerund.encoders.base import Encoder, require_same_encoder
from gerund.examples import Examples
from gerund.methods.card import MethodCard
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64, Segment, Segments, Track

_PAD_S = 0.25
_CONTEXT_SHARE = 0.25
_CONTEXT_WEIGHT = 0.2
_WINDOW_WEIGHT = 0.3
_SHORT_VIDEO_S = 15.0


@dataclass(frozen=True)
class Contrast:
    """Finds when actions happen from a track alone, without training.

    Args:
        encoder: turns the class names into vectors; must be the one that made the track.
        keep_share: a class stays in play while its probability is at least this share of the most probable one's.
        max_classes: at most so many classes a video.
        remove_background: take the video's mean from every vector; None decides by the length of the video.
        window_s: length of the shorter windows proposed inside long segments. The default of 3 s is the median length
            of an action in THUMOS14, so on that data set it is tuned knowledge; ``(2, 4, 8)`` is neutral.
        nms_tiou: of two segments of one class that overlap more than this, the lower is dropped.
        max_segments: at most so many segments a video.
    """

    takes: ClassVar[str] = "track"
    training_free: ClassVar[bool] = True

    encoder: Encoder
    keep_share: float = 0.2
    max_classes: int = 3
    remove_background: bool | None = None
    window_s: float | Sequence[float] = 3.0
    nms_tiou: float = 0.7
    max_segments: int = 100

    def fit(self, examples: Examples | None = None, classes: ClassSpace | None = None) -> Self:
        """Nothing is learned."""
        return self

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """Segments of the actions in `classes` that the track shows, best first."""
        require_same_encoder(track, self.encoder)
        duration_s = float(track.spans_s[-1, 1] - track.spans_s[0, 0])
        class_vectors = self.encoder.encode_classes(classes)
        background = duration_s >= _SHORT_VIDEO_S if self.remove_background is None else self.remove_background
        return contrast_segments(
            track.vectors,
            track.spans_s,
            class_vectors,
            classes.names,
            hubness=self.encoder.hubness(class_vectors),
            scale=self.encoder.logit_scale,
            remove_background=background,
            keep_share=self.keep_share,
            max_classes=self.max_classes,
            window_s=self.window_s,
            nms_tiou=self.nms_tiou,
            max_segments=self.max_segments,
        )


def contrast_segments(
    vectors: FloatArray | FloatArray64,
    spans_s: FloatArray64,
    class_vectors: FloatArray | FloatArray64,
    names: Sequence[str],
    *,
    hubness: FloatArray | FloatArray64 | float = 0.0,
    scale: float = 100.0,
    remove_background: bool = True,
    keep_share: float = 0.2,
    max_classes: int = 3,
    window_s: float | Sequence[float] = 3.0,
    nms_tiou: float = 0.7,
    max_segments: int = 100,
) -> Segments:
    """Steps 1 to 7 of the method as one pure function.

    Args:
        vectors: embeddings at a steady rate, ``[T, D]``, any norm.
        spans_s: the time each vector speaks for, seconds ``[T, 2]``; no segment leaves them.
        class_vectors: ``[C, D]``, any norm.
        names: of the classes, ``[C]``.
        hubness: taken from the cosines when the classes of the video are chosen, ``[C]`` or one number.
        scale: factor from cosine to logit.
        remove_background: take the mean vector from every vector first.
        keep_share: see `Contrast`, as are the other settings.
        max_classes: at most so many classes.
        window_s: length or lengths of the shorter windows.
        nms_tiou: overlap above which the lower of two segments of a class is dropped.
        max_segments: at most so many segments.

    Returns:
        Segments, best first; `confidence` is the probability of the class in the video. Empty when nothing stands out.
    """
    frames, texts = _unit(vectors), _unit(class_vectors)
    mean = frames.mean(axis=0)
    kept = video_classes(mean, texts, hubness, scale=scale, keep_share=keep_share, max_classes=max_classes)
    centred = _unit(frames - mean) if remove_background else frames

    rate_hz = len(spans_s) / float(spans_s[-1, 1] - spans_s[0, 0])
    box = max(1, round(0.67 * rate_hz))
    gap, shortest = box, max(2, round(0.3 * rate_hz))
    proposals: list[Segment] = []
    for place, probability in kept:
        raw = scale * centred @ texts[place]
        smooth = smoothed(raw, box + 1 - box % 2)
        found = []
        for first, last in runs(smooth > smooth.mean(), gap=gap, shortest=shortest):
            score = max(outer_inner_contrast(raw, first, last + 1), 0.0) * probability
            start_s = max(float(spans_s[first, 0]) - _PAD_S, float(spans_s[0, 0]))
            end_s = min(float(spans_s[last, 1]) + _PAD_S, float(spans_s[-1, 1]))
            found.append(Segment(start_s, end_s, names[place], score, probability))
            found += shorter_windows(found[-1], window_s)
        proposals += suppress_overlaps(found, nms_tiou)
    return Segments(proposals).top(max_segments)


def video_classes(
    mean: FloatArray64,
    texts: FloatArray64,
    hubness: FloatArray | FloatArray64 | float,
    *,
    scale: float,
    keep_share: float,
    max_classes: int,
) -> list[tuple[int, float]]:
    """Step 1: the classes a video may show, most probable first, with their probabilities.

    Args:
        mean: mean of the video's unit vectors ``[D]``.
        texts: unit vectors of the classes ``[C, D]``.
        hubness: taken from the cosines, ``[C]`` or one number.
        scale: factor from cosine to logit.
        keep_share: smallest share of the best probability.
        max_classes: at most so many.
    """
    cosines = texts @ _unit(mean[None])[0] - hubness
    p = np.exp(scale * (cosines - cosines.max()))
    p /= p.sum()
    order = np.argsort(-p, kind="stable")[:max_classes]
    return [(int(c), float(p[c])) for c in order if p[c] >= keep_share * p.max()]


def smoothed(values: FloatArray64, width: int) -> FloatArray64:
    """Step 3: centred moving average of odd `width`; the ends are continued by their own value."""
    padded = np.pad(values, width // 2, mode="edge")
    return np.convolve(padded, np.full(width, 1 / width), mode="valid")


def runs(mask: np.ndarray, *, gap: int, shortest: int) -> list[tuple[int, int]]:
    """Step 4: stretches of True as inclusive index pairs.

    Args:
        mask: bool ``[T]``.
        gap: two True places at most so far apart belong to one stretch.
        shortest: stretches with fewer places are dropped.

    Example:
        >>> runs(np.array([1, 1, 0, 1, 0, 0, 0, 1], bool), gap=2, shortest=2)
        [(0, 3)]
    """
    places = np.flatnonzero(mask)
    if not len(places):
        return []
    pieces = np.split(places, np.flatnonzero(np.diff(places) > gap) + 1)
    return [(int(p[0]), int(p[-1])) for p in pieces if p[-1] - p[0] + 1 >= shortest]


def outer_inner_contrast(values: FloatArray64, start: int, stop: int) -> float:
    """Step 5: how much a stretch stands out from the quarter of its length on either side.

    Mean plus maximum inside ``[start, stop)``, less 0.2 of each side's weighted mean. Weights fall from the boundary
    as ``1 / ln(k + 1)`` and sum to 1 on either side; a side outside the video counts nothing.

    Source: FreeZAD's scoring, without its frequency factor, which carries no spectral information.
    """
    context = _CONTEXT_SHARE * (stop - start)
    left = values[max(int(start - context), 0) : start][::-1]
    right = values[stop : int(stop + context)]
    inside = values[start:stop]
    sides = sum(float(side @ _fading_weights(len(side))) for side in (left, right) if len(side))
    return float(inside.mean() + inside.max() - _CONTEXT_WEIGHT * sides)


def shorter_windows(segment: Segment, window_s: float | Sequence[float]) -> list[Segment]:
    """Step 6: windows inside a segment that is longer than 1.5 of them, at half their length, for less of its score."""
    windows = []
    for length in np.atleast_1d(np.asarray(window_s, np.float64)).tolist():
        if segment.end_s - segment.start_s <= 1.5 * length:
            continue
        start = segment.start_s
        while start + length <= segment.end_s + 1e-6:
            score = segment.score * _WINDOW_WEIGHT
            windows.append(Segment(start, start + length, segment.action, score, segment.confidence))
            start += length / 2
    return windows


def suppress_overlaps(segments: Sequence[Segment], tiou: float) -> list[Segment]:
    """Step 7: keeps a segment unless a better one of its class overlaps it by more than `tiou`; ties keep order."""
    kept: list[Segment] = []
    for segment in sorted(segments, key=lambda item: -item.score):
        if all(overlap(segment, better) <= tiou for better in kept):
            kept.append(segment)
    return kept


def overlap(a: Segment, b: Segment) -> float:
    """Temporal intersection over union of two segments, 0 where both are empty."""
    shared = max(0.0, min(a.end_s, b.end_s) - max(a.start_s, b.start_s))
    union = (a.end_s - a.start_s) + (b.end_s - b.start_s) - shared
    return shared / union if union > 0 else 0.0


def _unit(vectors: FloatArray | FloatArray64) -> FloatArray64:
    doubled = np.asarray(vectors, np.float64)
    return np.asarray(doubled / np.maximum(np.linalg.norm(doubled, axis=1, keepdims=True), 1e-12), np.float64)


def _fading_weights(count: int) -> FloatArray64:
    weights = 1 / np.log(np.arange(1, count + 1) + 1)
    return np.asarray(weights / weights.sum(), np.float64)


CARDS = (
    MethodCard(
        "contrast",
        Contrast,
        "where a video looks more like an action than the rest of it does",
        task="localization",
        source="pieces of T3AL (Liberatori et al., CVPR 2024) and FreeZAD",
    ),
)
