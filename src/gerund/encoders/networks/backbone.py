"""What the networks over pictures share: their published arrays checked and folded, and a class that runs them.

A backbone turns frames into vectors of its own space; `gerund.encoders.features` makes an encoder of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from gerund.encoders.base import RANDOM
from gerund.encoders.engines import Device, EngineName, Precision, compile_graph
from gerund.encoders.graph import Array, Graph, Tensor
from gerund.encoders.weights.checkpoint import Checkpoint, read_checkpoint, weight_file
from gerund.encoders.weights.legacy import MAGIC, read_legacy
from gerund.errors import AssetError, UsageError
from gerund.reading import DamageError, open_arrays
from gerund.types import FloatArray, FrameArray, IntArray
from gerund.video.transforms import Preparation

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


@dataclass(frozen=True)
class Layer:
    """A convolution or linear map by the names of its published arrays.

    Attributes:
        name: prefix of ``.weight``, and of ``.bias`` where there is one.
        shape: of the weight, ``[out, in, ...]``.
        norm: prefix of the batch normalisation behind it; a layer without one has a bias.
    """

    name: str
    shape: tuple[int, ...]
    norm: str | None = None


def read_arrays(path: Path) -> Checkpoint:
    """Reads the weights in a file or a folder, whatever version of PyTorch wrote them, or NumPy's ``.npz``.

    Raises:
        AssetError: there are none, or the file is damaged or of another kind.
    """
    file = weight_file(path)
    if file.suffix == ".npz":
        try:
            with open_arrays(file) as arrays:
                return Checkpoint(dict(arrays), (file,))
        except (OSError, DamageError) as error:
            raise AssetError(f"{file}: cannot be read; {error}") from error
    with file.open("rb") as opened:
        legacy = opened.read(len(MAGIC)) == MAGIC
    return Checkpoint(read_legacy(file), (file,)) if legacy else read_checkpoint(file)


def checkpoint_of(weights: Path | Checkpoint) -> Checkpoint:
    """Weights that were read or drawn before as they are, those in a file or a folder read.

    Raises:
        AssetError: see `read_arrays`.
    """
    return weights if isinstance(weights, Checkpoint) else read_arrays(weights)


def shapes_of(layers: Iterable[Layer]) -> dict[str, tuple[int, ...]]:
    """The shapes of an architecture's published arrays by their names.

    Example:
        >>> list(shapes_of([Layer("fc", (2, 3))])), len(shapes_of([Layer("conv", (2, 3, 1, 1), "norm")]))
        (['fc.weight', 'fc.bias'], 5)
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        shapes[f"{layer.name}.weight"] = layer.shape
        parts = [f"{layer.norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        shapes |= dict.fromkeys(parts if layer.norm else [f"{layer.name}.bias"], layer.shape[:1])
    return shapes


def take(arrays: Mapping[str, Array], name: str, shape: Sequence[int], *, source: str | Path, where: str) -> FloatArray:
    """One array as float32, once its shape is seen to be right.

    Args:
        arrays: a checkpoint.
        name: of the array.
        shape: that the architecture demands.
        source: the file, for the message.
        where: what the file should be and where to get it, for the message.

    Raises:
        AssetError: it is not there, or has another shape.
    """
    if name not in arrays:
        raise AssetError(f"{source}: has no array {name!r}; expected {where}")
    array = arrays[name]
    if tuple(array.shape) != tuple(shape):
        raise AssetError(f"{source}: {name} is {list(array.shape)}, not {list(shape)}; expected {where}")
    return np.ascontiguousarray(array, np.float32)


def fold(
    arrays: Mapping[str, Array], layers: Iterable[Layer], *, eps: float, source: str | Path, where: str
) -> dict[str, FloatArray]:
    """Layers with their batch normalisation folded in, all shapes checked.

    ``gamma (W x - mean) / sqrt(var + eps) + beta`` is linear in ``x``, so it is a weight and a bias.

    Args:
        arrays: a checkpoint by published names; what no layer asks for is left alone.
        layers: the architecture.
        eps: of the batch normalisation.
        source: the file, for messages.
        where: what the file should be and where to get it, for messages.

    Returns:
        ``{"<layer>.weight": [out, in, ...], "<layer>.bias": [out]}``, float32.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    folded: dict[str, FloatArray] = {}
    for layer in layers:
        weight = take(arrays, f"{layer.name}.weight", layer.shape, source=source, where=where)
        out = layer.shape[:1]
        if layer.norm is None:
            bias = take(arrays, f"{layer.name}.bias", out, source=source, where=where)
        else:
            gamma, beta, mean, var = (
                take(arrays, f"{layer.norm}.{part}", out, source=source, where=where)
                for part in ("weight", "bias", "running_mean", "running_var")
            )
            scale = gamma / np.sqrt(var + np.float32(eps))
            weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
            bias = beta - mean * scale
        folded[f"{layer.name}.weight"], folded[f"{layer.name}.bias"] = weight, bias
    return folded


def strip(arrays: Mapping[str, Array], *prefixes: str) -> dict[str, Array]:
    """A checkpoint without the prefixes that training scripts put before its names, taken off in this order."""
    bare = dict(arrays)
    for prefix in prefixes:
        bare = {name.removeprefix(prefix): array for name, array in bare.items()}
    return bare


def normalise(graph: Graph, frames: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Frames uint8 ``[..., 3]`` as ``(x / 255 - mean) / std`` for each colour."""
    scale = 1 / (255 * np.array(std))
    shift = np.array(mean) / np.array(std)
    normalised: Tensor = graph.to_float(frames) * scale.astype(np.float32) - shift.astype(np.float32)
    return normalised


class Backbone:
    """A network from frames to vectors, ready to run.

    Args:
        graph: from ``frames``, uint8 ``[N, size, size, 3]`` or ``[N, T, size, size, 3]``, to ``[N, D]``.
        checkpoint: the weights, for the fingerprint.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        engine: what computes, see `compile_graph`.
        device: where to compute.

    Attributes:
        name: what users call it.
        dim: length of its vectors.
        short_px: shorter side of a picture before the central square is cut.
        size_px: side of that square.
        bicubic: whether pictures are scaled with bicubic interpolation.
        clip_frames: how many frames it looks at together.
        reach_frames: from how many frames of a video they are taken, evenly.
        graph: the network.
    """

    name: str
    dim: int
    short_px: int
    size_px: int
    bicubic = False
    clip_frames = 1
    reach_frames = 1

    def __init__(
        self,
        graph: Graph,
        checkpoint: Checkpoint,
        *,
        threads: int = 0,
        precision: Precision = "auto",
        engine: EngineName = "auto",
        device: Device = "auto",
    ) -> None:
        self._checkpoint = replace(checkpoint, tensors={})  # the graph has the arrays, only the hash is wanted
        self._rank = len(graph.nodes[0].settings["shape"])
        self.graph = graph
        self._run = compile_graph(graph, threads=threads, precision=precision, engine=engine, device=device)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the network, its weights and the arithmetic; `RANDOM` stands before that of random weights."""
        recipe = (self.name, self._run.precision, self.short_px, self.size_px, self._checkpoint.sha256)
        start = "" if self._checkpoint.seed is None else RANDOM
        return start + hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]

    def remarks(self) -> list[str]:
        """How well int8 agrees with float32."""
        return [f"int8 network: {self._run.agreement}"] if self._run.precision == "int8" else []

    def sample(self, num_frames: int) -> IntArray:
        """Which frames of a video to look at: ``[N]`` pictures or ``[N, T]`` clips."""
        raise NotImplementedError

    @property
    def preparation(self) -> Preparation:
        """What is done to the pixels of a picture; an odd remainder of the cut goes where torchvision has it."""
        return Preparation(self.size_px, self.short_px, self.bicubic, half_even=True)

    def prepare(self, picture: FrameArray) -> FrameArray:
        """One decoded picture ``[H, W, 3]`` as the network wants it, uint8 ``[size_px, size_px, 3]``."""
        return self.preparation(picture)

    def __call__(self, frames: FrameArray) -> FloatArray:
        """Prepared pictures ``[N, h, w, 3]`` or clips ``[N, T, h, w, 3]`` to vectors, float32 ``[N, D]``.

        Raises:
            UsageError: frames of another shape.
        """
        if frames.ndim != self._rank or frames.shape[-3:] != (self.size_px, self.size_px, 3):
            clips = "N, T" if self._rank == 5 else "N"
            raise UsageError(
                f"{self.name} takes frames [{clips}, {self.size_px}, {self.size_px}, 3], got {list(frames.shape)}"
            )
        return self._run(frames)


class PublishedBackbone(Backbone):
    """A backbone whose network is said by its weights alone: a class of one writes `graph_of`.

    Args:
        file: the published weights, or their arrays.
        threads: see `Backbone`, as are the others.
        precision: arithmetic.
        engine: what computes.
        device: where to compute.
    """

    def __init__(
        self,
        file: Path | Checkpoint,
        *,
        threads: int = 0,
        precision: Precision = "auto",
        engine: EngineName = "auto",
        device: Device = "auto",
    ) -> None:
        checkpoint = checkpoint_of(file)
        graph = self.graph_of(checkpoint)
        super().__init__(graph, checkpoint, threads=threads, precision=precision, engine=engine, device=device)

    @staticmethod
    def graph_of(checkpoint: Checkpoint) -> Graph:
        """The network that the arrays make.

        Raises:
            AssetError: they are not its own.
        """
        raise NotImplementedError
