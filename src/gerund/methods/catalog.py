"""The methods by name, and a method in a file of the user's."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from gerund.errors import UsageError


@dataclass(frozen=True)
class MethodCard:
    """One method: what it is called, where it is, what it needs.

    Attributes:
        name: what users type.
        home: module and class, ``"gerund.methods.eszsl:Eszsl"``.
        what: one line about it.
        task: ``"recognition"`` or ``"localization"``.
        settings: those that make this name of a class that has several.
    """

    name: str
    home: str
    what: str
    task: str = "recognition"
    settings: tuple[tuple[str, Any], ...] = ()


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
        task = "localization" if hasattr(_class_of(name), "locate") else "recognition"
        return MethodCard(Path(name.rpartition(":")[0]).stem, name, "from a file", task=task)
    near = get_close_matches(name, [card.name for card in METHODS], n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(
        f"no method {name!r}{hint} There are {', '.join(card.name for card in METHODS)}, or file.py:Class for your own"
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
    made = _class_of(card.home)
    taken = inspect.signature(made).parameters
    given = {name: part for name, part in parts.items() if name in taken} | dict(card.settings)
    for name in settings:
        if name not in taken or name in given:
            free = [known for known in taken if known not in given]
            raise UsageError(f"{card.name} has no setting {name!r}; it has {', '.join(free) or 'none'}")
    given |= settings
    lacking = [name for name, of in taken.items() if of.default is inspect.Parameter.empty and name not in given]
    if lacking:
        raise UsageError(f"{card.name} needs {', '.join(lacking)} (--vectors {lacking[0]}=FILE)")
    if paper and not hasattr(made, "paper"):
        raise UsageError(f"{card.name} has no published settings; leave --paper out")
    return (made.paper if paper else made)(**given)


def takes(card: MethodCard, setting: str) -> bool:
    """True when a method's constructor has an argument of that name."""
    return setting in inspect.signature(_class_of(card.home)).parameters


def settings_of(method: Any) -> dict[str, Any]:
    """What a method was made with, as far as that is plain data; parts appear by their fingerprint."""
    found = {}
    for name in inspect.signature(type(method)).parameters:
        value = getattr(method, name, None)
        plain = isinstance(value, str | int | float | bool | list | tuple | dict | None)
        found[name] = value if plain else getattr(value, "fingerprint", type(value).__name__)
    return found


def _class_of(home: str) -> Any:
    module, _, name = home.rpartition(":")
    if module.endswith(".py"):
        path = Path(module)
        if not path.is_file():
            raise UsageError(f"{path}: no such file; give a method as file.py:Class")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise UsageError(f"{path}: not a Python file")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
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
