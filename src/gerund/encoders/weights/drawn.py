"""Random weights: a network of full size where its real ones cannot be had, for trying out and measuring time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.types import FloatArray


def draw(shapes: Mapping[str, Sequence[int]], *, seed: int = 0) -> Checkpoint:
    """Arrays as a network has them before it is trained, the same for the same shapes and seed.

    Weights of two and more axes are normal with variance 2 / fan-in (He et al., "Delving Deep into Rectifiers", ICCV
    2015), so that numbers neither vanish nor explode on their way. A normalisation changes nothing, a bias is 0.

    Args:
        shapes: of every array by its published name, in the order they are drawn.
        seed: of the generator.

    Example:
        >>> found = draw({"a.weight": (2, 8), "a.bias": (2,), "n.running_var": (2,)}).tensors
        >>> found["a.weight"].shape, found["a.bias"].tolist(), found["n.running_var"].tolist()
        ((2, 8), [0.0, 0.0], [1.0, 1.0])
    """
    rng = np.random.default_rng(seed)
    return Checkpoint({name: _drawn(name, tuple(shape), rng) for name, shape in shapes.items()}, (), seed)


def _drawn(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    if len(shape) > 1:
        spread = np.float32(math.sqrt(2 / math.prod(shape[1:])))
        return np.asarray(rng.standard_normal(shape, np.float32) * spread, np.float32)
    return np.full(shape, float(name.endswith(("weight", "gamma", "var"))), np.float32)
