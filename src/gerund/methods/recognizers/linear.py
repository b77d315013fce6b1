"""A linear classifier: multinomial logistic regression on video vectors, for the classes it has seen and no others.

With standardised videos ``x``, one row ``w_c`` and one number ``b_c`` for each class, it learns

    min  - 1/N sum_n log softmax(W x_n + b)[y_n]  +  l2 / 2 |W|^2

which has one minimum, so neither seed nor step size plays a part. Nothing in it knows the meaning of a name: it is the
closed-set yardstick beside zero-shot methods (the "linear probe" on CLIP, C3D or R(2+1)D features), and asked about a
class that it has not seen it refuses.

Source: Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021, section 3.2,
fit such a probe by L-BFGS. Deviation: features are standardised here, so that one `l2` suits encoders of any scale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import ClassVar, Self

import numpy as np

from gerund.encoders.engines import require
from gerund.errors import GerundError, UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.training.learner import require_examples
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FloatArray64, IntArray

_FLATTEST = 1e-8
_STEEPEST = 1e-4
"""The slope, of a loss that begins at log C, from which on it is the minimum."""
_NAMED = 3


@dataclass(eq=False)
class Linear:
    """Logistic regression on the mean vector of each video.

    Args:
        l2: holds the rows back; the best for few videos of long vectors is larger.
        standardize: bring each number of the vectors to mean 0 and spread 1 over the training videos.
        iterations: at most so many steps of L-BFGS.

    Attributes:
        names_: the classes that it has seen; empty before `fit`.
        weights_: ``rows`` ``[C, D]`` and ``bias`` ``[C]``, float64, for vectors as they come.
    """

    takes: ClassVar[str] = "vector"
    logit_scale: ClassVar[float] = 1.0

    l2: float = 1e-3
    standardize: bool = True
    iterations: int = 1000
    names_: tuple[str, ...] = field(init=False, repr=False, default=())
    weights_: dict[str, FloatArray64] = field(init=False, repr=False, default_factory=dict)

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns a row for each class that has an example.

        Raises:
            UsageError: there are no examples, or of one class only, or SciPy is not installed.
            GerundError: it did not come to the minimum in `iterations` steps.
        """
        examples = require_examples(examples, classes, "Linear")
        if not self.l2 > 0 or self.iterations < 1:
            raise UsageError(f"l2 and iterations are above 0, got {self.l2} and {self.iterations}")
        shown = np.unique(examples.labels)
        if len(shown) < 2:
            raise UsageError("Linear tells classes from each other, and all examples are of one; give others too")
        vectors = np.asarray(examples.inputs.vectors, np.float64)
        mean, spread = np.zeros(vectors.shape[1]), np.ones(vectors.shape[1])
        if self.standardize:
            mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
            spread = np.where(spread > _FLATTEST * max(1.0, float(np.abs(mean).max())), spread, 1.0)
        labels = np.searchsorted(shown, examples.labels)
        rows, bias = _minimise((vectors - mean) / spread, labels, len(shown), self.l2, self.iterations)
        rows = rows / spread
        self.names_ = tuple(classes.names[place] for place in shown)
        self.weights_ = {"rows": rows, "bias": bias - rows @ mean}
        return self

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Logits ``[N, C]``; their softmax is the probability among the classes asked about.

        Raises:
            UsageError: nothing was learned yet, or it is asked about a class that it has not seen.
        """
        if not self.weights_:
            raise UsageError("Linear has learned nothing yet; call fit, or load what was saved")
        places = {name.casefold(): place for place, name in enumerate(self.names_)}
        strange = [name for name in classes.names if name.casefold() not in places]
        if strange:
            named = ", ".join(map(repr, strange[:_NAMED])) + (", ..." if len(strange) > _NAMED else "")
            near = get_close_matches(strange[0].casefold(), places, n=1)
            hint = f" (did you mean {self.names_[places[near[0]]]!r}?)" if near else ""
            raise UsageError(
                f"a linear classifier answers for the {len(self.names_)} classes that it has seen, and not for "
                f"{named}{hint}; name only those, or take a zero-shot method"
            )
        chosen = [places[name.casefold()] for name in classes.names]
        rows, bias = self.weights_["rows"][chosen], self.weights_["bias"][chosen]
        return np.asarray(np.asarray(inputs.vectors, np.float64) @ rows.T + bias, np.float32)

    def state(self) -> Mapping[str, np.ndarray]:
        """Rows and bias, and the names as UTF-8 JSON; empty before `fit`."""
        if not self.weights_:
            return {}
        names = np.frombuffer(json.dumps(self.names_, ensure_ascii=False).encode(), np.uint8)
        return {**self.weights_, "names": names}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave.

        Raises:
            GerundError: names, rows and bias do not go together.
        """
        names = json.loads(np.asarray(state["names"], np.uint8).tobytes())
        rows, bias = (np.asarray(state[name], np.float64) for name in ("rows", "bias"))
        if rows.ndim != 2 or rows.shape[:1] != bias.shape or len(names) != len(bias):
            raise GerundError(f"{len(names)} names, rows {list(rows.shape)} and bias {list(bias.shape)} do not fit")
        self.names_, self.weights_ = tuple(map(str, names)), {"rows": rows, "bias": bias}


def _minimise(
    x: FloatArray64, labels: IntArray, num_classes: int, l2: float, iterations: int
) -> tuple[FloatArray64, FloatArray64]:
    """The rows ``[C, D]`` and the bias ``[C]`` at the minimum; the bias sums to 0, for only differences count.

    Raises:
        UsageError: SciPy is not installed.
        GerundError: there was no minimum after so many steps.
    """
    require("scipy", "the linear classifier learns with SciPy, which")
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    count, dim = x.shape
    targets = np.eye(num_classes)[labels]

    def loss(flat: FloatArray64) -> tuple[float, FloatArray64]:
        rows, bias = flat[: num_classes * dim].reshape(num_classes, dim), flat[num_classes * dim :]
        log_p = log_softmax(x @ rows.T + bias, axis=1)
        off = (np.exp(log_p) - targets) / count
        slope = np.concatenate([(off.T @ x + l2 * rows).ravel(), off.sum(axis=0)])
        return float(-(log_p * targets).sum() / count + 0.5 * l2 * (rows**2).sum()), slope

    start = np.zeros(num_classes * (dim + 1))
    options = {"maxiter": iterations, "maxfun": 4 * iterations, "gtol": 1e-6, "ftol": 1e-12}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    if np.abs(found.jac).max() > _STEEPEST:
        raise GerundError(
            f"the linear classifier did not come to its minimum in {iterations} steps ({found.message}); give it more "
            "(--set iterations=5000), or a larger l2"
        )
    rows, bias = found.x[: num_classes * dim].reshape(num_classes, dim), found.x[num_classes * dim :]
    return rows, bias - bias.mean()
