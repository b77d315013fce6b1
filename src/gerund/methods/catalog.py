"""The methods by name, found by walking the rooms they live in, and a method in a file of the user's."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from gerund.discovery import modules_of
from gerund.errors import GerundError, UsageError
from gerund.methods import localizers, recognizers
from gerund.methods.card import MethodCard
from gerund.methods.training.learner import NOT_SETTINGS
from gerund.own import names_file, run_file
from gerund.text.descriptions import Descriptions
from gerund.text.descriptions.readers import read_descriptions

_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@cache
def methods() -> tuple[MethodCard, ...]:
    """The cards of all methods of gerund's own: recognizers first, in the order of their files.

    Raises:
        GerundError: two methods have one name.
    """
    found: dict[str, MethodCard] = {}
    for room in (recognizers, localizers):
        for module in modules_of(room):
            for card in getattr(module, "CARDS", ()):
                if card.name in found:
                    raise GerundError(f"{card.home} and {found[card.name].home} are both called {card.name}")
                found[card.name] = card
    return tuple(found.values())


def find_method(name: str, sha256: str = "") -> MethodCard:
    """The card of a method, or of a class in a Python file given as ``file.py:Class``, which is run.

    Args:
        name: as a person gave it.
        sha256: what the file must have; ``""`` for any.

    Raises:
        UsageError: there is no such method, file or class, or it is another file.
    """
    names = {card.name: card for card in methods()}
    if name in names:
        return names[name]
    if names_file(name):
        path = Path(name.rpartition(":")[0])
        card = MethodCard(path.stem, name, "from a file", sha256=run_file(path, sha256).sha256)
        return replace(card, task="localization" if hasattr(card.load(), "locate") else "recognition")
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"no method {name!r}{hint or '.'} There are {', '.join(names)}; or give file.py:Class")


def find_entry(home: str, settings: Mapping[str, Any]) -> MethodCard | None:
    """The card of a method that was made already, of several names of one class the one that says most; else None.

    Args:
        home: where its class is.
        settings: what it was made with.
    """
    fitting = [
        card
        for card in methods()
        if card.home == home and all(settings.get(name) == value for name, value in card.settings)
    ]
    return max(fitting, key=lambda card: len(card.settings), default=None)


def make_method(card: MethodCard, parts: dict[str, Any], settings: dict[str, Any], *, paper: bool = False) -> Any:
    """A new method, not fitted.

    Args:
        card: which.
        parts: what methods are built on, by the name of the constructor's argument: ``encoder``, ``texts``, ``rows``;
            those that it does not take are left out.
        settings: its other arguments.
        paper: start from the published settings instead of the defaults.

    Raises:
        UsageError: it needs a part that is not there, has no such setting, or no published ones.
    """
    made = card.load()
    taken = inspect.signature(made).parameters
    types = _types_of(made)
    settings = {name: _checked(card, name, value, taken) for name, value in settings.items()}
    for name, value in settings.items():
        _require_kind(card, name, value, types.get(name))
    given = {name: part for name, part in parts.items() if name in taken} | dict(card.settings)
    for name in settings:
        if name not in taken or name in given:
            free = [known for known in taken if known not in given and known not in NOT_SETTINGS]
            raise UsageError(f"{card.name} has no setting {name!r}; it has {', '.join(free) or 'none'}")
    given |= settings
    lacking = [name for name, of in taken.items() if of.default is inspect.Parameter.empty and name not in given]
    if lacking:
        raise UsageError(f"{card.name} needs {', '.join(lacking)} (--vectors {lacking[0]}=FILE)")
    if paper and not hasattr(made, "paper"):
        raise UsageError(f"{card.name} has no published settings; leave --paper out")
    return made.paper(**dict(card.paper), **given) if paper else made(**given)


def _checked(card: MethodCard, name: str, value: Any, taken: Mapping[str, inspect.Parameter]) -> Any:
    """A setting as its default's type wants it: ``no`` is false, a number is a number.

    Raises:
        UsageError: it cannot be.
    """
    default = taken[name].default if name in taken else None
    wanted = next((kind for kind in (bool, int, float) if type(default) is kind), None)
    if wanted is None or (isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))):
        fine = not isinstance(value, float) or math.isfinite(value)
    elif wanted is bool:
        value, fine = _TRUTHS.get(str(value).lower(), value), str(value).lower() in _TRUTHS
    else:
        fine = wanted is float and isinstance(value, int) and not isinstance(value, bool)
    if not fine:
        kinds = {bool: "true or false", int: "a whole number", float: "a number"}
        raise UsageError(f"{card.name}: {name} is {kinds.get(wanted or float)}, got {value!r}")
    return value


def _require_kind(card: MethodCard, name: str, value: Any, annotation: Any) -> None:
    """Refuses what is none of a setting's choices, and one thing where it wants several.

    Raises:
        UsageError: it is.
    """
    choices = _choices(annotation)
    if choices and value not in choices:
        raise UsageError(f"{card.name}: {name} is {_in_words(annotation)}, got {value!r}")
    if get_origin(annotation) is Mapping and not isinstance(value, Mapping):
        raise UsageError(f'{card.name}: {name} is a mapping, in JSON such as {{"steps": 2}}, got {value!r}')
    if get_origin(annotation) is Sequence and (isinstance(value, str) or not isinstance(value, Sequence)):
        raise UsageError(f'{card.name}: {name} is a list, in JSON such as ["steps"], got {value!r}')


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a type that is nothing but choices, else none."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) not in (Union, UnionType):
        return ()
    parts = [_choices(of) for of in get_args(annotation)]
    return tuple(value for part in parts for value in part) if all(parts) else ()


def takes(card: MethodCard, setting: str) -> bool:
    """True when a method's constructor has an argument of that name."""
    return setting in inspect.signature(card.load()).parameters


@dataclass(frozen=True)
class Argument:
    """One argument of a method's constructor that a person may give.

    Attributes:
        name: its name.
        default: its value where nothing is said; ``...`` where it must be given.
        type: what it may be, as the code says it.
    """

    name: str
    default: Any
    type: str


def arguments_of(card: MethodCard) -> list[Argument]:
    """What a method may be given; what its name fixes, and where it computes, is left out."""
    made = card.load()
    fixed = {*NOT_SETTINGS, *dict(card.settings)}
    factories = {of.name: of.default_factory for of in fields(made)} if is_dataclass(made) else {}
    types = _types_of(made)
    found = []
    for name, of in inspect.signature(made).parameters.items():
        if name not in fixed:
            factory = factories.get(name, MISSING)
            default = ... if of.default is inspect.Parameter.empty else of.default if factory is MISSING else factory()
            found.append(Argument(name, default, _in_words(types.get(name, of.annotation))))
    return found


def _types_of(made: Any) -> dict[str, Any]:
    """The types of a constructor's arguments, as far as they can be found out."""
    try:
        return get_type_hints(made if is_dataclass(made) else made.__init__)
    except (NameError, TypeError):  # a name that only a type checker knows
        return {}


def _in_words(annotation: Any) -> str:
    """A type as a person reads it: of a choice its values.

    Example:
        >>> _in_words(Literal["ce", "l2"] | Literal[""]), _in_words(int | None), _in_words(inspect.Parameter.empty)
        ("'ce' or 'l2' or ''", 'int or None', '')
    """
    if get_origin(annotation) is Literal:
        return " or ".join(map(repr, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join("None" if of is NoneType else _in_words(of) for of in get_args(annotation))
    if annotation is inspect.Parameter.empty:
        return ""
    return annotation.__name__ if isinstance(annotation, type) else re.sub(r"\b(\w+\.)+", "", str(annotation))


def descriptions_for(card: MethodCard, texts: str) -> Descriptions:
    """The texts of a file for a method that has texts of its own for every action (`--texts FILE`).

    Raises:
        UsageError: it is no file of descriptions.
    """
    if not Path(texts).is_file():
        raise UsageError(f"{card.name} has texts of its own; give a description file (--texts FILE), got {texts!r}")
    return read_descriptions(Path(texts))


def describe_method(method: Any) -> dict[str, Any]:
    """Settings, protocol, compat switches and remarks of a method, for reports.

    Settings are what it was made with, as far as that is plain data; parts appear by their fingerprint.
    """
    return {
        "settings": _settings_of(method),
        "protocol": protocol_of(method),
        "compat": str(getattr(method, "compat", "") or ""),
        "remarks": [str(remark) for remark in method.remarks()] if hasattr(method, "remarks") else [],
    }


def protocol_of(method: Any) -> str:
    """What a method, or its class, knows when it answers: nothing learned, seen classes, or also unseen names."""
    if getattr(method, "training_free", False):
        return "training-free"
    return "class-transductive" if getattr(method, "class_names_at_fit", False) else "inductive"


def _settings_of(method: Any) -> dict[str, Any]:
    names = [name for name in inspect.signature(type(method)).parameters if name not in NOT_SETTINGS]
    return {name: plain(getattr(method, name, None)) for name in names}


def plain(value: Any) -> Any:
    """A value as JSON can hold it: what is no number, text, list or mapping by its fingerprint or the name of its type.

    Numbers that JSON has not are written as text.

    Example:
        >>> plain({"a": (1, float("-inf")), "b": np.float32(0.5), "c": object()})
        {'a': [1, '-inf'], 'b': 0.5, 'c': 'object'}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, float):
        return str(value)
    return str(value) if isinstance(value, Path) else str(getattr(value, "fingerprint", type(value).__name__))
