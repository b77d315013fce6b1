"""TSM-R50: a ResNet-50 whose frames look at their neighbours by exchanging channels.

Source: Lin et al., "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019 (shift inside the
residual branch of every bottleneck, 1/8 of the channels each way); He et al., CVPR 2016, with the stride on the 3x3
convolution. Sampling and pixels are those of Chen and Huang, "Elaborative Rehearsal", ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gerund.encoders.graph import Array, Graph, Tensor
from gerund.encoders.networks.backbone import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Layer,
    PublishedBackbone,
    fold,
    normalise,
    strip,
)
from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.types import FloatArray, IntArray
from gerund.video.sampling import segment_centres

SEGMENTS = 8
REACH_FRAMES = 64
"""How many frames of a video the eight are taken from where it is looked at part by part: every eighth, as in the
"dense sampling" that the published weights were trained with (ops/dataset.py of the authors)."""
SHIFT_SHARE = 8
"""One channel in so many moves each way."""
BLOCKS = (3, 4, 6, 3)
WIDTHS = (64, 128, 256, 512)
FEATURE_DIM = 2048
NUM_CLASSES = 400

_BATCH_NORM_EPS = 1e-5
_WHERE = (
    "TSM-ResNet-50 trained on Kinetics-400 with 8 segments, the file "
    "TSM_kinetics_RGB_resnet50_shift8_blockres_avg_segment8_e100_dense.pth that github.com/mit-han-lab/"
    "temporal-shift-module links to"
)


def layers() -> list[Layer]:
    """The architecture by torchvision's names, 53 convolutions and the classifier ``fc``."""
    found = [Layer("conv1", (64, 3, 7, 7), "bn1")]
    into = 64
    for stage, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True), start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            found += [
                Layer(f"{name}.conv1", (width, into, 1, 1), f"{name}.bn1"),
                Layer(f"{name}.conv2", (width, width, 3, 3), f"{name}.bn2"),
                Layer(f"{name}.conv3", (4 * width, width, 1, 1), f"{name}.bn3"),
            ]
            if block == 0:
                found.append(Layer(f"{name}.downsample.0", (4 * width, into, 1, 1), f"{name}.downsample.1"))
            into = 4 * width
    return [*found, Layer("fc", (NUM_CLASSES, FEATURE_DIM))]


def convert(arrays: Mapping[str, Array], *, source: str | Path = "arrays") -> dict[str, FloatArray]:
    """The published arrays as folded layers.

    The published names are torchvision's behind ``module.base_model.``, with ``.net`` in every first convolution of a
    bottleneck, which the shift wraps, and the classifier as ``module.new_fc``.

    Args:
        arrays: the state dict.
        source: the file, for messages.

    Returns:
        ``{"<layer>.weight", "<layer>.bias"}`` by the names of `layers`.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    bare = strip(arrays, "module.", "base_model.")
    renamed = {_rename(name): array for name, array in bare.items()}
    return fold(renamed, layers(), eps=_BATCH_NORM_EPS, source=source, where=_WHERE)


def _rename(name: str) -> str:
    return name.replace(".net.", ".").replace("new_fc.", "fc.")


def temporal_shift(graph: Graph, x: Tensor, segments: int, channels: int) -> Tensor:
    """Channels moved between neighbouring frames; where a neighbour is missing stand zeros.

    The first eighth of the channels comes from the next frame, the second eighth from the one before.

    Args:
        graph: of `x`.
        x: ``[B * segments, channels, H, W]``.
        segments: frames of a video.
        channels: at least 8.

    Returns:
        The same shape.
    """
    moved = channels // SHIFT_SHARE

    def shift(part: Tensor, *, later: bool) -> Tensor:
        line = graph.reshape(part, [-1, segments * moved, 0, 0])  # all frames of a video one after the other
        if later:
            line = graph.pad(graph.slice(line, 1, 0, (segments - 1) * moved), [0, moved, 0, 0], [0, 0, 0, 0])
        else:
            line = graph.pad(graph.slice(line, 1, moved, segments * moved), [0, 0, 0, 0], [0, moved, 0, 0])
        return graph.reshape(line, [-1, moved, 0, 0])

    return graph.concat(
        [
            shift(graph.slice(x, 1, 0, moved), later=False),
            shift(graph.slice(x, 1, moved, 2 * moved), later=True),
            graph.slice(x, 1, 2 * moved, channels),
        ],
        axis=1,
    )


def build(weights: Mapping[str, FloatArray], *, segments: int = SEGMENTS, size_px: int = 224) -> Graph:
    """Writes the network down as a graph.

    Args:
        weights: what `convert` returned; the widths are read from them.
        segments: frames of a video.
        size_px: side of the frames.

    Returns:
        A graph from ``frames`` uint8 ``[B, segments, size_px, size_px, 3]`` to ``features`` float32 ``[B, 2048]``:
        the last feature map averaged over its places and the frames.
    """
    graph = Graph("tsm-r50")
    frames = graph.input("frames", [-1, segments, size_px, size_px, 3], "uint8")
    x = normalise(graph, graph.reshape(frames, [-1, size_px, size_px, 3]), IMAGENET_MEAN, IMAGENET_STD)

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}.weight"]
        pad = [weight.shape[2] // 2] * 2
        return graph.convolution(x, weight, weights[f"{name}.bias"], stride=[stride] * 2, before=pad, after=pad)

    x = graph.relu(conv(graph.transpose(x, [0, 3, 1, 2]), "conv1", stride=2))
    x = graph.max_pool(x, [3, 3], [2, 2], [1, 1], [1, 1])
    channels = len(weights["conv1.bias"])
    for stage, count in enumerate(BLOCKS, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            y = graph.relu(conv(temporal_shift(graph, x, segments, channels), f"{name}.conv1"))
            y = graph.relu(conv(y, f"{name}.conv2", stride))
            y = conv(y, f"{name}.conv3")
            shortcut = conv(x, f"{name}.downsample.0", stride) if block == 0 else x
            x = graph.relu(y + shortcut)
            channels = len(weights[f"{name}.conv3.bias"])
    pooled = graph.reshape(graph.mean(x, [2, 3]), [-1, segments, channels])
    graph.output("features", graph.mean(pooled, [1]))
    return graph


def classifier(weights: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The last layer as a linear map of the features: rows ``[400, 2048]`` and bias ``[400]``, in Kinetics-400 order.

    The mean of the frames' scores, as TSM classifies, is the score of the mean feature.
    """
    return weights["fc.weight"], weights["fc.bias"]


class Tsm(PublishedBackbone):
    """Eight frames of a video to one vector of length 2048.

    Args:
        file: the published checkpoint, ``.pth`` or safetensors; or its arrays.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        engine: see `Backbone`.
        device: see `Backbone`.

    Raises:
        AssetError: the file is not TSM-R50.
    """

    name = "tsm-r50"
    dim = FEATURE_DIM
    short_px = 256
    size_px = 224
    clip_frames = SEGMENTS
    reach_frames = REACH_FRAMES

    @staticmethod
    def graph_of(checkpoint: Checkpoint) -> Graph:
        """The network that the published arrays make."""
        return build(convert(checkpoint.tensors, source=checkpoint.source))

    def sample(self, num_frames: int) -> IntArray:
        """The centres of eight equal parts of the video, ``[1, 8]``; a shorter video repeats frames."""
        return np.asarray(segment_centres(num_frames, SEGMENTS)[None])
