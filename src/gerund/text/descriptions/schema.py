"""Texts about actions, each with its kind and where it comes from, and the file that keeps them.

A file holds one action a line, as JSON: its name, and for every kind a list of texts. A text is a string, or an object
with ``text`` and whatever of its source differs from the line's ``source``. So a file written by hand is as short as
can be, and one made by a language model still says of every text which model wrote it, when, and from which prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gerund.errors import UsageError
from gerund.printing import printable_json
from gerund.reading import parse_json
from gerund.text.names import to_words
from gerund.text.similar import stem
from gerund.writing import write_text

KINDS = {
    "definition": "what the action is, in a sentence",
    "steps": "its observable stages, in order",
    "description": "what it looks like",
    "context": "where it happens and what is around",
    "objects": "things that tell it apart",
    "before": "what is seen just before",
    "after": "what is seen just after",
    "object_relations": "triples of an object, a predicate and an object",
    "action_objects": "triples of the action, a predicate and an object",
    "step_order": "triples of a stage, a predicate and a stage",
    "object_completions": "object relations as the end of 'This is an example of ..., '",
    "action_completions": "action objects as such an end",
    "step_completions": "the order of stages as such an end",
    "look_alikes": "other actions that it may be taken for, and what is different here",
}
"""What texts are for: ER's definitions; TEAR's steps, descriptions, contexts, objects and situations; STDD's knowledge
graph and its completions; and what tells an action from its look-alikes."""

_SINGLE = frozenset(("definition", "description", "context", "before", "after"))
"""Kinds of which an action mostly has one text, which is then written without brackets."""
_NOT_WORD = re.compile(r"[^\w]+")


@dataclass(frozen=True)
class Source:
    """Where a text comes from.

    Attributes:
        name: who or what: a project, a file, a dictionary entry.
        model: the language model that wrote it.
        date: when, as year-month-day.
        prompt: sha256 of the prompt, so that texts of one prompt can be told from those of another.
    """

    name: str = ""
    model: str = ""
    date: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Text:
    """One text about one action.

    Attributes:
        kind: a key of `KINDS`.
        text: what it says.
        source: where it comes from.
        other: for ``"look_alikes"`` the other action.
    """

    kind: str
    text: str
    source: Source = field(default=Source())
    other: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"no kind of text {self.kind!r}; there are {', '.join(KINDS)}")


class Descriptions(Mapping[str, tuple[Text, ...]]):
    """Texts about actions, by the action's name; the look-up forgives case, punctuation, spacing and word forms.

    Args:
        texts: for each action its texts, in the order that matters (steps, objects).

    Raises:
        UsageError: two names are the same but for case and spelling marks.

    Example:
        >>> texts = Descriptions({"ride bike": [Text("steps", "mounting"), Text("definition", "pedaling a bicycle")]})
        >>> texts.of("RideBike", "definition", "steps")
        ['pedaling a bicycle', 'mounting']
    """

    def __init__(self, texts: Mapping[str, Iterable[Text]]) -> None:
        self._texts = {name: tuple(of) for name, of in texts.items()}
        self._names: dict[str, str] = {}
        for name in self._texts:
            if (known := self._names.setdefault(key_of(name), name)) != name:
                raise UsageError(f"{known!r} and {name!r} are one action to the look-up; keep one of them")

    def __getitem__(self, name: str) -> tuple[Text, ...]:
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return self._texts[found]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def find(self, name: str) -> str | None:
        """The name under which an action is kept; None when it is not. Word forms and articles are tried last."""
        known = self._names.get(key_of(name)) or self._names.get(key_of(to_words(name)))
        return known or self._forms.get(_form_of(name))

    @cached_property
    def _forms(self) -> dict[tuple[str, ...], str]:
        forms: dict[tuple[str, ...], str] = {}
        for name in self._texts:
            forms.setdefault(_form_of(name), name)
        return forms

    def of(self, name: str, *kinds: str) -> list[str]:
        """The texts of some kinds, in the order of the kinds asked for; all kinds by default."""
        found = self.get(name, ())
        return [text.text for kind in kinds or KINDS for text in found if text.kind == kind]

    def merged(self, other: Descriptions) -> Descriptions:
        """These texts, with those of `other` instead wherever it has some of an action's kind."""
        texts = dict(self._texts)
        for name, new in other.items():
            known = self.find(name)
            kinds = {text.kind for text in new}
            kept = [text for text in self._texts.get(known or "", ()) if text.kind not in kinds]
            texts[known or name] = (*kept, *new)
        return Descriptions(texts)

    def to_text(self) -> str:
        """JSON Lines, one action a line."""
        lines = (json.dumps(_to_line(name, texts), ensure_ascii=False) for name, texts in self.items())
        return "".join(printable_json(line) + "\n" for line in lines)

    def write(self, path: Path) -> None:
        """Writes JSON Lines, whole or not at all."""
        write_text(path, self.to_text())

    @classmethod
    def read(cls, path: Path) -> Descriptions:
        """Reads JSON Lines.

        Raises:
            UsageError: a line is not JSON, or has no name, or holds something that is no text.
        """
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: expected descriptions as UTF-8 JSON Lines; {error}") from error
        return cls.parse(lines, str(path), Source(path.name))

    @classmethod
    def parse(cls, lines: Sequence[str], place: str, source: Source) -> Descriptions:
        """Reads lines of JSON; `place` names them in errors, and texts that name no source have `source`."""
        texts: dict[str, tuple[Text, ...]] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                name, found = _from_line(parse_json(line), source)
            except (ValueError, TypeError, AttributeError) as error:
                raise UsageError(f"{place}, line {number}: {error}") from error
            if name in texts:
                raise UsageError(f"{place}, line {number}: {name!r} was described before")
            texts[name] = found
        return cls(texts)


def key_of(name: str) -> str:
    """What a name is looked up by.

    Example:
        >>> key_of("Hand-washing  Clothes"), key_of("hand washing clothes")
        ('hand washing clothes', 'hand washing clothes')
    """
    return _NOT_WORD.sub(" ", name.casefold().replace("_", " ")).strip()


def _form_of(name: str) -> tuple[str, ...]:
    """The stems of a name's words, without articles: what forms of one name share."""
    return tuple(stem(word) for word in key_of(to_words(name)).split() if word not in ("a", "an", "the"))


def _to_line(name: str, texts: Sequence[Text]) -> dict[str, Any]:
    common = texts[0].source if texts else Source()
    line: dict[str, Any] = {"name": name}
    if source := _filled(common):
        line["source"] = source
    for kind in KINDS:
        found = [_to_item(text, common) for text in texts if text.kind == kind]
        if found:
            line[kind] = found[0] if len(found) == 1 and kind in _SINGLE else found
    return line


def _to_item(text: Text, common: Source) -> str | dict[str, str]:
    item = {"action": text.other} if text.other else {}
    item["text"] = text.text
    if text.source != common:
        own, shared = asdict(text.source), asdict(common)
        item |= {f"source_{name}": value for name, value in own.items() if value != shared[name]}
    return item if len(item) > 1 else text.text


def _filled(source: Source) -> dict[str, str]:
    return {name: value for name, value in asdict(source).items() if value}


def _from_line(line: Any, default: Source) -> tuple[str, tuple[Text, ...]]:
    if not isinstance(line, dict) or not isinstance(line.get("name"), str) or not line["name"].strip():
        raise ValueError(f'expected an object with a "name", got {str(line)[:80]}')
    common = Source(**line["source"]) if "source" in line else default
    texts = []
    for kind, items in line.items():
        if kind in ("name", "source"):
            continue
        if not isinstance(items, str | dict | list):
            raise ValueError(f"{kind}: expected a text or a list of texts, got {str(items)[:80]}")
        for item in [items] if isinstance(items, str | dict) else items:
            texts.append(_from_item(kind, item, common))
    return line["name"], tuple(texts)


def _from_item(kind: str, item: Any, common: Source) -> Text:
    if isinstance(item, str):
        return Text(kind, item, common)
    if not isinstance(item, dict) or not isinstance(item.get("text"), str):
        raise ValueError(f'{kind}: expected a string or an object with a "text", got {str(item)[:80]}')
    own = {name.removeprefix("source_"): value for name, value in item.items() if name.startswith("source_")}
    return Text(kind, item["text"], replace(common, **own), item.get("action", ""))
