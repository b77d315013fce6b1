"""How often the right action comes first: accuracies of score matrices, as shares from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.types import FloatArray64, IntArray


@dataclass(frozen=True)
class MeanClassAccuracy:
    """Accuracy with every class counted once.

    Attributes:
        accuracy: mean over the classes that have videos, 0..1.
        num_classes: how many classes entered the mean.
        left_out: how many had no video and did not.
    """

    accuracy: float
    num_classes: int
    left_out: int


@dataclass(frozen=True)
class MeanAndSpread:
    """Results of several splits as one line of a table.

    Attributes:
        mean: their mean.
        population_std: root of the mean squared distance to it, as NumPy's `std` gives by default.
        sample_std: the same with n - 1 in place of n; NaN for a single value.
        n: how many values.
    """

    mean: float
    population_std: float
    sample_std: float
    n: int


def check_scores(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray64, IntArray]:
    """Scores ``[N, C]`` in float64 and labels ``[N]`` in int64, sure to fit each other.

    Raises:
        UsageError: a shape is wrong, there is no video, a label is no index of a class, or a score is NaN.
    """
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise UsageError(f"scores must be [N, C] with at least one video and one class, got shape {matrix.shape}")
    if np.isnan(matrix).any():
        row = int(np.flatnonzero(np.isnan(matrix).any(axis=1))[0])
        raise UsageError(f"a score is NaN, the first in row {row}; a NaN has no rank, so mend what made it")
    return matrix, check_labels(labels, len(matrix), matrix.shape[1])


def check_labels(labels: npt.ArrayLike, num_videos: int, num_classes: int) -> IntArray:
    """Labels ``[N]`` in int64, sure to be indices of classes.

    Raises:
        UsageError: they are not `num_videos` integers, or one is outside ``[0, num_classes)``.
    """
    given = np.asarray(labels)
    if given.shape != (num_videos,) or not np.issubdtype(given.dtype, np.integer):
        raise UsageError(f"{num_videos} videos need as many integer labels, got {given.dtype} {given.shape}")
    if num_videos and (given.min() < 0 or given.max() >= num_classes):
        raise UsageError(f"labels must lie in 0..{num_classes - 1}, got {given.min()}..{given.max()}")
    return given.astype(np.int64)


def true_ranks(scores: npt.ArrayLike, labels: npt.ArrayLike) -> IntArray:
    """The place of the true class in each video's order of classes, 0 for the first, ``[N]``.

    Of equal scores the class with the lower index comes first, as with NumPy's `argmax`.

    Args:
        scores: ``[N, C]``, higher is better; infinite ones are allowed, NaN is not.
        labels: index of the true class, ``[N]``.

    Raises:
        UsageError: as `check_scores`.

    Example:
        >>> true_ranks([[0.1, 0.9, 0.5], [0.5, 0.5, 0.5]], [2, 1]).tolist()
        [1, 1]
    """
    matrix, truth = check_scores(scores, labels)
    own = matrix[np.arange(len(truth)), truth][:, None]
    earlier = np.arange(matrix.shape[1]) < truth[:, None]
    ahead = (matrix > own) | ((matrix == own) & earlier)
    ranks: IntArray = ahead.sum(axis=1, dtype=np.int64)
    return ranks


def top_k(scores: npt.ArrayLike, labels: npt.ArrayLike, k: int = 1) -> float:
    """Share of videos whose true class is among the `k` with the highest scores, 0..1.

    Of equal scores the class with the lower index comes first. A `k` above the number of classes takes all of them.

    Args:
        scores: ``[N, C]``, higher is better; infinite ones are allowed, NaN is not.
        labels: index of the true class, ``[N]``.
        k: at least 1.

    Raises:
        UsageError: `k` is below 1, or as `check_scores`.

    Example:
        >>> scores = [[0.1, 0.9, 0.5], [0.6, 0.3, 0.1]]
        >>> [top_k(scores, [2, 2], k) for k in (1, 2, 3, 7)]
        [0.0, 0.5, 1.0, 1.0]
    """
    if k < 1:
        raise UsageError(f"k must be 1 or more, got {k}")
    return float((true_ranks(scores, labels) < k).mean())


def confusion(labels: npt.ArrayLike, predictions: npt.ArrayLike, num_classes: int) -> IntArray:
    """How many videos of each true class (rows) were given each class (columns), ``[C, C]``.

    Raises:
        UsageError: labels and predictions are not as many indices of classes.

    Example:
        >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
        [[1, 1], [0, 1]]
    """
    truth = check_labels(labels, np.asarray(labels).size, num_classes)
    given = check_labels(predictions, len(truth), num_classes)
    return np.bincount(truth * num_classes + given, minlength=num_classes**2).reshape(num_classes, num_classes)


def per_class_accuracy(labels: npt.ArrayLike, predictions: npt.ArrayLike, num_classes: int) -> FloatArray64:
    """Share of each class's videos that were given this class, ``[C]``; NaN for a class without videos.

    Raises:
        UsageError: labels and predictions are not as many indices of classes.

    Example:
        >>> per_class_accuracy([0, 0, 1], [0, 1, 1], 3).tolist()
        [0.5, 1.0, nan]
    """
    counts = confusion(labels, predictions, num_classes)
    videos = counts.sum(axis=1)
    shares = np.full(num_classes, np.nan)
    np.divide(counts.diagonal(), videos, out=shares, where=videos > 0)
    return shares


def mean_class_accuracy(scores: npt.ArrayLike, labels: npt.ArrayLike) -> MeanClassAccuracy:
    """Mean of the accuracies of the classes, so that each counts once; those without videos are left out and counted.

    Args:
        scores: ``[N, C]``, higher is better; of equal ones the class with the lower index is the answer.
        labels: index of the true class, ``[N]``.

    Raises:
        UsageError: as `check_scores`.

    Example:
        >>> mean_class_accuracy([[3, 1, 2], [1, 2, 1], [0, 9, 0]], [0, 0, 1])
        MeanClassAccuracy(accuracy=0.75, num_classes=2, left_out=1)
    """
    matrix, truth = check_scores(scores, labels)
    shares = per_class_accuracy(truth, matrix.argmax(axis=1), matrix.shape[1])
    count = int((~np.isnan(shares)).sum())
    return MeanClassAccuracy(float(np.nanmean(shares)), count, len(shares) - count)


def harmonic_mean(seen: float, unseen: float) -> float:
    """The harmonic mean of two accuracies, in their unit; 0 where both are 0.

    Raises:
        UsageError: one is negative or not finite.

    Example:
        >>> harmonic_mean(40, 60), harmonic_mean(0, 0)
        (48.0, 0.0)
    """
    if not (math.isfinite(seen) and math.isfinite(unseen) and seen >= 0 and unseen >= 0):
        raise UsageError(f"the harmonic mean needs two accuracies that are not negative, got {seen} and {unseen}")
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0


def mean_and_spread(values: Iterable[float]) -> MeanAndSpread:
    """Mean of the results of several splits with both usual standard deviations, each under its name.

    Raises:
        UsageError: there is no value, or one is not finite.

    Example:
        >>> mean_and_spread([1, 3])
        MeanAndSpread(mean=2.0, population_std=1.0, sample_std=1.4142135623730951, n=2)
    """
    numbers = np.array(list(values), dtype=np.float64)
    if not len(numbers) or not np.isfinite(numbers).all():
        raise UsageError(f"a mean needs one or more finite values, got {numbers.tolist()}")
    sample = float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan
    return MeanAndSpread(float(numbers.mean()), float(numbers.std()), sample, len(numbers))
