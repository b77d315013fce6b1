"""BERT: texts to vectors of their tokens, as Elaborative Rehearsal reads descriptions and MiniLM reads sentences.

Source: Devlin et al., "BERT", NAACL 2019. The graph is built from the arrays of a checkpoint in the model hub's layout.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gerund.encoders.base import TextOnly, unit
from gerund.encoders.engines import Precision, compile_graph
from gerund.encoders.graph import Array, Graph, Tensor
from gerund.encoders.networks.backbone import take
from gerund.encoders.tokenizer import batches, open_tokenizer
from gerund.encoders.weights.checkpoint import Checkpoint, read_checkpoint
from gerund.errors import AssetError, UsageError
from gerund.reading import parse_json
from gerund.types import FloatArray

_WHERE = (
    "a BERT checkpoint as 'hf download google-bert/bert-base-uncased config.json model.safetensors tokenizer.json "
    "vocab.txt' writes it"
)


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT, by the names of its ``config.json``."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float


def read_config(file: Path) -> BertConfig:
    """The sizes in a ``config.json``.

    Raises:
        AssetError: it cannot be read, or describes another network than BERT's encoder.
    """
    try:
        values: dict[str, Any] = parse_json(file.read_text("utf-8"))
        defaults = {"type_vocab_size": 2, "layer_norm_eps": 1e-12, **values}
        config = BertConfig(**{name: defaults[name] for name in BertConfig.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{file}: cannot be read as the sizes of a BERT ({error}); expected {_WHERE}") from error
    counts = {name: value for name, value in vars(config).items() if name != "layer_norm_eps"}
    for name, value in counts.items():
        if type(value) is not int or value < 1:
            raise AssetError(f"{file}: {name} is {value!r}, not a number of things; expected {_WHERE}")
    if not isinstance(config.layer_norm_eps, float):
        raise AssetError(f"{file}: layer_norm_eps is {config.layer_norm_eps!r}, not a number; expected {_WHERE}")
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
    for name, value in expected.items():
        if values.get(name, value) != value:
            raise AssetError(f"{file}: {name} is {values[name]!r}, not {value!r}; expected {_WHERE}")
    if config.hidden_size % config.num_attention_heads:
        raise AssetError(f"{file}: {config.hidden_size} numbers do not divide among {config.num_attention_heads} heads")
    return config


def convert(arrays: Mapping[str, Array], config: BertConfig, *, source: str | Path = "arrays") -> dict[str, FloatArray]:
    """The encoder's arrays by their present names, all shapes checked; heads of any task are left out.

    Older files, bert-base-uncased among them, put ``bert.`` before the names and call the weight and bias of a layer
    normalisation ``gamma`` and ``beta``.

    Raises:
        AssetError: an array is missing or has another shape.
    """
    old = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
    named = {}
    for name, array in arrays.items():
        bare = name.removeprefix("bert.")
        for ending, ours in old.items():
            bare = bare.removesuffix(ending) + ours if bare.endswith(ending) else bare
        named[bare] = array
    return {name: take(named, name, shape, source=source, where=_WHERE) for name, shape in _shapes(config)}


def _shapes(config: BertConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    dim, wide = config.hidden_size, config.intermediate_size
    rows = {
        "word": config.vocab_size,
        "position": config.max_position_embeddings,
        "token_type": config.type_vocab_size,
    }
    for kind, count in rows.items():
        yield f"embeddings.{kind}_embeddings.weight", (count, dim)
    vectors = ["embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias"]
    for layer in range(config.num_hidden_layers):
        name = f"encoder.layer.{layer}"
        square = [*(f"attention.self.{part}" for part in ("query", "key", "value")), "attention.output.dense"]
        for part in square:
            yield f"{name}.{part}.weight", (dim, dim)
            vectors.append(f"{name}.{part}.bias")
        yield f"{name}.intermediate.dense.weight", (wide, dim)
        yield f"{name}.intermediate.dense.bias", (wide,)
        yield f"{name}.output.dense.weight", (dim, wide)
        vectors.append(f"{name}.output.dense.bias")
        for place in ("attention.output", "output"):
            vectors += [f"{name}.{place}.LayerNorm.weight", f"{name}.{place}.LayerNorm.bias"]
    for name in vectors:
        yield name, (dim,)


def hidden_states(
    graph: Graph, weights: Mapping[str, FloatArray], ids: Tensor, mask: Tensor, *, num_heads: int, eps: float = 1e-12
) -> Tensor:
    """Writes BERT's encoder into a graph.

    Args:
        graph: to write into.
        weights: arrays by their published names. The number of layers is read from them.
        ids: token numbers, int64 ``[B, L]``, all of the first segment.
        mask: int64 ``[B, L]``, 1 where a token is.
        num_heads: heads of attention.
        eps: of the layer normalisations.

    Returns:
        The last hidden states ``[B, L, D]``; those of masked places mean nothing.
    """
    dim = weights["embeddings.word_embeddings.weight"].shape[1]

    def linear(x: Tensor, name: str) -> Tensor:
        return graph.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x: Tensor, name: str) -> Tensor:
        return graph.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], eps)

    def heads(x: Tensor) -> Tensor:
        return graph.transpose(graph.reshape(x, [0, 0, num_heads, dim // num_heads]), [0, 2, 1, 3])

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
    return x


def build(weights: Mapping[str, FloatArray], *, num_heads: int, eps: float = 1e-12) -> Graph:
    """Writes BERT down as a graph from ``ids`` and ``mask``, int64 ``[B, L]``, to ``hidden`` float32 ``[B, L, D]``."""
    graph = Graph("bert")
    ids, mask = graph.input("ids", [-1, -1], "int64"), graph.input("mask", [-1, -1], "int64")
    graph.output("hidden", hidden_states(graph, weights, ids, mask, num_heads=num_heads, eps=eps))
    return graph


class Bert(TextOnly):
    """Texts to BERT's last hidden states, or to one vector each.

    Args:
        folder: with ``config.json``, the weights, and ``tokenizer.json`` or ``vocab.txt``, as the model hub has them.
        max_tokens: longest text, its two marks included; None takes what the model can take.
        cut: shorten longer texts, keeping the end mark, instead of refusing them; `tokenise` says how many were.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic.
        name: what users call it.

    Raises:
        AssetError: the folder does not hold a BERT.
        UsageError: `max_tokens` is more than the model can take, or fewer than its two marks.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_tokens: int | None = None,
        cut: bool = False,
        threads: int = 0,
        precision: Precision = "fp32",
        name: str = "bert",
    ) -> None:
        self.name = name
        config = read_config(folder / "config.json")
        self.dim = config.hidden_size
        self._max_tokens = config.max_position_embeddings if max_tokens is None else max_tokens
        if not 2 <= self._max_tokens <= config.max_position_embeddings:
            raise UsageError(f"max_tokens must be from 2 to {config.max_position_embeddings}, got {max_tokens}")
        self._cut = cut
        self._tokenizer = _read_tokenizer(folder)
        checkpoint = read_checkpoint(folder)
        self._files = Checkpoint({}, checkpoint.files)
        weights = convert(checkpoint.tensors, config, source=folder)
        if self._tokenizer.get_vocab_size() > config.vocab_size:
            raise AssetError(
                f"{folder}: {self._tokenizer.get_vocab_size()} tokens in the vocabulary, {config.vocab_size} in the "
                "model; they do not belong together"
            )
        graph = build(weights, num_heads=config.num_attention_heads, eps=config.layer_norm_eps)
        self._run = compile_graph(graph, threads=threads, precision=precision)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the vocabulary, the longest text and the arithmetic."""
        vocabulary = self._tokenizer.to_str()
        recipe = ("bert", self._run.precision, self._max_tokens, self._cut, vocabulary, self._files.sha256)
        return hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]

    def tokenise(self, texts: Sequence[str]) -> tuple[list[list[int]], int]:
        """Token numbers of each text, marks included, and how many texts were cut.

        Raises:
            UsageError: a text is too long and is not to be cut.
        """
        found = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        num_cut = 0
        for place, (text, ids) in enumerate(zip(texts, found, strict=True)):
            if len(ids) > self._max_tokens:
                if not self._cut:
                    raise UsageError(
                        f"a text of {len(ids)} tokens, at most {self._max_tokens} are taken; shorten {text[:60]!r}... "
                        "or pass cut=True"
                    )
                found[place] = [*ids[: self._max_tokens - 1], ids[-1]]
                num_cut += 1
        return found, num_cut

    def hidden(self, texts: Sequence[str]) -> list[FloatArray]:
        """The last hidden states of each text's tokens, marks included: N arrays ``[L, D]``, each with its own L.

        Raises:
            UsageError: a text is too long and is not to be cut.
        """
        tokens, _ = self.tokenise(texts)
        states: list[FloatArray] = [np.zeros((0, self.dim), np.float32)] * len(tokens)
        for rows, ids, mask in batches(tokens):
            for row, state in zip(rows, self._run(ids, mask), strict=True):
                states[row] = state[: len(tokens[row])].copy()
        return states

    def __call__(self, texts: Sequence[str], *, pooling: Literal["first", "mean"] = "mean") -> FloatArray:
        """Texts to vectors ``[N, D]``, not normalised: the state of the first token, or the mean over all of them.

        Raises:
            UsageError: a text is too long and is not to be cut.
        """
        rows = [state[0] if pooling == "first" else state.mean(axis=0) for state in self.hidden(texts)]
        return np.array(rows, np.float32).reshape(len(rows), self.dim)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to unit vectors ``[N, D]``: the mean over their tokens.

        Raises:
            UsageError: a text is too long and is not to be cut.
        """
        return unit(self(texts))


def _read_tokenizer(folder: Path) -> Any:
    from tokenizers import BertWordPieceTokenizer

    try:
        if (folder / "tokenizer.json").is_file():
            tokenizer = open_tokenizer(folder / "tokenizer.json")
            tokenizer.no_padding()
            tokenizer.no_truncation()
            return tokenizer
        if (folder / "vocab.txt").is_file():
            settings = folder / "tokenizer_config.json"
            values = parse_json(settings.read_text("utf-8")) if settings.is_file() else {}
            return BertWordPieceTokenizer(str(folder / "vocab.txt"), lowercase=values.get("do_lower_case", True))
    except Exception as error:  # the library raises bare Exception
        raise AssetError(f"{folder}: its vocabulary cannot be read; {error}") from error
    raise AssetError(f"{folder}: has neither tokenizer.json nor vocab.txt; expected {_WHERE}")
