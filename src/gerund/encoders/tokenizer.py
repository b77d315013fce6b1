"""Texts to token numbers for image-text models, with nothing cut in silence."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gerund.errors import AssetError, UsageError
from gerund.reading import parse_json
from gerund.types import IntArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
BPE_FILE = "bpe_simple_vocab_16e6.txt.gz"
_BPE_MERGES = 49152 - 256 - 2
"""How many lines of OpenAI's file are used: what fills 49,152 places beside 256 bytes, each also as the end of a word,
and the two marks (CLIP's published vocabulary)."""
_MOST_VOCABULARY_BYTES = 16 << 20
"""OpenAI's file has 3 MB when it is unfolded."""
_MOST_TOKENIZER_BYTES = 128 << 20
"""The largest of those in use, of 250,000 pieces, has 34 MB."""
_CLIP_PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""Where CLIP cuts a text before pairs are merged (Radford et al., 2021, section 2.4; the pattern is the model's)."""


def batches(
    tokens: Sequence[Sequence[int] | IntArray], size: int = _BATCH
) -> Iterator[tuple[list[int], IntArray, IntArray]]:
    """Texts of like length together, so that little is padded.

    Args:
        tokens: token numbers of each text.
        size: texts in a batch, at most.

    Yields:
        The places of the texts in `tokens`, their ids and their mask, int64 ``[B, L]``.
    """
    order = sorted(range(len(tokens)), key=lambda i: len(tokens[i]))
    for begin in range(0, len(order), size):
        rows = order[begin : begin + size]
        ids = np.zeros((len(rows), len(tokens[rows[-1]])), np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(tokens[row])] = tokens[row]
            mask[place, : len(tokens[row])] = 1
        yield rows, ids, mask


class TextTokens:
    """Turns texts into the token numbers a text tower takes.

    Args:
        folder: where ``tokenizer.json``, or ``vocab.json`` and ``merges.txt``, or OpenAI's vocabulary file lies; or
            one of these files.
        context: how many tokens a text may have, the marks included.
        vocabulary: how many tokens the model knows.
        padded: the texts of SigLIP 2: in lower case, without a start mark, and always filled up to `context`.

    Raises:
        AssetError: there is no vocabulary, or it is not the model's.
    """

    def __init__(self, folder: Path, *, context: int, vocabulary: int, padded: bool) -> None:
        self.context = context
        self._padded = padded
        self.tokenizer = _load(folder)
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        marks = ["<eos>", "<pad>"] if padded else [END, START]
        numbers = [self.tokenizer.token_to_id(mark) for mark in marks]
        if None in numbers:
            raise AssetError(f"{folder}: the vocabulary has no {' or no '.join(marks)}; it belongs to another model")
        if self.tokenizer.get_vocab_size() > vocabulary:
            raise AssetError(
                f"{folder}: {self.tokenizer.get_vocab_size()} tokens, the model knows {vocabulary}; it belongs to "
                "another model"
            )
        self.end, self._other = numbers

    def __call__(self, texts: Sequence[str], *, truncate: bool = False) -> list[IntArray]:
        """Token numbers of every text, marks included, int64 ``[at most context]`` each.

        Args:
            texts: in any language the model knows.
            truncate: cut texts that are too long, keeping the end mark.

        Raises:
            UsageError: a text is too long and `truncate` is not set.
        """
        rows = self._pieces(texts)
        room = self.room
        for text, row in zip(texts, rows, strict=True):
            if len(row) > room and not truncate:
                raise UsageError(
                    f"a text of {len(row)} tokens, the model takes {room}: {text[:60]!r}...; shorten it or set truncate"
                )
        if self._padded:
            filled = [[*row[:room], self.end, *[self._other] * (room - len(row))] for row in rows]
            return [np.array(row, np.int64) for row in filled]
        return [np.array([self._other, *row[:room], self.end], np.int64) for row in rows]

    @property
    def room(self) -> int:
        """How many tokens a text may have, the marks not counted."""
        return self.context - (1 if self._padded else 2)

    def overlong(self, texts: Sequence[str]) -> list[str]:
        """Those of the texts that do not fit, in order."""
        return [text for text, row in zip(texts, self._pieces(texts), strict=True) if len(row) > self.room]

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        given = [text.lower() for text in texts] if self._padded else list(texts)
        return [encoding.ids for encoding in self.tokenizer.encode_batch(given, add_special_tokens=False)]


def count_tokens(folder: Path) -> Callable[[str], int]:
    """Counts the tokens of a text, start and end mark included, as a text tower of OpenAI's CLIP would.

    Args:
        folder: as for `TextTokens`.
    """
    tokenizer = _load(folder)

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids) + 2

    return count


def open_tokenizer(file: Path) -> Tokenizer:
    """A tokenizer from its ``tokenizer.json``.

    Raises:
        AssetError: it cannot be read as one.
    """
    from tokenizers import Tokenizer

    try:
        if file.stat().st_size > _MOST_TOKENIZER_BYTES:
            raise ValueError(f"larger than {_MOST_TOKENIZER_BYTES >> 20} MiB")
        return Tokenizer.from_file(str(file))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # plain Exception, or a panic of the library, which is none
        raise AssetError(f"{file}: cannot be read as a tokenizer; {error}") from error


def _load(folder: Path) -> Tokenizer:
    if not folder.exists():
        raise AssetError(f"{folder}: no such file or folder; expected a tokenizer")
    inside = folder if folder.is_dir() else folder.parent
    names = ("tokenizer.json", "vocab.json", BPE_FILE) if folder.is_dir() else (folder.name,)
    for name in names:
        file = inside / name
        if not file.is_file():
            continue
        try:
            if name.endswith(".gz"):
                return _clip_tokenizer(*_read_openai(file))
            if name == "tokenizer.json":
                return open_tokenizer(file)
            lines = (inside / "merges.txt").read_text(encoding="utf-8").splitlines()
            merges = [_pair(line) for line in lines if line and not line.startswith("#version")]
            return _clip_tokenizer(parse_json(file.read_text(encoding="utf-8")), merges)
        except AssetError:
            raise
        except Exception as error:  # the tokenizers library raises plain Exception
            raise AssetError(f"{file}: cannot be read as a tokenizer; {error}") from error
    raise AssetError(
        f"{folder}: no tokenizer.json, no vocab.json with merges.txt and no {BPE_FILE}; the last lies in the wheels of "
        "open-clip-torch and clip-anytorch and serves every CLIP and Perception Encoder"
    )


def _clip_tokenizer(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Tokenizer:
    """CLIP's byte-level pair encoding over lower-cased words, without marks."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

    model = models.BPE(vocabulary, merges, continuing_subword_prefix="", end_of_word_suffix="</w>", unk_token=END)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    split = pre_tokenizers.Split(Regex(_CLIP_PIECES), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in (START, END)])
    return tokenizer


def _read_openai(file: Path) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of OpenAI's file: bytes, bytes that end a word, merged pairs, then the two marks."""
    from tokenizers import pre_tokenizers

    with gzip.open(file, "rb") as unfolded:
        content = unfolded.read(_MOST_VOCABULARY_BYTES + 1)
    if len(content) > _MOST_VOCABULARY_BYTES:
        raise ValueError(f"it unfolds to more than {_MOST_VOCABULARY_BYTES >> 20} MiB")
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    merges = [_pair(line) for line in islice(lines, 1, 1 + _BPE_MERGES)]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())  # printable bytes stand for themselves and come first
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), START, END]
    return {token: number for number, token in enumerate(tokens)}, merges


def _pair(line: str) -> tuple[str, str]:
    left, right = re.split(" ", line.strip())
    return left, right
