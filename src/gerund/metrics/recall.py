"""How many annotated segments are covered by a given number of proposals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gerund.errors import UsageError
from gerund.metrics.detection import ACTIVITYNET_TIOUS
from gerund.metrics.segments import Annotations, Detections, codes_of, rows_of_each, temporal_overlap
from gerund.types import FloatArray64

GAP_RECALL_TIOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""What GAP's released code takes on THUMOS14."""

_STEPS = 100


@dataclass(frozen=True, eq=False)
class RecallCurve:
    """Recall over the average number of proposals a video; recalls are shares, 0..1.

    Attributes:
        tious: thresholds of the temporal overlap, ``[K]``.
        proposals: average number of proposals a video, ``[100]``, growing.
        recall: ``[K, 100]``.
        num_videos: videos with annotations.
    """

    tious: tuple[float, ...]
    proposals: FloatArray64
    recall: FloatArray64
    num_videos: int

    @property
    def mean(self) -> FloatArray64:
        """Mean over the thresholds (AR), ``[100]``."""
        return np.asarray(self.recall.mean(axis=0))

    @property
    def area(self) -> float:
        """Area below `mean` from the first to the last number of proposals, by the last number (AUC)."""
        return float(np.trapezoid(self.mean, self.proposals) / self.proposals[-1])

    def at(self, proposals: float) -> float:
        """AR at an average number of proposals that is on the curve.

        Raises:
            UsageError: it is not.
        """
        places = np.flatnonzero(np.isclose(self.proposals, proposals))
        if not len(places):
            raise UsageError(
                f"the curve has no point at {proposals:g}; it has {self.proposals[0]:g}, "
                f"{self.proposals[1]:g}, ..., {self.proposals[-1]:g}"
            )
        return float(self.mean[places[0]])


def average_recall(
    truth: Annotations,
    proposals: Detections,
    tious: Sequence[float] = ACTIVITYNET_TIOUS,
    *,
    most: float = 100,
) -> RecallCurve:
    """Recall of the annotations by 1 %, 2 %, ..., 100 % of `most` proposals a video on average.

    Labels are ignored. First each video keeps, best first, its share of `most` x (videos with annotations) proposals;
    then every point of the curve takes the same fraction of what each video kept, rounded down. An annotation counts
    as found when any proposal taken reaches the threshold; one proposal may find several. Videos without
    annotations only lower the share that is kept. A video without proposals has none of its annotations found.

    Args:
        truth: annotated segments.
        proposals: found segments; of equal scores the later one is the better.
        tious: thresholds in (0, 1], ``[K]``.
        most: the average number of proposals a video at the end of the curve.

    Raises:
        UsageError: nothing is annotated, a threshold is outside (0, 1], or `most` is not above 0.

    Example:
        >>> truth = Annotations.of([("v1", 0, 10, "run"), ("v1", 20, 30, "run")])
        >>> found = Detections.of([("v1", 20, 31, "run", 0.2), ("v1", 0, 10, "run", 0.9)])
        >>> curve = average_recall(truth, found, (0.5, 0.95))
        >>> curve.at(1), curve.at(50), curve.at(100)
        (0.5, 0.75, 0.75)

    Source: the released proposal evaluation of ActivityNet. Two segments without length are no match in it. GAP's copy
        fails on a video without proposals.
    """
    thresholds = np.asarray(tious, dtype=np.float64)
    if thresholds.ndim != 1 or not len(thresholds) or not ((thresholds > 0) & (thresholds <= 1)).all():
        raise UsageError(f"thresholds must lie above 0 and not above 1, got {list(tious)}")
    if not len(truth) or not most > 0:
        raise UsageError("nothing is annotated" if most > 0 else f"most must be above 0, got {most}")
    table: dict[str, int] = {}
    true_video = codes_of(truth.video, table)
    num_videos = len(table)
    order = np.argsort(proposals.score, kind="stable")[::-1]
    found_video = codes_of(proposals.video, table)[order]
    ratio = most * num_videos / max(len(proposals), 1)
    true_rows = rows_of_each(true_video, np.arange(len(truth)), num_videos)
    found_rows = rows_of_each(found_video, order, num_videos)
    kept = [rows[: int(len(rows) * ratio)] for rows in found_rows]
    total = sum(map(len, kept))
    steps = np.arange(1, _STEPS + 1) / _STEPS
    fractions = steps * (most * num_videos / max(total, 1))

    hits = np.zeros((len(thresholds), _STEPS))
    for mine, answers in zip(true_rows, kept, strict=True):
        if not len(answers):
            continue
        overlap = temporal_overlap(
            truth.start_s[mine, None], truth.end_s[mine, None], proposals.start_s[answers], proposals.end_s[answers]
        )
        reached = overlap >= thresholds[:, None, None]
        needed = np.where(reached.any(axis=2), reached.argmax(axis=2) + 1, np.iinfo(np.int64).max)
        allowed = np.minimum((len(answers) * fractions).astype(np.int64), len(answers))
        hits += (needed[:, :, None] <= allowed).sum(axis=1)
    return RecallCurve(tuple(thresholds.tolist()), steps * most, hits / len(truth), num_videos)
