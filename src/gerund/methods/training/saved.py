"""A fitted method in a folder: ``method.json`` says what it is, ``learned.safetensors`` what it learned.

A method can be saved that stores its constructor's arguments under their own names, and has

* ``state()``: the learned arrays by name, empty before `fit`;
* ``restore(state)``: takes them up again.

A folder is data. It names a method of gerund's catalogue, not a module; or the user's file that it learned in. Which
class it is made into is decided by that catalogue, or by a person who names the file, never by the folder; a file must
then be, to the byte, the one that the method learned in.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as tensors

from gerund.errors import GerundError, UsageError, in_words
from gerund.methods.card import MethodCard, require_takes
from gerund.methods.catalog import find_entry, methods
from gerund.methods.training.learner import NOT_SETTINGS
from gerund.own import file_sha256, home_of
from gerund.reading import parse_json, read_at_most
from gerund.writing import write_bytes

_MOST_BYTES = 1 << 20

_MOVED = {
    f"gerund.methods.{old}": f"gerund.methods.recognizers.{new}"
    for old, new in {
        "bilinear:Bilinear": "bilinear:Bilinear",
        "dem:Dem": "dem:Dem",
        "elaborate:Elaborate": "elaborate.method:Elaborate",
        "eszsl:Eszsl": "eszsl:Eszsl",
        "gcn:Gcn": "gcn:Gcn",
    }.items()
}
"""Where the classes are that folders of earlier versions name."""


class _Content(msgspec.Struct, frozen=True):
    """What ``method.json`` says.

    Attributes:
        method: its name in the catalogue, or ``file.py:Class`` of a user's; of earlier versions where its class was.
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

    @property
    def home(self) -> str:
        """Where its class is, as far as the folder says so."""
        named = next((card.home for card in methods() if card.name == self.method), self.method)
        return _MOVED.get(named, named)

    @property
    def entry(self) -> MethodCard | None:
        """Its entry in gerund's catalogue; None for what is not there."""
        return find_entry(self.home, self.settings)


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
    entry = find_entry(home_of(type(method)), settings)
    content = {
        "method": entry.name if entry else home_of(type(method)),
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


@dataclass(frozen=True)
class Kept:
    """What a folder says of itself.

    Attributes:
        method: the name of the method, or where its class is.
        entry: its card in gerund's catalogue; None for one in a file of a user's.
        sha256: of what it learned.
    """

    method: str
    entry: MethodCard | None
    sha256: str


def look(folder: Path) -> Kept:
    """What a folder holds; nothing is made of it.

    Raises:
        UsageError: it holds no method.
        GerundError: a file is damaged, or they do not belong together.
    """
    content, _ = _read(folder)
    return Kept(content.method, content.entry, content.learned_sha256)


def _class_for(folder: Path, content: _Content, method: type[Any] | None) -> type[Any]:
    """The class of a saved method: of gerund's own list, or the one that a person named, if it is the same.

    Raises:
        UsageError: it is on no list and nobody named it, or another one was named.
    """
    if method is None:
        if content.entry is None:
            raise UsageError(
                f"{folder} holds {content.method}, which is not one of gerund's own methods; load it with its class "
                "(method=...)"
            )
        made: type[Any] = content.entry.load()
    else:
        made = method
    if content.home != home_of(made):
        raise UsageError(f"{folder} holds {content.method}, not a {made.__name__}")
    require_takes(made)
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
        named = {card.name for card in methods()}
        if content.method in named and (content.entry is None or content.entry.name != content.method):
            raise GerundError(f"{folder}: the settings are not those of {content.method}; method.json was changed")
        return content, tensors.load(learned)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise GerundError(f"{folder}: cannot be read as a saved method; {error}") from error
