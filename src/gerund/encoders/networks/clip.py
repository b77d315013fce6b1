"""CLIP, SigLIP 2 and Perception Encoder as graphs: one for pictures, one for texts.

Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021; Tschannen et
al., "SigLIP 2", 2025 (the network is that of Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV 2023);
Bolya et al., "Perception Encoder", 2025, section 2 (rotary positions after Su et al., "RoFormer", 2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerund.encoders.graph import Array, Graph, Tensor
from gerund.encoders.weights.layouts import Activation, Architecture, ImageTower, Tower, Weights
from gerund.types import FloatArray, FloatArray64

_MIDDLE = 128.0
"""Taken from pixels before the first product: what is left is a whole number that bfloat16 holds exactly."""
_ROTARY_BASE = 10000.0


def image_graph(weights: Weights, net: Architecture, mean: Sequence[float], std: Sequence[float]) -> Graph:
    """Writes the picture tower down.

    Args:
        weights: checked tensors by the hub's names.
        net: the sizes.
        mean: of each colour in [0, 1], taken from the pixels.
        std: by which each colour is divided then.

    Returns:
        A graph from ``frames`` uint8 ``[B, size, size, 3]`` to ``embeddings`` float32 ``[B, dim]`` of any length.
    """
    tower, embeddings = net.image, "vision_model.embeddings"
    side, patch, width = tower.grid, tower.patch_px, tower.width
    graph = Graph("image")
    x = graph.input("frames", [-1, tower.size_px, tower.size_px, 3], "uint8")

    # (pixel / 255 - mean) / std becomes part of the first product, so that pixels go into it as whole numbers.
    kernel = weights[f"{embeddings}.patch_embedding.weight"].astype(np.float64)
    shift = (_MIDDLE / 255 - np.asarray(mean)) / np.asarray(std)
    bias = np.einsum("ochw,c->o", kernel, shift)
    if tower.patch_bias:
        bias = bias + weights[f"{embeddings}.patch_embedding.bias"]
    scaled = kernel / (255 * np.asarray(std))[:, None, None]
    positions = weights[f"{embeddings}.position_embedding.weight"].astype(np.float64)
    first = int(tower.class_token)

    for axis in (1, 2) if side * patch < tower.size_px else ():
        x = graph.slice(x, axis, 0, side * patch)
    x = graph.transpose(graph.reshape(x, [0, side, patch, side, patch, 3]), [0, 1, 3, 2, 4, 5])
    x = graph.to_float(graph.reshape(x, [0, side * side, patch * patch * 3])) - _MIDDLE
    x = graph.linear(x, _float32(scaled.transpose(0, 2, 3, 1).reshape(width, -1)))
    x = x + _float32(positions[first:] + bias)
    if tower.class_token:
        token = _float32(weights[f"{embeddings}.class_embedding"] + positions[0]).reshape(1, 1, width)
        x = graph.concat([graph.slice(x, 1, 0, 1) * 0.0 + token, x], axis=1)  # times 0: one token for each picture
    if tower.pre_norm:
        x = _norm(graph, x, weights, "vision_model.pre_layrnorm", tower.eps)

    turns = _turns(tower) if tower.rotary else None
    x = _blocks(graph, x, weights, "vision_model", tower, turns=turns, only_first=tower.pool_heads is None)
    x = _norm(graph, x, weights, "vision_model.post_layernorm", tower.eps)
    if tower.pool_heads:
        x = _attention_pool(graph, x, weights, tower)
    if tower.projected:
        x = graph.linear(x, weights["visual_projection.weight"])
    graph.output("embeddings", graph.reshape(x, [-1, net.dim]))
    return graph


def text_graph(weights: Weights, net: Architecture) -> Graph:
    """Writes the text tower down.

    Returns:
        A graph from ``ids`` int64 ``[B, L]`` and ``read`` int64 ``[B, L]``, which is 1 at the one place whose state is
        taken and 0 elsewhere, to ``embeddings`` float32 ``[B, dim]`` of any length. Where the tower is causal, what
        comes after that place changes nothing, so that texts may be padded with anything to any length.
    """
    tower = net.text
    graph = Graph("text")
    ids, read = graph.input("ids", [-1, -1], "int64"), graph.input("read", [-1, -1], "int64")
    x = graph.gather(weights["text_model.embeddings.token_embedding.weight"], ids)
    x = x + graph.positions(weights["text_model.embeddings.position_embedding.weight"], ids)
    x = _blocks(graph, x, weights, "text_model", tower, causal=tower.causal)
    x = graph.sum(x * graph.reshape(graph.to_float(read), [0, 0, 1]), [1])
    x = _norm(graph, x, weights, "text_model.final_layer_norm", tower.eps)
    bias = weights.get(f"{tower.projection}.bias")
    graph.output("embeddings", graph.linear(x, weights[f"{tower.projection}.weight"], bias))
    return graph


def _blocks(
    graph: Graph,
    x: Tensor,
    weights: Weights,
    tower_name: str,
    tower: Tower,
    *,
    causal: bool = False,
    turns: tuple[FloatArray, FloatArray] | None = None,
    only_first: bool = False,
) -> Tensor:
    """The blocks one after the other, ``[B, L, D]``; with `only_first` only the first token leaves the last one.

    Nothing after the last block reads the other tokens then, so it computes their keys and values and no more.
    """
    width, size = tower.width, tower.width // tower.heads

    def heads(x: Tensor) -> Tensor:
        return graph.transpose(graph.reshape(x, [0, 0, tower.heads, size]), [0, 2, 1, 3])

    for layer in range(tower.layers):
        block = f"{tower_name}.encoder.layers.{layer}"
        prune = only_first and layer == tower.layers - 1
        y = _norm(graph, x, weights, f"{block}.layer_norm1", tower.eps)
        fused = {
            kind: _fuse(weights, block, kind, tower.heads, pairs_first=turns is None) for kind in ("weight", "bias")
        }
        if prune:
            x = graph.slice(x, 1, 0, 1)
            query = graph.linear(graph.slice(y, 1, 0, 1), fused["weight"][:width], fused["bias"][:width])
            rest = graph.linear(y, fused["weight"][width:], fused["bias"][width:])
            parts = [query, *(graph.slice(rest, 2, place * width, (place + 1) * width) for place in range(2))]
        else:
            thirds = [slice(place * width, (place + 1) * width) for place in range(3)]
            parts = [graph.linear(y, fused["weight"][third], fused["bias"][third]) for third in thirds]
        query, key, value = (heads(part) for part in parts)
        if turns is not None:
            query, key = (_turn(graph, part, turns, size) for part in (query, key))
        context = graph.transpose(graph.attention(query, key, value, causal=causal), [0, 2, 1, 3])
        x = x + _linear(graph, graph.reshape(context, [0, 0, width]), weights, f"{block}.self_attn.out_proj")
        y = _norm(graph, x, weights, f"{block}.layer_norm2", tower.eps)
        x = x + _perceptron(graph, y, weights, f"{block}.mlp", tower.activation)
    return x


def _fuse(weights: Weights, block: str, kind: str, heads: int, *, pairs_first: bool) -> FloatArray:
    """Query, key and value projections as one ``[3 D, ...]``.

    With `pairs_first` false the channels of every head of queries and keys are put in another order, the even ones
    first: turning neighbouring channels becomes turning two halves, and their inner product stays what it was.
    """
    parts = [weights[f"{block}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
    if not pairs_first:
        width = len(parts[0])
        order = np.arange(width).reshape(heads, -1, 2).transpose(0, 2, 1).ravel()
        parts[:2] = [part[order] for part in parts[:2]]
    return np.concatenate(parts)


def _turns(tower: ImageTower) -> tuple[FloatArray, FloatArray]:
    """Cosines and sines ``[tokens, size / 2]`` of the angles by which pairs of channels are turned.

    Half of the pairs turn with the column, the other half with the row. Counting starts at 1 where a class token
    takes place 0.
    """
    quarter = tower.width // tower.heads // 4
    speed = _ROTARY_BASE ** -(np.arange(quarter) / quarter)
    first = int(tower.class_token)
    row, column = np.divmod(np.arange(tower.grid**2), tower.grid)
    angles: FloatArray64 = np.concatenate([np.outer(place + first, speed) for place in (column, row)], axis=1)
    if tower.class_token:
        angles = np.concatenate([np.zeros((1, 2 * quarter)), angles])
    return _float32(np.cos(angles)), _float32(np.sin(angles))


def _turn(graph: Graph, x: Tensor, turns: tuple[FloatArray, FloatArray], size: int) -> Tensor:
    """Turns ``[B, heads, L, size]``, whose halves are the two channels of every pair."""
    cosine, sine = turns
    left, right = graph.slice(x, 3, 0, size // 2), graph.slice(x, 3, size // 2, size)
    return graph.concat([left * cosine - right * sine, right * cosine + left * sine], axis=3)


def _attention_pool(graph: Graph, x: Tensor, weights: Weights, tower: ImageTower) -> Tensor:
    """One learned query looks at all tokens ``[B, L, D]`` and goes through a perceptron: ``[B, 1, D]``."""
    head, width, heads = "vision_model.head", tower.width, tower.pool_heads or 1
    weight, bias = (weights[f"{head}.attention.in_proj_{kind}"] for kind in ("weight", "bias"))
    query = weights[f"{head}.probe"].reshape(1, width) @ weight[:width].T + bias[:width]
    rest = graph.linear(x, weight[width:], bias[width:])
    key, value = (
        graph.transpose(
            graph.reshape(graph.slice(rest, 2, place * width, (place + 1) * width), [0, 0, heads, -1]), [0, 2, 1, 3]
        )
        for place in range(2)
    )
    probe = graph.slice(key, 2, 0, 1) * 0.0 + query.reshape(1, heads, 1, -1)
    context = graph.transpose(graph.attention(probe, key, value), [0, 2, 1, 3])
    pooled = _linear(graph, graph.reshape(context, [0, 0, width]), weights, f"{head}.attention.out_proj")
    inner = _norm(graph, pooled, weights, f"{head}.layernorm", tower.eps)
    return pooled + _perceptron(graph, inner, weights, f"{head}.mlp", tower.activation)


def _perceptron(graph: Graph, x: Tensor, weights: Weights, name: str, activation: Activation) -> Tensor:
    hidden = _linear(graph, x, weights, f"{name}.fc1")
    if activation == "quick_gelu":
        hidden = graph.swish(hidden, 1.702)  # Hendrycks and Gimpel, 2016, section 2
    else:
        hidden = graph.gelu(hidden, tanh=activation == "gelu_pytorch_tanh")
    return _linear(graph, hidden, weights, f"{name}.fc2")


def _linear(graph: Graph, x: Tensor, weights: Weights, name: str) -> Tensor:
    return graph.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def _norm(graph: Graph, x: Tensor, weights: Weights, name: str, eps: float) -> Tensor:
    return graph.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def _float32(array: Array) -> FloatArray:
    return np.asarray(array, np.float32)
