"""MiniLM: a six-layer BERT that turns a sentence into a unit vector.

Source: Wang et al., "MiniLM", NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019 (mean pooling). The
weights are all-MiniLM-L6-v2 in float32. The graph is built from the arrays for the CPU engine, layer by layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gerund.encoders.engines import compile_graph
from gerund.encoders.graph import Graph, Tensor
from gerund.errors import UsageError
from gerund.types import FloatArray

DIM = 384
MAX_TOKENS = 512
_LAYER_NORM_EPS = 1e-12
_HEADS = 12
_BATCH = 32


def build(weights: Mapping[str, FloatArray]) -> Graph:
    """Writes a BERT encoder with mean pooling down as a graph.

    Args:
        weights: the tensors of a BERT checkpoint by their published names. The number of layers is read from them.

    Returns:
        A graph from ``ids`` and ``mask``, int64 ``[B, L]``, to ``sentences`` float32 ``[B, D]`` with unit norm: the
        mean of the last hidden states over the unmasked tokens.
    """
    graph = Graph("sentence")
    ids, mask = graph.input("ids", [-1, -1], "int64"), graph.input("mask", [-1, -1], "int64")
    dim = weights["embeddings.word_embeddings.weight"].shape[1]

    def linear(x: Tensor, name: str) -> Tensor:
        return graph.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return graph.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], _LAYER_NORM_EPS)

    def heads(x: Tensor) -> Tensor:
        return graph.transpose(graph.reshape(x, [0, 0, _HEADS, dim // _HEADS]), [0, 2, 1, 3])

    def attention(x: Tensor, name: str) -> Tensor:
        query, key, value = (heads(linear(x, f"{name}.self.{part}")) for part in ("query", "key", "value"))
        context = graph.transpose(graph.attention(query, key, value, mask=mask), [0, 2, 1, 3])
        return linear(graph.reshape(context, [0, 0, dim]), f"{name}.output.dense")

    x = graph.gather(weights["embeddings.word_embeddings.weight"], ids)
    x = x + graph.positions(weights["embeddings.position_embeddings.weight"], ids)
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][:1], "embeddings.LayerNorm")
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in weights:
        name = f"encoder.layer.{layer}"
        x = norm(x + attention(x, f"{name}.attention"), f"{name}.attention.output.LayerNorm")
        hidden = graph.gelu(linear(x, f"{name}.intermediate.dense"))
        x = norm(x + linear(hidden, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        layer += 1

    total = graph.sum(x * graph.reshape(graph.to_float(mask), [0, 0, 1]), [1])
    graph.output("sentences", graph.unit(total))  # the mean's length cancels in the unit norm
    return graph


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
        self._run = compile_graph(build(load_file(weights_file)), threads=threads, precision="fp32")

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
