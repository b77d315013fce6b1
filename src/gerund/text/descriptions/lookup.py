"""What descriptions say of a name, as the texts that stand for it."""

from __future__ import annotations

from collections.abc import Sequence

from gerund.errors import UsageError
from gerund.text.descriptions.builtin import built_in
from gerund.text.descriptions.schema import Descriptions


def defined_name(name: str, known: Descriptions | None = None) -> str | None:
    """An action's name with its definition, ``"name: definition"``; None where it has none."""
    found = (known or built_in()).of(name, "definition")
    return f"{name}: {found[0]}" if found else None


def texts_from(names: Sequence[str], known: Descriptions, place: str) -> tuple[tuple[str, ...], ...]:
    """For each name its definition behind it, or, where it has none, all its texts behind it, or the bare name.

    Raises:
        UsageError: nothing is known about any of them; the message names the place of the descriptions.
    """
    if not len(known):
        raise UsageError(f"{place}: the file describes nothing")
    texts = [_texts_of(name, known) for name in names]
    if not any(texts):
        raise UsageError(f"{place}: it describes none of the {len(names)} actions, such as {names[0]}")
    return tuple(of or (name,) for name, of in zip(names, texts, strict=True))


def _texts_of(name: str, known: Descriptions) -> tuple[str, ...]:
    defined = defined_name(name, known)
    return (defined,) if defined else tuple(f"{name}: {text}" for text in known.of(name) if text)
