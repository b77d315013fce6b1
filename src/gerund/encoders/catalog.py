"""The one list of encoders, and the way from a name, a file or a folder to an encoder.

Those that come with gerund are found in `gerund.encoders.families`: each file there has ``CARDS``, so that a new one is
a new file and nothing else. Whoever stands above adds cards of their own with `register`.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, cast

from gerund.assets import DownloadProgress, hub_folder
from gerund.encoders import families
from gerund.encoders.base import Encoder
from gerund.encoders.card import EncoderCard, Held, Order
from gerund.encoders.engines import Device, EngineName, Precision, choose
from gerund.errors import AssetError, UsageError, in_words
from gerund.own import names_file, run_file

__all__ = ["EncoderCard", "Held", "Order", "build", "encoders", "find_encoder", "register"]

_registered: dict[str, EncoderCard] = {}


def encoders() -> tuple[EncoderCard, ...]:
    """The cards of all encoders: gerund's own, family by family, then those that were registered."""
    return (*_built_in(), *_registered.values())


@cache
def _built_in() -> tuple[EncoderCard, ...]:
    names = sorted(module.name for module in iter_modules(families.__path__))
    return tuple(card for name in names for card in import_module(f"{families.__name__}.{name}").CARDS)


def register(card: EncoderCard) -> None:
    """Adds an encoder of yours: from now on its name is as good as any other, in Python and in a command of yours.

    Raises:
        UsageError: there is another one of that name.
    """
    if any(known.name == card.name and known is not card for known in encoders()):
        raise UsageError(f"there is an encoder {card.name!r} already; give yours another name")
    _registered[card.name] = card


def find_encoder(name: str) -> EncoderCard:
    """The card of an encoder.

    Raises:
        UsageError: there is none of that name.
    """
    names = [card.name for card in encoders()]
    if name in names:
        return encoders()[names.index(name)]
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"no model {name!r}{hint or '.'} There are {', '.join(names)}")


def build(
    name_or_path: str,
    *,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    threads: int = 0,
    random_weights: bool = False,
    progress: DownloadProgress | None = None,
) -> Encoder:
    """The encoder that a name, a weight file, a folder or the name of a folder on the model hub stands for.

    Args:
        name_or_path: a name of the catalogue is never looked for as a file. ``file.py:Class`` is code of a user's,
            which is run; only what a person named may be given so.
        engine: see `gerund.encoders.engines.compile_graph`, as are the next three.
        precision: arithmetic.
        device: where to compute.
        threads: how many threads to compute with; 0 takes every core.
        random_weights: draw the weights, the same every time; the fingerprint then begins with ``random-``.
        progress: told about downloads.

    Raises:
        UsageError: there is no such encoder, its weights have to be given, or it cannot be had with these settings.
        AssetError: its weights cannot be had, or are not its own.
    """
    choose(engine, precision, device)  # what cannot be is told before anything is fetched or read
    if names_file(name_or_path):
        return _own(name_or_path)
    card = next((card for card in encoders() if card.name == name_or_path), None)
    held = None if card else _held(name_or_path)
    if held:
        card = _card_of(held)
    if card is None:
        raise UsageError(
            f"no model {name_or_path!r}; give one of {', '.join(card.name for card in encoders())}, a file, a folder, "
            "a hub name such as 'owner/name', or code of yours as file.py:Class"
        )
    if random_weights:
        _require_drawable(card, held)
    elif card.repository and held is None:
        held = Held(hub_folder(card.repository, file=card.file) / card.file)
    elif card.needs_file and held is None:
        random = ", or try it with random weights: gerund extract --random-weights" if card.drawable else ""
        raise UsageError(
            f"{card.name}: gerund cannot fetch its weights ({card.published}). Fetch them and give the file or folder "
            f"in place of the name{random}"
        )
    return card.build(Order(name_or_path, held, random_weights, engine, precision, device, threads, progress))


def _own(home: str) -> Encoder:
    """An encoder of a user's file; one that has no fingerprint of its own is known by its file's hash.

    Raises:
        UsageError: the class is not there, or cannot be made without arguments.
    """
    path, _, name = home.rpartition(":")
    found = run_file(Path(path))
    made: Any = getattr(found.module, name, None)
    if not callable(made):
        raise UsageError(f"{path} has no class {name!r}")
    try:
        encoder = made()
    except Exception as error:
        raise UsageError(f"{home} cannot be made without arguments: {in_words(error)}") from error
    if getattr(encoder, "fingerprint", None) is None:
        made.fingerprint = found.sha256[:16]
    if not hasattr(encoder, "name"):
        made.name = home
    return cast(Encoder, encoder)


def _held(given: str) -> Held | None:
    """What lies under a path, or in a folder of the hub, which is fetched; None for what is neither."""
    if Path(given).exists():
        return Held(Path(given))
    is_of_hub = given.count("/") == 1 and not given.startswith((".", "/"))
    return Held(hub_folder(given)) if is_of_hub else None


def _card_of(held: Held) -> EncoderCard:
    """The first card that the content fits.

    Raises:
        AssetError: there is none.
    """
    for card in encoders():
        if card.fits and card.fits(held):
            return card
    reason = "none of the arrays in it tell which"
    try:
        _ = held.checkpoint
    except AssetError as error:
        reason = str(error)
    names = ", ".join(card.name for card in encoders() if card.fits)
    raise AssetError(f"{held.path}: not the weights of an encoder that gerund knows ({names}): {reason}")


def _require_drawable(card: EncoderCard, held: Held | None) -> None:
    if held is not None:
        raise UsageError(f"--random-weights goes with a name of the catalogue; {held.path} has weights")
    if not card.drawable:
        names = ", ".join(known.name for known in encoders() if known.drawable)
        raise UsageError(f"{card.name} is nothing without what it has learned; --random-weights is for {names}")
