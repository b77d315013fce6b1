"""The methods by name, and a method in a file of the user's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gerund.errors import UsageError
from gerund.methods.own import names_file, run_file
from gerund.methods.training.learner import NOT_SETTINGS

_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class MethodCard:
    """One method: what it is called, where it is, what it needs.

    Attributes:
        name: what users type.
        home: module and class, ``"gerund.methods.recognizers.eszsl:Eszsl"``.
        what: one line about it.
        task: ``"recognition"`` or ``"localization"``.
        settings: those that make this name of a class that has several.
        paper: arguments of the class's ``paper`` that give this method's published settings.
        sha256: of the user's file that it is in; ``""`` for gerund's own.
    """

    name: str
    home: str
    what: str
    task: str = "recognition"
    settings: tuple[tuple[str, Any], ...] = ()
    paper: tuple[tuple[str, Any], ...] = ()
    sha256: str = ""

    def load(self) -> Any:
        """Its class.

        Raises:
            UsageError: it needs PyTorch, which is not here; or its file is no longer the one that was found.
        """
        return class_of(self.home, self.sha256)


METHODS = (
    MethodCard(
        "similarity",
        "gerund.methods.recognizers.similarity:Similarity",
        "cosine of video and class text; training-free",
    ),
    MethodCard("tear", "gerund.methods.recognizers.tear:Tear", "mean of many texts about each class; training-free"),
    MethodCard(
        "devise",
        "gerund.methods.recognizers.bilinear:Bilinear",
        "one bilinear map, hinge loss over all classes",
        settings=(("loss", "devise"),),
    ),
    MethodCard(
        "ale",
        "gerund.methods.recognizers.bilinear:Bilinear",
        "one bilinear map, rank-weighted hinge loss",
        settings=(("loss", "ale"),),
    ),
    MethodCard(
        "sje",
        "gerund.methods.recognizers.bilinear:Bilinear",
        "one bilinear map, hinge loss of the worst class",
        settings=(("loss", "sje"),),
    ),
    MethodCard("dem", "gerund.methods.recognizers.dem:Dem", "texts mapped to video vectors, nearest one wins"),
    MethodCard("eszsl", "gerund.methods.recognizers.eszsl:Eszsl", "bilinear map in closed form"),
    MethodCard("linear", "gerund.methods.recognizers.linear:Linear", "logistic regression, for seen classes alone"),
    MethodCard(
        "gcn", "gerund.methods.recognizers.gcn:Gcn", "classifier rows for unseen classes through a graph of names"
    ),
    MethodCard(
        "elaborate",
        "gerund.methods.recognizers.elaborate.method:Elaborate",
        "Elaborative Rehearsal on videos and their objects",
    ),
    MethodCard(
        "elaborate-video",
        "gerund.methods.recognizers.elaborate.method:Elaborate",
        "its video stream alone (VSE)",
        settings=(("streams", "video"), ("video_dropout", 0.5)),
        paper=(("which", "vse"),),
    ),
    MethodCard(
        "elaborate-objects",
        "gerund.methods.recognizers.elaborate.method:Elaborate",
        "its object stream alone",
        settings=(("streams", "objects"),),
        paper=(("which", "objects"),),
    ),
    MethodCard(
        "contrast", "gerund.methods.localizers.contrast:Contrast", "training-free localizer", task="localization"
    ),
    MethodCard(
        "whole", "gerund.methods.localizers.baselines:WholeVideo", "the whole video as one segment", task="localization"
    ),
    MethodCard(
        "uniform", "gerund.methods.localizers.baselines:UniformWindows", "windows everywhere", task="localization"
    ),
)


def find_method(name: str, sha256: str = "") -> MethodCard:
    """The card of a method, or of a class in a Python file given as ``file.py:Class``, which is run.

    Args:
        name: as a person gave it.
        sha256: what the file must have; ``""`` for any.

    Raises:
        UsageError: there is no such method, file or class, or it is another file.
    """
    for card in METHODS:
        if card.name == name:
            return card
    if names_file(name):
        path = Path(name.rpartition(":")[0])
        card = MethodCard(path.stem, name, "from a file", sha256=run_file(path, sha256).sha256)
        return replace(card, task="localization" if hasattr(card.load(), "locate") else "recognition")
    near = get_close_matches(name, [card.name for card in METHODS], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(
        f"no method {name!r}{hint or '.'} There are {', '.join(card.name for card in METHODS)}; or give file.py:Class"
    )


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
    settings = {name: _checked(card, name, value, taken) for name, value in settings.items()}
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


def takes(card: MethodCard, setting: str) -> bool:
    """True when a method's constructor has an argument of that name."""
    return setting in inspect.signature(card.load()).parameters


def describe_method(method: Any) -> dict[str, Any]:
    """Settings, protocol, compat switches and remarks of a method, for reports.

    Settings are what it was made with, as far as that is plain data; parts appear by their fingerprint.
    """
    protocol = "class-transductive" if getattr(method, "class_names_at_fit", False) else "inductive"
    if getattr(method, "training_free", False):
        protocol = "training-free"
    return {
        "settings": _settings_of(method),
        "protocol": protocol,
        "compat": str(getattr(method, "compat", "") or ""),
        "remarks": [str(remark) for remark in method.remarks()] if hasattr(method, "remarks") else [],
    }


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


def class_of(home: str, sha256: str = "") -> Any:
    """The class at ``module:Class`` or ``file.py:Class``; a file is run once.

    Args:
        home: as a card or a person says it, never as a file's content does.
        sha256: what the file must have; ``""`` for any.

    Raises:
        UsageError: it is not there, or needs PyTorch, which is not here.
    """
    module, _, name = home.rpartition(":")
    if names_file(home):
        loaded: Any = run_file(Path(module), sha256).module
    else:
        try:
            loaded = import_module(module)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise UsageError("this method learns with PyTorch; install it with: pip install 'gerund[torch]'") from error
    if not hasattr(loaded, name):
        raise UsageError(f"{module} has no class {name!r}")
    return getattr(loaded, name)
