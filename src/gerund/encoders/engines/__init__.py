"""Running a graph on the machine at hand."""

from __future__ import annotations

import os
from typing import Literal, Protocol

from gerund.encoders.graph import Array, Graph
from gerund.errors import UsageError
from gerund.types import FloatArray

Precision = Literal["auto", "fp32", "bf16"]


class Engine(Protocol):
    """A graph that is ready to run."""

    def __call__(self, *inputs: Array) -> FloatArray:
        """Runs the graph on its inputs, in order; returns its output, float32."""
        ...


def compile_graph(graph: Graph, *, threads: int = 0, precision: Precision = "auto") -> Engine:
    """Makes a graph ready to run.

    Args:
        graph: a network with one output.
        threads: how many threads to use; 0 takes every core.
        precision: ``"auto"`` takes bfloat16 where the processor computes in it natively, else float32.

    Raises:
        UsageError: bfloat16 is asked for where the processor has none.
    """
    from gerund.encoders.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(graph, threads=threads or available_cores(), precision=resolve_precision(precision))


def resolve_precision(precision: Precision) -> Literal["fp32", "bf16"]:
    """What ``"auto"`` means on this machine.

    Raises:
        UsageError: bfloat16 is asked for where the processor has none.
    """
    if precision == "fp32":
        return "fp32"
    from gerund.encoders.engines.openvino import has_bf16

    native = has_bf16()
    if precision == "bf16" and not native:
        raise UsageError("this processor does not compute in bfloat16; use precision 'fp32' or 'auto'")
    return "bf16" if native else "fp32"


def available_cores() -> int:
    """Cores this process may use, which containers and schedulers make fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
