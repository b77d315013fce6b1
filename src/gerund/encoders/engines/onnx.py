"""Graphs as ONNX models, and on the processor with ONNX Runtime."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from gerund.encoders.engines.agreement import Agreement
from gerund.encoders.graph import Array, Graph
from gerund.errors import UsageError
from gerund.types import FloatArray

OPSET = 20
"""The first with Gelu; ONNX Runtime has run it since 1.17."""
IR_VERSION = 9
_TYPES = {"uint8": TensorProto.UINT8, "int64": TensorProto.INT64, "float32": TensorProto.FLOAT}
_LARGEST_BYTES = 2**31 - 2**20
"""A protocol buffer holds less than 2 GiB; the names and settings of the nodes need some of it."""


class OnnxEngine:
    """A graph on the processor with ONNX Runtime.

    Args:
        graph: a network with one output.
        threads: how many threads to use.
        precision: ``"fp32"``, or ``"int8"`` for weights of matrix products in 8 bits, with each activation scaled to
            8 bits as it comes. Convolutions stay in float32.

    Raises:
        UsageError: int8 is asked for and the graph has no matrix product with a fixed matrix.
    """

    name = "onnx"
    device = "cpu"

    def __init__(self, graph: Graph, *, threads: int, precision: str) -> None:
        self.precision = precision
        self.agreement: Agreement | None = None
        model = to_onnx(graph)
        self._session = session(
            (quantised(model) if precision == "int8" else model).SerializeToString(), threads=threads
        )
        self._names = [item.name for item in self._session.get_inputs()]

    def __call__(self, *inputs: Array) -> FloatArray:
        """Runs the graph on its inputs, in order, and returns the output as a fresh float32 array."""
        (result,) = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        return np.asarray(result, np.float32)


def session(model: bytes | str, *, threads: int) -> Any:
    """ONNX Runtime ready to run a model, given as its bytes or as the path of its file, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores alone
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the weights of its matrix products in 8 bits.

    Raises:
        UsageError: it has no matrix product with a fixed matrix.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    fixed = {item.name for item in model.graph.initializer}
    if not any(node.op_type == "MatMul" and node.input[1] in fixed for node in model.graph.node):
        raise UsageError(
            f"engine 'onnx' makes matrix products int8 and {model.graph.name!r} has none with fixed weights; "
            "use engine 'openvino' for int8, or precision 'fp32'"
        )
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises steps that change nothing for the models written here
    try:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "int8.onnx"
            quantize_dynamic(
                model, target, op_types_to_quantize=["MatMul"], per_channel=True, weight_type=QuantType.QInt8
            )
            return onnx.load(target)
    finally:
        logging.disable(before)


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """The graph as an ONNX model with the same inputs and outputs, in order and by name.

    Raises:
        UsageError: its arrays are more than one file of this format can hold.
    """
    values = (np.asarray(node.settings["value"]) for node in graph.nodes if node.op == "constant")
    num_bytes = sum(value.nbytes for value in values)
    if num_bytes > _LARGEST_BYTES:
        raise UsageError(
            f"{graph.name!r} has {num_bytes / 1e9:.1f} GB of weights and an ONNX file holds less than 2 GiB; "
            "use format or engine 'openvino'"
        )
    writer = _Writer(graph)
    made: list[str] = []
    for node in graph.nodes:
        made.append(_OPERATIONS[node.op](writer, node.settings, *(made[number] for number in node.inputs)))
    outputs = []
    for name, number in graph.outputs.items():
        writer.nodes.append(helper.make_node("Identity", [made[number]], [name]))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    body = helper.make_graph(writer.nodes, graph.name, writer.inputs, outputs, writer.needed_arrays())
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="gerund"
    )
    outputs = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph.output
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    return model


class _Writer:
    """What an ONNX graph is made of while it is being written; values are known by their names."""

    def __init__(self, graph: Graph) -> None:
        self.inputs: list[Any] = []
        self.nodes: list[Any] = []
        self._arrays: dict[str, Array] = {}
        self._taken = {node.settings["name"] for node in graph.nodes if node.op == "input"} | set(graph.outputs)

    def __call__(self, op: str, *inputs: str, **settings: Any) -> str:
        """Writes a node down and returns the name of its result."""
        name = self._name(op)
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{name}_node", **settings))
        return name

    def array(self, value: Any) -> str:
        """Writes a fixed array down; Python integers become int64."""
        name = self._name("constant")
        self._arrays[name] = np.asarray(value)
        return name

    def turned(self, name: str) -> str | None:
        """A fixed array with its last two axes exchanged; None where the value is computed."""
        fixed = self._arrays.get(name)
        return None if fixed is None else self.array(np.ascontiguousarray(np.swapaxes(fixed, -1, -2)))

    def needed_arrays(self) -> list[Any]:
        """The fixed arrays that a node reads."""
        read = {name for node in self.nodes for name in node.input}
        return [numpy_helper.from_array(value, name) for name, value in self._arrays.items() if name in read]

    def _name(self, stem: str) -> str:
        name = f"{stem}_{len(self._taken)}"
        self._taken.add(name)
        return name


def _input(write: _Writer, settings: dict[str, Any]) -> str:
    name = str(settings["name"])
    sizes = [f"{name}_{axis}" if size < 0 else size for axis, size in enumerate(settings["shape"])]
    write.inputs.append(helper.make_tensor_value_info(name, _TYPES[settings["dtype"]], sizes))
    return name


def _matmul(write: _Writer, settings: dict[str, Any], a: str, b: str) -> str:
    if not settings.get("transpose"):
        return write("MatMul", a, b)
    turned = write.turned(b)
    return write("MatMul", a, turned) if turned else write("Einsum", a, b, equation="...ij,...kj->...ik")


def _convolution(write: _Writer, settings: dict[str, Any], x: str, weight: str) -> str:
    pads = [*settings["before"], *settings["after"]]
    return write("Conv", x, weight, strides=settings["stride"], pads=pads, group=settings["groups"])


def _max_pool(write: _Writer, settings: dict[str, Any], x: str) -> str:
    pads = [*settings["before"], *settings["after"]]
    return write("MaxPool", x, kernel_shape=settings["kernel"], strides=settings["stride"], pads=pads)


def _standardise(write: _Writer, settings: dict[str, Any], x: str) -> str:
    """In single steps, which ONNX Runtime makes into one together with the weight and bias that follow."""
    last = write.array([-1])
    centred = write("Sub", x, write("ReduceMean", x, last))
    variance = write("ReduceMean", write("Pow", centred, write.array(np.float32(2))), last)
    return write("Div", centred, write("Sqrt", write("Add", variance, write.array(np.float32(settings["eps"])))))


def _attention(
    write: _Writer, settings: dict[str, Any], query: str, key: str, value: str, mask: str | None = None
) -> str:
    dim = write("Cast", write("Shape", query, start=-1), to=TensorProto.FLOAT)
    scores = write("MatMul", write("Div", query, write("Sqrt", dim)), write("Transpose", key, perm=[0, 1, 3, 2]))
    never = write.array(np.float32(-np.inf))
    if mask is not None:
        keep = write("Cast", write("Unsqueeze", mask, write.array([1, 2])), to=TensorProto.BOOL)
        scores = write("Where", keep, scores, never)
    if settings["causal"]:
        places = write("Concat", *(write("Shape", x, start=-2, end=-1) for x in (query, key)), axis=0)
        ahead = write("Trilu", write("Expand", never, places), write.array(1), upper=1)
        scores = write("Add", scores, ahead)
    return write("MatMul", write("Softmax", scores, axis=-1), value)


def _gelu(write: _Writer, settings: dict[str, Any], x: str) -> str:
    return write("Gelu", x, approximate="tanh" if settings["tanh"] else "none")


def _swish(write: _Writer, settings: dict[str, Any], x: str) -> str:
    return write("Mul", x, write("Sigmoid", write("Mul", x, write.array(np.float32(settings["beta"])))))


def _clamp(write: _Writer, settings: dict[str, Any], x: str) -> str:
    return write("Clip", x, *(write.array(np.float32(settings[side])) for side in ("low", "high")))


def _positions(write: _Writer, _: dict[str, Any], table: str, ids: str) -> str:
    return write("Slice", table, write.array([0]), write("Shape", ids, start=1, end=2), write.array([0]))


def _slice(write: _Writer, settings: dict[str, Any], x: str) -> str:
    return write("Slice", x, *(write.array([settings[key]]) for key in ("start", "stop", "axis", "step")))


def _unit(write: _Writer, _: dict[str, Any], x: str) -> str:
    length = write("ReduceL2", x, write.array([-1]))
    return write("Div", x, write("Max", length, write.array(np.float32(1e-12))))


_OPERATIONS: dict[str, Callable[..., str]] = {
    "input": _input,
    "constant": lambda write, s: write.array(s["value"]),
    "add": lambda write, _, a, b: write("Add", a, b),
    "subtract": lambda write, _, a, b: write("Sub", a, b),
    "multiply": lambda write, _, a, b: write("Mul", a, b),
    "matmul": _matmul,
    "to_float": lambda write, _, x: write("Cast", x, to=TensorProto.FLOAT),
    "convolution": _convolution,
    "max_pool": _max_pool,
    "pad": lambda write, s, x: write("Pad", x, write.array([*s["before"], *s["after"]])),
    "standardise": _standardise,
    "relu": lambda write, _, x: write("Relu", x),
    "clamp": _clamp,
    "swish": _swish,
    "gelu": _gelu,
    "attention": _attention,
    "softmax": lambda write, s, x: write("Softmax", x, axis=s["axis"]),
    "gather": lambda write, _, table, ids: write("Gather", table, ids, axis=0),
    "positions": _positions,
    "reshape": lambda write, s, x: write("Reshape", x, write.array(s["shape"])),
    "transpose": lambda write, s, x: write("Transpose", x, perm=s["order"]),
    "concat": lambda write, s, *parts: write("Concat", *parts, axis=s["axis"]),
    "slice": _slice,
    "mean": lambda write, s, x: write("ReduceMean", x, write.array(s["axes"]), keepdims=0),
    "sum": lambda write, s, x: write("ReduceSum", x, write.array(s["axes"]), keepdims=0),
    "unit": _unit,
}
"""How ONNX says each operation of a graph; every engine has such a table with the same keys."""
