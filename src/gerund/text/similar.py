"""When two class names mean the same action, and when they come near enough for a person to look.

Data sets write one action in many ways: ``HandstandPushups``, ``ride_bike``, ``riding a bike``, ``catching or throwing
frisbee``, ``hurling (sport)``. Here names are compared as words, without any model, so that the answer is the same on
every machine; a sentence encoder may be added for the near ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from gerund.text.names import to_words
from gerund.types import FloatArray

Likeness = Literal["name", "words", "alternative", "near", "meaning"]
Embed = Callable[[Sequence[str]], FloatArray]
"""Texts to unit vectors ``[N, D]``."""

MEANING_COSINE = 0.7
"""Default for pairs that only a sentence encoder finds. Measured with MiniLM on UCF101 and HMDB51 against Kinetics-400:
of the 40 pairs above it some two in five show one action (JumpRope and skipping rope 0.85, shoot_bow and archery 0.75),
the others are neighbours (HighJump and long jump 0.79). So these are for reading, never for leaving classes out."""

_IRREGULAR = {
    "dying": "dy",  # Kinetics-400 writes "dying hair" for dyeing
    "tying": "ti",
    "lying": "li",
    "teeth": "tooth",
    "feet": "foot",
    "knives": "knif",
    "leaves": "leaf",
    "men": "man",
    "women": "woman",
    "children": "child",
}
_EMPTY = frozenset(["a", "an", "the", "of", "with", "and", "person", "people", "someone", "somebody", "something"])
"""Words that never tell two actions apart: whoever acts is a person."""
_FAINT = frozenset(["in", "on", "at", "to", "for", "from", "into", "onto", "by", "or", "not"])
"""Words that do ("sit", "sit on"), but that make no two names alike."""
_REMARK = re.compile(r"\([^)]*\)?")
_WORD = re.compile(r"[^\W_]+")
_OR = re.compile(r"\s+or\s+|\s*/\s*", re.IGNORECASE)
_CHOICE = re.compile(rf"\w+(?:(?:{_OR.pattern})\w+)+", re.IGNORECASE)
_MOST_CHOICES = 32
"""No action in a list that is known has more than seven."""
_TWICE = re.compile(r"([^\W\d_aeiou])\1")


@dataclass(frozen=True)
class Match:
    """Two names that mean the same, or may.

    Attributes:
        name: the one that was asked about.
        other: the one it was compared with.
        kind: ``"name"``: equal but for case, spacing and punctuation. ``"words"``: equal but for word forms, word order
            and articles. ``"alternative"``: equal to one of the actions that a name lists with "or", or to a name
            without its remark in brackets. ``"near"``: the words of one are among the other's, or most are shared.
            ``"meaning"``: only a sentence encoder says so.
        score: 1 for the first three; the shared part of all words for near ones; else the cosine.
    """

    name: str
    other: str
    kind: Likeness
    score: float = 1.0


def stem(word: str) -> str:
    """What the forms of one word share: gerund, third person, plural; need not be a word itself.

    Some different words share one too (tap, tape). That is harmless, because whole names are compared.

    Example:
        >>> [stem(word) for word in ("running", "runs", "biking", "bike", "juggling", "juggles", "pushes", "swing")]
        ['run', 'run', 'bik', 'bik', 'juggl', 'juggl', 'push', 'swing']
    """
    word = word.casefold()
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "nis")):
        word = word[:-1]
    if word.endswith("ing") and len(word) > 4 and re.search("[aeiouy]", word[:-3]):
        word = word[:-3]
    if len(word) > 2 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 2 and word[-1] == word[-2] and word[-1] not in "aeiou" else word


def same_names(names: Iterable[str], others: Iterable[str]) -> tuple[Match, ...]:
    """All pairs that mean the same action, in the order of `names`, then of `others`.

    The words decide, so a name that means two things is the same as itself, and synonyms are not found.

    Checked against lists that people made. Of UCF101 and HMDB51 40 and 16 classes are in Kinetics-400, all of them
    among the 70 and 29 that TruZe (Gowda et al., GCPR 2021) does not test. Of the 232 names that are new in
    Kinetics-600, 9 are old classes, all of them among the 12 that ER-ZSAR (Chen and Huang, ICCV 2021) left out.

    Example:
        >>> for match in same_names(["Shotput", "PushUps", "ride_horse"], ["riding or walking with horse", "shot put"]):
        ...     print(match.name, "=", match.other, f"({match.kind})")
        Shotput = shot put (name)
        ride_horse = riding or walking with horse (alternative)
    """
    others = tuple(others)
    places = _places(others, _keys)
    found = []
    for name in names:
        candidates = sorted({place for key in _keys(name) for place in places.get(key, ())})
        for place in candidates:
            if kind := _sameness(name, others[place]):
                found.append(Match(name, others[place], kind))
    return tuple(found)


def near_names(
    names: Iterable[str],
    others: Iterable[str],
    *,
    at_least: float = 0.5,
    embed: Embed | None = None,
    cosine_at_least: float = MEANING_COSINE,
) -> tuple[Match, ...]:
    """Pairs that do not mean the same by their words but deserve a look: friends, and false ones.

    Args:
        names: those asked about.
        others: those they are compared with.
        at_least: a pair with this shared part of its words is near (Jaccard); so is one whose words the other has all.
        embed: a sentence encoder that may add pairs by meaning.
        cosine_at_least: of such a pair.

    Returns:
        Near pairs in the order of `names`, best first, then those by meaning likewise.

    Example:
        >>> [(m.name, m.other, m.score) for m in near_names(["Hammering"], ["hammer throw", "bowling"])]
        [('Hammering', 'hammer throw', 0.5)]
    """
    names, others = tuple(names), tuple(others)
    known = {(match.name, match.other) for match in same_names(names, others)}
    places = _places(others, _parts)
    found = []
    for name in names:
        matches = []
        for place in sorted({place for part in _parts(name) for place in places.get(part, ())}):
            score, is_contained = _nearness(name, others[place])
            if (name, others[place]) not in known and (is_contained or score >= at_least):
                matches.append(Match(name, others[place], "near", score))
        found += sorted(matches, key=lambda match: -match.score)
    known |= {(match.name, match.other) for match in found}
    if embed is not None and names and others:
        by_meaning = _by_meaning(names, others, embed, cosine_at_least)
        found += [match for match in by_meaning if (match.name, match.other) not in known]
    return tuple(found)


def _places(names: Sequence[str], parts: Callable[[str], Iterable[str]]) -> dict[str, list[int]]:
    """For every part the places of the names that have it, so that few pairs need be compared."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        for part in parts(name):
            places.setdefault(part, []).append(place)
    return places


def _by_meaning(names: Sequence[str], others: Sequence[str], embed: Embed, at_least: float) -> list[Match]:
    cosines = embed([to_words(name) for name in names]) @ embed([to_words(other) for other in others]).T
    rows, columns = np.nonzero(cosines >= at_least)
    order = np.lexsort((-cosines[rows, columns], rows))
    return [
        Match(names[row], others[column], "meaning", round(float(cosines[row, column]), 4))
        for row, column in zip(rows[order], columns[order], strict=True)
    ]


def _sameness(name: str, other: str) -> Likeness | None:
    if _bare(name) == _bare(other):
        return "name"
    if _keys_of(_words(name)) & _keys_of(_words(other)):
        return "words"
    mine, its = _keys(name), _keys(other)
    # two remarks that differ are there to tell two classes apart, so one side must be taken with its own
    if any(mine[key] or its[key] for key in mine.keys() & its.keys()):
        return "alternative"
    return None


@cache
def _keys(name: str) -> dict[str, bool]:
    """What must be equal for two names to be the same, and whether it holds the name's whole remark."""
    plain = [_words(text) for text in _choices(name)]
    whole = [_words(name)] if _REMARK.search(name) else plain
    keys = dict.fromkeys((key for words in plain for key in _keys_of(words)), False)
    return keys | dict.fromkeys((key for words in whole for key in _keys_of(words)), True)


def _choices(name: str) -> list[str]:
    """A name without its remark, and what it stands for where it has an "or": the words beside that are the choices.

    Every "or" at least doubles them, so a name with many stands for its first `_MOST_CHOICES` texts only: all ways to
    settle the first "or", then the second as far as they go. The later ones stay in these texts as they are written.

    Example:
        >>> _choices("catching or throwing frisbee")
        ['catching or throwing frisbee', 'catching frisbee', 'throwing frisbee']
        >>> len(_choices(" ".join(["red/blue"] * 1000)))
        32
    """
    texts = [_REMARK.sub(" ", to_words(name))]
    for text in texts:  # which grows meanwhile
        if len(texts) >= _MOST_CHOICES:
            break
        if found := _CHOICE.search(text):
            before, after = text[: found.start()], text[found.end() :]
            texts += [f"{before}{word}{after}" for word in _OR.split(found[0])]
    return texts[:_MOST_CHOICES]


def _keys_of(words: Sequence[str]) -> frozenset[str]:
    """The words' stems in alphabetical order, and all of them as one word from whatever place it is begun at.

    The second finds "jetskiing" in "Skijet" and "pull ups" in "pullup"; short ones are not turned (eat, tea).
    """
    stems = [stem(word) for word in words]
    return frozenset((" ".join(sorted(stems)), _turned("".join(stems)), _turned(stem("".join(words))))) - {""}


def _turned(word: str) -> str:
    """Of all words that go round the same circle of letters the alphabetically first, double consonants made one."""
    word = _TWICE.sub(r"\1", word)
    return min(word[place:] + word[:place] for place in range(len(word))) if len(word) >= 6 else word


@cache
def _words(name: str) -> tuple[str, ...]:
    words = _WORD.findall(re.sub(r"['’]s\b", "", to_words(name).casefold()))
    return tuple(word for word in words if word not in _EMPTY) or tuple(words)


def _bare(name: str) -> str:
    return "".join(_WORD.findall(name.casefold()))


def _nearness(name: str, other: str) -> tuple[float, bool]:
    """The shared part of all words, and whether one name's words are all among the other's; the best over choices."""
    score, is_contained = 0.0, False
    for mine in _choices_as_words(name):
        for its in _choices_as_words(other):
            a, b = _stems(mine, its), _stems(its, mine)
            score = max(score, round(len(a & b) / len(a | b), 4))
            is_contained |= a <= b or b <= a
    return score, is_contained


@cache
def _choices_as_words(name: str) -> tuple[tuple[str, ...], ...]:
    choices = (_words(text) for text in _choices(name))
    return tuple(tuple(word for word in words if word not in _FAINT) or words for words in choices)


@cache
def _parts(name: str) -> frozenset[str]:
    """All that a name may share with a near one: stems of its words, and of neighbours made one."""
    pairs = ("".join(words[place : place + 2]) for words in _choices_as_words(name) for place in range(len(words)))
    return frozenset(stem(part) for words in _choices_as_words(name) for part in words) | {stem(pair) for pair in pairs}


def _stems(words: Sequence[str], beside: Sequence[str]) -> frozenset[str]:
    """Stems, with two neighbours made one where the other name writes them so ("push up" beside "wall pushups")."""
    there = {stem(word) for word in beside}
    found, place = set(), 0
    while place < len(words):
        pair = stem("".join(words[place : place + 2]))
        joined = place + 1 < len(words) and pair in there
        found.add(pair if joined else stem(words[place]))
        place += 1 + joined
    return frozenset(found)
