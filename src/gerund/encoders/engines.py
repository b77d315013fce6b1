"""Running a graph on the machine at hand."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from gerund.errors import UsageError
from gerund.types import FloatArray

if TYPE_CHECKING:
    import numpy.typing as npt
    import openvino

Precision = Literal["auto", "fp32", "bf16"]


class OpenVino:
    """A compiled graph on the processor.

    Args:
        model: a graph with one output.
        threads: how many threads to use; 0 lets the engine take every core.
        precision: ``"auto"`` takes bfloat16 where the processor computes in it natively, else float32.

    Raises:
        UsageError: bfloat16 is asked for where the processor has none.
    """

    def __init__(self, model: openvino.Model, *, threads: int = 0, precision: Precision = "auto") -> None:
        hint = {"fp32": "f32", "bf16": "bf16"}[resolve_precision(precision)]
        options = {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads or available_cores(),
            "NUM_STREAMS": 1,
        }
        self._request = _core().compile_model(model, "CPU", options).create_infer_request()

    def __call__(self, *inputs: npt.NDArray[np.generic]) -> FloatArray:
        """Runs the graph on its inputs, in order, and returns the output as a fresh float32 array."""
        self._request.infer(list(inputs), share_inputs=True)
        return np.array(self._request.get_output_tensor(0).data, np.float32)


def available_cores() -> int:
    """Cores this process may use, which containers and schedulers make fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_precision(precision: Precision) -> Literal["fp32", "bf16"]:
    """What ``"auto"`` means on this machine.

    Raises:
        UsageError: bfloat16 is asked for where the processor has none.
    """
    if precision == "fp32":
        return "fp32"
    native = "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and not native:
        raise UsageError("this processor does not compute in bfloat16; use precision 'fp32' or 'auto'")
    return "bf16" if native else "fp32"


@cache
def _core() -> openvino.Core:
    import openvino

    return openvino.Core()
