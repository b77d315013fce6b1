"""The linear classifier: the minimum that it promises, for the classes that it has seen and no others."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from gerund.encoders import engines
from gerund.errors import GerundError, UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.catalog import find_method, make_method
from gerund.methods.recognizers.linear import Linear
from gerund.methods.training.saved import load, save
from gerund.text.classes import ClassSpace

pytest.importorskip("scipy")

CLASSES = ClassSpace(("jumping", "waving a hand", "bowling"))


def blobs(seed=0, count=30, dim=4):
    """Three clouds that overlap a little, of unlike scales in their numbers, and one number that never changes."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), count // 3)
    vectors = 2.0 * np.eye(3, dim)[labels] + random.standard_normal((count, dim))
    vectors[:, 1] = 100 * vectors[:, 1] + 50
    vectors[:, -1] = 7.0
    return Examples(Inputs.of(vectors.astype(np.float32)), labels)


def test_it_is_at_the_minimum():
    """The loss as it is written, of the standardised vectors, has slope zero at what was learned, in every number."""
    examples = blobs()
    fitted = Linear(l2=0.05).fit(examples, CLASSES)
    x = examples.inputs.vectors.astype(float)
    spread = np.where(x.std(axis=0) > 1e-6, x.std(axis=0), 1.0)
    z = (x - x.mean(axis=0)) / spread
    rows = fitted.weights_["rows"] * spread
    bias = fitted.weights_["bias"] + fitted.weights_["rows"] @ x.mean(axis=0)

    def loss(rows, bias):
        logits = z @ rows.T + bias
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(len(p)), examples.labels]).mean() + 0.05 / 2 * (rows**2).sum()

    lowest = loss(rows, bias)
    assert lowest < np.log(3) / 2
    for place in np.ndindex(rows.shape):
        for step in (1e-3, -1e-3):
            moved = rows.copy()
            moved[place] += step
            assert loss(moved, bias) > lowest
    for place in range(3):
        for step in (1e-3, -1e-3):
            assert loss(rows, bias + step * np.eye(3)[place]) > lowest


def test_it_is_what_scikit_learn_finds():
    """The same rows as an independent implementation of the same loss."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    examples = blobs(1)
    ours = Linear(l2=0.1, standardize=False).fit(examples.take(np.arange(30)), CLASSES)
    x = examples.inputs.vectors.astype(float)
    theirs = linear_model.LogisticRegression(C=1 / (0.1 * len(x)), tol=1e-10, max_iter=10000)
    theirs.fit(x, examples.labels)
    np.testing.assert_allclose(ours.weights_["rows"], theirs.coef_, atol=2e-3)
    logits = ours.score(examples.inputs, CLASSES)
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), theirs.predict_proba(x), atol=5e-3
    )


def test_held_back_without_end_only_the_counts_are_left():
    """With a huge l2 the rows vanish, and a video's probabilities are the shares of the classes."""
    labels = np.array([0, 0, 0, 1])
    examples = Examples(Inputs.of(np.arange(8, dtype=np.float32).reshape(4, 2)), labels)
    logits = Linear(l2=1e6).fit(examples, CLASSES).score(examples.inputs, ClassSpace(CLASSES.names[:2]))
    np.testing.assert_allclose(
        np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), [[0.75, 0.25]] * 4, atol=1e-3
    )


def test_scores_follow_the_names_asked_about():
    """Columns are in the order asked for, whatever the case of the names, and are the same for fewer classes."""
    examples = blobs()
    fitted = Linear().fit(examples, CLASSES)
    every = fitted.score(examples.inputs, CLASSES)
    assert (every.argmax(axis=1) == examples.labels).mean() > 0.7
    some = fitted.score(examples.inputs, ClassSpace(("Bowling", "JUMPING")))
    np.testing.assert_array_equal(some, every[:, [2, 0]])


def test_another_class_is_refused_in_words():
    """A class that it has not seen, or only by another name, is named; so is one without any example."""
    fitted = Linear().fit(blobs(), CLASSES)
    with pytest.raises(UsageError, match=r"3 classes that it has seen, and not for 'bowing' .did you mean 'bowling'"):
        fitted.score(blobs().inputs, ClassSpace(("jumping", "bowing")))
    of_two = blobs().take(np.arange(20))
    fitted = Linear().fit(of_two, CLASSES)
    with pytest.raises(UsageError, match=r"2 classes .* not for 'bowling'"):
        fitted.score(of_two.inputs, CLASSES)


def test_what_cannot_be_learned_from_is_refused():
    """No examples, one class alone, settings that mean nothing, and a minimum that was not reached."""
    with pytest.raises(UsageError, match="there are none"):
        Linear().fit(None, CLASSES)
    with pytest.raises(UsageError, match="all examples are of one"):
        Linear().fit(blobs().take(np.arange(10)), CLASSES)
    with pytest.raises(UsageError, match="above 0"):
        Linear(l2=0.0).fit(blobs(), CLASSES)
    with pytest.raises(GerundError, match=r"minimum in 1 steps .*--set iterations"):
        Linear(l2=1e-4, iterations=1).fit(blobs(), CLASSES)
    with pytest.raises(UsageError, match="nothing yet"):
        Linear().score(blobs().inputs, CLASSES)


def test_what_is_saved_answers_the_same(tmp_path):
    """Names in any script, rows and bias come back to the last bit; parts that do not fit are damage."""
    classes = ClassSpace(("jumping", "winken mit Händen", "ボウリング"))
    fitted = make_method(find_method("linear"), {"texts": None}, {"l2": 0.5}).fit(blobs(), classes)
    save(fitted, tmp_path)
    found = load(tmp_path)
    assert (found.l2, found.names_) == (0.5, classes.names)
    np.testing.assert_array_equal(found.score(blobs().inputs, classes), fitted.score(blobs().inputs, classes))
    with pytest.raises(GerundError, match="do not fit"):
        found.restore({**fitted.state(), "bias": np.zeros(2)})


def test_without_scipy_it_says_what_to_install(monkeypatch):
    """The base install has no SciPy; the message has the command."""
    original = importlib.util.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "scipy" else original(name))
    with pytest.raises(UsageError, match=r"gerund\[scipy\]"):
        Linear().fit(blobs(), CLASSES)
