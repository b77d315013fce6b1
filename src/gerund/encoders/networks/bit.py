"""BiT-M R50x1: 21,843 kinds of things in a picture, from a pre-activation ResNet-50 trained on ImageNet-21k.

Source: Kolesnikov et al., "Big Transfer (BiT)", ECCV 2020: ResNet-v2 with group normalisation, and weight
standardisation (Qiao et al., 2019), which is done here once, when the arrays are read. Pixels are those of Chen and
Huang, "Elaborative Rehearsal", ICCV 2021.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gerund.encoders.engines import Device, EngineName, Precision
from gerund.encoders.graph import Array, Graph, Tensor
from gerund.encoders.networks.backbone import checkpoint_of, normalise, take
from gerund.encoders.objects import ObjectNetwork, Output, declare
from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.types import FloatArray

NUM_CLASSES = 21_843
FEATURE_DIM = 2048
BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)

_GROUPS = 32
_GROUP_NORM_EPS = 1e-5
_STANDARDISATION_EPS = 1e-10
_HEAD_BIAS = ("resnet/head/conv2d/bias", "head.fc.bias")
_UNIT_NAME = re.compile(r"resnet/block(\d+)/unit(\d+)/([abc])/(proj|group_norm|standardized_conv2d)")
_WHERE = (
    "BiT-M R50x1 with its ImageNet-21k head: storage.googleapis.com/bit_models/BiT-M-R50x1.npz, or model.safetensors "
    "of timm/resnetv2_50x1_bit.goog_in21k on the model hub"
)


def standardise(weight: FloatArray) -> FloatArray:
    """Every filter with mean 0 and variance 1 over its inputs; the network was trained so, hence done once and for all.

    Args:
        weight: ``[out, in, h, w]``.
    """
    axes = tuple(range(1, weight.ndim))
    mean = weight.mean(axis=axes, keepdims=True, dtype=np.float64)
    variance = weight.var(axis=axes, keepdims=True, dtype=np.float64)
    return np.asarray((weight - mean) / np.sqrt(variance + _STANDARDISATION_EPS), np.float32)


def _units() -> list[tuple[str, int, int, int]]:
    """Name, channels in, width and stride of the 16 units, by timm's names."""
    units = []
    into = 64
    for stage, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True)):
        for unit in range(count):
            units.append((f"stages.{stage}.blocks.{unit}", into, width, 2 if unit == 0 and stage > 0 else 1))
            into = 4 * width
    return units


def shapes(num_classes: int = NUM_CLASSES) -> dict[str, tuple[int, ...]]:
    """The arrays of the network by timm's names, with their shapes."""
    found: dict[str, tuple[int, ...]] = {"stem.conv.weight": (64, 3, 7, 7)}
    for name, into, width, _ in _units():
        found[f"{name}.conv1.weight"] = (width, into, 1, 1)
        found[f"{name}.conv2.weight"] = (width, width, 3, 3)
        found[f"{name}.conv3.weight"] = (4 * width, width, 1, 1)
        for place, channels in (1, into), (2, width), (3, width):
            found |= {f"{name}.norm{place}.{part}": (channels,) for part in ("weight", "bias")}
        if name.endswith("blocks.0"):
            found[f"{name}.downsample.conv.weight"] = (4 * width, into, 1, 1)
    found |= {f"norm.{part}": (FEATURE_DIM,) for part in ("weight", "bias")}
    return found | {"head.fc.weight": (num_classes, FEATURE_DIM, 1, 1), "head.fc.bias": (num_classes,)}


def convert(
    arrays: Mapping[str, Array], *, num_classes: int = NUM_CLASSES, source: str | Path = "arrays"
) -> dict[str, FloatArray]:
    """The published arrays by one set of names, with every convolution's weight standardised.

    Args:
        arrays: the ``.npz`` of the authors (kernels ``[h, w, in, out]``) or timm's state dict.
        num_classes: of the head.
        source: the file, for messages.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    named = {_name(name): _layout(array) if name.startswith("resnet/") else array for name, array in arrays.items()}

    def get(name: str, *shape: int) -> FloatArray:
        return take(named, name, shape, source=source, where=_WHERE)

    weights: dict[str, FloatArray] = {}
    for name, shape in shapes(num_classes).items():
        found = get(name, *shape)
        if name == "head.fc.weight":
            found = found[:, :, 0, 0]
        weights[name] = standardise(found) if found.ndim == 4 else found
    return weights


def _layout(array: Array) -> Array:
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def _name(name: str) -> str:
    """``resnet/block1/unit01/a/group_norm/gamma`` as ``stages.0.blocks.0.norm1.weight``; other names stay."""
    kind = "bias" if name.endswith(("/beta", "/bias")) else "weight"
    for start, ours in (("root_block", "stem.conv"), ("group_norm", "norm"), ("head", "head.fc")):
        if name.startswith(f"resnet/{start}/"):
            return f"{ours}.{kind}"
    if not (found := _UNIT_NAME.match(name)):
        return name
    block, unit, place, part = found.groups()
    number = "abc".index(place) + 1
    layer = {"proj": "downsample.conv", "group_norm": f"norm{number}"}.get(part, f"conv{number}")
    return f"stages.{int(block) - 1}.blocks.{int(unit) - 1}.{layer}.{kind}"


def build(weights: Mapping[str, FloatArray], *, size_px: int = 224, output: Output = "logits") -> Graph:
    """Writes BiT R50x1 down as a graph.

    Args:
        weights: what `convert` returned; the widths are read from them.
        size_px: side of the pictures, a multiple of 32.
        output: class scores or the 2048 numbers behind them.

    Returns:
        A graph from ``frames`` uint8 ``[N, size_px, size_px, 3]`` to float32 ``[N, K]`` or ``[N, 2048]``.
    """
    graph = Graph("bit-m-r50x1")
    frames = graph.input("frames", [-1, size_px, size_px, 3], "uint8")
    x = graph.transpose(normalise(graph, frames, [0.5] * 3, [0.5] * 3), [0, 3, 1, 2])

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        pad = [weight.shape[2] // 2] * 2
        return graph.convolution(x, weight, stride=[stride] * 2, before=pad, after=pad)

    def norm_relu(x: Tensor, name: str, side: int) -> Tensor:
        gamma, beta = weights[f"{name}.weight"], weights[f"{name}.bias"]
        groups = graph.record("standardise", graph.reshape(x, [0, _GROUPS, -1]), eps=_GROUP_NORM_EPS)
        y = graph.reshape(groups, [0, len(gamma), side, side])
        return graph.relu(y * gamma.reshape(1, -1, 1, 1) + beta.reshape(1, -1, 1, 1))

    x = graph.pad(conv(x, "stem.conv", stride=2), [0, 0, 1, 1], [0, 0, 1, 1])
    x = graph.max_pool(x, [3, 3], [2, 2], [0, 0], [0, 0])  # its zeros compete with negative values, unlike padding
    side = size_px // 4
    for name, _, _, stride in _units():
        first = norm_relu(x, f"{name}.norm1", side)
        shortcut = conv(first, f"{name}.downsample.conv", stride) if name.endswith("blocks.0") else x
        y = norm_relu(conv(first, f"{name}.conv1"), f"{name}.norm2", side)
        y = conv(y, f"{name}.conv2", stride)
        side //= stride
        x = conv(norm_relu(y, f"{name}.norm3", side), f"{name}.conv3") + shortcut
    features = graph.mean(norm_relu(x, "norm", side), [2, 3])
    declare(graph, features, weights["head.fc.weight"], weights["head.fc.bias"], output)
    return graph


class Bit(ObjectNetwork):
    """Pictures to scores of the 21,843 classes of ImageNet-21k, or of those that a file's head was trained on since.

    Args:
        file: ``BiT-M-R50x1.npz`` of the authors, or timm's safetensors; or their arrays.
        output: class scores, or the 2048 numbers behind them.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        engine: see `Backbone`.
        device: see `Backbone`.

    Raises:
        AssetError: the file is not BiT-M R50x1 with a head.
    """

    short_px = 256
    size_px = 224

    def __init__(
        self,
        file: Path | Checkpoint,
        *,
        output: Output = "logits",
        threads: int = 0,
        precision: Precision = "auto",
        engine: EngineName = "auto",
        device: Device = "auto",
    ) -> None:
        self.name = f"bit-m-r50x1-{output}"
        checkpoint = checkpoint_of(file)
        bias = next((checkpoint.tensors[name] for name in _HEAD_BIAS if name in checkpoint.tensors), None)
        num_classes = NUM_CLASSES if bias is None else len(bias)
        weights = convert(checkpoint.tensors, num_classes=num_classes, source=checkpoint.source)
        self.dim = len(weights["head.fc.bias"]) if output == "logits" else FEATURE_DIM
        graph = build(weights, output=output)
        super().__init__(graph, checkpoint, threads=threads, precision=precision, engine=engine, device=device)
