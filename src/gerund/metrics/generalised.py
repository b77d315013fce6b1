"""Generalised zero-shot recognition: videos of seen and of unseen actions, answered among all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.metrics.accuracy import check_scores, harmonic_mean, per_class_accuracy
from gerund.types import FloatArray64, IntArray

_BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SeenUnseen:
    """Accuracies on the two kinds of videos, 0..1, all answered among all classes.

    Attributes:
        seen: share of right answers to videos of seen classes (S).
        unseen: share of right answers to videos of unseen classes (U).
        harmonic: their harmonic mean (H).
        seen_per_class: mean over the seen classes that have videos.
        unseen_per_class: mean over the unseen classes that have videos.
        harmonic_per_class: harmonic mean of the two means over classes.
        bias: what was subtracted from the scores of seen classes.
    """

    seen: float
    unseen: float
    harmonic: float
    seen_per_class: float
    unseen_per_class: float
    harmonic_per_class: float
    bias: float


@dataclass(frozen=True, eq=False)
class SeenUnseenCurve:
    """Every pair of accuracies that some bias gives, in order of growing bias.

    Attributes:
        biases: one bias of each step, ``[P]``: between two critical ones, or beyond the last.
        seen: accuracy on videos of seen classes, ``[P]``, falling.
        unseen: accuracy on videos of unseen classes, ``[P]``, growing from 0.
        area: below the curve of `seen` over `unseen`, 0..1 (AUSUC).
        oracle_harmonic: the best harmonic mean on the curve. It is chosen with the test labels, so it is a bound and
            no result.
        oracle_bias: a bias that gives it; the smallest step of several.
    """

    biases: FloatArray64
    seen: FloatArray64
    unseen: FloatArray64
    area: float
    oracle_harmonic: float
    oracle_bias: float


def seen_unseen_accuracy(
    scores: npt.ArrayLike, labels: npt.ArrayLike, is_seen: npt.ArrayLike, *, bias: float = 0.0
) -> SeenUnseen:
    """Accuracy on seen and on unseen classes with all classes as candidates, over videos and over classes.

    Args:
        scores: ``[N, C]``, finite, higher is better; of equal ones the class with the lower index is the answer.
        labels: index of the true class, ``[N]``.
        is_seen: which classes have training examples, bool ``[C]``.
        bias: subtracted from the scores of seen classes (calibrated stacking); 0 compares them as they are.

    Raises:
        UsageError: shapes do not fit, a number is not finite, or one of the two kinds has no class or no video.

    Example:
        >>> scores = [[3, 1], [3, 2], [4, 1], [1, 5]]
        >>> found = seen_unseen_accuracy(scores, [0, 1, 1, 1], [True, False], bias=1.5)
        >>> found.seen, round(found.unseen, 4), found.harmonic
        (1.0, 0.6667, 0.8)

    Source: H is that of Xian et al., "Zero-shot learning: a comprehensive evaluation", 2018, who take means over
        classes; video recognition mostly takes means over videos. The bias is calibrated stacking of Chao et al., "An
        empirical study and analysis of generalized zero-shot learning", ECCV 2016.
    """
    if not np.isfinite(bias):
        raise UsageError(f"bias must be finite, got {bias}")
    matrix, truth, seen_class = _check(scores, labels, is_seen)
    answers = np.where(seen_class, matrix - bias, matrix).argmax(axis=1)
    right, of_seen = answers == truth, seen_class[truth]
    shares = per_class_accuracy(truth, answers, matrix.shape[1])
    seen, unseen = float(right[of_seen].mean()), float(right[~of_seen].mean())
    seen_mean, unseen_mean = float(np.nanmean(shares[seen_class])), float(np.nanmean(shares[~seen_class]))
    return SeenUnseen(
        seen,
        unseen,
        harmonic_mean(seen, unseen),
        seen_mean,
        unseen_mean,
        harmonic_mean(seen_mean, unseen_mean),
        float(bias),
    )


def ausuc(
    scores: npt.ArrayLike, labels: npt.ArrayLike, is_seen: npt.ArrayLike, *, per_class: bool = False
) -> SeenUnseenCurve:
    """The exact seen-unseen curve over all biases, the area below it, and the best harmonic mean on it.

    A video's answer depends on the bias in one way only: below the lead of its best seen score over its best unseen
    one it gets the best seen class, above it the best unseen class. So the accuracies change at these leads alone, and
    sorting them gives the whole curve, without a grid. Where accuracies change together the curve is straight.

    Args:
        scores: ``[N, C]``, finite, higher is better.
        labels: index of the true class, ``[N]``.
        is_seen: which classes have training examples, bool ``[C]``.
        per_class: every class counts the same, not every video.

    Raises:
        UsageError: shapes do not fit, a number is not finite, or one of the two kinds has no class or no video.

    Example:
        >>> curve = ausuc([[3, 1], [3, 2], [4, 1], [1, 5]], [0, 1, 1, 1], [True, False])
        >>> curve.unseen.round(4).tolist(), curve.seen.tolist(), round(curve.area, 4)
        ([0.0, 0.3333, 0.6667, 0.6667, 1.0], [1.0, 1.0, 1.0, 0.0, 0.0], 0.6667)

    Source: Chao et al., ECCV 2016, who sum trapezoids over the biases that they try; these are all there are.
    """
    matrix, truth, seen_class = _check(scores, labels, is_seen)
    of_seen = seen_class[truth]
    best_seen, best_unseen = (np.where(side, matrix, -np.inf) for side in (seen_class, ~seen_class))
    lead = best_seen.max(axis=1) - best_unseen.max(axis=1)
    reachable = truth == np.where(of_seen, best_seen.argmax(axis=1), best_unseen.argmax(axis=1))
    weights = 1.0 / np.bincount(truth)[truth] if per_class else np.ones(len(truth))
    totals = [len(np.unique(truth[kind])) if per_class else np.count_nonzero(kind) for kind in (of_seen, ~of_seen)]

    critical, step = np.unique(lead, return_inverse=True)
    lost = np.bincount(step, weights * (reachable & of_seen), len(critical))
    won = np.bincount(step, weights * (reachable & ~of_seen), len(critical))
    # summed from the far end, so that either side has a plain 0
    seen = np.append(np.cumsum(lost[::-1])[::-1], 0.0) / totals[0]
    unseen = np.append(0.0, np.cumsum(won)) / totals[1]
    biases = np.concatenate(
        [
            [critical[0] - 1 - abs(critical[0])],
            critical[:-1] + np.diff(critical) / 2,
            [critical[-1] + 1 + abs(critical[-1])],
        ]
    )
    harmonic = np.array([harmonic_mean(float(s), float(u)) for s, u in zip(seen, unseen, strict=True)])
    best = int(harmonic.argmax())
    area = float(np.trapezoid(seen, unseen))
    return SeenUnseenCurve(biases, seen, unseen, area, float(harmonic[best]), float(biases[best]))


def _check(
    scores: npt.ArrayLike, labels: npt.ArrayLike, is_seen: npt.ArrayLike
) -> tuple[FloatArray64, IntArray, _BoolArray]:
    matrix, truth = check_scores(scores, labels)
    if not np.isfinite(matrix).all():
        raise UsageError("a score is infinite; a bias cannot move it, so give finite scores")
    seen_class = np.asarray(is_seen)
    if seen_class.shape != matrix.shape[1:] or seen_class.dtype != np.bool_:
        raise UsageError(f"is_seen must be bool [{matrix.shape[1]}], got {seen_class.dtype} {seen_class.shape}")
    of_seen = seen_class[truth]
    for name, kind in (("classes", seen_class), ("videos", of_seen)):
        if kind.all() or not kind.any():
            raise UsageError(f"all {name} are {'seen' if kind.all() else 'unseen'}; both kinds are needed")
    return matrix, truth, seen_class
