"""Graphs on the processor with OpenVINO, the engine of the base install."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as ops

from gerund.assets import derived
from gerund.encoders.engines.agreement import Agreement, NetworkInputs, fingerprint
from gerund.encoders.graph import Array, Graph
from gerund.types import FloatArray

_TYPES = {"uint8": openvino.Type.u8, "int64": openvino.Type.i64, "float32": openvino.Type.f32}


class OpenVinoEngine:
    """A compiled graph on the processor.

    Args:
        graph: a network with one output.
        threads: how many threads to use.
        precision: ``"fp32"``, ``"bf16"`` or ``"int8"``; what int8 leaves out is bfloat16 where that is native.
        calibration: for int8, inputs that the ranges of all values are taken from, one tuple a run.
    """

    name = "openvino"
    device = "cpu"

    def __init__(
        self, graph: Graph, *, threads: int, precision: str, calibration: Sequence[NetworkInputs] | None = None
    ) -> None:
        self.precision = precision
        self.agreement: Agreement | None = None
        model = kept_quantised(graph, calibration or []) if precision == "int8" else to_openvino(graph)
        self._run = ready(model, threads=threads, precision=precision)

    def __call__(self, *inputs: Array) -> FloatArray:
        """Runs the graph on its inputs, in order, and returns the output as a fresh float32 array."""
        return self._run(*inputs)


def ready(model: openvino.Model, *, threads: int, precision: str) -> Callable[..., FloatArray]:
    """A model compiled for the processor, as a function from its inputs to a fresh array of its first output."""
    hint = "f32" if precision == "fp32" or not has_bf16() else "bf16"
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    request = core().compile_model(model, "CPU", options).create_infer_request()
    computing = threading.Lock()  # a request holds one output: what another thread computes would take its place

    def run(*inputs: Array) -> FloatArray:
        with computing:
            request.infer(list(inputs), share_inputs=True)
            return np.array(request.get_output_tensor(0).data, np.float32)

    return run


@cache
def core() -> openvino.Core:
    """OpenVINO itself, started once."""
    return openvino.Core()


def has_bf16() -> bool:
    """True where the processor computes in bfloat16 natively."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def kept_quantised(graph: Graph, calibration: Sequence[NetworkInputs]) -> openvino.Model:
    """What `quantised` gives, kept in the cache: calibrating takes half a minute, reading back half a second."""
    digest = hashlib.sha256(fingerprint(graph).encode())
    for array in (array for inputs in calibration for array in inputs):
        digest.update(repr((array.dtype.str, array.shape)).encode() + np.ascontiguousarray(array).tobytes())
    digest.update(repr([version(package) for package in ("openvino", "nncf")]).encode())

    def make() -> bytes:
        with TemporaryDirectory() as folder:
            file = Path(folder) / "model.xml"
            openvino.save_model(quantised(graph, calibration), file, compress_to_fp16=False)
            text, arrays = file.read_bytes(), file.with_suffix(".bin").read_bytes()
        return len(text).to_bytes(8, "little") + text + arrays

    kept = derived(f"{graph.name}-int8-{digest.hexdigest()[:16]}.openvino", make)
    size = int.from_bytes(kept[:8], "little")
    return core().read_model(kept[8 : 8 + size], kept[8 + size :])


def quantised(graph: Graph, calibration: Sequence[NetworkInputs]) -> openvino.Model:
    """The graph as an OpenVINO model that computes in 8 bits, with ranges taken from runs on some inputs.

    Needs NNCF (``pip install 'gerund[int8]'``).
    """
    import nncf

    names = [node.settings["name"] for node in graph.nodes if node.op == "input"]
    runs = [dict(zip(names, inputs, strict=True)) for inputs in calibration]
    is_transformer = any(node.op == "attention" for node in graph.nodes)
    # SmoothQuant is off: MiniLM's least cosine on 64 action names was 0.985 without it and 0.927 with it, that of a
    # random ViT 0.9999 and 0.976.
    no_smoothing = nncf.AdvancedQuantizationParameters(
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=-1)
    )
    with _nncf_silent():
        return nncf.quantize(
            to_openvino(graph),
            nncf.Dataset(runs),
            subset_size=len(runs),
            model_type=nncf.ModelType.TRANSFORMER if is_transformer else None,
            advanced_parameters=no_smoothing,
        )


@contextmanager
def _nncf_silent() -> Iterator[None]:
    """NNCF draws progress bars on standard output, where answers go."""
    log = logging.getLogger("nncf")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(level)


def to_openvino(graph: Graph) -> openvino.Model:
    """The graph as an OpenVINO model with the same inputs and outputs, in order and by name."""
    made: list[Any] = []
    parameters = []
    for node in graph.nodes:
        made.append(_OPERATIONS[node.op](node.settings, *(made[number] for number in node.inputs)))
        if node.op == "input":
            parameters.append(made[-1])
    results = []
    for name, number in graph.outputs.items():
        result = ops.result(made[number])
        result.output(0).tensor.set_names({name})
        results.append(result)
    return openvino.Model(results, parameters, graph.name)


def _input(settings: dict[str, Any]) -> Any:
    shape = openvino.PartialShape(list(settings["shape"]))
    node = ops.parameter(shape, _TYPES[settings["dtype"]], name=settings["name"])
    node.output(0).tensor.set_names({settings["name"]})
    return node


def _convolution(settings: dict[str, Any], x: Any, weight: Any) -> Any:
    spatial = len(settings["stride"])
    stride, before, after = (list(settings[key]) for key in ("stride", "before", "after"))
    groups = settings["groups"]
    if groups == 1:
        return ops.convolution(x, weight, stride, before, after, [1] * spatial)
    split = ops.reshape(weight, np.array([groups, -1, *list(weight.shape)[1:]]), False)
    return ops.group_convolution(x, split, stride, before, after, [1] * spatial)


def _max_pool(settings: dict[str, Any], x: Any) -> Any:
    stride, before, after, kernel = (list(settings[key]) for key in ("stride", "before", "after", "kernel"))
    return ops.max_pool(x, stride, [1] * len(stride), before, after, kernel).output(0)


def _attention(settings: dict[str, Any], query: Any, key: Any, value: Any, mask: Any = None) -> Any:
    if mask is None:
        return ops.scaled_dot_product_attention(query, key, value, causal=settings["causal"])
    keep = ops.unsqueeze(ops.convert(mask, openvino.Type.boolean), np.array([1, 2]))
    if settings["causal"]:  # the operation would forget the mask
        keep = ops.logical_and(keep, _no_later_places(query, key))
    return ops.scaled_dot_product_attention(query, key, value, keep, causal=False)


def _no_later_places(query: Any, key: Any) -> Any:
    """Boolean ``[L, S]``: True where a key is not behind its query."""
    lengths = [ops.gather(ops.shape_of(x), np.array(-2), np.array(0)) for x in (query, key)]
    rows, columns = (ops.range(np.array(0), length, np.array(1), "i64") for length in lengths)
    return ops.less_equal(columns, ops.unsqueeze(rows, np.array(1)))


def _positions(_: dict[str, Any], table: Any, ids: Any) -> Any:
    length = ops.gather(ops.shape_of(ids), np.array(1), np.array(0))
    return ops.gather(table, ops.range(np.array(0), length, np.array(1), "i64"), np.array(0))


def _slice(settings: dict[str, Any], x: Any) -> Any:
    start, stop, step, axis = (np.array([settings[key]]) for key in ("start", "stop", "step", "axis"))
    return ops.slice(x, start, stop, step, axis)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "input": _input,
    "constant": lambda s: ops.constant(s["value"]),
    "add": lambda _, a, b: ops.add(a, b),
    "subtract": lambda _, a, b: ops.subtract(a, b),
    "multiply": lambda _, a, b: ops.multiply(a, b),
    "matmul": lambda s, a, b: ops.matmul(a, b, False, s.get("transpose", False)),
    "to_float": lambda _, x: ops.convert(x, openvino.Type.f32),
    "convolution": _convolution,
    "max_pool": _max_pool,
    "pad": lambda s, x: ops.pad(x, np.array(s["before"]), np.array(s["after"]), "constant", np.float32(0)),
    "standardise": lambda s, x: ops.mvn(x, np.array([-1]), True, s["eps"], "inside_sqrt"),
    "relu": lambda _, x: ops.relu(x),
    "clamp": lambda s, x: ops.clamp(x, s["low"], s["high"]),
    "swish": lambda s, x: ops.swish(x, np.float32(s["beta"])),
    "gelu": lambda s, x: ops.gelu(x, "tanh" if s["tanh"] else "erf"),
    "attention": _attention,
    "softmax": lambda s, x: ops.softmax(x, s["axis"]),
    "gather": lambda _, table, ids: ops.gather(table, ids, np.array(0)),
    "positions": _positions,
    "reshape": lambda s, x: ops.reshape(x, np.array(s["shape"]), True),
    "transpose": lambda s, x: ops.transpose(x, np.array(s["order"])),
    "concat": lambda s, *parts: ops.concat(list(parts), s["axis"]),
    "slice": _slice,
    "mean": lambda s, x: ops.reduce_mean(x, np.array(s["axes"])),
    "sum": lambda s, x: ops.reduce_sum(x, np.array(s["axes"])),
    "unit": lambda _, x: ops.normalize_l2(x, np.array([-1]), 1e-24, "max"),
}
"""How OpenVINO says each operation of a graph; every engine has such a table with the same keys."""
