"""I3D: Inception-v1 inflated to 3-D, trained on Kinetics-400 RGB.

Source: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017. The released checkpoint is a pickle of
nested dicts of numpy arrays. It is read once through an allow-listing unpickler, batch normalisation is folded into
the convolutions, and the result is what `build` turns into a graph for the CPU engine.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gerund.assets import DownloadProgress, derived, fetch, find_asset, verified
from gerund.encoders.graph import Graph, Tensor
from gerund.errors import AssetError
from gerund.types import FloatArray

SIZE_PX = 224
FRAMES_PER_STEP = 8
"""Input frames behind one output position: the product of the four temporal strides."""
FEATURE_DIM = 1024
NUM_CLASSES = 400

_BATCH_NORM_EPS = 1e-3
_LOGITS = "Logits/Conv3d_0c_1x1"
_BLOCKS = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
_WIDTHS = (
    (192, 64, 96, 128, 16, 32, 32),
    (256, 128, 128, 192, 32, 96, 64),
    (480, 192, 96, 208, 16, 48, 64),
    (512, 160, 112, 224, 24, 64, 64),
    (512, 128, 128, 256, 24, 64, 64),
    (512, 112, 144, 288, 32, 64, 64),
    (528, 256, 160, 320, 32, 128, 128),
    (832, 256, 160, 320, 32, 128, 128),
    (832, 384, 192, 384, 48, 128, 128),
)
"""Channels into each block, of its first branch, inside and out of its second and third, and of its last one."""
_POOL_BEFORE = {"4b": ((3, 3, 3), (2, 2, 2)), "5b": ((2, 2, 2), (2, 2, 2))}
_ALLOWED_GLOBALS = {
    (module, name)
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
    for name in ("_reconstruct", "ndarray", "dtype")
}


class _ArrayUnpickler(pickle.Unpickler):
    """Loads dicts of numpy arrays and refuses every other global, so that a checkpoint cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED_GLOBALS:
            raise pickle.UnpicklingError(f"the checkpoint asks for {module}.{name}, which is not on the allow-list")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def convert_checkpoint(path: Path) -> dict[str, FloatArray]:
    """Reads the released pickle and returns convolutions with batch normalisation folded in.

    Returns:
        ``{"<layer>/weight": [out, in, t, h, w], "<layer>/bias": [out]}``, float32: 58 layers, 116 arrays.

    Raises:
        AssetError: the file is not such a checkpoint, or asks the unpickler for anything but numpy arrays.
    """
    try:
        with path.open("rb") as file:
            tree = _ArrayUnpickler(file).load()
        params = dict(_leaves(tree["params"]))
        stats = dict(_leaves(tree["batch_stats"]))
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise AssetError(f"{path}: expected the Kinetics-400 I3D checkpoint; {error}") from error

    folded: dict[str, FloatArray] = {}
    for name in (key.removesuffix("/Conv_0/kernel") for key in params if key.endswith("/Conv_0/kernel")):
        weight = params[f"{name}/Conv_0/kernel"].transpose(4, 3, 0, 1, 2)  # t h w in out -> out in t h w
        if f"{name}/BatchNorm_0/bias" in params:
            scale = 1 / np.sqrt(stats[f"{name}/BatchNorm_0/var"].ravel() + _BATCH_NORM_EPS)
            weight = weight * scale[:, None, None, None, None]
            bias = params[f"{name}/BatchNorm_0/bias"] - stats[f"{name}/BatchNorm_0/mean"].ravel() * scale
        else:
            bias = params[f"{name}/Conv_0/bias"]
        folded[f"{name}/weight"] = np.ascontiguousarray(weight, np.float32)
        folded[f"{name}/bias"] = np.ascontiguousarray(bias, np.float32)
    return folded


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def build(weights: Mapping[str, FloatArray], *, normalised: bool = False) -> Graph:
    """Writes the network down as a graph.

    Args:
        weights: what `convert_checkpoint` returned.
        normalised: take ``frames`` as float32 in [-1, 1] instead of uint8.

    Returns:
        A graph from ``frames`` uint8 ``[B, T, 224, 224, 3]`` (T a multiple of 8) to ``features`` float32
        ``[B, T/8, 1024]``: the last feature map averaged over its 7x7 positions.
    """
    graph = Graph("i3d")
    x = graph.input("frames", [-1, -1, SIZE_PX, SIZE_PX, 3], "float32" if normalised else "uint8")
    if not normalised:
        x = graph.to_float(x) * (2 / 255) - 1.0
    x = graph.transpose(x, [0, 4, 1, 2, 3])

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = weights[f"{name}/weight"]
        before, after = zip(*(_same_pads(size, stride) for size in weight.shape[2:]), strict=True)
        bias = weights[f"{name}/bias"]
        return graph.relu(graph.convolution(x, weight, bias, stride=[stride] * 3, before=before, after=after))

    def max_pool(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
        before, after = zip(*(_same_pads(k, s) for k, s in zip(kernel, stride, strict=True)), strict=True)
        return graph.max_pool(x, kernel, stride, before, after)

    def inception(x: Tensor, name: str) -> Tensor:
        branches = [
            conv(x, f"{name}/Branch_0/Conv3d_0a_1x1"),
            conv(conv(x, f"{name}/Branch_1/Conv3d_0a_1x1"), f"{name}/Branch_1/Conv3d_0b_3x3"),
            conv(conv(x, f"{name}/Branch_2/Conv3d_0a_1x1"), f"{name}/Branch_2/Conv3d_0b_3x3"),
            conv(max_pool(x, (3, 3, 3), (1, 1, 1)), f"{name}/Branch_3/Conv3d_0b_1x1"),
        ]
        return graph.concat(branches, axis=1)

    x = conv(x, "Conv3d_1a_7x7", stride=2)
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    x = conv(conv(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3")
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    for block in _BLOCKS:
        if block in _POOL_BEFORE:
            x = max_pool(x, *_POOL_BEFORE[block])
        x = inception(x, f"Mixed_{block}")
    graph.output("features", graph.transpose(graph.mean(x, [3, 4]), [0, 2, 1]))
    return graph


def _same_pads(kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME padding of an axis whose length is a multiple of the stride; the odd zero goes behind."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


def classifier(weights: Mapping[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The last layer as a plain linear map: rows ``[400, 1024]`` and bias ``[400]``, in Kinetics-400 order."""
    return weights[f"{_LOGITS}/weight"].reshape(NUM_CLASSES, FEATURE_DIM), weights[f"{_LOGITS}/bias"]


def shapes() -> dict[str, tuple[int, ...]]:
    """The shapes of what `convert_checkpoint` returns, by its names.

    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1; every kernel is as long as it is wide.
    """
    weights = {"Conv3d_1a_7x7": (64, 3, 7), "Conv3d_2b_1x1": (64, 64, 1), "Conv3d_2c_3x3": (192, 64, 3)}
    for block, (into, first, thin, wide, slim, broad, last) in zip(_BLOCKS, _WIDTHS, strict=True):
        name = f"Mixed_{block}/Branch"
        weights |= {
            f"{name}_0/Conv3d_0a_1x1": (first, into, 1),
            f"{name}_1/Conv3d_0a_1x1": (thin, into, 1),
            f"{name}_1/Conv3d_0b_3x3": (wide, thin, 3),
            f"{name}_2/Conv3d_0a_1x1": (slim, into, 1),
            f"{name}_2/Conv3d_0b_3x3": (broad, slim, 3),
            f"{name}_3/Conv3d_0b_1x1": (last, into, 1),
        }
    weights[_LOGITS] = (NUM_CLASSES, FEATURE_DIM, 1)
    found: dict[str, tuple[int, ...]] = {}
    for name, (out, into, side) in weights.items():
        found |= {f"{name}/weight": (out, into, side, side, side), f"{name}/bias": (out,)}
    return found


def pool(features: FloatArray) -> FloatArray:
    """Features of neighbouring steps averaged in pairs, then over all pairs, as the network was trained.

    Args:
        features: float32 ``[..., T, 1024]``.

    Returns:
        ``[..., 1, 1024]``; a single step is its own mean.
    """
    pairs = (features[..., :-1, :] + features[..., 1:, :]) / 2 if features.shape[-2] > 1 else features
    return np.asarray(pairs.mean(axis=-2, keepdims=True), np.float32)


def load(progress: DownloadProgress | None = None) -> dict[str, FloatArray]:
    """The released weights with batch normalisation folded in, fetched and converted on first use.

    The pickle is opened once in the life of a cache.

    Raises:
        AssetError: the checkpoint cannot be had.
    """
    from safetensors.numpy import load, save

    asset = find_asset("i3d-kinetics400")
    fetch(asset, progress=progress)
    name = f"i3d-folded-{asset.sha256[:12]}.safetensors"
    return load(derived(name, lambda: save(convert_checkpoint(verified(asset)))))
