"""R(2+1)D-18: a video ResNet whose 3-D convolutions are split into space and time.

Source: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018, as torchvision's
``r2plus1d_18`` writes it. Clips and pixels are those of LoCATe-GAT, whose baseline it is: a video is the mean of its
clips' vectors. That work scales pictures in floating point, gerund in 8 bits with antialiasing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gerund.encoders.graph import Array, Graph, Tensor
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
FEATURE_DIM = 512
WIDTHS = (64, 128, 256, 512)
BLOCKS_PER_STAGE = 2

_BATCH_NORM_EPS = 1e-5
_WHERE = "R(2+1)D-18 trained on Kinetics-400: download.pytorch.org/models/r2plus1d_18-91a641e6.pth"


def layers() -> list[Layer]:
    """The architecture by torchvision's names, without the classifier.

    The channels between space and time are as many as keep the parameters of the 3-D convolution (section 3.5), by a
    block's first convolution for both of its convolutions.
    """
    found = [Layer("stem.0", (45, 3, 1, 7, 7), "stem.1"), Layer("stem.3", (64, 45, 3, 1, 1), "stem.4")]
    into = 64
    for stage, out in enumerate(WIDTHS, start=1):
        for block in range(BLOCKS_PER_STAGE):
            middle = into * out * 27 // (into * 9 + 3 * out)
            for place, channels in ((1, into), (2, out)):
                name = f"layer{stage}.{block}.conv{place}"
                found += [
                    Layer(f"{name}.0.0", (middle, channels, 1, 3, 3), f"{name}.0.1"),
                    Layer(f"{name}.0.3", (out, middle, 3, 1, 1), f"{name}.1"),
                ]
            if into != out:
                name = f"layer{stage}.{block}.downsample"
                found.append(Layer(f"{name}.0", (out, into, 1, 1, 1), f"{name}.1"))
            into = out
    return found


def convert(arrays: Mapping[str, Array], *, source: str | Path = "arrays") -> dict[str, FloatArray]:
    """Torchvision's arrays as folded layers.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    return fold(strip(arrays, "module."), layers(), eps=_BATCH_NORM_EPS, source=source, where=_WHERE)


def build(weights: Mapping[str, FloatArray], *, size_px: int = 112) -> Graph:
    """Writes the network down as a graph.

    Args:
        weights: what `convert` returned; the widths are read from them.
        size_px: side of the frames.

    Returns:
        A graph from ``frames`` uint8 ``[B, T, size_px, size_px, 3]`` to ``features`` float32 ``[B, 512]``: the last
        feature map averaged over space and time.
    """
    graph = Graph("r2plus1d-18")
    frames = graph.input("frames", [-1, -1, size_px, size_px, 3], "uint8")
    x = graph.transpose(normalise(graph, frames, KINETICS_MEAN, KINETICS_STD), [0, 4, 1, 2, 3])

    def conv(x: Tensor, name: str, stride: tuple[int, int, int] = (1, 1, 1)) -> Tensor:
        weight = weights[f"{name}.weight"]
        pad = [size // 2 for size in weight.shape[2:]]
        return graph.convolution(x, weight, weights[f"{name}.bias"], stride=stride, before=pad, after=pad)

    def split(x: Tensor, name: str, stride: int = 1) -> Tensor:
        space = graph.relu(conv(x, f"{name}.0.0", (1, stride, stride)))
        return conv(space, f"{name}.0.3", (stride, 1, 1))

    x = graph.relu(conv(graph.relu(conv(x, "stem.0", (1, 2, 2))), "stem.3"))
    for stage in range(1, len(WIDTHS) + 1):
        for block in range(BLOCKS_PER_STAGE):
            name = f"layer{stage}.{block}"
            stride = 2 if block == 0 and stage > 1 else 1
            y = split(graph.relu(split(x, f"{name}.conv1", stride)), f"{name}.conv2")
            has_map = f"{name}.downsample.0.weight" in weights
            shortcut = conv(x, f"{name}.downsample.0", (stride, stride, stride)) if has_map else x
            x = graph.relu(y + shortcut)
    graph.output("features", graph.mean(x, [2, 3, 4]))
    return graph


class R2Plus1d(PublishedBackbone):
    """Clips of 16 consecutive frames to vectors of length 512.

    Args:
        file: torchvision's weights, ``.pth`` or safetensors; or their arrays.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic; ``"auto"`` is bfloat16 where the processor has it.
        engine: see `Backbone`.
        device: see `Backbone`.

    Raises:
        AssetError: the file is not R(2+1)D-18.
    """

    name = "r2plus1d-18"
    dim = FEATURE_DIM
    short_px = 128
    size_px = 112
    clip_frames = reach_frames = CLIP_FRAMES

    @staticmethod
    def graph_of(checkpoint: Checkpoint) -> Graph:
        """The network that the published arrays make."""
        return build(convert(checkpoint.tensors, source=checkpoint.source))

    def sample(self, num_frames: int) -> IntArray:
        """Up to 25 clips of 16 consecutive frames, ``[N, 16]``; a video is the mean of their vectors."""
        return consecutive_clips(num_frames, CLIP_FRAMES, CLIPS)
