"""Running a graph on the machine at hand: one switch for engine, precision and device."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np

from gerund.encoders.engines.agreement import Agreement, NetworkInputs, compare, fingerprint, sample_inputs
from gerund.encoders.graph import Array, Graph
from gerund.errors import UsageError
from gerund.types import FloatArray

EngineName = Literal["auto", "torch", "openvino", "onnx"]
Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Device = Literal["auto", "cpu", "cuda"]

LEAST_COSINE = 0.999
"""``"auto"`` takes an arithmetic whose every vector is at least this near to the float32 one."""

_CHECK_SEED = 0
_CHECK_RUNS = 8
_CALIBRATION_RUNS = 8
_CALIBRATION_BATCH = 4
"""Together 32 pictures, after which the cosine of a ViT-B/32 to float32 was 0.9998."""
_INSTALL = {
    "torch": "pip install 'gerund[torch]'",
    "onnx": "pip install 'gerund[onnx]'",
    "onnxruntime": "pip install 'gerund[onnx]'",
    "nncf": "pip install 'gerund[int8]'",
    "scipy": "pip install 'gerund[scipy]'",
}
_GPU_FILES = ("/dev/nvidiactl", "/dev/nvhost-ctrl", "/dev/kfd", "/dev/dxg")
_decided: dict[tuple[str, Setup], tuple[Setup, Agreement]] = {}
"""What the check of a graph led to in this process, by the graph's fingerprint."""


class Engine(Protocol):
    """A graph that is ready to run.

    Attributes:
        name: ``"openvino"``, ``"onnx"`` or ``"torch"``.
        precision: the arithmetic it computes in.
        device: ``"cpu"`` or ``"cuda"``.
        agreement: with float32, where that was measured when the engine was made; None for float32 itself.
    """

    name: str
    precision: str
    device: str
    agreement: Agreement | None

    def __call__(self, *inputs: Array) -> FloatArray:
        """Runs the graph on its inputs, in order; returns its output, float32."""
        ...


@dataclass(frozen=True)
class Setup:
    """What a graph will run on, with every ``"auto"`` settled.

    Attributes:
        engine: ``"openvino"``, ``"onnx"`` or ``"torch"``.
        precision: ``"fp32"``, ``"bf16"``, ``"fp16"`` or ``"int8"``.
        device: ``"cpu"`` or ``"cuda"``.
    """

    engine: EngineName
    precision: Precision
    device: Device


def compile_graph(
    graph: Graph,
    *,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: int = 0,
    calibration: Sequence[NetworkInputs] | None = None,
    checked: bool = False,
) -> Engine:
    """Makes a graph ready to run.

    Args:
        graph: a network with one output.
        engine: ``"auto"`` is PyTorch where it finds a CUDA device, else OpenVINO on the processor.
        precision: ``"auto"`` is the fastest 16-bit arithmetic that the device computes in natively, if a short run on
            random inputs gives vectors with a cosine of at least `LEAST_COSINE` to those of float32; else float32.
            The outcome is remembered for the process. ``"int8"`` always reports its `agreement`.
        device: ``"auto"`` is what the engine runs on best.
        threads: how many threads to use on the processor; 0 takes every core.
        calibration: inputs that int8 takes its ranges from, one tuple a run; without any they are random, and
            ``agreement.data`` says so.
        checked: the caller has compared the 16-bit arithmetic on this network, so ``"auto"`` need not.

    Raises:
        UsageError: the combination cannot be had here; the message says why and what to do.
    """
    setup = choose(engine, precision, device)
    if calibration is not None and setup.precision != "int8":
        raise UsageError(f"calibration inputs are for precision 'int8', not for {setup.precision!r}")
    threads = threads or available_cores()
    if precision == "auto" and setup.precision != "fp32" and not checked:
        return _checked(graph, setup, threads)
    if setup.precision == "int8":
        return _eight_bits(graph, setup, threads, calibration)
    return _make(graph, setup, threads)


def choose(engine: EngineName = "auto", precision: Precision = "auto", device: Device = "auto") -> Setup:
    """What a combination of settings means on this machine; no graph is needed to say no.

    ``"auto"`` precision becomes the fastest that is native here, before any check on a graph.

    Raises:
        UsageError: the combination cannot be had here; the message says why and what to do.
    """
    for given, kinds in ((engine, EngineName), (precision, Precision), (device, Device)):
        if given not in get_args(kinds):
            raise UsageError(f"{given!r} is not one of {', '.join(get_args(kinds))}")
    found = _choose_engine(engine, device)
    place: Device = "cuda" if found == "torch" and device != "cpu" and _cuda_is_there() else "cpu"
    return Setup(found, _choose_precision(found, precision, place), place)


def available_cores() -> int:
    """Cores this process may use, which containers and schedulers make fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _choose_engine(engine: EngineName, device: Device) -> Literal["torch", "openvino", "onnx"]:
    if device == "cuda":
        if engine not in ("auto", "torch"):
            raise UsageError(f"engine {engine!r} computes on the processor; use engine 'torch' with device 'cuda'")
        require("torch", "device 'cuda' needs engine 'torch', which")
        if not _cuda_is_there():
            raise UsageError("device 'cuda': PyTorch finds no CUDA device here; use device 'cpu' or 'auto'")
        return "torch"
    if engine == "auto":
        may_have_gpu = device == "auto" and find_spec("torch") is not None and _machine_has_gpu()
        return "torch" if may_have_gpu and _cuda_is_there() else "openvino"
    if engine == "torch":
        require("torch", "engine 'torch'")
    elif engine == "onnx":
        require("onnx", "engine 'onnx' needs the package 'onnx', which")
        require("onnxruntime", "engine 'onnx' needs the package 'onnxruntime', which")
    return engine


def _choose_precision(engine: EngineName, precision: Precision, device: Device) -> Precision:
    if precision == "fp32":
        return "fp32"
    if precision == "int8":
        if engine == "torch":
            raise UsageError("engine 'torch' has no int8; use engine 'openvino' or 'onnx', or another precision")
        if engine == "openvino":
            require("nncf", "int8 with engine 'openvino' needs the package 'nncf', which")
        return "int8"
    if precision == "fp16" and device != "cuda":
        raise UsageError("fp16 is for CUDA devices; use precision 'bf16', 'fp32' or 'auto' on the processor")
    if engine == "onnx":
        if precision == "bf16":
            raise UsageError("engine 'onnx' computes in fp32 or int8 on the processor; use engine 'openvino' for bf16")
        return "fp32"
    if precision == "fp16":
        return "fp16"
    native = _has_bf16(device)
    if precision == "bf16" and not native:
        instead = "'fp16', 'fp32'" if device == "cuda" else "'fp32'"
        what = "CUDA device" if device == "cuda" else "processor"
        raise UsageError(f"this {what} does not compute in bfloat16; use precision {instead} or 'auto'")
    if native:
        return "bf16"
    return "fp16" if device == "cuda" else "fp32"


def _has_bf16(device: Device) -> bool:
    if device == "cuda":
        from gerund.encoders.engines.torch import cuda_has_bf16

        return cuda_has_bf16()
    from gerund.encoders.engines.openvino import has_bf16

    return has_bf16()


def _machine_has_gpu() -> bool:
    """A guess that costs nothing, where importing PyTorch to ask it costs two seconds."""
    return sys.platform == "win32" or any(Path(file).exists() for file in _GPU_FILES)


def _cuda_is_there() -> bool:
    from gerund.encoders.engines.torch import cuda_is_there

    return cuda_is_there()


def require(library: str, who: str) -> None:
    """Makes sure that an optional library is installed.

    Raises:
        UsageError: it is not; the message begins with `who` and ends with what to type.
    """
    if find_spec(library) is None:
        raise UsageError(f"{who} is not installed: {_INSTALL[library]}")


def _make(graph: Graph, setup: Setup, threads: int) -> Engine:
    if setup.engine == "torch":
        from gerund.encoders.engines.torch import TorchEngine

        return TorchEngine(graph, threads=threads, precision=setup.precision, device=setup.device)
    if setup.engine == "onnx":
        from gerund.encoders.engines.onnx import OnnxEngine

        return OnnxEngine(graph, threads=threads, precision=setup.precision)
    from gerund.encoders.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(graph, threads=threads, precision=setup.precision)


def _checked(graph: Graph, setup: Setup, threads: int) -> Engine:
    """The 16-bit engine if it agrees with float32 on a small run, else the float32 one."""
    key = (fingerprint(graph), setup)
    if key not in _decided:
        inputs = sample_inputs(graph, np.random.default_rng(_CHECK_SEED), batch=2)
        exact, fast = (_make(graph, each, threads) for each in (replace(setup, precision="fp32"), setup))
        agreement = compare([fast(*inputs)], [exact(*inputs)], "random")
        good = agreement.cosine_min >= LEAST_COSINE
        _decided[key] = (setup if good else replace(setup, precision="fp32"), agreement)
        chosen = fast if good else exact
    else:
        chosen = _make(graph, _decided[key][0], threads)
    if chosen.precision != "fp32":
        chosen.agreement = _decided[key][1]
    return chosen


def _eight_bits(graph: Graph, setup: Setup, threads: int, calibration: Sequence[NetworkInputs] | None) -> Engine:
    """The int8 engine with its agreement: on the calibration inputs, or on random ones it was not calibrated with."""
    if calibration is not None and not len(calibration):
        raise UsageError("calibration is an empty list; give at least one tuple of inputs, or None for random ones")
    rng = np.random.default_rng(_CHECK_SEED)
    check = list(calibration)[:_CHECK_RUNS] if calibration else [sample_inputs(graph, rng, batch=_CALIBRATION_BATCH)]
    chosen: Engine
    if setup.engine == "onnx":
        from gerund.encoders.engines.onnx import OnnxEngine

        chosen = OnnxEngine(graph, threads=threads, precision="int8")
    else:
        from gerund.encoders.engines.openvino import OpenVinoEngine

        runs = calibration or [sample_inputs(graph, rng, batch=_CALIBRATION_BATCH) for _ in range(_CALIBRATION_RUNS)]
        chosen = OpenVinoEngine(graph, threads=threads, precision="int8", calibration=runs)
    exact = _make(graph, replace(setup, precision="fp32"), threads)
    data = "calibration" if calibration else "random"
    chosen.agreement = compare([chosen(*inputs) for inputs in check], [exact(*inputs) for inputs in check], data)
    return chosen
