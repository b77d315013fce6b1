"""How a store lies on disk: its marker, a folder for each kind, and files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gerund.errors import UsageError
from gerund.features.tracks import FeatureError, TrackKind
from gerund.reading import parse_json
from gerund.version import __version__
from gerund.writing import write_text

_FORMAT = 1
_MARKER = "store.json"
_KIND = "kind.json"
TRACK_SUFFIX = ".npz"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


def is_store(folder: Path) -> bool:
    """True for a folder that says that it is a store."""
    return (folder / _MARKER).is_file()


def read_kinds(folder: Path) -> dict[Path, TrackKind]:
    """What a store holds: the folder of every kind.

    Raises:
        UsageError: it is no store, or one of another layout.
        FeatureError: a description is damaged.
    """
    if not is_store(folder):
        raise UsageError(f"{folder}: no store of features, for it has no {_MARKER}; 'gerund extract' makes stores")
    version = _read_json(folder / _MARKER).get("format")
    if version != _FORMAT:
        raise UsageError(f"{folder}: a store of layout {version}, this gerund reads {_FORMAT}; use a newer gerund")
    kinds = {}
    for file in sorted(folder.glob(f"*/{_KIND}")):
        content = _read_json(file)
        try:
            kinds[file.parent] = TrackKind(
                encoder=content["encoder"],
                fingerprint=content["fingerprint"],
                dim=content["dim"],
                sampling=content["sampling"],
                words=content["sampling_in_words"],
                half=content.get("half") is True,
            )
        except KeyError as error:
            raise FeatureError(f"{file}: says nothing of {error}; delete its folder and extract again") from error
    return kinds


def check_place(store: Path) -> None:
    """Checks that a folder is a store, or may become one, and changes nothing.

    Raises:
        UsageError: it is a file, holds other things, or may not be written.
    """
    if store.exists() and not store.is_dir():
        raise UsageError(f"{store}: a file; give a folder for the features")
    strangers = sorted(path.name for path in store.iterdir() if not path.name.startswith(".")) if store.exists() else []
    if strangers and not is_store(store):  # asked last: another process may have made it one meanwhile
        raise UsageError(f"{store}: holds {strangers[0]} and is no store of features; give a new or an empty folder")
    folder = next(folder for folder in (store, *store.absolute().parents) if folder.exists())
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{store}: cannot be written, no permission in {folder}")


def make_kind(store: Path, kind: TrackKind) -> TrackKind:
    """Makes room for the tracks of a kind, where there is none yet.

    Returns:
        The kind as the store has it; the same encoder may be in it under another name.

    Raises:
        UsageError: the folder holds other things than a store, or a part of the kind cannot be a file name.
    """
    for word in (kind.fingerprint, kind.sampling):
        if not word or set(word) - _PLAIN or word.startswith("."):
            raise UsageError(f"{word!r} cannot be part of a file name; use letters, digits, '.', '_' and '-'")
    _mark(store)
    for known in read_kinds(store).values():
        if (known.fingerprint, known.sampling) == (kind.fingerprint, kind.sampling):
            if known.dim != kind.dim:
                raise UsageError(f"{store}: holds {known}; vectors of {kind.dim} numbers cannot be of that kind")
            if known.half != kind.half:
                there, advice = ("float16", "give --half") if known.half else ("float32", "leave --half out")
                raise UsageError(f"{store}: keeps these as {there}; {advice}, or take another folder. It holds {known}")
            return known
    folder = store / f"{as_file_name(kind.encoder)}-{kind.fingerprint}-{kind.sampling}"
    folder.mkdir(exist_ok=True)
    _write_json(folder / _KIND, {**kind.to_dict(), "gerund": __version__})
    return kind


def choose_kind(
    store: Path,
    kinds: Mapping[Path, TrackKind],
    *,
    encoder: str | None = None,
    sampling: str | None = None,
    fingerprint: str | None = None,
    raw: bool | None = None,
) -> TrackKind:
    """The one kind that is meant; where several could be, those without a single track do not count.

    Args:
        store: the folder, for messages.
        kinds: what it holds, by folder.
        encoder: name of the encoder, or the last part of it.
        sampling: key of the sampling.
        fingerprint: of the encoder.
        raw: True takes only vectors as a network gives them, or of which it is not known; False takes others first.

    Raises:
        UsageError: there is none, or there are several.
    """
    if not kinds:
        raise UsageError(f"{store}: nothing was extracted into this store yet")
    there = "There are:\n" + "\n".join(f"  {kind}" for kind in kinds.values())
    like = {
        folder: kind
        for folder, kind in kinds.items()
        if encoder in (None, kind.encoder, as_file_name(kind.encoder)) and sampling in (None, kind.sampling)
    }
    found = {folder: kind for folder, kind in like.items() if fingerprint in (None, kind.fingerprint)}
    if raw and found and not (found := {folder: kind for folder, kind in found.items() if kind.raw is not False}):
        raise UsageError(
            f"{store}: holds vectors of length 1, and here they are needed as the network gives them; extract them "
            f"again with --raw. {there}"
        )
    if raw is False and len(found) > 1:
        found = {folder: kind for folder, kind in found.items() if not kind.raw} or found
    if len(found) > 1:
        found = {folder: kind for folder, kind in found.items() if any(folder.rglob(f"*{TRACK_SUFFIX}"))} or found
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UsageError(
            f"{store}: holds several kinds of features; choose by encoder, sampling and, where these are not enough, "
            f"fingerprint. {there}"
        )
    if like:
        raise UsageError(
            f"{store}: features of another encoder than the one with fingerprint {fingerprint}; weights, recipe or "
            f"arithmetic differ. Use the encoder that made them, or extract again. {there}"
        )
    asked = {"encoder": encoder, "sampling": sampling}
    raise UsageError(f"{store}: no features of {', '.join(f'{k} {v}' for k, v in asked.items() if v)}. {there}")


def as_file_name(encoder: str) -> str:
    """The last part of an encoder's name, with what no file name should have replaced.

    Example:
        >>> as_file_name("openai/clip-vit-base-patch16"), as_file_name("models/my clip/")
        ('clip-vit-base-patch16', 'my_clip')
    """
    last = encoder.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return "".join(letter if letter in _PLAIN else "_" for letter in last).lstrip(".") or "encoder"


def _mark(store: Path) -> None:
    """Makes the folder a store, where it is none."""
    check_place(store)
    if not is_store(store):
        store.mkdir(parents=True, exist_ok=True)
        _write_json(store / _MARKER, {"format": _FORMAT, "gerund": __version__})


def _write_json(path: Path, content: dict[str, object]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise FeatureError(f"{path}: cannot be read as JSON ({error}); restore it, or extract again") from error
    if not isinstance(content, dict):
        raise FeatureError(f"{path}: expected an object, got {type(content).__name__}; restore it, or extract again")
    return content
