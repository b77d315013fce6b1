"""How well two ways of running a graph agree, and what to run them on when nothing better is at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gerund.encoders.graph import Array, Graph, Node
from gerund.types import FloatArray, FrameArray

NetworkInputs = tuple[Array, ...]
"""One value for each input of a graph, in order."""

_OCTAVES = 6


@dataclass(frozen=True)
class Agreement:
    """How near results are to those of float32, over all vectors (last axis) that were compared.

    Attributes:
        cosine_mean: mean cosine of a vector to its float32 twin.
        cosine_min: the least of them.
        max_error: largest absolute difference of two numbers.
        mean_error: mean absolute difference.
        max_reference: largest absolute float32 number, which errors are measured against.
        num_vectors: how many were compared.
        data: what the graph was run on: ``"random"``, ``"calibration"`` or what the caller says.
    """

    cosine_mean: float
    cosine_min: float
    max_error: float
    mean_error: float
    max_reference: float
    num_vectors: int
    data: str

    def __str__(self) -> str:
        return (
            f"cosine to fp32 {self.cosine_mean:.5f} in the mean, {self.cosine_min:.5f} at least "
            f"({self.num_vectors} vectors, {self.data} inputs)"
        )

    def to_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return asdict(self)


def compare(results: Sequence[FloatArray], references: Sequence[FloatArray], data: str) -> Agreement:
    """Compares results with references of the same shapes ``[..., D]``.

    Two zero vectors agree (cosine 1); numbers that are not finite never do (cosine -1, infinite error).

    Example:
        >>> one = np.array([[3.0, 4.0]], np.float32)
        >>> compare([one * 2], [one], "random").cosine_min
        1.0
    """
    ours = [np.asarray(result, np.float64).reshape(-1, result.shape[-1]) for result in results]
    theirs = [np.asarray(reference, np.float64).reshape(-1, reference.shape[-1]) for reference in references]
    cosines = np.concatenate([_cosines(a, b) for a, b in zip(ours, theirs, strict=True)])
    with np.errstate(invalid="ignore"):
        errors = [np.nan_to_num(np.abs(a - b), nan=np.inf) for a, b in zip(ours, theirs, strict=True)]
    return Agreement(
        cosine_mean=float(cosines.mean()),
        cosine_min=float(cosines.min()),
        max_error=float(max(error.max() for error in errors)),
        mean_error=float(sum(error.sum() for error in errors) / sum(error.size for error in errors)),
        max_reference=float(max(np.abs(reference).max() for reference in theirs)),
        num_vectors=len(cosines),
        data=data,
    )


def _cosines(a: Array, b: Array) -> Array:
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (a * b).sum(axis=1) / lengths
    cosines = np.where((a == b).all(axis=1), 1.0, cosines)
    return np.where(np.isfinite(cosines), np.clip(cosines, -1.0, 1.0), -1.0)


def sample_inputs(graph: Graph, rng: np.random.Generator, *, batch: int = 1, length: int = 8) -> NetworkInputs:
    """Random inputs that a graph can run on, by its own declaration of them.

    uint8 inputs are pictures with structure at every scale, as natural ones have; float32 inputs are normal; int64
    inputs that mark places (attention masks, or whatever is turned into floats) are 1 and then 0; other int64 inputs
    are row numbers of the smallest table they are looked up in.

    Args:
        graph: the network.
        rng: where the randomness comes from.
        batch: size of first dimensions that the graph leaves open.
        length: size of all others that it leaves open; I3D asks for a multiple of 8.
    """
    lengths = [len(_table(graph, node)) for node in graph.nodes if node.op == "positions" and _table(graph, node).size]
    length = min([length, *lengths])
    inputs = []
    for number, node in enumerate(graph.nodes):
        if node.op != "input":
            continue
        sizes = [size if size >= 0 else (length if axis else batch) for axis, size in enumerate(node.settings["shape"])]
        if node.settings["dtype"] == "uint8":
            inputs.append(_pictures(sizes, rng))
        elif node.settings["dtype"] == "float32":
            inputs.append(rng.normal(size=sizes).astype(np.float32))
        else:
            inputs.append(_whole_numbers(graph, number, sizes, rng))
    return tuple(inputs)


def _table(graph: Graph, node: Node) -> Array:
    """The table that a node looks rows up in; empty when it is computed."""
    return np.asarray(graph.nodes[node.inputs[0]].settings.get("value", np.zeros(0)))


def _whole_numbers(graph: Graph, number: int, sizes: list[int], rng: np.random.Generator) -> Array:
    readers = [node for node in graph.nodes if number in node.inputs]
    if any(node.op in ("attention", "to_float") for node in readers):
        ends = rng.integers(1, sizes[-1] + 1, [*sizes[:-1], 1])
        return np.asarray(np.arange(sizes[-1]) < ends, np.int64)
    tables = [_table(graph, node) for node in readers if node.op == "gather"]
    return rng.integers(0, min((len(table) for table in tables if table.size), default=1), sizes)


def _pictures(sizes: Sequence[int], rng: np.random.Generator) -> FrameArray:
    """Noise in blocks of 1, 2, 4 ... 32 pixels, summed: uint8 ``[..., H, W, C]`` with contrast at every scale."""
    *others, height, width, channels = [1, 1, 1, *sizes][-max(4, len(sizes)) :]
    total = np.zeros((*others, height, width, channels), np.float32)
    for octave in range(_OCTAVES):
        block = 2**octave
        coarse = rng.normal(size=(*others, -(-height // block), -(-width // block), channels)).astype(np.float32)
        total += coarse.repeat(block, axis=-3).repeat(block, axis=-2)[..., :height, :width, :]
    return np.asarray(np.clip(total * (60 / _OCTAVES**0.5) + 115, 0, 255), np.uint8).reshape(sizes)


def fingerprint(graph: Graph) -> str:
    """A hash of a graph's operations and arrays: equal for graphs that compute the same in the same way."""
    digest = hashlib.sha256()
    for node in graph.nodes:
        settings = {name: value for name, value in node.settings.items() if not isinstance(value, np.ndarray)}
        digest.update(repr((node.op, node.inputs, sorted(settings.items()))).encode())
        for value in node.settings.values():
            if isinstance(value, np.ndarray):
                digest.update(repr((value.dtype.str, value.shape)).encode())
                digest.update(np.ascontiguousarray(value).data)
    digest.update(repr(sorted(graph.outputs.items())).encode())
    return digest.hexdigest()
