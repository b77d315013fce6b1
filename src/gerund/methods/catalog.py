"""The methods by name, and a method in a file of the user's."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import math
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from gerund.errors import GerundError, UsageError
from gerund.methods.learner import NOT_SETTINGS

_OWN = "gerund_method_"
"""Begins the names of modules that are a user's file."""
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class MethodCard:
    """One method: what it is called, where it is, what it needs.

    Attributes:
        name: what users type.
        home: module and class, ``"gerund.methods.eszsl:Eszsl"``.
        what: one line about it.
        task: ``"recognition"`` or ``"localization"``.
        settings: those that make this name of a class that has several.
        paper: arguments of the class's ``paper`` that give this method's published settings.
    """

    name: str
    home: str
    what: str
    task: str = "recognition"
    settings: tuple[tuple[str, Any], ...] = ()
    paper: tuple[tuple[str, Any], ...] = ()


METHODS = (
    MethodCard("similarity", "gerund.methods.similarity:Similarity", "cosine of video and class text; training-free"),
    MethodCard("tear", "gerund.methods.tear:Tear", "mean of many texts about each class; training-free"),
    MethodCard(
        "devise",
        "gerund.methods.bilinear:Bilinear",
        "one bilinear map, hinge loss over all classes",
        settings=(("loss", "devise"),),
    ),
    MethodCard(
        "ale",
        "gerund.methods.bilinear:Bilinear",
        "one bilinear map, rank-weighted hinge loss",
        settings=(("loss", "ale"),),
    ),
    MethodCard(
        "sje",
        "gerund.methods.bilinear:Bilinear",
        "one bilinear map, hinge loss of the worst class",
        settings=(("loss", "sje"),),
    ),
    MethodCard("dem", "gerund.methods.dem:Dem", "texts mapped to video vectors, nearest one wins"),
    MethodCard("eszsl", "gerund.methods.eszsl:Eszsl", "bilinear map in closed form"),
    MethodCard("gcn", "gerund.methods.gcn:Gcn", "classifier rows for unseen classes through a graph of names"),
    MethodCard("elaborate", "gerund.methods.elaborate:Elaborate", "Elaborative Rehearsal on videos and their objects"),
    MethodCard(
        "elaborate-video",
        "gerund.methods.elaborate:Elaborate",
        "its video stream alone (VSE)",
        settings=(("streams", "video"), ("video_dropout", 0.5)),
        paper=(("which", "vse"),),
    ),
    MethodCard(
        "elaborate-objects",
        "gerund.methods.elaborate:Elaborate",
        "its object stream alone",
        settings=(("streams", "objects"),),
        paper=(("which", "objects"),),
    ),
    MethodCard("contrast", "gerund.methods.contrast:Contrast", "training-free localizer", task="localization"),
    MethodCard("whole", "gerund.methods.baselines:WholeVideo", "the whole video as one segment", task="localization"),
    MethodCard("uniform", "gerund.methods.baselines:UniformWindows", "windows everywhere", task="localization"),
)


def find_method(name: str) -> MethodCard:
    """The card of a method, or of a class in a Python file given as ``file.py:Class``.

    Raises:
        UsageError: there is no such method, file or class.
    """
    for card in METHODS:
        if card.name == name:
            return card
    if ".py:" in name:
        task = "localization" if hasattr(class_of(name), "locate") else "recognition"
        return MethodCard(Path(name.rpartition(":")[0]).stem, name, "from a file", task=task)
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
    made = class_of(card.home)
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


@contextmanager
def errors_of(method: Any, doing: str) -> Iterator[None]:
    """Turns what goes wrong inside a method into one line that names the place in its file.

    Raises:
        GerundError: the method fails in a way of its own.
    """
    try:
        yield
    except (GerundError, MemoryError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        home = inspect.getsourcefile(type(method))
        place = next((frame for frame in reversed(frames) if frame.filename == home), frames[-1])
        raise GerundError(
            f"{type(method).__name__}.{doing} fails in {place.filename}, line {place.lineno}: "
            f"{type(error).__name__}: {error}"
        ) from error


def takes(card: MethodCard, setting: str) -> bool:
    """True when a method's constructor has an argument of that name."""
    return setting in inspect.signature(class_of(card.home)).parameters


def describe_method(method: Any) -> dict[str, Any]:
    """Settings, protocol and compat switches of a method, for reports.

    Settings are what it was made with, as far as that is plain data; parts appear by their fingerprint.
    """
    protocol = "class-transductive" if getattr(method, "class_names_at_fit", False) else "inductive"
    if getattr(method, "training_free", False):
        protocol = "training-free"
    card = {"settings": _settings_of(method), "protocol": protocol, "compat": getattr(method, "compat", "") or ""}
    if type(method).__module__.startswith(_OWN):
        source = Path(inspect.getsourcefile(type(method)) or "")
        card["file_sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    return card


def _settings_of(method: Any) -> dict[str, Any]:
    found = {}
    for name in inspect.signature(type(method)).parameters:
        if name in NOT_SETTINGS:
            continue
        value = getattr(method, name, None)
        plain = isinstance(value, str | int | float | bool | list | tuple | dict | None)
        found[name] = value if plain else getattr(value, "fingerprint", type(value).__name__)
    return found


@cache
def class_of(home: str) -> Any:
    """The class at ``module:Class`` or ``file.py:Class``; a file is run once.

    Raises:
        UsageError: it is not there, or needs PyTorch, which is not here.
    """
    module, _, name = home.rpartition(":")
    if module.endswith(".py"):
        loaded = _run_file(Path(module))
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


def _run_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"{path}: no such file; give a method as file.py:Class")
    name = f"{_OWN}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: not a Python file")
    loaded = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up by name
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    return loaded
