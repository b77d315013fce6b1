"""What is wrong with texts about actions: faults that a person would see, if a person read them all."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from gerund.text.descriptions.schema import Descriptions, Text, key_of
from gerund.text.names import to_words
from gerund.text.similar import same_names, stem

RULES = {
    "empty": "the text says nothing",
    "scaffold": "a language model's form or small talk is left in the text",
    "refusal": "a language model answered something else",
    "truncated": "the text is longer than the encoder reads",
    "repeated": "the action has this text twice",
    "duplicate": "another action has the same text",
    "near-duplicate": "another action has nearly the same text",
    "leak": "the text names another action",
    "no mention": "nothing in the text is said of the action anywhere else",
    "wrong sense": "the text fits another action much better",
    "generic": "an object that nearly every action has",
}

TEMPLATE = "a photo of action {name} {text}"
"""How texts are counted in tokens: TEAR's first template, behind the name of the action."""

_TELLING = ("definition", "description")
_NO_OTHER_NAMES = ("definition", "description", "steps", "context", "objects")
_SCAFFOLD = re.compile(
    r"^\s*(?:action(?: label)?|label|description|step \d+|answer|output|definition)\s*:|\bdescription\s*:|^\s*[-*#`]"
    r"|^\s*(?:sure|certainly|of course|here (?:is|are))\b[^.]{0,40}[:!,]",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"\bI(?:'m| am) (?:sorry|not sure|here to help|unable)|\bas an AI\b|\bI (?:cannot|can't) \w+|\blanguage model\b"
    r"|\bassist you\b|\bprovide (?:more|another|a different)\b",
    re.IGNORECASE,
)
_GENERIC_WORDS = "person people human man woman men women body hand hands individual participant someone"
_STOP_WORDS = """
a an the of and or to in on at by for with from into onto over under as is are be been being it its that which who whom
this these those while when where then than one ones two three some any each other others someone something person
people man woman men women human body hand hands use used using usually often typically typical may can also such etc e
g i make made making do doing does get getting go going move moving put putting take taking way up down out off their
his her them they he she him about before after through around along across between against without within very more
most both there has have had not but if so no part form type kind
"""
_GENERIC, _STOP = frozenset(_GENERIC_WORDS.split()), frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[^\W\d_]+")
_NEARLY = 0.8
_LEAST_WORDS = 6
_FOREIGN = 3.0
_LEAST_LIKENESS = 0.2
_SPELLING = 0.9
"""Names this alike are one name with a slip, such as ActivityNet's "mooping floor"."""


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        name: the action.
        kind: of the text.
        rule: a key of `RULES`.
        text: the text.
        detail: what exactly.
    """

    name: str
    kind: str
    rule: str
    text: str
    detail: str = ""


def lint(
    descriptions: Descriptions,
    *,
    known: Descriptions | None = None,
    count_tokens: Callable[[str], int] | None = None,
    most_tokens: int = 77,
    template: str = TEMPLATE,
) -> list[Finding]:
    """All faults, action by action in the order of the file.

    Args:
        descriptions: the texts.
        known: texts about actions that are right, to tell a text of the wrong sense by; without them, and for actions
            that they lack, the rules "no mention" and "wrong sense" are left out.
        count_tokens: length of a text for the encoder, marks included; without it "truncated" is left out.
        most_tokens: how many the encoder reads.
        template: what is counted, from ``{name}`` and ``{text}``.

    Example:
        >>> texts = Descriptions({"run": [Text("definition", "Action label: run. Description: moving fast on foot")]})
        >>> [finding.rule for finding in lint(texts)]
        ['scaffold']
    """
    found: dict[str, list[Finding]] = {name: [] for name in descriptions}
    for finding in _single(descriptions, count_tokens, most_tokens, template):
        found[finding.name].append(finding)
    for finding in (*_duplicates(descriptions), *_leaks(descriptions)):
        found[finding.name].append(finding)
    if known is not None:
        for finding in _senses(descriptions, known):
            found[finding.name].append(finding)
    return [finding for findings in found.values() for finding in findings]


def _single(
    descriptions: Descriptions, count_tokens: Callable[[str], int] | None, most_tokens: int, template: str
) -> Iterator[Finding]:
    """Faults of a text on its own."""
    for name, texts in descriptions.items():
        before: set[tuple[str, str, str]] = set()
        for text in texts:

            def fault(rule: str, detail: str = "", name: str = name, text: Text = text) -> Finding:
                return Finding(name, text.kind, rule, text.text, detail)

            if not _WORD.search(text.text):
                yield fault("empty")
                continue
            if said := _REFUSAL.search(text.text):
                yield fault("refusal", said[0].strip())
            elif said := _SCAFFOLD.search(text.text):
                yield fault("scaffold", said[0].strip())
            if (entry := (text.kind, key_of(text.text), text.other)) in before:
                yield fault("repeated")
            before.add(entry)
            if text.kind == "objects" and key_of(text.text) in _GENERIC:
                yield fault("generic")
            if count_tokens:
                length = count_tokens(template.format(name=to_words(name), text=text.text))
                if length > most_tokens:
                    yield fault("truncated", f"{length} tokens, {most_tokens} are read")


def _duplicates(descriptions: Descriptions) -> Iterator[Finding]:
    """Definitions and descriptions that other actions have too, word for word or nearly."""
    telling = [(name, text) for name, texts in descriptions.items() for text in texts if text.kind in _TELLING]
    same: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, text in telling:
        same[text.kind, key_of(text.text)].append(name)
    words = [frozenset(_words(text.text)) for _, text in telling]
    holding: dict[str, list[int]] = defaultdict(list)
    for place, bag in enumerate(words):
        for word in bag:
            holding[word].append(place)
    for place, (name, text) in enumerate(telling):
        others = [other for other in same[text.kind, key_of(text.text)] if other != name and not _one(name, other)]
        if others and key_of(text.text):
            yield Finding(name, text.kind, "duplicate", text.text, f"also of {_listed(others)}")
        elif len(words[place]) >= _LEAST_WORDS:
            near = sorted({telling[i][0] for i in _nearly(place, words, holding) if telling[i][1].kind == text.kind})
            near = [other for other in near if other != name and not _one(name, other)]
            if near:
                yield Finding(name, text.kind, "near-duplicate", text.text, f"nearly that of {_listed(near)}")


def _nearly(place: int, words: Sequence[frozenset[str]], holding: Mapping[str, list[int]]) -> Iterator[int]:
    """Places whose words are shared to `_NEARLY`; the rarest words are enough to find them."""
    mine = words[place]
    rare = sorted(mine, key=lambda word: len(holding[word]))[: len(mine) - math.ceil(_NEARLY * len(mine)) + 1]
    for other in {i for word in rare for i in holding[word]} - {place}:
        if len(mine & words[other]) >= _NEARLY * len(mine | words[other]):
            yield other


def _leaks(descriptions: Descriptions) -> Iterator[Finding]:
    """Texts that name another action in full. Names of one word are mostly ordinary words, and left out."""
    names = {key_of(to_words(name)): name for name in descriptions}
    by_first: dict[str, list[str]] = defaultdict(list)
    for key in names:
        if " " in key:
            by_first[key.split()[0]].append(key)
    for name, texts in descriptions.items():
        own = key_of(to_words(name))
        for text in texts:
            if text.kind not in _NO_OTHER_NAMES:
                continue
            said = key_of(text.text).split()
            for place, word in enumerate(said):
                for key in by_first.get(word, ()):
                    parts = key.split()
                    other = names[key]
                    foreign = not set(parts) <= set(own.split()) and not _one(name, other)
                    if said[place : place + len(parts)] == parts and foreign and key != own:
                        yield Finding(name, text.kind, "leak", text.text, f"names {other}")


def _senses(descriptions: Descriptions, known: Descriptions) -> Iterator[Finding]:
    """Definitions and descriptions that share nothing with what is known of the action, or fit another far better."""
    bags = {name: _bag([to_words(name), *known.of(name)]) for name in known}
    seen_in = Counter(word for bag in bags.values() for word in bag)
    rarity = {word: math.log(len(bags) / count) for word, count in seen_in.items()}
    holding: dict[str, list[str]] = defaultdict(list)
    for name, bag in bags.items():
        for word in bag:
            holding[word].append(name)
    for name, texts in descriptions.items():
        mine = known.find(name)
        for text in texts if mine else ():
            if text.kind not in _TELLING or _REFUSAL.search(text.text):
                continue
            said = _bag([text.text])
            if len(said) < 2:
                continue
            likeness = {other: _likeness(said, bags[other], rarity) for word in said for other in holding.get(word, ())}
            own = likeness.get(mine or "", 0.0)
            best = max(likeness, key=lambda other: likeness[other], default=mine)
            if best and likeness.get(best, 0.0) >= _LEAST_LIKENESS and likeness[best] > _FOREIGN * own:
                if not _one(name, best):
                    yield Finding(name, text.kind, "wrong sense", text.text, f"reads like {best}")
            elif own == 0.0:
                yield Finding(name, text.kind, "no mention", text.text)


def _likeness(said: frozenset[str], bag: frozenset[str], rarity: Mapping[str, float]) -> float:
    """Share of a text, rare words counting more, that a bag of words knows."""
    total = sum(rarity.get(word, 0.0) for word in said)
    return sum(rarity[word] for word in said & bag) / total if total else 0.0


def _bag(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(word for text in texts for word in _words(text))


def _words(text: str) -> list[str]:
    return [stem(word) for word in _WORD.findall(text.casefold()) if word not in _STOP]


def _one(name: str, other: str) -> bool:
    """True when two names are one action in two spellings."""
    alike = SequenceMatcher(None, key_of(name), key_of(other)).ratio() >= _SPELLING
    return alike or bool(same_names([name], [other]))


def _listed(names: Sequence[str], most: int = 3) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:most]) + (f" and {len(distinct) - most} more" if len(distinct) > most else "")


def summary(descriptions: Descriptions, findings: Sequence[Finding]) -> str:
    """One line that sums up: faults, actions, and each rule's share of the texts of its kind.

    Example:
        >>> texts = Descriptions({"run": [Text("objects", "person"), Text("objects", "shoe")]})
        >>> summary(texts, lint(texts))
        '1 finding in 1 of 1 actions: 1 generic (50.0 % of objects)'
    """
    total = Counter(text.kind for texts in descriptions.values() for text in texts)
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    for finding in findings:
        by_rule[finding.rule][finding.kind] += 1
    actions = len({finding.name for finding in findings})
    head = f"{len(findings)} finding{'' if len(findings) == 1 else 's'} in {actions} of {len(descriptions)} actions"
    parts = []
    for rule in RULES:
        if rule in by_rule:
            shares = ", ".join(f"{100 * n / total[kind]:.1f} % of {kind}" for kind, n in by_rule[rule].items())
            parts.append(f"{sum(by_rule[rule].values())} {rule} ({shares})")
    return f"{head}: {'; '.join(parts)}" if parts else head
