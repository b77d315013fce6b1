"""WordNet's dictionary as a folder of files: definitions of verbs and nouns, read where they lie.

The dictionary is the user's: the folder ``dict`` of WordNet 3.0, such as Debian's package ``wordnet-base`` installs.
Files are mapped, not read: an entry costs a search through an index of sorted lines and one seek.

Source: Miller, "WordNet: a lexical database for English", CACM 1995; the file format and the endings that are detached
are those of WordNet's manual pages wndb(5) and morphy(7). ImageNet names its classes by noun offsets of version 3.0.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from gerund.assets import fetch, find_asset
from gerund.errors import AssetError, UsageError
from gerund.text.descriptions.schema import Source, Text

Part = Literal["n", "v"]

_NAMES: dict[Part, str] = {"n": "noun", "v": "verb"}
_PLACES = ("/usr/share/wordnet", "/usr/local/WordNet-3.0/dict", "/usr/local/share/wordnet")
_ASSETS = tuple(f"wordnet-{file}" for file in ("index-noun", "index-verb", "data-noun1", "data-noun2", "data-verb"))
_HOW = (
    "install WordNet 3.0 (Debian and Ubuntu: apt-get install wordnet-base) and set WNSEARCHDIR to its folder with "
    "index.noun and data.noun"
)
_ENDINGS: dict[Part, str] = {
    "n": "s: ses:s xes:x zes:z ches:ch shes:sh men:man ies:y",
    "v": "s: ies:y es:e es: ed:e ed: ing:e ing: ying:ie",
}
"""What is detached and what takes its place, as morphy does it, and ``ying:ie`` for *tying*."""
_DOUBLED = re.compile(r"(.*([b-df-hj-np-tv-z]))\2(?:ing|ed)")
"""A consonant that was doubled before the ending; WordNet lists such words one by one in ``verb.exc``, which some
packages leave out."""


@dataclass(frozen=True)
class Synset:
    """Words of one meaning.

    Attributes:
        part: ``"n"`` for nouns, ``"v"`` for verbs.
        offset: where the entry begins in its file, in bytes.
        words: most common first, spaces between the words of a collocation, in WordNet's case.
        gloss: the definition, with the examples that follow it.
    """

    part: Part
    offset: int
    words: tuple[str, ...]
    gloss: str

    @property
    def number(self) -> str:
        """The name that ImageNet gives it, ``"n03467517"``."""
        return f"{self.part}{self.offset:08d}"

    @property
    def definition(self) -> str:
        """The gloss without examples.

        Example:
            >>> Synset("v", 1, ("wave",), 'signal with the hands; "She waved to her friends"').definition
            'signal with the hands'
        """
        return self.gloss.partition('"')[0].strip(" ;:")


class WordNet:
    """A dictionary in a folder.

    Args:
        folder: with ``index.noun``, ``index.verb``, ``data.noun``, ``data.verb`` and, where there are such files,
            ``noun.exc`` and ``verb.exc``. A data file may be cut into ``data.noun1`` and ``data.noun2``.

    Raises:
        AssetError: a file is missing.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        files = {file.name: file for file in folder.iterdir()} if folder.is_dir() else {}
        self._open(str(folder), files)

    def _open(self, source: str, files: dict[str, Path]) -> None:
        self.source = source
        self._index: dict[Part, _Lines] = {}
        self._data: dict[Part, list[_Lines]] = {}
        self._irregular: dict[Part, dict[str, list[str]]] = {}
        for part, name in _NAMES.items():
            pieces = [files[piece] for piece in (f"data.{name}", f"data.{name}1", f"data.{name}2") if piece in files]
            if f"index.{name}" not in files or not pieces:
                raise AssetError(f"{source}: holds no index.{name} or no data.{name}; {_HOW}")
            self._index[part] = _Lines(files[f"index.{name}"])
            self._data[part] = [_Lines(piece) for piece in pieces]
            self._irregular[part] = _read_irregular(files[f"{name}.exc"]) if f"{name}.exc" in files else {}

    @classmethod
    def find(cls) -> Self:
        """The dictionary of this machine: ``WNSEARCHDIR``, else an installed one, else the fetched assets.

        Raises:
            AssetError: there is none.
        """
        if chosen := os.environ.get("WNSEARCHDIR"):
            return cls(Path(chosen).expanduser())
        for place in _PLACES:
            if (Path(place) / "index.noun").is_file():
                return cls(place)
        try:
            return cls._from_assets()
        except AssetError as error:
            raise AssetError(
                f"there is no WordNet here; {_HOW}, or fetch it with 'gerund models get' ({error})"
            ) from error

    @classmethod
    def _from_assets(cls) -> Self:
        found = cls.__new__(cls)
        files = {name.removeprefix("wordnet-").replace("-", "."): fetch(find_asset(name)) for name in _ASSETS}
        found._open("the package index", files)
        return found

    @cached_property
    def version(self) -> str:
        """``"3.0"``, as the licence at the head of the noun file says; empty where it does not."""
        said = re.search(rb"WordNet (\d\.\d)", self._data["n"][0].head())
        return said[1].decode() if said else ""

    def synset(self, number: str) -> Synset:
        """The meaning that ImageNet or `Synset.number` names, such as ``"n03467517"``.

        Raises:
            UsageError: it is no such name, or no entry begins there, as with a dictionary of another version.
        """
        match = re.fullmatch(r"([nv])(\d{8})", number)
        if not match:
            raise UsageError(f"a synset is named like 'n03467517', got {number!r}")
        part: Part = "n" if match[1] == "n" else "v"
        for piece in self._data[part]:
            if line := piece.entry(int(match[2])):
                return _parse(line, part)
        raise UsageError(
            f"{self.source}: no entry begins at {number}; WordNet {self.version or 'of unknown version'} is there, and "
            "the numbers of ImageNet are those of 3.0"
        )

    def senses(self, word: str, part: Part) -> list[Synset]:
        """The meanings of a word, most common first; empty where WordNet has none.

        Args:
            word: in any case and in any form that `base_forms` knows, with spaces between the words of a collocation.
            part: of speech.
        """
        found: dict[str, Synset] = {}
        for form in self.base_forms(word, part):
            fields = self._index[part].find(form).split()
            pointers = int(fields[3])
            for offset in fields[6 + pointers :]:
                found.setdefault(offset, self.synset(f"{part}{offset}"))
        return list(found.values())

    def base_forms(self, word: str, part: Part) -> list[str]:
        """The entries that a word is a form of, with underscores: itself, irregular forms, and detached endings.

        The first word of a verb collocation and the last of a noun's is what changes its form.
        """
        key = "_".join(word.lower().split())
        head, joint, rest = key.partition("_") if part == "v" else ("", "", "")
        if part == "n":
            rest, joint, head = key.rpartition("_")
        listed = self._irregular[part].get(head, [])
        forms = [key, *(_join(form, joint, rest, part) for form in [*listed, *detached(head, part)])]
        return [form for form in dict.fromkeys(forms) if self._index[part].find(form)]


def elaborate_name(name: str, wordnet: WordNet, *, senses: int = 1) -> tuple[Text, ...]:
    """Definitions of the verbs and nouns in an action's name, for actions that have no description.

    From left to right the longest part of the name that WordNet knows is taken, as a verb first and then as a noun.
    These are candidates: a person picks those that mean the action, such as *play* of an instrument, not of a game.

    Args:
        name: the action in plain words.
        wordnet: the dictionary.
        senses: how many meanings of each part and part of speech.

    Returns:
        Texts of the kind ``"definition"`` whose source is named like ``"wordnet:n03467517"``; none where no part of the
        name is known.

    Raises:
        UsageError: `senses` is below 1.

    Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021, fall back on
    definitions of a name's verbs and nouns where nothing else is found. Which parts and how many senses is this
    library's choice.
    """
    if senses < 1:
        raise UsageError(f"senses must be above 0, got {senses}")
    words = re.findall(r"[^\W_]+(?:['-][^\W_]+)*", name.lower())
    found: list[Text] = []
    start = 0
    while start < len(words):
        for stop in range(len(words), start, -1):
            if known := _define(" ".join(words[start:stop]), wordnet, senses):
                found += known
                break
        start = stop
    return tuple(found)


def _define(phrase: str, wordnet: WordNet, senses: int) -> list[Text]:
    parts: tuple[Part, ...] = () if _CLOSED_CLASS.fullmatch(phrase) else ("v", "n")
    return [
        Text("definition", synset.definition, Source(f"wordnet:{synset.number}"))
        for part in parts
        for synset in wordnet.senses(phrase, part)[:senses]
    ]


_CLOSED_CLASS = re.compile(
    "an?|and|as|at|be|by|for|from|her|his|in|into|is|it|its|no|of|off|on|one|one's|or|out|over|someone|something|the|"
    "their|through|to|up|with|without"
)
"""Words of names that carry no action, though WordNet has nouns of the same spelling: *a* is vitamin A there."""


def detached(word: str, part: Part) -> Iterator[str]:
    """What may be left of a word without its ending; most of it is no word.

    Example:
        >>> list(detached("juggling", "v")), list(detached("watches", "n")), list(detached("swimming", "v"))
        (['juggle', 'juggl'], ['watche', 'watch'], ['swimme', 'swimm', 'swim'])
    """
    if part == "n" and word.endswith("ss"):
        return
    for ending, _, instead in (rule.partition(":") for rule in _ENDINGS[part].split()):
        if word.endswith(ending) and len(word) > len(ending):
            yield word.removesuffix(ending) + instead
    if part == "v" and (match := _DOUBLED.fullmatch(word)):
        yield match[1]


def _join(form: str, joint: str, rest: str, part: Part) -> str:
    return f"{form}{joint}{rest}" if part == "v" else f"{rest}{joint}{form}"


def _read_irregular(path: Path) -> dict[str, list[str]]:
    """Irregular forms and the words they belong to; the file is small, and not as sorted as the others."""
    lines = (line.split() for line in path.read_text("utf-8").splitlines())
    return {fields[0]: fields[1:] for fields in lines if fields}


def _parse(line: str, part: Part) -> Synset:
    """One line of a data file: offset, file, type, number of words (hexadecimal), words with ids, pointers | gloss."""
    entry, _, gloss = line.partition(" | ")
    fields = entry.split()
    count = int(fields[3], 16)
    words = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])
    return Synset(part, int(fields[0]), words, gloss.strip())


class _Lines:
    """The lines of a file that is sorted by its first words, and may be a later piece of a longer file."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise AssetError(f"{path}: cannot be read; {error}") from error
        first = self._bytes[:9]
        self._start = int(first) if re.fullmatch(rb"\d{8} ", first) else 0

    def head(self) -> bytes:
        """The beginning of the file, where the licence is."""
        return self._bytes[:2000]

    def entry(self, offset: int) -> str:
        """The line of a data file that begins at an offset; empty where none does."""
        place = offset - self._start
        if place < 0 or self._bytes[place : place + 9] != b"%08d " % offset:
            return ""
        return self._line(place)

    def find(self, word: str) -> str:
        """The line that begins with a word; empty where there is none."""
        wanted = word.encode()
        low, high = 0, len(self._bytes)
        while low < high:
            start = self._bytes.rfind(b"\n", 0, (low + high) // 2) + 1
            end = self._bytes.find(b"\n", start)
            end = len(self._bytes) if end < 0 else end
            found = self._bytes[start:end].partition(b" ")[0]
            if found == wanted and wanted:
                return self._line(start)
            if found < wanted:
                low = end + 1
            else:
                high = start
        return ""

    def _line(self, start: int) -> str:
        end = self._bytes.find(b"\n", start)
        return self._bytes[start : end if end >= 0 else len(self._bytes)].decode("utf-8", "replace")
