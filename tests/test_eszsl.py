"""ESZSL: the formula against worked numbers, its normal equations and its limit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.recognizers import eszsl
from gerund.methods.recognizers.eszsl import Eszsl, closed_form, sufficient_statistics
from gerund.text.classes import ClassSpace
from gerund.types import Track
from hidden_map import hidden_map, shuffled

X = np.array([[1, 0, 2, 1], [0, 1, 1, -1], [2, 1, 0, 1]], np.float32)
LABELS = np.array([0, 1, 2, 0])
CLASSES = ClassSpace(("a", "b", "c"))
TEXTS = VectorTable(CLASSES.names, np.array([[1, 0], [0, 1], [1, 1]]))
TRAIN = Examples(Inputs.of(np.ascontiguousarray(X.T)), LABELS)


@pytest.fixture(scope="module")
def world():
    return hidden_map()


def test_released_codes_map_and_scores():
    """Three dimensions, four videos, alpha = gamma = 0: W and X'WS as the released code printed them."""
    method = Eszsl(TEXTS, alpha=0, gamma=0).fit(TRAIN, CLASSES)
    expected = [[0.15936434, 0.00903754], [-0.10591552, 0.18166618], [0.09836766, 0.01993629]]
    np.testing.assert_allclose(method.map_, expected, atol=5e-9)
    scores = [
        [0.35609967, 0.04891013, 0.28638517],
        [-0.00754786, 0.20160247, 0.13721733],
        [0.21281316, 0.19974127, 0.29172003],
        [0.36364752, -0.15269235, 0.14916784],
    ]
    np.testing.assert_allclose(method.score(TRAIN.inputs, CLASSES), scores, atol=5e-8)


def test_released_codes_map_with_its_own_settings():
    """A thousand times W, with alpha 3 and gamma 0."""
    expected = [[1.29377247, 0.30170013], [-0.26479712, 0.73320096], [1.15585025, 0.16477293]]
    np.testing.assert_allclose(1000 * Eszsl.paper(TEXTS).fit(TRAIN, CLASSES).map_, expected, atol=5e-9)


def test_map_for_targets_of_minus_one_and_one():
    """The targets of the original paper, alpha = gamma = 0."""
    method = Eszsl(TEXTS, alpha=0, gamma=0, targets="pm1").fit(TRAIN, CLASSES)
    expected = [[0.10673503, -0.19391857], [-0.30109153, 0.27407187], [-0.03757345, -0.19443619]]
    np.testing.assert_allclose(method.map_, expected, atol=5e-9)


@given(st.integers(0, 10**6), st.floats(-3, 4), st.floats(-3, 3), st.sampled_from(["01", "pm1"]))
@settings(max_examples=30, deadline=None)
def test_the_map_solves_its_normal_equations(seed, alpha, gamma, targets):
    """(X X' + aI) W (S S' + gI) = X Y S', to 1e-8 of what is on the right, with Y written out."""
    random = np.random.default_rng(seed)
    x, s = random.standard_normal((40, 9)).astype(np.float32), random.standard_normal((5, 4)).astype(np.float32)
    labels = random.integers(0, 5, 40)
    classes = ClassSpace(tuple("abcde"))
    method = Eszsl(VectorTable(classes.names, s), alpha, gamma, targets, normalize_texts=False)
    found = method.fit(Examples(Inputs.of(x), labels), classes).map_
    y = np.eye(5)[labels] if targets == "01" else 2 * np.eye(5)[labels] - 1
    x, s = x.astype(np.float64), s.astype(np.float64)
    left = (x.T @ x + 10**alpha * np.eye(9)) @ found @ (s.T @ s + 10**gamma * np.eye(4))
    np.testing.assert_allclose(left, x.T @ y @ s, atol=1e-8 * np.abs(x.T @ y @ s).max())


@pytest.mark.parametrize("power", [-9.0, -30.0, float("-inf")])
def test_targets_are_met_when_nothing_is_held_back(power):
    """With as many dimensions as videos and classes, X'WS becomes Y itself as alpha and gamma fall."""
    random = np.random.default_rng(0)
    x, labels = random.standard_normal((6, 6)).astype(np.float32), np.array([0, 1, 2, 0, 1, 2])
    texts = VectorTable(CLASSES.names, random.standard_normal((3, 3)))
    method = Eszsl(texts, power, power).fit(Examples(Inputs.of(x), labels), CLASSES)
    np.testing.assert_allclose(method.score(Inputs.of(x), CLASSES), np.eye(3)[labels], atol=1e-5)


@pytest.mark.parametrize("power", [-30.0, float("-inf")])
def test_a_singular_system_has_the_smallest_answer(power):
    """With hardly a ridge, directions in which nothing was seen get no weight."""
    seen = np.array([[1.0], [2.0], [3.0]]) / 7**0.5
    found = closed_form(seen @ seen.T, 6 * seen, np.array([[1.0]]), power, power)
    np.testing.assert_allclose(found, 3 * seen, atol=1e-12)


class Unwritten(Sequence):
    """Tracks that are made when they are asked for, and that remember how many were held at once."""

    def __init__(self, vectors):
        self.vectors = vectors

    def __len__(self):
        return len(self.vectors)

    def __getitem__(self, place):
        return Track(self.vectors[place][None], np.array([[0.0, 1.0]]), "")


@pytest.mark.parametrize("size", [7, 8, 24, 25, 26])
def test_many_videos_are_summed_up_in_batches(monkeypatch, size):
    """Whatever the size of the batches the sums are the same, and the whole matrix is never made."""
    x = np.random.default_rng(0).standard_normal((25, 4)).astype(np.float32)
    labels = np.arange(25) % 3
    gram, sums = sufficient_statistics(Inputs.of(x), labels, 3)
    np.testing.assert_allclose(gram, x.astype(np.float64).T @ x, rtol=1e-6)
    np.testing.assert_allclose(sums[:, 1], x[labels == 1].sum(0, dtype=np.float64), rtol=1e-6)
    monkeypatch.setattr(eszsl, "_VIDEOS", size)
    inputs = Inputs(Unwritten(x))
    for one, other in zip(sufficient_statistics(inputs, labels, 3), (gram, sums), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    assert "vectors" not in vars(inputs)


@pytest.mark.parametrize("targets", ["01", "pm1"])
def test_unseen_classes_are_recognised(world, targets):
    """Ten times better than chance, on videos of classes that it never met, through the hidden map."""
    method = Eszsl(world.texts, alpha=0, targets=targets).fit(world.train, world.seen)
    assert world.accuracy(method) >= 10 / len(world.unseen)


def test_the_order_of_classes_means_nothing(world):
    """Asked in another order the same scores come in that order; learned in another order the map is the same."""
    method = Eszsl(world.texts).fit(world.train, world.seen)
    order = np.random.default_rng(1).permutation(len(world.seen))
    classes, examples = shuffled(world.seen, world.train, order)
    scores = method.score(world.test.inputs, world.seen)
    np.testing.assert_allclose(method.score(world.test.inputs, classes), scores[:, order], rtol=1e-6)
    np.testing.assert_allclose(Eszsl(world.texts).fit(examples, classes).map_, method.map_, atol=1e-12)


def test_refusals():
    """Nothing is answered before it was learned, and targets are one of two kinds."""
    with pytest.raises(UsageError, match="learned nothing"):
        Eszsl(TEXTS).score(TRAIN.inputs, CLASSES)
    with pytest.raises(UsageError, match="not one of 01, pm1"):
        Eszsl(TEXTS, targets="-1").fit(TRAIN, CLASSES)
    with pytest.raises(UsageError, match="among 2 classes, from 0 on; got 0 to 2"):
        Eszsl(TEXTS).fit(TRAIN, ClassSpace(("a", "b")))
    with pytest.raises(UsageError, match="there are none"):
        Eszsl(TEXTS).fit(None, CLASSES)
