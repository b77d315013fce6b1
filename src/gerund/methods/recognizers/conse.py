"""ConSE: a classifier over seen classes becomes a recognizer of any, through the texts of the classes it thinks of.

A softmax classifier learns the seen classes from the vectors of their videos. A video then lies where its most probable
seen classes lie among the texts, each counted by its probability,

    f(x) = (1 / Z) sum over the T best k of  p(k | x) s_k,        Z = the sum of these p(k | x),

and the class whose text has the largest cosine with f(x) wins. Nothing relates texts to videos but those names, so
nothing is learned about texts.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014, equations 3
and 4, with T = 10 as in its experiments. There the classifier is a network that was trained on ImageNet; here it is
`Linear` on the vectors at hand, whose loss has one minimum: equal examples give an equal classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.recognizers.linear import Linear
from gerund.methods.training.learner import require_examples
from gerund.metrics.calibration import softmax
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64


@dataclass(eq=False)
class Conse:
    """The convex combination of the texts of the most probable seen classes.

    Args:
        texts: turns classes into vectors, which are brought to unit length.
        top: how many seen classes a video is made of, T; where fewer are seen, all.
        l2: holds the classifier's rows back, see `Linear`.

    Attributes:
        rows_: of the classifier, float64 ``[K, V]``; empty before `fit`.
        bias_: float64 ``[K]``.
        seen_: unit text vectors of the seen classes, float32 ``[K, T]``.
    """

    takes: ClassVar[str] = "vector"

    texts: ClassEncoder
    top: int = 10
    l2: float = 1e-3
    rows_: FloatArray64 = field(init=False, repr=False, default_factory=lambda: np.zeros((0, 0)))
    bias_: FloatArray64 = field(init=False, repr=False, default_factory=lambda: np.zeros(0))
    seen_: FloatArray = field(init=False, repr=False, default_factory=lambda: np.zeros((0, 0), np.float32))

    def __post_init__(self) -> None:
        if self.top < 1:
            raise UsageError(f"a video is made of at least one seen class, got top {self.top}")

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns the classifier from examples of `classes`; a class without any plays no part.

        Raises:
            UsageError: there are no examples, or they are all of one class, or SciPy is not installed.
            GerundError: the classifier did not come to its minimum.
        """
        examples = require_examples(examples, classes, "Conse")
        learned = Linear(l2=self.l2).fit(examples, classes)
        self.rows_, self.bias_ = learned.weights_["rows"], learned.weights_["bias"]
        self.seen_ = unit(np.asarray(self.texts.encode_classes(classes), np.float32)[np.unique(examples.labels)])
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Cosines of the videos' combinations with the classes, ``[N, C]``.

        Raises:
            UsageError: nothing was learned yet.
        """
        if not len(self.bias_):
            raise UsageError("Conse has learned nothing yet; call fit, or load what was saved")
        logits = inputs.vectors @ self.rows_.T + self.bias_
        combined = convex_combination(softmax(logits), self.seen_, self.top)
        return np.asarray(unit(combined) @ unit(self.texts.encode_classes(classes)).T, np.float32)

    def state(self) -> Mapping[str, np.ndarray]:
        """The classifier and the texts of its classes; empty before `fit`."""
        if not len(self.bias_):
            return {}
        return {"rows": self.rows_, "bias": self.bias_, "seen": self.seen_}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        self.rows_ = np.asarray(state["rows"], np.float64)
        self.bias_ = np.asarray(state["bias"], np.float64)
        self.seen_ = np.asarray(state["seen"], np.float32)


def convex_combination(shares: FloatArray64, texts: FloatArray, top: int) -> FloatArray:
    """The mean of the `top` most probable classes' texts, each weighted by its probability.

    Args:
        shares: probabilities ``[N, K]``.
        texts: of the classes ``[K, T]``.
        top: how many of them count.

    Example:
        >>> found = convex_combination(np.array([[0.6, 0.1, 0.3]]), np.eye(3, dtype=np.float32), 2)
        >>> found.astype(float).round(4).tolist()
        [[0.6667, 0.0, 0.3333]]
    """
    order = np.argsort(-shares, axis=1, kind="stable")[:, :top]
    kept = np.zeros_like(shares)
    np.put_along_axis(kept, order, np.take_along_axis(shares, order, axis=1), axis=1)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True) @ texts, np.float32)


CARDS = (
    MethodCard(
        "conse",
        Conse,
        "where a video lies among the texts of the seen classes that a softmax over them thinks of",
        learns="a softmax classifier over the seen classes",
        needs=("SciPy to learn",),
        source="Norouzi et al., Zero-Shot Learning by Convex Combination of Semantic Embeddings, ICLR 2014",
    ),
)
