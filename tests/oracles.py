"""Slow, plain re-statements of what the engine computes, written from the papers' figures with numpy alone."""

from __future__ import annotations

import math

import numpy as np


def same_pads(size, kernel, stride):
    """Padding before and after that gives ceil(size / stride) places; the odd one goes after (TensorFlow's SAME)."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x, kernel, stride, fill):
    """All kernel-sized windows of ``[C, T, H, W]`` under SAME padding: ``[C, T', H', W', kt, kh, kw]``."""
    pads = [(0, 0)] + [same_pads(n, k, s) for n, k, s in zip(x.shape[1:], kernel, stride, strict=True)]
    padded = np.pad(x, pads, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(1, 2, 3))
    return view[:, :: stride[0], :: stride[1], :: stride[2]]


def conv_relu(x, weight, bias, stride=1):
    """3-D convolution with SAME padding, bias and ReLU."""
    view = windows(x, weight.shape[2:], (stride,) * 3, 0.0)
    y = np.einsum("cthwijk,ocijk->othw", view, weight, optimize=True)
    return np.maximum(y + bias[:, None, None, None], 0)


def max_pool(x, kernel, stride):
    """Maximum over windows; padding never wins."""
    return windows(x, kernel, stride, -np.inf).max(axis=(4, 5, 6))


def i3d_features(frames, weights):
    """Inception-v1 in 3-D up to the mean over space: uint8 ``[T, H, W, 3]`` to ``[T / 8, C]``."""

    def conv(x, name, stride=1):
        return conv_relu(x, weights[f"{name}/weight"], weights[f"{name}/bias"], stride)

    def mixed(x, name):
        return np.concatenate(
            [
                conv(x, f"{name}/Branch_0/Conv3d_0a_1x1"),
                conv(conv(x, f"{name}/Branch_1/Conv3d_0a_1x1"), f"{name}/Branch_1/Conv3d_0b_3x3"),
                conv(conv(x, f"{name}/Branch_2/Conv3d_0a_1x1"), f"{name}/Branch_2/Conv3d_0b_3x3"),
                conv(max_pool(x, (3, 3, 3), (1, 1, 1)), f"{name}/Branch_3/Conv3d_0b_1x1"),
            ]
        )

    x = frames.transpose(3, 0, 1, 2).astype(np.float64) / 255 * 2 - 1
    x = max_pool(conv(x, "Conv3d_1a_7x7", 2), (1, 3, 3), (1, 2, 2))
    x = max_pool(conv(conv(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    x = mixed(mixed(x, "Mixed_3b"), "Mixed_3c")
    x = max_pool(x, (3, 3, 3), (2, 2, 2))
    for name in "bcdef":
        x = mixed(x, f"Mixed_4{name}")
    x = max_pool(x, (2, 2, 2), (2, 2, 2))
    x = mixed(mixed(x, "Mixed_5b"), "Mixed_5c")
    return x.mean(axis=(2, 3)).T


def bert_sentence(ids, weights, heads):
    """BERT with mean pooling for one unpadded sentence: token numbers ``[L]`` to a unit vector ``[D]``."""

    def linear(x, name):
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in weights:
        name = f"encoder.layer.{layer}"
        query, key, value = (
            linear(x, f"{name}.attention.self.{part}").reshape(len(ids), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        logits = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        attention = np.exp(logits - logits.max(axis=-1, keepdims=True))
        attention /= attention.sum(axis=-1, keepdims=True)
        context = (attention @ value).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(context, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        hidden = linear(x, f"{name}.intermediate.dense")
        hidden = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
        x = norm(x + linear(hidden, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        layer += 1
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)
