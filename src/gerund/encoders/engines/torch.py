"""Graphs with PyTorch: for CUDA, for training, and for processors on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  its name everywhere

from gerund.encoders.engines.agreement import Agreement
from gerund.encoders.graph import Array, Graph, Node
from gerund.types import FloatArray

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class GraphModule(torch.nn.Module):
    """A graph as a module: move it, cast it, train it, compile it.

    Float arrays become parameters and whole numbers become buffers, called ``constant_<number of the node>``; they are
    copies. Single floats stay Python numbers. Where the module is cast to a smaller type, values are rounded to it
    where they first meet its weights, so that what prepares pictures stays in float32.

    Args:
        graph: the network.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self._steps = list(_fused(graph))
        self._outputs = list(graph.outputs.values())
        self._spent = _spent_after(self._steps, self._outputs)
        for number in sorted({number for _, node in self._steps for number in node.inputs} | set(self._outputs)):
            if graph.nodes[number].op == "constant":
                value = np.asarray(graph.nodes[number].settings["value"])
                if value.dtype.kind != "f":
                    self.register_buffer(f"constant_{number}", torch.tensor(value))
                elif value.ndim:
                    self.register_parameter(f"constant_{number}", torch.nn.Parameter(torch.tensor(value)))
                else:
                    setattr(self, f"constant_{number}", float(value))

    def forward(self, *inputs: Any) -> Any:
        """Runs the graph on its inputs, in order; returns its output, or a tuple where there are several."""
        given = iter(inputs)
        values: dict[int, Any] = {}
        for (number, node), spent in zip(self._steps, self._spent, strict=True):
            if node.op == "input":
                values[number] = next(given)
            elif node.op == "constant":
                values[number] = getattr(self, f"constant_{number}", None)
            else:
                values[number] = _STEPS[node.op](node.settings, *(values[source] for source in node.inputs))
            for source in spent:
                del values[source]
        results = tuple(values[number] for number in self._outputs)
        return results if len(results) > 1 else results[0]


class TorchEngine:
    """A graph on the processor or on a CUDA device, for inference.

    PyTorch's thread count and its float32 switch are global; both are set around each call and put back.

    Args:
        graph: a network with one output.
        threads: how many threads to use on the processor.
        precision: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
        device: ``"cpu"`` or ``"cuda"``.
        compiled: run it through ``torch.compile``: the first call of each shape then takes seconds to a minute.
    """

    name = "torch"

    def __init__(self, graph: Graph, *, threads: int, precision: str, device: str, compiled: bool = False) -> None:
        self.precision = precision
        self.device = device
        self.agreement: Agreement | None = None
        self._threads = threads
        self.module = GraphModule(graph).requires_grad_(False).eval().to(device, DTYPES[precision])
        _lay_out_channels_last(self.module, graph)
        self._run = torch.compile(self.module) if compiled else self.module

    def __call__(self, *inputs: Array) -> FloatArray:
        """Runs the graph on its inputs, in order, and returns the output as a fresh float32 array."""
        if self.device == "cuda":
            return self._on_gpu(inputs)
        with _processor_settings(self._threads), torch.inference_mode():
            result = self._run(*(torch.from_numpy(_owned(value)) for value in inputs))
            return np.array(result.float().numpy(), np.float32)

    def _on_gpu(self, inputs: tuple[Array, ...]) -> FloatArray:
        """Pages that cannot be swapped out let the copies overlap with what the device is still doing."""
        with torch.inference_mode():
            pinned = (torch.from_numpy(_owned(value)).pin_memory() for value in inputs)
            result = self._run(*(value.to(self.device, non_blocking=True) for value in pinned)).float()
            here = torch.empty(result.shape, dtype=torch.float32, pin_memory=True)
            here.copy_(result, non_blocking=True)
            torch.cuda.current_stream().synchronize()
            return np.array(here.numpy(), np.float32)


def cuda_is_there() -> bool:
    """True where PyTorch can compute on a CUDA device."""
    return bool(torch.cuda.is_available())


def cuda_has_bf16() -> bool:
    """True where the CUDA device computes in bfloat16 natively."""
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _owned(value: Array) -> Array:
    """An array that PyTorch may take as it is."""
    value = np.ascontiguousarray(value)
    return value if value.flags.writeable else value.copy()


@contextmanager
def _processor_settings(threads: int) -> Iterator[None]:
    """This many threads, and float32 products through oneDNN instead of MKL, which took 2.3 times as long.

    ``"medium"`` allows products in bfloat16. Without AMX none are made and results are those of float32; with AMX they
    would be, so there the switch stays where it is.
    """
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(threads)
    if not torch.cpu._is_amx_tile_supported():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])


def _lay_out_channels_last(module: GraphModule, graph: Graph) -> None:
    """Weights of 2-D convolutions with channels last, which activations then follow; for 3-D ones it gains nothing."""
    for node in graph.nodes:
        weight = getattr(module, f"constant_{node.inputs[1]}", None) if node.op == "convolution" else None
        if weight is not None and weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def _fused(graph: Graph) -> Iterator[tuple[int, Node]]:
    """The nodes that have to run, with their numbers; sums that belong to an operation are made part of it."""
    uses = Counter(source for node in graph.nodes for source in node.inputs)
    uses.update(graph.outputs.values())
    absorbed: set[int] = set()
    steps: list[tuple[int, Node]] = []
    for number, node in enumerate(graph.nodes):
        whole = _with_bias(graph, node, uses) if node.op == "add" else None
        if whole:
            fused, gone = whole
            absorbed |= gone
            steps.append((number, fused))
        else:
            steps.append((number, node))
    yield from ((number, node) for number, node in steps if number not in absorbed)


def _with_bias(graph: Graph, node: Node, uses: Counter[int]) -> tuple[Node, set[int]] | None:
    """A sum as the one operation it ends, with the nodes this absorbs; None where it is a sum like any other."""
    source, bias = node.inputs
    before = graph.nodes[source]
    if uses[source] != 1 or graph.nodes[bias].op != "constant" or len(before.inputs) != 2:
        return None
    first, second = before.inputs
    shape, weight = (_fixed_shape(graph, number) for number in (bias, second))
    if before.op == "matmul" and before.settings.get("transpose") and len(weight) == 2 and shape == weight[:1]:
        return Node("linear", (first, second, bias), {}), {source}
    if before.op == "convolution" and weight and shape == (1, weight[0], *[1] * (len(weight) - 2)):
        return Node("convolution", (first, second, bias), before.settings), {source}
    standard = graph.nodes[first]
    is_norm = before.op == "multiply" and standard.op == "standardise" and uses[first] == 1
    if is_norm and len(shape) == 1 and shape == weight:
        return Node("layer_norm", (*standard.inputs, second, bias), standard.settings), {source, first}
    return None


def _fixed_shape(graph: Graph, number: int) -> tuple[int, ...]:
    """The shape of a constant; empty for what is computed."""
    return np.asarray(graph.nodes[number].settings.get("value", 0)).shape


def _spent_after(steps: list[tuple[int, Node]], outputs: list[int]) -> list[list[int]]:
    """For each step the values that nobody reads after it, so that memory holds no more than it must."""
    last: dict[int, int] = {}
    for place, (number, node) in enumerate(steps):
        last.update(dict.fromkeys((number, *node.inputs), place))
    spent: list[list[int]] = [[] for _ in steps]
    for number, place in last.items():
        if number not in outputs:
            spent[place].append(number)
    return spent


def _linear(_: dict[str, Any], x: Any, weight: Any, bias: Any) -> Any:
    return F.linear(x.to(weight.dtype), weight, bias)


def _matmul(settings: dict[str, Any], a: Any, b: Any) -> Any:
    if settings.get("transpose"):
        return F.linear(a.to(b.dtype), b) if b.ndim == 2 else a.to(b.dtype) @ b.transpose(-1, -2)
    dtype = min(a.dtype, b.dtype, key=lambda kind: kind.itemsize)
    return a.to(dtype) @ b.to(dtype)


def _convolution(settings: dict[str, Any], x: Any, weight: Any, bias: Any = None) -> Any:
    x = x.to(weight.dtype)
    padding = settings["before"]
    if settings["before"] != settings["after"]:
        x, padding = _padded(x, settings, 0.0), 0
    bias = None if bias is None else bias.reshape(-1)
    convolve = _CONVOLUTIONS[len(settings["stride"])]
    return convolve(x, weight, bias, settings["stride"], padding, groups=settings["groups"])


def _max_pool(settings: dict[str, Any], x: Any) -> Any:
    padding = settings["before"]
    halves = [size // 2 for size in settings["kernel"]]
    if settings["before"] != settings["after"] or any(a > b for a, b in zip(padding, halves, strict=True)):
        x, padding = _padded(x, settings, float("-inf")), 0
    return _MAX_POOLS[len(settings["stride"])](x, settings["kernel"], settings["stride"], padding)


def _padded(x: Any, settings: dict[str, Any], fill: float) -> Any:
    pairs = zip(reversed(settings["before"]), reversed(settings["after"]), strict=True)
    return F.pad(x, [size for pair in pairs for size in pair], value=fill)


def _layer_norm(settings: dict[str, Any], x: Any, weight: Any, bias: Any) -> Any:
    return F.layer_norm(x.to(weight.dtype), weight.shape, weight, bias, settings["eps"])


def _attention(settings: dict[str, Any], query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    if mask is None:
        return F.scaled_dot_product_attention(query, key, value, is_causal=settings["causal"])
    keep = mask.bool()[:, None, None, :]
    if settings["causal"]:
        places = query.shape[-2], key.shape[-2]
        keep = keep & torch.ones(places, dtype=torch.bool, device=query.device).tril()
    return F.scaled_dot_product_attention(query, key, value, attn_mask=keep)


def _reshape(settings: dict[str, Any], x: Any) -> Any:
    return x.reshape([x.shape[place] if size == 0 else size for place, size in enumerate(settings["shape"])])


def _slice(settings: dict[str, Any], x: Any) -> Any:
    axis, size = settings["axis"], x.shape[settings["axis"]]
    places = range(*slice(settings["start"], settings["stop"], settings["step"]).indices(size))
    if settings["step"] > 0:
        return x[(slice(None),) * (axis % x.ndim) + (slice(places.start, places.stop, places.step),)]
    return x.index_select(axis, torch.tensor(list(places), device=x.device))


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "input": lambda _, x: x,
    "constant": lambda _, x: x,
    "add": lambda _, a, b: a + b,
    "subtract": lambda _, a, b: a - b,
    "multiply": lambda _, a, b: a * b,
    "matmul": _matmul,
    "to_float": lambda _, x: x.float(),
    "convolution": _convolution,
    "max_pool": _max_pool,
    "pad": lambda s, x: _padded(x, s, 0),
    "standardise": lambda s, x: F.layer_norm(x, x.shape[-1:], eps=s["eps"]),
    "relu": lambda _, x: F.relu(x),
    "clamp": lambda s, x: x.clamp(s["low"], s["high"]),
    "swish": lambda s, x: x * (x * s["beta"]).sigmoid(),
    "gelu": lambda s, x: F.gelu(x, approximate="tanh" if s["tanh"] else "none"),
    "attention": _attention,
    "softmax": lambda s, x: x.softmax(s["axis"]),
    "gather": lambda _, table, ids: table[ids],
    "positions": lambda _, table, ids: table[: ids.shape[1]],
    "reshape": _reshape,
    "transpose": lambda s, x: x.permute(s["order"]),
    "concat": lambda s, *parts: torch.cat(parts, s["axis"]),
    "slice": _slice,
    "mean": lambda s, x: x.mean(s["axes"]),
    "sum": lambda s, x: x.sum(s["axes"]),
    "unit": lambda _, x: F.normalize(x.float(), dim=-1, eps=1e-12).to(x.dtype),
}
"""How PyTorch says each operation of a graph; every engine has such a table with the same keys."""

_STEPS = _OPERATIONS | {"linear": _linear, "layer_norm": _layer_norm}
"""The same, with operations that a graph writes as several."""
