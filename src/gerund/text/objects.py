"""Names and definitions of the objects that picture networks know, as texts that describe what a video shows.

Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021: an object is elaborated
to "words: gloss" with the gloss of its WordNet 3.0 synset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from gerund.assets import fetch, find_asset
from gerund.errors import AssetError, UsageError
from gerund.reading import read_at_most
from gerund.text.wordnet import WordNet

VOCABULARIES = ("imagenet1k", "imagenet21k")
"""The vocabularies that gerund knows by name: the 1,000 classes of ImageNet, and the 21,843 of ImageNet-21k."""

_LEMMAS = "imagenet21k_wordnet_lemmas.txt"
_NUMBERS = "imagenet21k_wordnet_ids.txt"
_MOST_BYTES = 1 << 26
_HOW = f"expected {_LEMMAS} and {_NUMBERS} as Google's BiT publishes them, line i for class i"


@dataclass(frozen=True)
class Concepts:
    """An object vocabulary in the order of a network's classes.

    Attributes:
        names: the words of each object, commas between them, lower case ``[K]``.
        glosses: what each is ``[K]``; empty where nothing is known.

    Raises:
        UsageError: there are no names, a name is empty, or there are not as many glosses as names.

    Example:
        >>> Concepts(("drum, membranophone", "fiddle"), ("a round percussion instrument", "")).texts
        ('drum, membranophone: a round percussion instrument', 'fiddle')
    """

    names: tuple[str, ...]
    glosses: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names or not all(name.strip() for name in self.names):
            raise UsageError(f"every object needs a name; {sum(not n.strip() for n in self.names)} names are empty")
        if len(self.glosses) != len(self.names):
            raise UsageError(f"{len(self.names)} objects need as many glosses, got {len(self.glosses)}")

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Each object elaborated: its words, a colon and its gloss, or its words alone where it has none ``[K]``."""
        return tuple(
            f"{name}: {gloss}" if gloss else name for name, gloss in zip(self.names, self.glosses, strict=True)
        )

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the texts and their order."""
        return hashlib.sha256(repr((self.names, self.glosses)).encode()).hexdigest()[:16]

    @classmethod
    def of_numbers(cls, asset: str) -> Self:
        """The vocabulary of an asset that lists WordNet numbers, one a line.

        Raises:
            AssetError: an asset cannot be had, or a number has no words or no gloss.
        """
        numbers = fetch(find_asset(asset)).read_text("utf-8").split()
        lemmas = _read_pairs(fetch(find_asset("wordnet-words")))
        glosses = _read_pairs(fetch(find_asset("wordnet-glosses")))
        for what, known in (("words", lemmas), ("gloss", glosses)):
            if missing := [number for number in numbers if number not in known]:
                raise AssetError(f"{asset}: {len(missing)} classes have no {what}, the first is {missing[0]}")
        return cls(
            tuple(_plain(lemmas[number]) for number in numbers), tuple(_plain(glosses[number]) for number in numbers)
        )


def find_concepts(which: str) -> Concepts:
    """An object vocabulary by its name, or that of a person's own.

    Args:
        which: one of `VOCABULARIES`; a text file with a line for each object in the order of a network's classes, its
            words and, after a tab, what it is; or a folder with BiT's class files, see `read_concepts`.

    Raises:
        UsageError: there is none.
        AssetError: its files cannot be had, or are not what they should be.
    """
    if which in VOCABULARIES:
        return Concepts.of_numbers(f"{which}-classes")
    path = Path(which)
    if path.is_dir():
        return read_concepts(path, WordNet.find())
    try:
        lines = read_at_most(path, _MOST_BYTES).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no object vocabulary {which!r} ({error}); give {', '.join(VOCABULARIES)}, a text file with a line for "
            "each object (its words, a tab, what it is), or a folder with BiT's class files"
        ) from error
    pairs = [line.partition("\t") for line in lines]
    words, glosses = ([_plain(pair[place]).strip() for pair in pairs] for place in (0, 2))
    return Concepts(tuple(words), tuple(glosses))


def read_concepts(folder: Path, wordnet: WordNet) -> Concepts:
    """The vocabulary of a folder with BiT's class files, elaborated by a dictionary.

    Args:
        folder: with ``imagenet21k_wordnet_lemmas.txt`` and ``imagenet21k_wordnet_ids.txt``.
        wordnet: version 3.0, which the numbers belong to.

    Raises:
        AssetError: a file is missing or empty, or they are of different length.
        UsageError: the dictionary is of another version.
    """
    names, numbers = (_read_lines(folder / file) for file in (_LEMMAS, _NUMBERS))
    if len(names) != len(numbers):
        raise AssetError(f"{folder}: {len(names)} lines of words and {len(numbers)} of numbers; {_HOW}")
    if wordnet.version not in ("3.0", ""):
        raise UsageError(
            f"{wordnet.source}: WordNet {wordnet.version}, but ImageNet's numbers are those of 3.0; many of them would "
            "name something else"
        )
    return Concepts(tuple(_plain(name) for name in names), tuple(_plain(wordnet.synset(n).definition) for n in numbers))


def _read_lines(file: Path) -> list[str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AssetError(f"{file}: cannot be read; {error}; {_HOW}") from error
    if not lines:
        raise AssetError(f"{file}: is empty; {_HOW}")
    return [line.strip() for line in lines]


def _read_pairs(file: Path) -> Mapping[str, str]:
    lines = (line.partition("\t") for line in file.read_text("utf-8").splitlines())
    return {number: text for number, _, text in lines}


def _plain(text: str) -> str:
    return text.replace("_", " ").lower()
