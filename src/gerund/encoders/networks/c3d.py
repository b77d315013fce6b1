"""C3D: eight 3-D convolutions and a fully connected layer over 16 frames.

Source: Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015. The feature is the
first fully connected layer behind its ReLU, as LoCATe-GAT's baseline takes it, with that work's clips and pixels
(Kinetics statistics in place of the Sports-1M mean picture). It scales pictures in floating point, gerund in 8 bits
with antialiasing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gerund.encoders.graph import Array, Graph
from gerund.encoders.networks.backbone import (
    KINETICS_MEAN,
    KINETICS_STD,
    Layer,
    PublishedBackbone,
    fold,
    normalise,
    strip,
)
from gerund.encoders.weights.checkpoint import Checkpoint
from gerund.types import FloatArray, IntArray
from gerund.video.sampling import consecutive_clips

CLIP_FRAMES = 16
CLIPS = 25
SIZE_PX = 112
FEATURE_DIM = 4096

_CONVOLUTIONS = {
    "conv1": (3, 64),
    "conv2": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}
_POOLS_AFTER = {"conv1": (1, 0), "conv2": (2, 0), "conv3b": (2, 0), "conv4b": (2, 0), "conv5b": (2, 1)}
"""Frames pooled together and the padding of height and width, by the convolution before."""
_WHERE = "C3D trained on Sports-1M, the file c3d.pickle that github.com/DavideA/c3d-pytorch links to"


def layers() -> list[Layer]:
    """The architecture by its published names up to ``fc6``, which takes 512 channels at 1 x 4 x 4 places."""
    found = [Layer(name, (out, into, 3, 3, 3)) for name, (into, out) in _CONVOLUTIONS.items()]
    return [*found, Layer("fc6", (FEATURE_DIM, _CONVOLUTIONS["conv5b"][1] * 4 * 4))]


def convert(arrays: Mapping[str, Array], *, source: str | Path = "arrays") -> dict[str, FloatArray]:
    """The published arrays, all shapes checked.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    return fold(strip(arrays, "module."), layers(), eps=0.0, source=source, where=_WHERE)


def build(weights: Mapping[str, FloatArray]) -> Graph:
    """Writes the network down as a graph.

    Args:
        weights: what `convert` returned; the widths are read from them.

    Returns:
        A graph from ``frames`` uint8 ``[B, 16, 112, 112, 3]`` to ``features`` float32 ``[B, 4096]``, none below 0.
    """
    graph = Graph("c3d")
    frames = graph.input("frames", [-1, CLIP_FRAMES, SIZE_PX, SIZE_PX, 3], "uint8")
    x = graph.transpose(normalise(graph, frames, KINETICS_MEAN, KINETICS_STD), [0, 4, 1, 2, 3])
    ones = [1, 1, 1]
    for name in _CONVOLUTIONS:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        x = graph.relu(graph.convolution(x, weight, bias, stride=ones, before=ones, after=ones))
        if name in _POOLS_AFTER:
            frames_pooled, pad = _POOLS_AFTER[name]
            window = [frames_pooled, 2, 2]
            x = graph.max_pool(x, window, window, [0, pad, pad], [0, pad, pad])
    flat = graph.reshape(x, [0, weights["fc6.weight"].shape[1]])
    graph.output("features", graph.relu(graph.linear(flat, weights["fc6.weight"], weights["fc6.bias"])))
    return graph


class C3d(PublishedBackbone):
    """Clips of 16 consecutive frames to vectors of length 4096.

    Args:
        file: the published weights, ``.pickle``, ``.pth`` or safetensors; or their arrays.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        engine: see `Backbone`.
        device: see `Backbone`.

    Raises:
        AssetError: the file is not C3D.
    """

    name = "c3d"
    dim = FEATURE_DIM
    short_px = 128
    size_px = SIZE_PX
    clip_frames = reach_frames = CLIP_FRAMES

    @staticmethod
    def graph_of(checkpoint: Checkpoint) -> Graph:
        """The network that the published arrays make."""
        return build(convert(checkpoint.tensors, source=checkpoint.source))

    def sample(self, num_frames: int) -> IntArray:
        """Up to 25 clips of 16 consecutive frames, ``[N, 16]``; a video is the mean of their vectors."""
        return consecutive_clips(num_frames, CLIP_FRAMES, CLIPS)
