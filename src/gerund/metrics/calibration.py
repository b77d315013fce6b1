"""Whether probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.metrics.accuracy import check_scores
from gerund.types import FloatArray64, IntArray

_SUM_TOLERANCE = 1e-3
"""How far a row may be from 1: softmax in 16 bits is off by less."""
_LEAST_STEP = 1e-9
"""Of the power of ten of a factor."""


def expected_calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, bins: int = 15) -> float:
    """Mean distance between how sure the answers are and how often they are right, 0..1.

    Answers are put into `bins` equally wide bins by their probability. A bin holds its upper edge and not its lower
    one; the first holds 0 too. A bin adds the distance between the share of right answers and the mean probability,
    weighted by its share of the videos; an empty one adds nothing.

    Args:
        probabilities: ``[N, C]`` in 0..1, rows that sum to 1; of equal ones the lower index is the answer.
        labels: index of the true class, ``[N]``.
        bins: at least 1.

    Raises:
        UsageError: rows are no probabilities, labels do not fit, or `bins` is below 1.

    Example:
        >>> expected_calibration_error([[0.75, 0.25], [0.25, 0.75]], [0, 0], bins=2)
        0.25

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017, equation 3, with their 15 bins.
    """
    if bins < 1:
        raise UsageError(f"bins must be 1 or more, got {bins}")
    matrix, truth = _check(probabilities, labels)
    sureness = matrix.max(axis=1)
    right = matrix.argmax(axis=1) == truth
    places = (np.searchsorted(np.linspace(0, 1, bins + 1), sureness, side="left") - 1).clip(0, bins - 1)
    gaps = np.bincount(places, right - sureness, bins)
    return float(np.abs(gaps).sum() / len(truth))


def brier(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean over videos of the squared distance between the probabilities and the truth, summed over classes, 0..2.

    Args:
        probabilities: ``[N, C]`` in 0..1, rows that sum to 1.
        labels: index of the true class, ``[N]``.

    Raises:
        UsageError: rows are no probabilities, or labels do not fit.

    Example:
        >>> brier([[0.75, 0.25], [0.25, 0.75]], [0, 0])
        0.625

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950: the form for any number of
        classes, which for two is twice the one that looks at one class only.
    """
    matrix, truth = _check(probabilities, labels)
    matrix = matrix.copy()
    matrix[np.arange(len(truth)), truth] -= 1
    return float(np.square(matrix).sum(axis=1).mean())


def best_logit_scale(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """The factor on scores under whose softmax the true classes are most likely; 1 over it is the temperature.

    Args:
        scores: ``[N, C]``, finite.
        labels: index of the true class, ``[N]``.

    Returns:
        A number above 0. Where every answer is right no factor is the best; then it is one at which all are as good as
        certain. Where none is better than chance it is close to 0.

    Raises:
        UsageError: labels do not fit.

    Example:
        >>> scale = best_logit_scale([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], [0, 0, 0, 1])
        >>> round(scale, 4), round(float(np.log(3)), 4)  # of which the softmax is 3/4 and 1/4
        (1.0986, 1.0986)

    Source: Guo et al., "On calibration of modern neural networks", ICML 2017, section 4.2: one number, which minimises
        the negative log-likelihood on held-out videos. As a function of the factor that is convex, so that halving an
        interval by golden sections finds it.
    """
    matrix, truth = check_scores(scores, labels)
    lead = matrix - matrix.max(axis=1, keepdims=True)
    own = lead[np.arange(len(truth)), truth]
    unit = 1 / max(float(-lead.mean()), np.finfo(np.float64).tiny) if lead.any() else 1.0

    def cost(exponent: float) -> float:
        scale = unit * 10.0**exponent
        return float((np.log(np.exp(scale * lead).sum(axis=1)) - scale * own).mean())

    low, high, share = -4.0, 4.0, (np.sqrt(5) - 1) / 2
    while high - low > _LEAST_STEP:
        one, other = high - share * (high - low), low + share * (high - low)
        low, high = (low, other) if cost(one) <= cost(other) else (one, high)
    return float(unit * 10 ** ((low + high) / 2))


def _check(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray64, IntArray]:
    matrix, truth = check_scores(probabilities, labels)
    sums = matrix.sum(axis=1)
    if matrix.min() < 0 or matrix.max() > 1 + _SUM_TOLERANCE or np.abs(sums - 1).max() > _SUM_TOLERANCE:
        raise UsageError(
            f"probabilities must lie in 0..1 and sum to 1 in each row, got values {matrix.min():g}..{matrix.max():g} "
            f"and sums {sums.min():g}..{sums.max():g}; scores need a softmax first"
        )
    return matrix, truth
