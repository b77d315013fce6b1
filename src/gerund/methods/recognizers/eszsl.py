"""ESZSL: a bilinear map in closed form.

With videos X ``[V, n]``, targets Y ``[n, C]`` and texts S ``[T, C]`` the map

    W = (X X' + 10^alpha I)^-1  X Y S'  (S S' + 10^gamma I)^-1

makes ``X' W S`` near to Y while W stays small; the score of a video x and an unseen text s is ``x' W s``. Nothing here
is as large as n times n, nor as n: X X' and X Y are summed up over batches of videos.

Source: Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015. There targets are
-1 and 1; the baseline in Chen and Huang, "Elaborative Rehearsal", ICCV 2021, has 0 and 1, which is the default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.training.learner import require_examples
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64, IntArray

_VIDEOS = 4096
_WELL_CONDITIONED = 1e12


@dataclass(eq=False)
class Eszsl:
    """The bilinear map that is a formula.

    Args:
        texts: turns classes into vectors.
        alpha: power of ten that holds W back on the side of videos; what suits grows with their number and length.
        gamma: the same on the side of texts.
        targets: what a video's score should be for another class and for its own: ``"01"``, or ``"pm1"`` for -1 and 1.
        normalize_texts: bring text vectors to unit length.

    Attributes:
        map_: W, float64 ``[V, T]``; None before `fit`.
    """

    takes: ClassVar[str] = "vector"

    texts: ClassEncoder
    alpha: float = 3.0
    gamma: float = 0.0
    targets: Literal["01", "pm1"] = "01"
    normalize_texts: bool = True
    map_: FloatArray64 | None = field(init=False, repr=False, default=None)

    @classmethod
    def paper(cls, texts: ClassEncoder, **changes: Any) -> Self:
        """The settings with which Chen and Huang, ICCV 2021, ran the method on Kinetics with GloVe vectors.

        Source: alpha 3 and gamma 0 are fixed in the code that they released; Romera-Paredes and Torr choose both from
        -3, -2, ..., 3 by validation classes.
        """
        return cls(texts, **{"alpha": 3.0, "gamma": 0.0, "targets": "01", **changes})

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns the map from examples of `classes` in one pass; memory does not grow with their number.

        Raises:
            UsageError: there are no examples, or `targets` is neither of the two.
        """
        if self.targets not in ("01", "pm1"):
            raise UsageError(f"targets {self.targets!r} is not one of 01, pm1")
        examples = require_examples(examples, classes, "Eszsl")
        gram, sums = sufficient_statistics(examples.inputs, examples.labels, len(classes))
        if self.targets == "pm1":
            sums = 2 * sums - sums.sum(axis=1, keepdims=True)
        self.map_ = closed_form(gram, sums, self._encode(classes).T, self.alpha, self.gamma)
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """``x' W s`` for every video and class, ``[N, C]``.

        Raises:
            UsageError: nothing was learned yet.
        """
        if self.map_ is None:
            raise UsageError("Eszsl has learned nothing yet; call fit, or load what was saved")
        return np.asarray(inputs.vectors @ (self.map_ @ self._encode(classes).T), np.float32)

    def state(self) -> Mapping[str, np.ndarray]:
        """The map; empty before `fit`."""
        return {} if self.map_ is None else {"map": self.map_}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        self.map_ = np.asarray(state["map"], np.float64)

    def _encode(self, classes: ClassSpace) -> FloatArray64:
        vectors = self.texts.encode_classes(classes)
        return np.asarray(unit(vectors) if self.normalize_texts else vectors, np.float64)


def sufficient_statistics(inputs: Inputs, labels: IntArray, num_classes: int) -> tuple[FloatArray64, FloatArray64]:
    """All that the map depends on: X X' ``[V, V]``, and for each class the sum of its videos ``[V, C]``."""
    gram = sums = np.zeros((0, 0))
    for start, batch in zip(range(0, len(inputs), _VIDEOS), inputs.batches(_VIDEOS), strict=True):
        x = np.asarray(batch.vectors, np.float64)
        if not start:
            gram, sums = np.zeros((x.shape[1], x.shape[1])), np.zeros((x.shape[1], num_classes))
        is_class = labels[start : start + len(x), None] == np.arange(num_classes)
        gram += x.T @ x
        sums += x.T @ is_class
    return gram, sums


def closed_form(
    gram: FloatArray64, targets: FloatArray64, texts: FloatArray64, alpha: float, gamma: float
) -> FloatArray64:
    """W ``[V, T]`` from X X' ``[V, V]``, X Y ``[V, C]`` and S ``[T, C]``.

    Example:
        >>> closed_form(np.eye(1), np.array([[4.0, 0.0]]), np.eye(2), alpha=0, gamma=0).tolist()
        [[1.0, 0.0]]
    """
    left = _over(gram, alpha, targets @ texts.T)
    return _over(texts @ texts.T, gamma, left.T).T


def _over(gram: FloatArray64, exponent: float, right: FloatArray64) -> FloatArray64:
    """``(gram + 10^exponent I)^-1 right``; where that is close to singular, the smallest answer that fits best."""
    ridge = 10.0**exponent
    matrix = gram + ridge * np.eye(len(gram))
    if np.trace(matrix) < _WELL_CONDITIONED * ridge:  # no eigenvalue is below the ridge, and none above the trace
        return np.asarray(np.linalg.solve(matrix, right), np.float64)
    return np.asarray(np.linalg.pinv(matrix, hermitian=True) @ right, np.float64)


CARDS = (
    MethodCard(
        "eszsl",
        Eszsl,
        "bilinear map in closed form",
        learns="a matrix from videos to texts",
        source="Romera-Paredes and Torr, An embarrassingly simple approach to zero-shot learning, ICML 2015",
    ),
)
