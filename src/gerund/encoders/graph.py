"""A network as plain data: written down once from its arrays, run by any engine.

`Graph` records operations; `gerund.encoders.engines` turns the record into what OpenVINO, ONNX Runtime or PyTorch runs.
Shapes are the engines' business: -1 stands for a dimension that is known only when the graph runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Dtype = Literal["uint8", "int64", "float32"]


@dataclass(frozen=True)
class Node:
    """One operation: its name, the numbers of the nodes it reads, and its settings."""

    op: str
    inputs: tuple[int, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Tensor:
    """A value inside a graph; its sums, differences and products are recorded as they are written."""

    graph: Graph
    number: int

    def __add__(self, other: Tensor | Array | float) -> Tensor:
        return self.graph.record("add", self, other)

    def __sub__(self, other: Tensor | Array | float) -> Tensor:
        return self.graph.record("subtract", self, other)

    def __mul__(self, other: Tensor | Array | float) -> Tensor:
        return self.graph.record("multiply", self, other)

    def __matmul__(self, other: Tensor | Array) -> Tensor:
        return self.graph.record("matmul", self, other)


@dataclass
class Graph:
    """A recorder of operations. Arrays given where a tensor is expected become constants.

    Attributes:
        name: of the network, for messages and exported files.
        nodes: the operations in the order they were written, which is an order they can run in.
        outputs: names and node numbers of the results.
    """

    name: str
    nodes: list[Node] = field(default_factory=list)
    outputs: dict[str, int] = field(default_factory=dict)

    def record(self, op: str, *inputs: Tensor | Array | float, **settings: Any) -> Tensor:
        """Writes one operation down; scalars become float32 constants."""
        numbers = tuple(item.number if isinstance(item, Tensor) else self.constant(item).number for item in inputs)
        self.nodes.append(Node(op, numbers, settings))
        return Tensor(self, len(self.nodes) - 1)

    def input(self, name: str, shape: Sequence[int], dtype: Dtype) -> Tensor:
        """A value given at run time; inputs are passed in the order they are declared."""
        return self.record("input", name=name, shape=tuple(shape), dtype=dtype)

    def output(self, name: str, tensor: Tensor) -> None:
        """Declares a result."""
        self.outputs[name] = tensor.number

    def constant(self, value: Array | float) -> Tensor:
        """A fixed array; Python numbers become float32."""
        array = np.float32(value) if isinstance(value, float | int) else value
        return self.record("constant", value=np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array))

    def to_float(self, x: Tensor) -> Tensor:
        """Whole numbers as float32."""
        return self.record("to_float", x)

    def linear(self, x: Tensor, weight: Array, bias: Array | None = None) -> Tensor:
        """``x @ weight.T + bias`` over the last axis; weight ``[out, in]``."""
        product = self.record("matmul", x, weight, transpose=True)
        return product if bias is None else product + bias

    def convolution(
        self,
        x: Tensor,
        weight: Array,
        bias: Array | None = None,
        *,
        stride: Sequence[int],
        before: Sequence[int],
        after: Sequence[int],
        groups: int = 1,
    ) -> Tensor:
        """Convolution over any number of spatial axes with explicit zero padding.

        Args:
            x: ``[B, C, ...]``.
            weight: ``[out, C / groups, ...]``.
            bias: ``[out]``.
            stride: one number per spatial axis, as are `before` and `after`.
            before: zeros put before each axis.
            after: zeros put after it.
            groups: how many groups of channels do not see each other.
        """
        y = self.record(
            "convolution",
            x,
            weight,
            stride=tuple(stride),
            before=tuple(before),
            after=tuple(after),
            groups=groups,
        )
        return y if bias is None else y + bias.reshape(1, -1, *[1] * (weight.ndim - 2))

    def max_pool(
        self, x: Tensor, kernel: Sequence[int], stride: Sequence[int], before: Sequence[int], after: Sequence[int]
    ) -> Tensor:
        """Maximum over windows of ``[B, C, ...]``; padding never wins."""
        return self.record(
            "max_pool", x, kernel=tuple(kernel), stride=tuple(stride), before=tuple(before), after=tuple(after)
        )

    def pad(self, x: Tensor, before: Sequence[int], after: Sequence[int]) -> Tensor:
        """Zeros put before and after every axis."""
        return self.record("pad", x, before=tuple(before), after=tuple(after))

    def layer_norm(self, x: Tensor, weight: Array, bias: Array, eps: float) -> Tensor:
        """Mean 0 and variance 1 over the last axis, then weight and bias."""
        return self.record("standardise", x, eps=eps) * weight + bias

    def relu(self, x: Tensor) -> Tensor:
        """The positive part."""
        return self.record("relu", x)

    def clamp(self, x: Tensor, low: float, high: float) -> Tensor:
        """Values cut to ``[low, high]``."""
        return self.record("clamp", x, low=low, high=high)

    def swish(self, x: Tensor, beta: float) -> Tensor:
        """``x * sigmoid(beta * x)``; in one operation, because engines then do it while they multiply matrices."""
        return self.record("swish", x, beta=beta)

    def gelu(self, x: Tensor, *, tanh: bool = False) -> Tensor:
        """Gaussian error linear unit, exact or in its tanh approximation."""
        return self.record("gelu", x, tanh=tanh)

    def attention(
        self, query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        """Scaled dot-product attention.

        Args:
            query: ``[B, heads, L, d]``, as are `key` and `value` with their own L.
            key: see `query`.
            value: see `query`.
            mask: int64 ``[B, L]`` with 1 where a key may be looked at.
            causal: no place looks at later ones.
        """
        inputs = (query, key, value) if mask is None else (query, key, value, mask)
        return self.record("attention", *inputs, causal=causal)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        """Exponentials that sum to 1 along an axis."""
        return self.record("softmax", x, axis=axis)

    def gather(self, table: Tensor | Array, ids: Tensor) -> Tensor:
        """Rows of a table ``[N, D]`` by their numbers, int64 of any shape."""
        return self.record("gather", table, ids)

    def positions(self, table: Array, ids: Tensor) -> Tensor:
        """The first L rows of a table ``[N, D]``, where L is the second axis of `ids`."""
        return self.record("positions", table, ids)

    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """Another shape; 0 keeps the dimension at that place, -1 is what is left."""
        return self.record("reshape", x, shape=tuple(shape))

    def transpose(self, x: Tensor, order: Sequence[int]) -> Tensor:
        """Axes in another order."""
        return self.record("transpose", x, order=tuple(order))

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one after the other along an axis."""
        return self.record("concat", *parts, axis=axis)

    def slice(self, x: Tensor, axis: int, start: int, stop: int, step: int = 1) -> Tensor:
        """Part of an axis, as Python slices; `stop` may lie beyond the end."""
        return self.record("slice", x, axis=axis, start=start, stop=stop, step=step)

    def mean(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Mean over axes, which disappear."""
        return self.record("mean", x, axes=tuple(axes))

    def sum(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """Sum over axes, which disappear."""
        return self.record("sum", x, axes=tuple(axes))

    def unit(self, x: Tensor) -> Tensor:
        """Length 1 along the last axis."""
        return self.record("unit", x)
