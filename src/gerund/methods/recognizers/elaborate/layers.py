"""The networks of Elaborative Rehearsal: texts and videos to unit vectors in one space, and gates between two views.

Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021, and the code they
released. Layers are initialised as PyTorch does by default.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from gerund.assets import find_asset, hub_folder, verified
from gerund.encoders.networks.bert import convert, read_config
from gerund.encoders.sentence import SIZES
from gerund.encoders.table import VectorTable
from gerund.encoders.tokenizer import batches
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.errors import AssetError, UsageError

Pooling = Literal["first", "avg", "max", "last", "attn"]
Recurrent = Literal["", "rnn", "gru", "lstm"]

MINILM = "minilm"
_TEXTS = 64
"""Texts that are encoded together; they are sorted by length, so that little is padded."""
_WORD = re.compile(r"[^\W_]+?(?=n't)|n't|'[^\W_]+|[^\W_]+|[^\w\s]+")
"""Words and marks as GloVe counts them: *don't* is *do* and *n't*, and a hyphen stands alone."""


class TextEncoder(nn.Module):
    """Vectors of tokens to one unit vector for each text.

    Args:
        dim_input: length of a token's vector.
        dim_embed: length of a text's vector. There is a linear layer in between unless both are the same.
        pooling: ``"first"`` token, ``"last"`` one, their mean (``"avg"``) or maximum, or their sum weighted by learned
            attention (``"attn"``); masked tokens never count.
        dropout: on tokens and inside the attention.
    """

    def __init__(self, dim_input: int, dim_embed: int, *, pooling: Pooling = "avg", dropout: float = 0.5) -> None:
        super().__init__()
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        if pooling == "attn":
            half = dim_input // 2
            self.attention = nn.Sequential(
                nn.Linear(dim_input, half), nn.Dropout(dropout), nn.ReLU(), nn.Linear(half, 1)
            )
        self.linear = nn.Identity() if dim_input == dim_embed else nn.Linear(dim_input, dim_embed)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens ``[N, L, D]`` and a mask ``[N, L]`` that is true for at least one token of each text -> ``[N, E]``."""
        return unit(self.linear(self._pool(self.dropout(tokens), mask)))

    def _pool(self, tokens: Tensor, mask: Tensor) -> Tensor:
        hidden = ~mask[..., None]
        if self.pooling == "first":
            return tokens[:, 0]
        if self.pooling == "last":
            return tokens[torch.arange(len(tokens), device=tokens.device), mask.sum(1) - 1]
        if self.pooling == "max":
            return tokens.masked_fill(hidden, -torch.inf).amax(1)
        if self.pooling == "avg":
            return tokens.masked_fill(hidden, 0).sum(1) / mask.sum(1, keepdim=True)
        share = self.attention(tokens).masked_fill(hidden, -torch.inf).softmax(1)
        return (share * tokens).sum(1)


class WordBackbone(nn.Module):
    """Words to vectors of a frozen table, and through a recurrent layer where one is asked for.

    Args:
        table: vectors of single words and marks, in lower case, such as GloVe's.
        max_tokens: longer texts are cut.
        recurrent: kind of the layer; ``""`` for none.
        dim_recurrent: its length. It runs both ways and the two are averaged.
    """

    def __init__(
        self,
        table: VectorTable,
        *,
        max_tokens: int = 100,
        recurrent: Recurrent = "",
        dim_recurrent: int = 300,
    ) -> None:
        super().__init__()
        self._place_of = table.row_of
        self._max_tokens = max_tokens
        self.register_buffer("table", torch.tensor(table.vectors), persistent=False)
        self.dim = dim_recurrent if recurrent else table.vectors.shape[1]
        self.recurrent: Any = None
        if recurrent:
            kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[recurrent]
            self.recurrent = kind(table.vectors.shape[1], dim_recurrent, batch_first=True, bidirectional=True)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Places of the words in the table; words that it does not have are left out.

        Raises:
            UsageError: it has no word of a text.
        """
        found = []
        for text in texts:
            words = _WORD.findall(text.lower().replace(":", " "))  # "name: definition" is two phrases, not a colon
            places = [self._place_of[word] for word in words if word in self._place_of]
            if not places:
                raise UsageError(
                    f"the word table of {len(self._place_of)} words has none of {text[:60]!r}; give this text in other "
                    "words, or take a larger table"
                )
            found.append(places[: self._max_tokens])
        return found

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Places of words ``[N, L]`` to vectors ``[N, L, dim]``; what masked places hold means nothing."""
        vectors = self.table[ids]
        if self.recurrent is None:
            return vectors
        packed = nn.utils.rnn.pack_padded_sequence(vectors, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.recurrent(packed)[0], True, total_length=ids.shape[1])
        return states.unflatten(-1, (2, self.dim)).mean(-2)


class BertBackbone(nn.Module):
    """BERT's last hidden states, with its lower layers frozen.

    Args:
        source: a folder with a BERT and its vocabulary, a repository on the model hub, or ``"minilm"`` for the BERT of
            six layers that gerund reads sentences with.
        trains_from: parameters before the first whose name begins so are frozen, in the order of the layers;
            ``"encoder.layer.10"`` leaves the last two of twelve layers to be trained, ``""`` all, and None freezes all.
        max_tokens: longer texts are cut, keeping the end mark.

    Raises:
        UsageError: transformers is not installed, or no parameter begins with `trains_from`.
        AssetError: the BERT cannot be had.
    """

    def __init__(
        self, source: str | Path, *, trains_from: str | None = "encoder.layer.10", max_tokens: int = 100
    ) -> None:
        super().__init__()
        try:
            from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
        except ImportError as error:
            raise UsageError("this text encoder needs transformers; install it: pip install transformers") from error
        if str(source) == MINILM:
            folder = verified(find_asset("minilm"))
            sizes, config = SIZES, BertConfig(**asdict(SIZES))
            opened: Any = PreTrainedTokenizerFast
            self._tokenizer = opened(tokenizer_file=str(verified(find_asset("minilm-tokenizer"))))
        else:
            folder = Path(source) if Path(source).is_dir() else hub_folder(str(source))
            sizes = read_config(folder / "config.json")
            config = BertConfig.from_json_file(folder / "config.json")
            self._tokenizer = _read_tokenizer(folder)
        weights = convert(read_checkpoint(folder).tensors, sizes, source=folder)
        if len(self._tokenizer) > sizes.vocab_size:
            raise AssetError(
                f"{folder}: {len(self._tokenizer)} tokens in the vocabulary, {sizes.vocab_size} in the model; they do "
                "not belong together"
            )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.bert.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})
        self.dim = sizes.hidden_size
        self._max_tokens = min(max_tokens, sizes.max_position_embeddings)
        freeze_before(self.bert, trains_from)

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of each text, its two marks included."""
        ids: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)["input_ids"]
        return ids

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token numbers ``[N, L]`` to hidden states ``[N, L, dim]``."""
        return self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state


def _read_tokenizer(folder: Path) -> Any:
    """The tokenizer beside a BERT.

    Raises:
        AssetError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    if not any((folder / file).is_file() for file in ("tokenizer.json", "vocab.txt")):
        raise AssetError(f"{folder}: has neither tokenizer.json nor vocab.txt; add the one that belongs to the BERT")
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"{folder}: its tokenizer cannot be read; {error}") from error


class SharedText(nn.Module):
    """Texts to unit vectors: one backbone and one encoder for classes, objects of a video, and concepts alike."""

    def __init__(self, backbone: WordBackbone | BertBackbone, encoder: TextEncoder) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder = encoder
        self._tokens: dict[str, list[int]] = {}

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Texts ``[N]`` to unit vectors ``[N, E]``, each from itself alone."""
        if new := [text for text in dict.fromkeys(texts) if text not in self._tokens]:
            self._tokens.update(zip(new, self.backbone.tokenise(new), strict=True))
        device = device_of(self)
        order: list[int] = []
        vectors = []
        for rows, ids, mask in batches([self._tokens[text] for text in texts], _TEXTS):
            visible = torch.from_numpy(mask).bool().to(device)
            vectors.append(self.encoder(self.backbone(torch.from_numpy(ids).to(device), visible), visible))
            order += rows
        return torch.cat(vectors)[torch.tensor(order, device=device).argsort()]

    def classes(self, texts: Sequence[Sequence[str]]) -> Tensor:
        """Classes by their texts ``[C][at least 1]`` to unit vectors ``[C, E]``, each in the middle of its texts'."""
        vectors = self([text for of_class in texts for text in of_class])
        if len(vectors) == len(texts):
            return vectors
        rows = torch.tensor([place for place, of_class in enumerate(texts) for _ in of_class], device=vectors.device)
        return unit(vectors.new_zeros(len(texts), vectors.shape[1]).index_add(0, rows, vectors))


class VideoEncoder(nn.Module):
    """Features of videos ``[N, V]`` to unit vectors ``[N, E]``: dropout and one linear layer."""

    def __init__(self, dim_input: int, dim_embed: int, *, dropout: float = 0.5) -> None:
        super().__init__()
        self.dim_input = dim_input
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(dim_input, dim_embed)

    def forward(self, features: Tensor) -> Tensor:
        """Unit vectors.

        Raises:
            UsageError: the features are of another length than those that were learned from.
        """
        if features.shape[1] != self.dim_input:
            raise UsageError(
                f"the features have {features.shape[1]} numbers, and this network learned from features of "
                f"{self.dim_input}; use those of the same encoder"
            )
        return unit(self.linear(self.dropout(features)))


class Views(NamedTuple):
    """A batch of videos in the space of texts, ``[N, E]`` each.

    Attributes:
        video: what the motion says; None where that stream is not used.
        objects: what the objects say; None where that stream is not used.
        mixed: both in one vector; None but for fusion type 2.
    """

    video: Tensor | None
    objects: Tensor | None
    mixed: Tensor | None = None


class ElaborateNetwork(nn.Module):
    """The trained part of Elaborative Rehearsal.

    Args:
        text: encodes classes, object sentences and concepts.
        video: the spatio-temporal stream; None leaves it out.
        dim_embed: length of all vectors.
        fusion: how two streams meet: 0 and 1 add nothing, 2 mixes them to one vector, 3 gates the channels of each by
            both.
    """

    def __init__(self, text: SharedText, video: VideoEncoder | None, *, dim_embed: int = 512, fusion: int = 0) -> None:
        super().__init__()
        self.text = text
        self.video = video
        self.fusion = fusion
        if fusion == 2:
            self.mix = pair_mlp(dim_embed)
        if fusion == 3:
            self.video_gate = nn.Sequential(*pair_mlp(dim_embed), nn.Sigmoid())
            self.object_gate = nn.Sequential(*pair_mlp(dim_embed), nn.Sigmoid())

    def forward(self, features: Tensor, sentences: Sequence[Sequence[str]]) -> Views:
        """Videos by their features ``[N, V]`` and by texts of their objects ``[N, K]``, K being 0 without that stream.

        Several texts of a video stand for one vector: their mean, in which texts that repeat others weigh less.
        """
        a = self.video(features) if self.video is not None else None
        o = None
        if len(sentences) and len(sentences[0]):
            separate = self.text([text for texts in sentences for text in texts]).unflatten(0, (len(sentences), -1))
            o = separate[:, 0] if separate.shape[1] == 1 else (concept_weights(separate)[..., None] * separate).sum(1)
        if a is None or o is None:
            return Views(a, o)
        both = torch.cat([a, o], 1)
        if self.fusion == 2:
            return Views(a, o, unit(self.mix(both)))
        if self.fusion == 3:
            return Views(unit(self.video_gate(both) * a), unit(self.object_gate(both) * o))
        return Views(a, o)


def pair_mlp(dim: int) -> Any:
    """Two vectors of length `dim` side by side to one of that length."""
    return nn.Sequential(nn.Linear(2 * dim, dim), nn.ReLU(), nn.Dropout(0.5), nn.Linear(dim, dim))


def concept_weights(concepts: Tensor) -> Tensor:
    """How much each object of a video counts: the more it repeats the others, the less.

    Args:
        concepts: unit vectors ``[N, K, E]``.

    Returns:
        ``[N, K]``, rows sum to 1: ``softmax_k(10 r_k)`` with ``r_k = 1 / sum_q max(0, v_k v_q)``. As scores are inner
        products, the weighted sum of the objects' scores is the score of their weighted sum.
    """
    alike = (concepts @ concepts.transpose(1, 2)).clamp(min=0).sum(2)
    return (10 / alike).softmax(1)


def freeze_before(network: Any, prefix: str | None) -> None:
    """Freezes parameters, in the order of registration, up to the first whose name begins with `prefix`; None: all.

    Raises:
        UsageError: no name does.
    """
    trained = False
    for name, parameter in network.named_parameters():
        trained = trained or (prefix is not None and name.startswith(prefix))
        parameter.requires_grad_(trained)
    if prefix is not None and not trained:
        names = [name for name, _ in network.named_parameters()]
        raise UsageError(f"no parameter begins with {prefix!r}; they go from {names[0]} to {names[-1]}")


def unit(vectors: Tensor) -> Tensor:
    """Vectors of length 1 along the last axis, in float32."""
    return nn.functional.normalize(vectors.float(), dim=-1)


def device_of(network: Any) -> Any:
    """Where the network lies."""
    return next(itertools.chain(network.parameters(), network.buffers())).device
