"""ConSE as a method: the convex combination by hand, and a world where it must and must not know."""

from __future__ import annotations

import numpy as np
import pytest

from gerund import ClassSpace, Examples, Inputs, UsageError
from gerund.encoders.table import VectorTable
from gerund.methods import Conse
from gerund.methods.training.saved import load, save

pytest.importorskip("scipy")

SEEN, UNSEEN = ClassSpace(("cat", "dog", "car")), ClassSpace(("wolf", "truck"))
TEXTS = VectorTable(
    (*SEEN.names, *UNSEEN.names), np.array([[3.0, 0, 0], [0, 2.0, 0], [0, 0, 1.0], [0.6, 0.8, 0], [0, 0.6, 0.8]])
)


def fitted(top=10):
    """A method whose classifier is written down: logits of a video are its own numbers."""
    made = Conse(TEXTS, top=top)
    made.restore({"rows": np.eye(3), "bias": np.zeros(3), "seen": np.eye(3)})
    return made


def test_the_combination_worked_by_hand():
    """P = (0.5, 0.3, 0.2): with all three the cosines are those of (5, 3, 2); with two, of (5, 3, 0)."""
    video = Inputs.of(np.log([[0.5, 0.3, 0.2]]).astype(np.float32))
    length = np.sqrt(25 + 9 + 4)
    expected = [[(0.6 * 5 + 0.8 * 3) / length, (0.6 * 3 + 0.8 * 2) / length]]
    np.testing.assert_allclose(fitted().score(video, UNSEEN), expected, atol=1e-6)
    expected = [[(0.6 * 5 + 0.8 * 3) / np.sqrt(34), 0.6 * 3 / np.sqrt(34)]]
    np.testing.assert_allclose(fitted(top=2).score(video, UNSEEN), expected, atol=1e-6)
    np.testing.assert_allclose(fitted(top=1).score(video, SEEN), [[1, 0, 0]], atol=1e-6)


def test_it_learns_the_softmax_whose_slope_is_zero():
    """At the least point of the loss p - y is zero in the mean: the classifier's shares are the true ones."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), [20, 12, 8])
    vectors = (np.eye(5)[labels] + 0.8 * random.normal(size=(40, 5))).astype(np.float32)
    made = Conse(TEXTS, l2=1e-2).fit(Examples(Inputs.of(vectors), labels), SEEN)
    logits = vectors @ made.rows_.T + made.bias_
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares.mean(axis=0), [0.5, 0.3, 0.2], atol=1e-4)
    assert (shares.argmax(axis=1) == labels).mean() > 0.8


def test_unseen_classes_are_known_by_the_seen_ones_that_they_are_like():
    """A video between cat and dog is a wolf, one of dog and car a truck; a class without examples plays no part."""
    random = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), 30)
    vectors = (np.eye(3)[labels] * 4 + random.normal(size=(90, 3))).astype(np.float32)
    with_more = ClassSpace((*SEEN.names, "wolf"))
    made = Conse(TEXTS).fit(Examples(Inputs.of(vectors), labels), with_more)
    assert made.seen_.shape == (3, 3)
    asked = Inputs.of(np.array([[2.0, 2.2, 0.0], [0.0, 2.0, 2.4]], np.float32))
    assert made.score(asked, UNSEEN).argmax(axis=1).tolist() == [0, 1]


def test_it_is_kept_and_taken_up(tmp_path):
    """Equal answers to the last bit from a folder, which names its entry in the catalogue."""
    labels = np.arange(12) % 3
    vectors = np.eye(3, dtype=np.float32)[labels] + np.linspace(0, 0.2, 12, dtype=np.float32)[:, None]
    made = Conse(TEXTS, top=2).fit(Examples(Inputs.of(vectors), labels), SEEN)
    save(made, tmp_path)
    again = load(tmp_path, texts=TEXTS)
    np.testing.assert_array_equal(again.score(Inputs.of(vectors), UNSEEN), made.score(Inputs.of(vectors), UNSEEN))
    assert again.top == 2


def test_what_it_cannot_learn_from():
    """Nothing, one class alone, and no class to be made of; and it does not answer before it has learned."""
    with pytest.raises(UsageError, match="at least one seen class"):
        Conse(TEXTS, top=0)
    with pytest.raises(UsageError, match="there are none"):
        Conse(TEXTS).fit(None, SEEN)
    with pytest.raises(UsageError, match="of one"):
        Conse(TEXTS).fit(Examples(Inputs.of(np.ones((2, 3), np.float32)), np.zeros(2, np.int64)), SEEN)
    with pytest.raises(UsageError, match="learned nothing yet"):
        Conse(TEXTS).score(Inputs.of(np.ones((2, 3), np.float32)), UNSEEN)
