"""Calibration: cases worked by hand and a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gerund.errors import UsageError
from gerund.metrics.calibration import brier, expected_calibration_error


def test_calibration_error_by_hand():
    """Bins of 0.2: (.55, .6] right and wrong are 0.5 against 0.575; .9 right is 1 against 0.9: (2*.075 + .1) / 3."""
    probabilities = [[0.55, 0.45], [0.4, 0.6], [0.1, 0.9]]
    assert expected_calibration_error(probabilities, [0, 0, 1], bins=5) == pytest.approx(0.25 / 3)


def test_an_edge_belongs_to_the_bin_below():
    """With two bins 0.5 is in the lower: right at 0.5 and wrong at 0.75 do not cancel as they would in one bin."""
    probabilities = [[0.5, 0.5], [0.75, 0.25]]
    assert expected_calibration_error(probabilities, [0, 1], bins=2) == pytest.approx((0.5 + 0.75) / 2)
    assert expected_calibration_error(probabilities, [0, 1], bins=1) == pytest.approx(abs(1 - 1.25) / 2)


def test_sure_and_right_is_calibrated():
    """Probability 1 for the truth has no error and no distance; for something else it has the largest."""
    assert expected_calibration_error(np.eye(3), [0, 1, 2]) == brier(np.eye(3), [0, 1, 2]) == 0
    assert expected_calibration_error(np.eye(3), [1, 2, 0]) == 1
    assert brier(np.eye(3), [1, 2, 0]) == 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 20))
def test_both_equal_plain_loops(seed, bins):
    """Definitions written out video by video and bin by bin give the same."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), 30)
    labels = rng.integers(0, 3, 30)
    groups = {}
    for row, y in zip(probabilities.tolist(), labels.tolist(), strict=True):
        groups.setdefault(math.ceil(max(row) * bins), []).append((row.index(max(row)) == y, max(row)))
    error = sum(abs(sum(hit for hit, _ in group) - sum(p for _, p in group)) for group in groups.values()) / 30
    assert expected_calibration_error(probabilities, labels, bins=bins) == pytest.approx(error)
    distance = sum(
        (p - (place == y)) ** 2
        for row, y in zip(probabilities.tolist(), labels.tolist(), strict=True)
        for place, p in enumerate(row)
    )
    assert brier(probabilities, labels) == pytest.approx(distance / 30)


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[-0.1, 1.1]], [[2.0, 3.0]], [[math.nan, 1.0]]])
def test_scores_are_not_probabilities(rows):
    """Rows that do not sum to 1, negative ones and NaN are refused, with the cure."""
    for measure in (brier, expected_calibration_error):
        with pytest.raises(UsageError):
            measure(rows, [0])
    with pytest.raises(UsageError, match="bins"):
        expected_calibration_error([[1.0]], [0], bins=0)
