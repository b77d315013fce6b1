"""A fitted method in a folder: ``method.json`` says what it is, ``learned.safetensors`` what it learned.

A method can be saved that stores its constructor's arguments under their own names, and has

* ``state()``: the learned arrays by name, empty before `fit`;
* ``restore(state)``: takes them up again.

A folder is data. Which class it is made into is decided by gerund's own list of methods, or by a person who names a
file, never by the folder; a file must then be, to the byte, the one that the method learned in.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as tensors

from gerund.errors import GerundError, UsageError, in_words
from gerund.methods.catalog import METHODS, class_of
from gerund.methods.own import file_sha256, home_of
from gerund.methods.training.learner import NOT_SETTINGS
from gerund.reading import parse_json, read_at_most
from gerund.writing import write_bytes

_MOST_BYTES = 1 << 20


class _Content(msgspec.Struct, frozen=True):
    """What ``method.json`` says.

    Attributes:
        method: where its class is.
        settings: arguments of its constructor.
        parts: fingerprints of what it was built on, by the name of the argument.
        learned_sha256: of the file with the arrays.
        file_sha256: of the user's file with the class; ``""`` for a class that is imported.
    """

    method: str
    settings: dict[str, Any]
    parts: dict[str, str]
    learned_sha256: str
    file_sha256: str = ""


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
        "method": home_of(type(method)),
        "settings": dict(sorted(settings.items())),
        "parts": dict(sorted(parts.items())),
        "learned_sha256": hashlib.sha256(learned).hexdigest(),
        "file_sha256": file_sha256(type(method)),
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
        UsageError: the folder holds another method, one that learned in another file, or one that was built on other
            parts.
        GerundError: a file is damaged, or they do not belong together.
    """
    content, arrays = _read(folder)
    method = _class_for(folder, content, method)
    saved = content.parts
    if "texts" in saved and "texts" not in parts:
        raise UsageError(
            f"{folder}: give the texts that {content.method} was built on, with fingerprint {saved['texts']}"
        )
    for name, part in parts.items():
        found = getattr(part, "fingerprint", None)
        if name in saved and found != saved[name]:
            raise UsageError(
                f"{folder} was trained with {name} of fingerprint {saved[name]}, and these have {found}; "
                "vectors of different encoders cannot be exchanged, so give the same ones, or train it again"
            )
    taken = inspect.signature(method).parameters
    strange = [name for name in {**content.settings, **saved} if name not in taken or name in NOT_SETTINGS]
    if strange:
        raise GerundError(
            f"{folder}: {content.method} has no setting {strange[0]!r}; method.json is not what was saved"
        )
    given = {name: part for name, part in parts.items() if name in taken and (name in saved or name in NOT_SETTINGS)}
    try:
        fitted = method(**{**dict.fromkeys(saved), **content.settings, **given})
        fitted.restore(arrays)
    except GerundError:
        raise
    except Exception as error:
        raise GerundError(f"{folder}: cannot be taken up as a {method.__name__}; {in_words(error)}") from error
    return fitted


def _class_for(folder: Path, content: _Content, method: type[Any] | None) -> type[Any]:
    """The class of a saved method: of gerund's own list, or the one that a person named, if it is the same.

    Raises:
        UsageError: it is on no list and nobody named it, or another one was named.
    """
    if method is None:
        if content.method not in {card.home for card in METHODS}:
            raise UsageError(
                f"{folder} holds {content.method}, which is not one of gerund's own methods; load it with its class "
                "(method=...)"
            )
        made: type[Any] = class_of(content.method)
    else:
        made = method
    if content.method != home_of(made):
        raise UsageError(f"{folder} holds {content.method}, not a {made.__name__}")
    found = file_sha256(made)
    if found and not content.file_sha256:
        raise UsageError(
            f"{folder} does not say in which {content.method} it has learned, so that cannot be verified; "
            "train it again"
        )
    if found != content.file_sha256:
        raise UsageError(
            f"{folder} has learned in a {content.method} with sha256 {content.file_sha256[:12]}, and this file has "
            f"{found[:12] or 'none'}; train it again"
        )
    if not hasattr(made, "restore"):
        raise UsageError(f"{folder}: {content.method} does not learn, so there is nothing to load")
    return made


def _read(folder: Path) -> tuple[_Content, dict[str, np.ndarray]]:
    path = folder / "method.json"
    if not path.is_file():
        raise UsageError(f"{folder} holds no saved method (there is no method.json); train one with 'gerund train'")
    try:
        content = msgspec.convert(parse_json(read_at_most(path, _MOST_BYTES)), _Content)
        learned = (folder / "learned.safetensors").read_bytes()
        if hashlib.sha256(learned).hexdigest() != content.learned_sha256:
            raise GerundError(f"{folder}: learned.safetensors is not the file that was saved with method.json")
        return content, tensors.load(learned)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GerundError(f"{folder}: cannot be read as a saved method; {error}") from error
