"""Mean average precision of found segments, as the ActivityNet evaluation defines it, and its variants in use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np

from gerund.errors import UsageError
from gerund.metrics.segments import (
    Annotations,
    BoolArray,
    Detections,
    TextArray,
    ZeroByZero,
    codes_of,
    rows_of_each,
    temporal_overlap,
)
from gerund.types import FloatArray64, IntArray

Variant = Literal["official", "gap", "t3al", "opentad"]
Unknown = Literal["error", "drop"]
ZeroLength = Literal["released", "guarded"]

THUMOS_TIOUS = (0.3, 0.4, 0.5, 0.6, 0.7)
ACTIVITYNET_TIOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""The decimals as they are written. The released code spaces them by steps, which puts its ninth one bit below 0.9."""

TIE_RULE = "of equal scores the one that comes later in the file counts first"

_DUPLICATE_S = 1e-3
_Table = TypeVar("_Table", bound=Annotations)
_MOST_PAIRS = 4_000_000
"""Pairs of a detection and an annotation that are held in memory at once."""


@dataclass(frozen=True, eq=False)
class DetectionScores:
    """How well segments were found; every number is a share, 0..1.

    Attributes:
        variant: whose rules were followed.
        tious: thresholds of the temporal overlap, ``[K]``.
        classes: classes that have annotations, in order of appearance, ``[C]``.
        ap: average precision of every class at every threshold, ``[K, C]``; for ``"t3al"`` rounded as it is averaged.
        truth: the annotations that were compared.
        found: the detections that were compared.
        dropped: how many rows were not, by reason; reasons that took none are absent.
    """

    variant: Variant
    tious: tuple[float, ...]
    classes: tuple[str, ...]
    ap: FloatArray64
    truth: Annotations
    found: Detections
    dropped: dict[str, int]

    @property
    def mAP(self) -> FloatArray64:  # noqa: N802 - the name that everybody knows it by
        """Mean over the classes at every threshold, ``[K]``."""
        return np.asarray(self.ap.mean(axis=1))

    @property
    def average(self) -> float:
        """Mean of the mAP over the thresholds."""
        return float(self.mAP.mean())


def mean_average_precision(
    truth: Annotations,
    found: Detections,
    tious: Sequence[float] = THUMOS_TIOUS,
    *,
    variant: Variant = "official",
    classes: Collection[str] | None = None,
    unknown_labels: Unknown = "error",
    zero_length: ZeroLength = "released",
) -> DetectionScores:
    """Average precision of every class at every threshold of the temporal overlap, and its means.

    Within a class, detections of all videos are taken in order of descending score. Each tries the annotations of its
    video in order of descending overlap and takes the first free one that reaches the threshold; so one whose best is
    taken may still get the second best. A detection that takes none is false. Precision is replaced by the best at this
    rank or later, and averaged over the annotations. Every class with annotations counts the same; one without
    detections counts 0. Of equal scores, and of equal overlaps, the one that comes later counts first.

    Args:
        truth: annotated segments.
        found: detected segments.
        tious: thresholds in (0, 1], ``[K]``; an overlap that equals one reaches it.
        variant: ``"official"``: detections in videos without annotations are false. ``"gap"``: they are dropped.
            ``"t3al"``: they are dropped, so is the label -1, and each class's AP is rounded to 0.1 % before it is
            averaged. ``"opentad"``: repeated annotations (both ends within 1 ms) and those without length are dropped,
            unknown labels too, and the union of two segments is at least 1e-8 s.
        classes: only these count, on both sides; None for all. Those without annotations do not enter the mean.
        unknown_labels: what a detection gets whose label is neither annotated nor in `classes`: an error, as in the
            released code, or it is dropped and counted.
        zero_length: what two segments without length are to each other. ``"released"``: 0/0, which is below no
            threshold, so any two of one video and class match. ``"guarded"``: a match at the same moment only.

    Raises:
        UsageError: a threshold is outside (0, 1], nothing is annotated, or labels are unknown.

    Example:
        >>> truth = Annotations.of([("v1", 0, 10, "run"), ("v1", 4, 14, "run")])
        >>> found = Detections.of([("v1", 0, 10, "run", 0.9), ("v1", 1, 11, "run", 0.8)])
        >>> mean_average_precision(truth, found, (0.5, 0.6)).mAP.tolist()
        [1.0, 0.5]

    Source: Heilbron et al., "ActivityNet", CVPR 2015, and its released evaluation, in float64. It sorts with an
        unstable sort, so its result for equal scores depends on the platform; here a stable sort is reversed. The
        variants are those of the released code of GAP, T3AL and FreeZAD, and OpenTAD.
    """
    thresholds = np.asarray(tious, dtype=np.float64)
    if thresholds.ndim != 1 or not len(thresholds) or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise UsageError(f"thresholds must lie above 0 and not above 1, got {list(tious)}")
    if variant not in get_args(Variant):
        raise UsageError(f"no variant {variant!r}; there are {', '.join(get_args(Variant))}")
    truth, found, dropped = _comparable(truth, found, variant, classes, unknown_labels)
    rule: ZeroByZero = "floored" if variant == "opentad" else zero_length

    video_code: dict[str, int] = {}
    label_code: dict[str, int] = {}
    true_video, found_video = codes_of(truth.video, video_code), codes_of(found.video, video_code)
    true_label = codes_of(truth.label, label_code)
    names = tuple(label_code)
    found_label = codes_of(found.label, label_code)
    order = np.argsort(found.score, kind="stable")[::-1]
    true_rows = rows_of_each(true_label, np.arange(len(truth)), len(names))
    found_rows = rows_of_each(found_label[order], order, len(names))

    ap = np.zeros((len(thresholds), len(names)))
    for place, (mine, answers) in enumerate(zip(true_rows, found_rows, strict=True)):
        detection, annotation, overlap = _reaching_pairs(
            (true_video[mine], truth.start_s[mine], truth.end_s[mine]),
            (found_video[answers], found.start_s[answers], found.end_s[answers]),
            float(thresholds.min()),
            rule,
        )
        for step, threshold in enumerate(thresholds):
            reached = ~(overlap < threshold)  # 0/0 is below no threshold
            hit = _greedy_hits(detection[reached], annotation[reached], len(answers), len(mine))
            ap[step, place] = average_precision(hit, len(mine))
    if variant == "t3al":
        ap = np.round(100 * ap, 1) / 100
    return DetectionScores(variant, tuple(thresholds.tolist()), names, ap, truth, found, dropped)


def average_precision(hit: Sequence[bool] | BoolArray, num_annotations: int) -> float:
    """Area below the interpolated precision-recall curve, 0..1.

    Args:
        hit: which of the ranked detections are true, best first, ``[N]``.
        num_annotations: how many there are to find; at least 1.

    Example:
        >>> round(average_precision([True, False, True, True, False, False, True, False], 6), 10)
        0.5119047619
    """
    flags = np.asarray(hit, dtype=np.bool_)
    if not flags.any():
        return 0.0
    precision = np.cumsum(flags) / np.arange(1, len(flags) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here[flags].sum() / num_annotations)


def _comparable(
    truth: Annotations, found: Detections, variant: Variant, classes: Collection[str] | None, unknown_labels: Unknown
) -> tuple[Annotations, Detections, dict[str, int]]:
    """The rows that count, and how many do not, by reason."""
    dropped: dict[str, int] = {}

    def keep(table: _Table, column: TextArray, good: Callable[[str], bool], reason: str) -> _Table:
        kept = np.fromiter(map(good, column.tolist()), np.bool_, len(column))
        if kept.all():
            return table
        dropped[reason] = int((~kept).sum())
        return table.rows(kept)

    if variant == "t3al":
        found = keep(found, found.label, lambda label: label != "-1", "detections labelled -1")
    known = {*truth.label.tolist(), *(classes or ())}
    strange = sorted(set(found.label.tolist()) - known)
    if strange and unknown_labels == "error" and variant != "opentad":
        raise UsageError(
            f"{len(strange)} labels of the predictions are not in the ground truth: {', '.join(strange[:20])}"
            f"{', ...' if len(strange) > 20 else ''}; correct their spelling, or drop them on purpose "
            "(--unknown-labels drop)"
        )
    found = keep(found, found.label, known.__contains__, "detections with unknown labels")
    if classes is not None:
        wanted = set(classes)
        truth = keep(truth, truth.label, wanted.__contains__, "annotations of other classes")
        found = keep(found, found.label, wanted.__contains__, "detections of other classes")
    if variant == "opentad":
        truth, num_repeated, num_empty = _without_repeated(truth)
        dropped |= {"repeated annotations": num_repeated} if num_repeated else {}
        dropped |= {"annotations without length": num_empty} if num_empty else {}
    if not len(truth):
        raise UsageError(f"nothing is annotated{'' if classes is None else ' of the classes asked for'}")
    annotated = set(truth.label.tolist())
    found = keep(found, found.label, annotated.__contains__, "detections of classes without annotations")
    if variant in ("gap", "t3al"):
        videos = set(truth.video.tolist())
        found = keep(found, found.video, videos.__contains__, "detections in videos without annotations")
    return truth, found, dropped


def _without_repeated(truth: Annotations) -> tuple[Annotations, int, int]:
    """Annotations with length, the first of those that repeat each other, and how many of both kinds are gone."""
    seen: dict[tuple[str, str], list[tuple[float, float]]] = {}
    first = np.ones(len(truth), dtype=np.bool_)
    columns = (truth.video.tolist(), truth.label.tolist(), truth.start_s.tolist(), truth.end_s.tolist())
    for row, (video, label, start_s, end_s) in enumerate(zip(*columns, strict=True)):
        same = seen.setdefault((video, label), [])
        first[row] = not any(abs(start_s - s) <= _DUPLICATE_S and abs(end_s - e) <= _DUPLICATE_S for s, e in same)
        if first[row]:
            same.append((start_s, end_s))
    long = truth.end_s > truth.start_s
    return truth.rows(first & long), int((~first).sum()), int((first & ~long).sum())


_Rows = tuple[IntArray, FloatArray64, FloatArray64]


def _reaching_pairs(
    truth: _Rows, found: _Rows, threshold: float, rule: ZeroByZero
) -> tuple[IntArray, IntArray, FloatArray64]:
    """Pairs of one video that reach the lowest threshold: detection, annotation, overlap.

    They come in the order in which they are tried: detections by rank, for each its annotations by descending overlap,
    0/0 before all others and of equal ones the last first.
    """
    video, start_s, end_s = found
    by_video = np.argsort(truth[0], kind="stable")
    sorted_videos = truth[0][by_video]
    first, last = (np.searchsorted(sorted_videos, video, side=side) for side in ("left", "right"))
    counts = last - first
    parts = []
    for block in np.array_split(np.arange(len(video)), 1 + int(counts.sum()) // _MOST_PAIRS):
        number = counts[block]
        detection = np.repeat(block, number)
        within = np.arange(len(detection)) - np.repeat(np.cumsum(number) - number, number)
        annotation = by_video[np.repeat(first[block], number) + within]
        overlap = temporal_overlap(
            truth[1][annotation], truth[2][annotation], start_s[detection], end_s[detection], zero_by_zero=rule
        )
        reached = ~(overlap < threshold)
        detection, annotation, overlap = detection[reached], annotation[reached], overlap[reached]
        size = np.where(np.isnan(overlap), np.inf, overlap)
        tried = np.lexsort((-annotation, -size, detection))
        parts.append((detection[tried], annotation[tried], overlap[tried]))
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )


def _greedy_hits(detection: IntArray, annotation: IntArray, num_detections: int, num_annotations: int) -> BoolArray:
    """Which detections take an annotation when all try one after the other, ``[num_detections]``.

    A pair is settled when the annotation is the detection's best free one and no earlier detection wants it: nothing
    that comes between can change it. All such pairs are settled at once, which ends after a few rounds, not after as
    many as there are detections.
    """
    hit = np.zeros(num_detections, dtype=np.bool_)
    taken = np.zeros(num_annotations, dtype=np.bool_)
    earliest = np.zeros(num_annotations, dtype=np.int64)
    while len(detection):
        earliest[annotation[::-1]] = detection[::-1]  # of several the last one stays, here the best ranked
        best = np.ones(len(detection), dtype=np.bool_)
        best[1:] = detection[1:] != detection[:-1]
        settled = best & (earliest[annotation] == detection)
        hit[detection[settled]] = True
        taken[annotation[settled]] = True
        left = ~(hit[detection] | taken[annotation])
        detection, annotation = detection[left], annotation[left]
    return hit
