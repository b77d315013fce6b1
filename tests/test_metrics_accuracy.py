"""Accuracies: hand-worked cases, the numbers of published code, and plain loops as oracles."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import fmean, pstdev, stdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gerund.errors import UsageError
from gerund.metrics.accuracy import (
    confusion,
    harmonic_mean,
    mean_and_spread,
    mean_class_accuracy,
    per_class_accuracy,
    top_k,
    true_ranks,
)
from gerund.metrics.generalised import ausuc, seen_unseen_accuracy

SCORES = [[0.1, 0.9, 0.3, 0.2, 0, 0.5], [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]]


def small_scores(fewest_rows=1):
    """Scores with few values, so that many are equal."""
    shape = st.tuples(st.integers(fewest_rows, 12), st.integers(2, 5))
    return shape.flatmap(lambda size: arrays(np.int64, size, elements=st.integers(0, 4)))


@pytest.mark.parametrize(
    ("labels", "k", "share"), [((5, 5), 1, 0), ((5, 5), 5, 0.5), ((1, 4), 1, 0.5), ((1, 4), 5, 1), ((5, 5), 99, 1)]
)
def test_top_k_is_that_of_elaborative_rehearsal(labels, k, share):
    """The numbers that its released code gives, and a k above the number of classes takes them all."""
    assert top_k(SCORES, labels, k) == share


@given(small_scores(), st.data())
def test_top_k_equals_a_stable_sort(scores, data):
    """A place in Python's stable sort by descending score decides, so that of equal scores the first class wins."""
    labels = data.draw(st.lists(st.integers(0, scores.shape[1] - 1), min_size=len(scores), max_size=len(scores)))
    k = data.draw(st.integers(1, 7))
    orders = [sorted(range(scores.shape[1]), key=lambda place: -row[place]) for row in scores.tolist()]
    assert true_ranks(scores, labels).tolist() == [order.index(y) for order, y in zip(orders, labels, strict=True)]
    assert top_k(scores, labels, k) == fmean(y in order[:k] for order, y in zip(orders, labels, strict=True))


def test_top_1_is_the_diagonal_of_the_confusion():
    """Both break ties alike: the lower class is the answer."""
    scores = np.random.default_rng(0).integers(0, 3, (50, 4))
    labels = np.random.default_rng(1).integers(0, 4, 50)
    assert confusion(labels, scores.argmax(1), 4).trace() == 50 * top_k(scores, labels)


def test_infinite_scores_have_ranks_and_nan_has_none():
    """A masked class (minus infinity) is last; a NaN is an error that says where."""
    assert top_k([[-np.inf, 0.0, np.inf]], [1], 2) == 1
    with pytest.raises(UsageError, match=r"NaN.*row 1"):
        top_k([[0, 1], [0, math.nan]], [0, 0])


@pytest.mark.parametrize(
    ("scores", "labels", "k"),
    [
        ([[1, 2]], [2], 1),
        ([[1, 2]], [-1], 1),
        ([[1, 2]], [0, 1], 1),
        ([[1, 2]], [0.0], 1),
        ([1, 2], [0], 1),
        (np.zeros((0, 3)), np.zeros(0, int), 1),
        ([[1, 2]], [0], 0),
    ],
)
def test_top_k_refuses_what_has_no_answer(scores, labels, k):
    """Labels that are no classes, shapes that do not fit, no video, k below 1."""
    with pytest.raises(UsageError):
        top_k(scores, labels, k)


def test_class_means_count_every_class_once():
    """Three videos of class 0 (two right), one of class 2 (wrong), none of class 1: (2/3 + 0) / 2."""
    scores = np.eye(3)[[0, 0, 2, 1]]
    found = mean_class_accuracy(scores, [0, 0, 0, 2])
    assert found.accuracy == pytest.approx(1 / 3)
    assert (found.num_classes, found.left_out) == (2, 1)
    shares = per_class_accuracy([0, 0, 0, 2], scores.argmax(1), 3)
    np.testing.assert_allclose(shares, [2 / 3, math.nan, 0])


def test_confusion_has_the_truth_in_its_rows():
    """Two videos of class 0 taken for class 1 stand in row 0, column 1."""
    assert confusion([0, 0, 1], [1, 1, 1], 3).tolist() == [[0, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_harmonic_mean():
    """H(40, 60) = 48, nothing on either side gives 0, and nonsense is refused."""
    assert harmonic_mean(40, 60) == 48
    assert harmonic_mean(0, 60) == harmonic_mean(0, 0) == 0
    with pytest.raises(UsageError):
        harmonic_mean(-1, 5)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20))
def test_spread_is_that_of_the_standard_library(values):
    """Mean, population and sample deviation equal those of `statistics`."""
    found = mean_and_spread(values)
    assert found.mean == pytest.approx(fmean(values), abs=1e-9)
    assert found.population_std == pytest.approx(pstdev(values), abs=1e-9)
    assert found.sample_std == pytest.approx(stdev(values), abs=1e-9)
    assert found.n == len(values)


def test_spread_of_one_value():
    """One split has no sample deviation; none is an error."""
    assert math.isnan(mean_and_spread([3.0]).sample_std)
    assert mean_and_spread([3.0]).population_std == 0
    with pytest.raises(UsageError):
        mean_and_spread([])


def test_seen_and_unseen_by_hand():
    """Two seen classes (2 and 1 videos), two unseen (1 and 2); right are 2 of 3 and 1 of 3.

    Over classes: seen (1/2 + 1) / 2 = 3/4, unseen (1 + 0) / 2 = 1/2, H = 0.6.
    """
    scores = np.array([[9, 0, 1, 0], [0, 0, 5, 0], [0, 9, 0, 8], [0, 0, 9, 0], [3, 0, 0, 2], [0, 3, 0, 2]])
    found = seen_unseen_accuracy(scores, [0, 0, 1, 2, 3, 3], [True, True, False, False])
    assert (found.seen, found.unseen) == (2 / 3, 1 / 3)
    assert found.harmonic == pytest.approx(4 / 9)
    assert (found.seen_per_class, found.unseen_per_class) == (0.75, 0.5)
    assert found.harmonic_per_class == pytest.approx(0.6)


def test_a_bias_moves_answers_to_unseen_classes():
    """The same case with 1.5 taken from seen scores: video 2 is lost (9 < 8 + 1.5), both videos of class 3 are won."""
    scores = np.array([[9, 0, 1, 0], [0, 0, 5, 0], [0, 9, 0, 8], [0, 0, 9, 0], [3, 0, 0, 2], [0, 3, 0, 2]])
    found = seen_unseen_accuracy(scores, [0, 0, 1, 2, 3, 3], [True, True, False, False], bias=1.5)
    assert (found.seen, found.unseen) == (1 / 3, 1)


def brute_force_curve(scores, labels, is_seen, per_class):
    """Accuracies at a bias between every two differences of a seen and an unseen score that occur."""
    leads = sorted({s - u for row in scores for s in row[is_seen] for u in row[~is_seen]})
    biases = [leads[0] - 1, *((a + b) / 2 for a, b in pairwise(leads)), leads[-1] + 1]
    points = []
    for bias in biases:
        right = [int(np.argmax(np.where(is_seen, row - bias, row))) == y for row, y in zip(scores, labels, strict=True)]
        shares = []
        for kind in (True, False):
            of_kind = {}
            for y, hit in zip(labels, right, strict=True):
                if is_seen[y] == kind:
                    of_kind.setdefault(y if per_class else 0, []).append(hit)
            shares.append(fmean(fmean(hits) for hits in of_kind.values()))
        points.append(tuple(shares))
    area = sum((b[1] - a[1]) * (a[0] + b[0]) / 2 for a, b in pairwise(points))
    return points, area


@given(small_scores(2), st.data(), st.booleans())
def test_the_exact_curve_equals_brute_force(scores, data, per_class):
    """Every point, the area and the best harmonic mean are those of trying a bias between any two critical ones."""
    columns = scores.shape[1]
    is_seen = np.arange(columns) < data.draw(st.integers(1, columns - 1))
    free = st.lists(st.integers(0, columns - 1), min_size=len(scores) - 2, max_size=len(scores) - 2)
    labels = [0, columns - 1, *data.draw(free)]
    points, area = brute_force_curve(scores, labels, is_seen, per_class)
    curve = ausuc(scores, labels, is_seen, per_class=per_class)
    assert curve.area == pytest.approx(area, abs=1e-12)
    best = max(2 * s * u / (s + u) if s + u else 0 for s, u in points)
    assert curve.oracle_harmonic == pytest.approx(best, abs=1e-12)
    rounded = {(round(s, 9), round(u, 9)) for s, u in zip(curve.seen.tolist(), curve.unseen.tolist(), strict=True)}
    assert rounded == {(round(s, 9), round(u, 9)) for s, u in points}


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_every_bias_of_the_curve_gives_its_accuracies(seed, per_class):
    """`seen_unseen_accuracy` at each bias of the curve is the curve's point there."""
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(size=(20, 5)), np.append([0, 4], rng.integers(0, 5, 18))
    is_seen = np.array([True, True, False, False, False])
    curve = ausuc(scores, labels, is_seen, per_class=per_class)
    for bias, seen, unseen in zip(curve.biases, curve.seen, curve.unseen, strict=True):
        found = seen_unseen_accuracy(scores, labels, is_seen, bias=bias)
        pair = (found.seen_per_class, found.unseen_per_class) if per_class else (found.seen, found.unseen)
        assert pair == pytest.approx((seen, unseen), abs=1e-12)


def test_perfect_scores_fill_the_square():
    """Where every class is found whatever the other kind says, the area is 1."""
    assert ausuc([[9, 0, 1], [0, 0, 9]], [0, 2], [True, True, False]).area == 1


@pytest.mark.parametrize(
    ("scores", "labels", "is_seen"),
    [
        ([[1.0, 2.0]], [0], [True, False]),
        ([[1.0, 2.0], [1, 2]], [0, 1], [True, True]),
        ([[1.0, np.inf], [1, 2]], [0, 1], [True, False]),
        ([[1.0, 2.0], [1, 2]], [0, 1], [1, 0]),
    ],
)
def test_generalised_needs_both_kinds_and_finite_scores(scores, labels, is_seen):
    """One kind of videos or classes alone, an infinite score, or flags that are no bools are refused."""
    with pytest.raises(UsageError):
        seen_unseen_accuracy(scores, labels, is_seen)
    with pytest.raises(UsageError):
        ausuc(scores, labels, is_seen)
