"""Which names of actions can be read by what encodes them, and which of them it has never met the like of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gerund.errors import UsageError
from gerund.text.classes import ClassSpace

_NAMED = 5


def unreadable(classes: ClassSpace, reader: Any) -> list[str]:
    """Names of the classes whose texts are in a script that the reader's vocabulary does not have.

    Args:
        classes: what is asked about.
        reader: an encoder, or a method with texts of its own; one that was not made to be asked this, and None, has
            nothing against any.
    """
    ask = getattr(reader, "unreadable", None)
    return list(ask(classes)) if ask else []


def unfamiliar(classes: ClassSpace, reader: Any) -> list[str]:
    """Names that the reader can read and knows beforehand it cannot tell; see `unreadable`."""
    ask = getattr(reader, "unfamiliar", None)
    if not ask:
        return []
    unread = unreadable(classes, reader)
    return [name for name in ask(classes) if name not in unread]


def require_readable(classes: ClassSpace, reader: Any, name: str) -> list[str]:
    """Refuses a list of which the reader can read nothing; all answers would be equal.

    Args:
        classes: what is asked about.
        reader: see `unreadable`.
        name: what users call it.

    Returns:
        The names that it cannot read.

    Raises:
        UsageError: it cannot read any.
    """
    unread = unreadable(classes, reader)
    if len(unread) == len(classes):
        raise UsageError(
            f"{name} cannot read {some(unread)}: its vocabulary does not have this script; name the actions in "
            "English, or give them texts it can read, as in {name: [texts]}"
        )
    return unread


def some(names: Sequence[str]) -> str:
    """The first few of some names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more
