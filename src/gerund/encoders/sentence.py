"""MiniLM: a six-layer BERT that turns a sentence into a unit vector.

Source: Wang et al., "MiniLM", NeurIPS 2020; Reimers and Gurevych, "Sentence-BERT", EMNLP 2019 (mean pooling). The
weights are all-MiniLM-L6-v2 in float32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gerund.encoders.base import TextOnly
from gerund.encoders.engines import Device, Engine, EngineName, compile_graph
from gerund.encoders.graph import Graph
from gerund.encoders.networks.bert import BertConfig, hidden_states
from gerund.encoders.scripts import unreadable
from gerund.encoders.tokenizer import batches, open_tokenizer
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.errors import UsageError
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

DIM = 384
MAX_TOKENS = 512
_HEADS = 12
SIZES = BertConfig(
    vocab_size=30_522,
    hidden_size=DIM,
    num_hidden_layers=6,
    num_attention_heads=_HEADS,
    intermediate_size=4 * DIM,
    max_position_embeddings=MAX_TOKENS,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
)
"""Those of all-MiniLM-L6-v2, as its ``config.json`` on the model hub has them."""


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
    x = hidden_states(graph, weights, ids, mask, num_heads=_HEADS)
    total = graph.sum(x * graph.reshape(graph.to_float(mask), [0, 0, 1]), [1])
    graph.output("sentences", graph.unit(total))  # the mean's length cancels in the unit norm
    return graph


def load(weights_file: Path) -> Graph:
    """The network of a BERT checkpoint in safetensors."""
    return build(read_checkpoint(weights_file).tensors)


def read_tokenizer(file: Path) -> Tokenizer:
    """The tokenizer of a ``tokenizer.json``, which neither fills up nor cuts."""
    tokenizer = open_tokenizer(file)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class SentenceEncoder(TextOnly):
    """Texts to unit vectors with MiniLM; longer texts than `MAX_TOKENS` are refused, not cut in silence.

    Args:
        weights_file: ``model.safetensors`` of all-MiniLM-L6-v2.
        tokenizer_file: its ``tokenizer.json``.
        threads: how many threads to compute with; 0 takes every core.
        engine: what computes, always in float32.
        device: where.
    """

    name = "minilm"
    dim = DIM

    def __init__(
        self,
        weights_file: Path,
        tokenizer_file: Path,
        *,
        threads: int = 0,
        engine: EngineName = "auto",
        device: Device = "auto",
    ) -> None:
        self._files = weights_file, tokenizer_file
        self._tokenizer = read_tokenizer(tokenizer_file)
        self._run: Engine = compile_graph(
            load(weights_file), engine=engine, device=device, threads=threads, precision="fp32"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights and the vocabulary."""
        digest = hashlib.sha256(self.name.encode())
        for path in self._files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def __call__(self, texts: Sequence[str]) -> FloatArray:
        """Texts ``[N]`` to unit vectors, float32 ``[N, 384]``.

        Raises:
            UsageError: a text has more tokens than the model can take.
        """
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        for text, ids in zip(texts, tokens, strict=True):
            if len(ids) > MAX_TOKENS:
                raise UsageError(f"a text of {len(ids)} tokens, the model takes {MAX_TOKENS}; shorten {text[:60]!r}...")
        vectors = np.zeros((len(tokens), DIM), np.float32)
        for rows, batch, mask in batches(tokens):
            vectors[rows] = self._run(batch, mask)
        return vectors

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to unit vectors, float32 ``[N, 384]``; see `__call__`."""
        return self(texts)

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts the vocabulary has no words for: all scripts but the Latin one."""
        return unreadable(classes, lambda: self._tokenizer)
