"""A fitted method in a folder: ``method.json`` says what it is, ``learned.safetensors`` what it learned.

A method can be saved that stores its constructor's arguments under their own names, and has

* ``state()``: the learned arrays by name, empty before `fit`;
* ``restore(state)``: takes them up again.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as tensors

from gerund.errors import GerundError, UsageError
from gerund.methods.learner import NOT_SETTINGS
from gerund.writing import write_bytes

_HOME = "gerund.methods."


class Saveable(Protocol):
    """A method that can be taken up again from its arrays."""

    def state(self) -> Mapping[str, np.ndarray]:
        """The learned arrays by name; empty before `fit`."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        ...


def save(method: Saveable, folder: Path) -> None:
    """Writes a fitted method down; a folder that has one is overwritten.

    What it is built on, such as an encoder of texts, is not written, only its fingerprint.

    Raises:
        UsageError: it was not fitted, or a setting cannot be written as JSON.
    """
    if not hasattr(method, "state") or not hasattr(method, "restore"):
        raise UsageError(
            f"{type(method).__name__} cannot be kept: it needs state(), which gives its learned arrays by name, and "
            "restore(state)"
        )
    arrays = {name: np.ascontiguousarray(array) for name, array in method.state().items()}
    if not arrays:
        raise UsageError(f"{type(method).__name__} has learned nothing yet; fit it before it is saved")
    settings, parts = {}, {}
    for name in set(inspect.signature(type(method)).parameters) - NOT_SETTINGS:
        value = getattr(method, name)
        if hasattr(value, "fingerprint"):
            parts[name] = value.fingerprint
        else:
            settings[name] = value
    learned = tensors.save(arrays)
    content = {
        "method": f"{type(method).__module__}:{type(method).__qualname__}",
        "settings": dict(sorted(settings.items())),
        "parts": dict(sorted(parts.items())),
        "learned_sha256": hashlib.sha256(learned).hexdigest(),
    }
    try:
        text = json.dumps(content, indent=1)
    except TypeError as error:
        raise UsageError(f"{type(method).__name__} cannot be saved: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "learned.safetensors", learned)
    write_bytes(folder / "method.json", text.encode())


def load(folder: Path, *, method: type[Any] | None = None, **parts: Any) -> Any:
    """A fitted method as it was saved.

    Args:
        folder: what `save` wrote.
        method: the class that is expected; needed for one that is not gerund's own.
        parts: what it is built on, by the name of the constructor's argument: ``texts=...``; and arguments that say
            where it computes. ``texts`` must be given if it had any; other parts, such as the ``rows`` that `Gcn`
            learns from, may be left out, and are then None. Those that the method does not take are ignored.

    Raises:
        UsageError: the folder holds another method, or one that was built on other parts.
        GerundError: a file is damaged, or they do not belong together.
    """
    content, arrays = _read(folder)
    home = content["method"]
    if method is None:
        if not home.startswith(_HOME):
            raise UsageError(f"{folder} holds {home}, which is not gerund's own; load it with its class (method=...)")
        module, _, name = home.partition(":")
        method = getattr(import_module(module), name)
    if home != f"{method.__module__}:{method.__qualname__}":
        raise UsageError(f"{folder} holds {home}, not a {method.__name__}")
    saved = content["parts"]
    if "texts" in saved and "texts" not in parts:
        raise UsageError(f"{folder}: give the texts that {home} was built on, with fingerprint {saved['texts']}")
    for name, part in parts.items():
        found = getattr(part, "fingerprint", None)
        if name in saved and found != saved[name]:
            raise UsageError(
                f"{folder} was trained with {name} of fingerprint {saved[name]}, and these have {found}; "
                "vectors of different encoders cannot be exchanged, so give the same ones, or train it again"
            )
    taken = inspect.signature(method).parameters
    given = {name: part for name, part in parts.items() if name in taken and (name in saved or name in NOT_SETTINGS)}
    fitted = method(**{**dict.fromkeys(saved), **content["settings"], **given})
    fitted.restore(arrays)
    return fitted


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    path = folder / "method.json"
    if not path.is_file():
        raise UsageError(f"{folder} holds no saved method (there is no method.json); train one with 'gerund train'")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        learned = (folder / "learned.safetensors").read_bytes()
        if hashlib.sha256(learned).hexdigest() != content["learned_sha256"]:
            raise GerundError(f"{folder}: learned.safetensors is not the file that was saved with method.json")
        return content, tensors.load(learned)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GerundError(f"{folder}: cannot be read as a saved method; {error}") from error
