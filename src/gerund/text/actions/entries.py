"""What a list of actions is once it is read, and lists that were trees: JSON, YAML, and mappings from Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gerund.errors import UsageError

COLUMNS = ("name", "label", "class", "action")
"""What a column or a key with the names may be called, in any case."""
WHOLE_LISTS = ("names", "labels", "classes", "actions")
"""The same for a key that holds the whole list, and for the head of a file's only column."""

LONGEST_NAME = 500
"""Characters. Kinetics' longest name has 49; what is longer is prose, a table, or a file without line ends."""

_NUMBER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Entry:
    """One action of a list.

    Attributes:
        name: as it was written.
        texts: what stands for it; empty where nothing but the name was given.
        place: where it was written, for messages: ``"a.txt, line 3"``.
    """

    name: str
    texts: tuple[str, ...] = ()
    place: str = ""

    def __post_init__(self) -> None:
        if len(self.name) > LONGEST_NAME:
            raise UsageError(
                f"{self.place}: a name of {len(self.name)} characters, {self.name[:40]!r}...; a name has at most "
                f"{LONGEST_NAME}. Texts about actions go into JSON or YAML, as a mapping from names to texts"
            )
        if not self.name.strip():
            raise UsageError(f"{self.place}: an action has an empty name")


@dataclass(frozen=True)
class Listed:
    """A list of actions as it was read.

    Attributes:
        entries: the actions in order.
        described: the objects of a file of descriptions, which say more of an action than entries can.
    """

    entries: tuple[Entry, ...]
    described: tuple[Mapping[str, Any], ...] = ()


class Pairs(list[tuple[Any, Any]]):
    """An object of JSON or YAML as it was written, with keys that come twice."""

    def get(self, keys: Iterable[str]) -> list[tuple[str, Any]]:
        """The pairs whose key is one of those, in any case."""
        return [(key, value) for key, value in self if isinstance(key, str) and key.strip().casefold() in keys]


def from_tree(tree: Any, place: str) -> Listed:
    """The actions of a file that was JSON or YAML.

    A list holds names, or objects of which one key (`COLUMNS`) is the name and ``texts`` its texts. A mapping goes from
    names to texts; or from names to numbers or numbers to names, as label files have it, which say names alone.

    Args:
        tree: strings, numbers, lists and `Pairs`.
        place: the file, for messages.

    Raises:
        UsageError: it is anything else.
    """
    if isinstance(tree, Pairs):
        if len(tree) == 1 and (whole := tree.get(WHOLE_LISTS)) and isinstance(whole[0][1], list):
            return from_tree(whole[0][1], place)
        return Listed(tuple(_of_pairs(tree, place)))
    if not isinstance(tree, list):
        raise UsageError(
            f"{place}: expected a list of names, or a mapping from names to texts; got {_said(tree)} alone"
        )
    if tree and all(isinstance(item, Pairs) for item in tree):
        return _of_objects(tree, place)
    return Listed(tuple(Entry(_name(item, where := f"{place}, item {n}"), (), where) for n, item in enumerate(tree, 1)))


def from_mapping(names: Mapping[Any, Any], place: str) -> Listed:
    """The actions of a mapping as `from_tree` takes it, from Python.

    Example:
        >>> from_mapping({"hit": ["punching", "boxing"], "wave": None}, "").entries[0].texts
        ('punching', 'boxing')

    Raises:
        UsageError: a name or a text is not text.
    """
    pairs = Pairs((str(name) if _is_number(name) else name, value) for name, value in names.items())
    return Listed(tuple(_of_pairs(pairs, place)))


def _of_pairs(pairs: Pairs, place: str) -> list[Entry]:
    keys = [_name(key, f"{place}, item {n}") for n, (key, _) in enumerate(pairs, 1)]
    values = [value for _, value in pairs]
    if keys and all(_is_number(key) for key in keys):
        if not all(isinstance(value, str) and not _is_number(value) for value in values):
            raise UsageError(
                f"{place}: its names are numbers; expected a list of names, or a mapping from names to texts"
            )
        ordered = sorted(zip(keys, values, strict=True), key=lambda pair: int(pair[0]))
        return [Entry(value, (), f"{place}, item {key}") for key, value in ordered]
    if keys and all(_is_number(value) for value in values):
        ordered = sorted(zip(keys, values, strict=True), key=lambda pair: int(pair[1]))
        return [Entry(key, (), f"{place}, item {value}") for key, value in ordered]
    seen: dict[str, int] = {}
    entries = []
    for number, (key, value) in enumerate(zip(keys, values, strict=True), 1):
        where = f"{place}, item {number}"
        if (before := seen.setdefault(key, number)) != number:
            raise UsageError(f"{where}: {key!r:.60} was named before, as item {before}; put all its texts in one list")
        entries.append(Entry(key, _texts(value, f"{where} ({key!r:.60})"), where))
    return entries


def _of_objects(objects: Sequence[Pairs], place: str) -> Listed:
    from gerund.text.descriptions.schema import KINDS

    if any(item.get(KINDS) for item in objects) and all(len(item.get(("name",))) == 1 for item in objects):
        entries = [_of_object(item, f"{place}, item {n}", ("name",)) for n, item in enumerate(objects, 1)]
        return Listed(tuple(entries), tuple(dict(item) for item in objects))
    return Listed(tuple(_of_object(item, f"{place}, item {n}", COLUMNS) for n, item in enumerate(objects, 1)))


def _of_object(item: Pairs, where: str, keys: tuple[str, ...]) -> Entry:
    named = [(key, value) for key, value in item.get(keys) if isinstance(value, str) and not _is_number(value)]
    if len(named) != 1:
        which = f"{len(named)} of them do" if named else "none does"
        raise UsageError(f"{where}: expected an object of which one key ({', '.join(keys)}) says the name; {which}")
    texts = [value for _, value in item.get(("texts",))]
    return Entry(named[0][1], _texts(texts[0], where) if texts else (), where)


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: expected the name of an action, got {_said(value)}")
    return value


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, Pairs | Mapping | bytes) or not isinstance(value, Iterable):
        raise UsageError(f"{where}: expected a text or a list of texts, got {_said(value)}")
    texts = (value,) if isinstance(value, str) else tuple(value)
    for text in texts:
        if not isinstance(text, str):
            raise UsageError(f"{where}: expected a text or a list of texts, which holds {_said(text)}")
    return tuple(text for text in texts if text.strip())


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(value.strip())) and len(value) < 20
    return isinstance(value, int) and not isinstance(value, bool)


def _said(value: Any) -> str:
    """What a value is, in words; never the value itself, which may be of any size."""
    if isinstance(value, Pairs | Mapping):
        return "an object"
    kinds = {str: "a text", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return "nothing" if value is None else kinds.get(type(value), type(value).__name__)
