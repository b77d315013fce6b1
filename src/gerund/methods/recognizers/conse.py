"""ConSE: a classifier over seen classes becomes a recognizer of any, through the texts of the classes it thinks of.

A softmax classifier learns the seen classes from the vectors of their videos. A video then lies where its most probable
seen classes lie among the texts, each counted by its probability,

    f(x) = (1 / Z) sum over the T best k of  p(k | x) s_k,        Z = the sum of these p(k | x),

and the class whose text has the largest cosine with f(x) wins. Nothing relates texts to videos but those names, so
nothing is learned about texts.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014, equations 3
and 4, with T = 10 as in its experiments. There the classifier is a network that was trained on ImageNet; here it is
multinomial logistic regression on the vectors at hand, which is convex: equal examples give an equal classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.training.learner import require_examples
from gerund.metrics.calibration import softmax
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64, IntArray


@dataclass(eq=False)
class Conse:
    """The convex combination of the texts of the most probable seen classes.

    Args:
        texts: turns classes into vectors, which are brought to unit length.
        top: how many seen classes a video is made of, T; where fewer are seen, all.
        ridge: weight of half the squared weights beside the mean loss of a video, once videos are brought to zero mean
            and to a mean squared length of 1.

    Attributes:
        weights_: of the classifier, float64 ``[K, V]``; empty before `fit`.
        bias_: float64 ``[K]``.
        seen_: unit text vectors of the seen classes, float32 ``[K, T]``.
    """

    takes: ClassVar[str] = "vector"

    texts: ClassEncoder
    top: int = 10
    ridge: float = 1e-3
    weights_: FloatArray64 = field(init=False, repr=False, default_factory=lambda: np.zeros((0, 0)))
    bias_: FloatArray64 = field(init=False, repr=False, default_factory=lambda: np.zeros(0))
    seen_: FloatArray = field(init=False, repr=False, default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        if self.top < 1 or self.ridge <= 0:
            raise UsageError(f"top is at least 1 and ridge above 0, got {self.top} and {self.ridge}")

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns the classifier from examples of `classes`; a class without any plays no part.

        Raises:
            UsageError: there are no examples, or they are all of one class.
        """
        examples = require_examples(examples, classes, "Conse")
        places, labels = np.unique(examples.labels, return_inverse=True)
        if len(places) < 2:
            raise UsageError("Conse learns to tell seen classes apart, and there is only one")
        self.weights_, self.bias_ = softmax_regression(examples.inputs.vectors, labels, ridge=self.ridge)
        self.seen_ = unit(np.asarray(self.texts.encode_classes(classes), np.float32)[places])
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Cosines of the videos' combinations with the classes, ``[N, C]``.

        Raises:
            UsageError: nothing was learned yet.
        """
        if not len(self.bias_):
            raise UsageError("Conse has learned nothing yet; call fit, or load what was saved")
        logits = inputs.vectors @ self.weights_.T + self.bias_
        combined = convex_combination(softmax(logits), self.seen_, self.top)
        return np.asarray(unit(combined) @ unit(self.texts.encode_classes(classes)).T, np.float32)

    def state(self) -> Mapping[str, np.ndarray]:
        """The classifier and the texts of its classes; empty before `fit`."""
        if not len(self.bias_):
            return {}
        return {"weights": self.weights_, "bias": self.bias_, "seen": self.seen_}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        self.weights_ = np.asarray(state["weights"], np.float64)
        self.bias_ = np.asarray(state["bias"], np.float64)
        self.seen_ = np.asarray(state["seen"], np.float32)


def convex_combination(shares: FloatArray64, texts: FloatArray, top: int) -> FloatArray:
    """The mean of the `top` most probable classes' texts, each weighted by its probability.

    Args:
        shares: probabilities ``[N, K]``.
        texts: of the classes ``[K, T]``.
        top: how many of them count.

    Example:
        >>> convex_combination(np.array([[0.6, 0.1, 0.3]]), np.eye(3, dtype=np.float32), 2).round(4).tolist()
        [[0.6667, 0.0, 0.3333]]
    """
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    kept = np.zeros_like(shares)
    np.put_along_axis(kept, order, np.take_along_axis(shares, order, axis=1), axis=1)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True) @ texts, np.float32)


def softmax_regression(vectors: FloatArray, labels: IntArray, *, ridge: float) -> tuple[FloatArray64, FloatArray64]:
    """Multinomial logistic regression, by SciPy's L-BFGS: the one least point of a convex loss.

    The loss is the mean cross-entropy and ``ridge / 2`` times the sum of squared weights (not of the biases), on
    vectors brought to zero mean and to a mean squared length of 1, so that `ridge` means the same for any encoder.

    Args:
        vectors: float32 ``[N, V]``.
        labels: from 0 to K - 1, each there, ``[N]``.
        ridge: above 0.

    Returns:
        Weights ``[K, V]`` and biases ``[K]`` for the vectors as they were given.
    """
    from scipy.optimize import minimize

    x = np.asarray(vectors, np.float64)
    mean = x.mean(axis=0)
    size = np.sqrt(((x - mean) ** 2).sum(axis=1).mean()) or 1.0
    x = (x - mean) / size
    count = int(labels.max()) + 1
    wanted = np.eye(count)[labels]

    def loss(flat: FloatArray64) -> tuple[float, FloatArray64]:
        weights, bias = flat[: count * x.shape[1]].reshape(count, -1), flat[count * x.shape[1] :]
        shares = softmax(x @ weights.T + bias)
        value = -np.log(np.maximum(shares[wanted == 1], 1e-300)).mean() + ridge / 2 * (weights**2).sum()
        pull = (shares - wanted) / len(x)
        return float(value), np.concatenate([(pull.T @ x + ridge * weights).ravel(), pull.sum(axis=0)])

    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-7}
    found: Any = minimize(loss, np.zeros(count * (x.shape[1] + 1)), jac=True, method="L-BFGS-B", options=options)
    weights = found.x[: count * x.shape[1]].reshape(count, -1) / size
    bias = found.x[count * x.shape[1] :] - weights @ mean
    return weights, bias - bias.mean()


CARDS = (
    MethodCard(
        "conse",
        Conse,
        "where a video lies among the texts of the seen classes that a softmax over them thinks of",
        learns="a softmax classifier over the seen classes",
        source="Norouzi et al., Zero-Shot Learning by Convex Combination of Semantic Embeddings, ICLR 2014",
    ),
)
