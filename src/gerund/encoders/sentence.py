"""MiniLM: a six-layer BERT that turns a sentence into a unit vector.

Source: Wang et al., "MiniLM", NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019 (mean pooling). The
weights are all-MiniLM-L6-v2 in float32. The graph is built from the arrays for the CPU engine, layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gerund.encoders.engines import OpenVino
from gerund.errors import UsageError
from gerund.types import FloatArray

if TYPE_CHECKING:
    import openvino

DIM = 384
MAX_TOKENS = 512
_LAYER_NORM_EPS = 1e-12
_HEADS = 12
_BATCH = 32


def build(weights: Mapping[str, FloatArray]) -> openvino.Model:
    """Builds a BERT encoder with mean pooling as a graph for the CPU engine.

    Args:
        weights: the tensors of a BERT checkpoint by their published names. The number of layers is read from them.

    Returns:
        A model from ``ids`` and ``mask``, int64 ``[B, L]``, to ``sentences`` float32 ``[B, D]`` with unit norm: the
        mean of the last hidden states over the unmasked tokens.
    """
    import openvino.opset13 as ops
    from openvino import Model, PartialShape, Type

    ids = ops.parameter(PartialShape([-1, -1]), Type.i64, name="ids")
    mask = ops.parameter(PartialShape([-1, -1]), Type.i64, name="mask")
    dim = weights["embeddings.word_embeddings.weight"].shape[1]

    def tensor(name: str) -> Any:
        return ops.constant(weights[name])  # given a bare array, an operation copies it number by number

    def linear(x: Any, name: str) -> Any:
        return ops.add(ops.matmul(x, tensor(f"{name}.weight"), False, True), tensor(f"{name}.bias"))

    def layer_norm(x: Any, name: str) -> Any:
        centred = ops.mvn(x, np.array([2]), True, _LAYER_NORM_EPS, "inside_sqrt")
        return ops.add(ops.multiply(centred, tensor(f"{name}.weight")), tensor(f"{name}.bias"))

    def heads(x: Any) -> Any:
        split = ops.reshape(x, np.array([0, 0, _HEADS, dim // _HEADS]), True)
        return ops.transpose(split, np.array([0, 2, 1, 3]))

    def attention(x: Any, name: str) -> Any:
        query, key, value = (heads(linear(x, f"{name}.self.{part}")) for part in ("query", "key", "value"))
        context = ops.scaled_dot_product_attention(query, key, value, keep)
        merged = ops.reshape(ops.transpose(context, np.array([0, 2, 1, 3])), np.array([0, 0, dim]), True)
        return linear(merged, f"{name}.output.dense")

    keep = ops.unsqueeze(ops.convert(mask, Type.boolean), np.array([1, 2]))
    length = ops.gather(ops.shape_of(ids), np.array(1), np.array(0))
    positions = ops.range(np.array(0), length, np.array(1), "i64")
    x = ops.gather(tensor("embeddings.word_embeddings.weight"), ids, np.array(0))
    x = ops.add(x, ops.gather(tensor("embeddings.position_embeddings.weight"), positions, np.array(0)))
    x = ops.add(x, ops.constant(weights["embeddings.token_type_embeddings.weight"][:1]))
    x = layer_norm(x, "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in weights:
        name = f"encoder.layer.{layer}"
        x = layer_norm(ops.add(x, attention(x, f"{name}.attention")), f"{name}.attention.output.LayerNorm")
        hidden = ops.gelu(linear(x, f"{name}.intermediate.dense"), "erf")
        x = layer_norm(ops.add(x, linear(hidden, f"{name}.output.dense")), f"{name}.output.LayerNorm")
        layer += 1

    weight = ops.unsqueeze(ops.convert(mask, Type.f32), np.array([2]))
    total = ops.reduce_sum(ops.multiply(x, weight), np.array([1]))
    sentences = ops.normalize_l2(total, np.array([1]), 1e-12, "max")  # the mean's length cancels in the unit norm
    return Model([sentences], [ids, mask], "sentence")


class SentenceEncoder:
    """Texts to unit vectors with MiniLM; longer texts than `MAX_TOKENS` are refused, not cut in silence.

    Args:
        weights_file: ``model.safetensors`` of all-MiniLM-L6-v2.
        tokenizer_file: its ``tokenizer.json``.
        threads: how many threads to compute with; 0 takes every core.
    """

    def __init__(self, weights_file: Path, tokenizer_file: Path, *, threads: int = 0) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._run = OpenVino(build(load_file(weights_file)), threads=threads, precision="fp32")

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Texts ``[N]`` to unit vectors, float32 ``[N, 384]``.

        Raises:
            UsageError: a text has more tokens than the model can take.
        """
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        for text, ids in zip(texts, tokens, strict=True):
            if len(ids) > MAX_TOKENS:
                raise UsageError(f"a text of {len(ids)} tokens, the model takes {MAX_TOKENS}; shorten {text[:60]!r}...")
        order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))  # like lengths together: little padding
        vectors = np.zeros((len(tokens), DIM), np.float32)
        for begin in range(0, len(order), _BATCH):
            rows = order[begin : begin + _BATCH]
            longest = len(tokens[rows[-1]])
            batch = np.zeros((len(rows), longest), np.int64)
            mask = np.zeros_like(batch)
            for place, row in enumerate(rows):
                batch[place, : len(tokens[row])] = tokens[row]
                mask[place, : len(tokens[row])] = 1
            vectors[rows] = self._run(batch, mask)
        return vectors
