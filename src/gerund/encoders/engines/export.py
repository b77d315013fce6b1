"""Networks as files for other programs, each with proof that it still computes the same."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from gerund.encoders.base import Encoder
from gerund.encoders.engines import available_cores, compile_graph, require
from gerund.encoders.engines.agreement import Agreement, NetworkInputs, compare, sample_inputs
from gerund.encoders.graph import Array, Graph
from gerund.errors import GerundError, UsageError
from gerund.types import FloatArray
from gerund.video.reader import Video
from gerund.video.workers import Workers
from gerund.writing import write_text

ExportFormat = Literal["onnx", "openvino"]
TOLERANCE = 1e-3
"""Largest difference of two numbers that is called the same, as a share of the largest number there is."""
LEAST_COSINE = 0.9999

_SEED = 0
_RANDOM_RUNS = ((1, 16), (3, 8))
"""Batch and length of the random inputs: two of each, so that no size was frozen into the file."""
_REAL_WINDOWS = 2
_ENDINGS = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}


def export_model(
    encoder: Encoder,
    folder: Path,
    *,
    format: ExportFormat = "onnx",
    videos: Sequence[Path] = (),
    tolerance: float = TOLERANCE,
    threads: int = 0,
) -> dict[str, Any]:
    """Writes an encoder's networks to files, reads them back, runs them and compares.

    The results of the files, run by the format's own runtime in float32, are compared with those of another engine on
    the graph that they were written from, on random inputs and on frames of the given videos. The comparison is
    written to ``parity.json`` beside the files.

    Args:
        encoder: whose networks to write.
        folder: where to; made if it is not there.
        format: ``"onnx"`` gives one ``.onnx`` a network, ``"openvino"`` an ``.xml`` and a ``.bin``.
        videos: their frames are compared too, for networks that take frames.
        tolerance: largest absolute error allowed, as a share of the largest absolute reference value; the cosine of
            every vector must also reach `LEAST_COSINE`.
        threads: how many threads to compute with; 0 takes every core.

    Returns:
        The comparison, as ``parity.json`` has it.

    Raises:
        UsageError: there is no such format, its library is missing, or the encoder has no networks to give.
        GerundError: a file does not compute the same. No file is left then but ``parity-failed.json``.
        VideoError: a video cannot be read.
    """
    if format not in get_args(ExportFormat):
        raise UsageError(f"no format {format!r}; there are {', '.join(get_args(ExportFormat))}")
    if format == "onnx":
        require("onnx", "format 'onnx' needs the package 'onnx', which")
        require("onnxruntime", "format 'onnx' needs the package 'onnxruntime', which")
    graphs = encoder.graphs()
    if not graphs:
        raise UsageError(f"{encoder.name!r} is not made of networks that can be written to files")
    given = {
        name: [(str(video), real_inputs(encoder, graph, video)) for video in videos] for name, graph in graphs.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / f".part-{os.getpid()}"
    parts.mkdir(exist_ok=True)
    try:
        networks = {
            name: _export_graph(graph, parts / name, format, given[name], tolerance, threads or available_cores())
            for name, graph in graphs.items()
        }
        report = {
            "model": encoder.name,
            "format": format,
            "good": all(network["good"] for network in networks.values()),
            "tolerance": {"max_error_over_max_reference": tolerance, "cosine_min": LEAST_COSINE},
            "networks": networks,
        }
        if not report["good"]:
            failed = folder / "parity-failed.json"
            write_text(failed, json.dumps(report, indent=2) + "\n")
            bad = [_what_is_wrong(name, network) for name, network in networks.items() if not network["good"]]
            raise GerundError(f"not exported: {'; '.join(bad)}. Nothing was kept but {failed}")
        for file in sorted(parts.iterdir()):
            os.replace(file, folder / file.name)
    finally:
        for file in parts.iterdir():
            file.unlink()
        parts.rmdir()
    (folder / "parity-failed.json").unlink(missing_ok=True)
    write_text(folder / "parity.json", json.dumps(report, indent=2) + "\n")
    return report


def real_inputs(encoder: Encoder, graph: Graph, video: Path) -> list[NetworkInputs]:
    """Frames of a video as a network takes them: ``[1, T, h, w, 3]`` or ``[T, h, w, 3]`` a window.

    Returns:
        One tuple a window; none where the network does not take uint8 frames and nothing else.
    """
    specs = [node.settings for node in graph.nodes if node.op == "input"]
    if [spec["dtype"] for spec in specs] != ["uint8"]:
        return []
    opened = Video(video)
    with Workers() as workers, workers.reading(opened) as reading:
        windows = [window.frames for window in encoder.sample(opened, dense=False)][:_REAL_WINDOWS]
        numbers = np.unique(np.concatenate(windows))
        frames = {n: encoder.prepare(found[None]) for n, found in reading.pictures(numbers, {None: numbers.tolist()})}
    stacks = [np.stack([frames[int(number)] for number in window]) for window in windows]
    return [(stack[None],) if len(specs[0]["shape"]) == 5 else (stack,) for stack in stacks]


def _export_graph(
    graph: Graph,
    stem: Path,
    format: ExportFormat,
    real: Sequence[tuple[str, list[NetworkInputs]]],
    tolerance: float,
    threads: int,
) -> dict[str, Any]:
    """Writes one network and compares it; returns its part of the report."""
    files = [stem.with_name(stem.name + ending) for ending in _ENDINGS[format]]
    run = (_write_onnx if format == "onnx" else _write_openvino)(graph, files[0], threads)
    other = _other_engine(format)
    reference = compile_graph(graph, engine=other, precision="fp32", device="cpu", threads=threads)
    rng = np.random.default_rng(_SEED)
    runs = [("random", [sample_inputs(graph, rng, batch=batch, length=length) for batch, length in _RANDOM_RUNS])]
    checks = []
    for data, inputs in [*runs, *real]:
        for each in inputs:
            checks.append(compare([run(*each)], [reference(*each)], data))
    return {
        "files": [file.name for file in files],
        "size_bytes": sum(file.stat().st_size for file in files),
        "sha256": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
        "inputs": [
            {"name": node.settings["name"], "shape": list(node.settings["shape"]), "dtype": node.settings["dtype"]}
            for node in graph.nodes
            if node.op == "input"
        ],
        "outputs": list(graph.outputs),
        "reference": f"{other}, fp32",
        "good": all(_is_good(check, tolerance) for check in checks),
        "checks": [check.to_dict() for check in checks],
    }


def _write_onnx(graph: Graph, file: Path, threads: int) -> Callable[..., FloatArray]:
    import onnx

    from gerund.encoders.engines.onnx import session, to_onnx

    onnx.save(to_onnx(graph), file)
    onnx.checker.check_model(str(file))
    ready = session(str(file), threads=threads)
    names = [item.name for item in ready.get_inputs()]

    def run(*inputs: Array) -> FloatArray:
        return np.asarray(ready.run(None, dict(zip(names, inputs, strict=True)))[0], np.float32)

    return run


def _write_openvino(graph: Graph, file: Path, threads: int) -> Callable[..., FloatArray]:
    import openvino

    from gerund.encoders.engines.openvino import core, ready, to_openvino

    openvino.save_model(to_openvino(graph), file, compress_to_fp16=False)
    return ready(core().read_model(file), threads=threads, precision="fp32")


def _other_engine(format: ExportFormat) -> Literal["openvino", "onnx", "torch"]:
    """An engine that does not share the format's own code where there is one."""
    if format == "onnx":
        return "openvino"
    if find_spec("onnx") is not None and find_spec("onnxruntime") is not None:
        return "onnx"
    return "torch" if find_spec("torch") is not None else "openvino"


def _is_good(check: Agreement, tolerance: float) -> bool:
    return check.max_error <= tolerance * check.max_reference and check.cosine_min >= LEAST_COSINE


def _what_is_wrong(name: str, network: dict[str, Any]) -> str:
    errors = [check["max_error"] / max(check["max_reference"], 1e-30) for check in network["checks"]]
    cosine = min(check["cosine_min"] for check in network["checks"])
    return f"{name!r} differs by up to {max(errors):.1e} of its largest value, cosine {cosine:.6f} at least"
