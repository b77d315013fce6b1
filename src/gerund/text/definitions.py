"""gerund's own one-sentence definitions of the actions in the built-in vocabularies.

A bare name says little to a text encoder ("punch", "swing"). Where a class has a definition its text becomes
"name: definition"; any other name stands for itself.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

from gerund.text.classes import ClassSpace, to_words

_NOT_WORD = re.compile(r"[^\w]+")


def with_definitions(classes: ClassSpace) -> ClassSpace:
    """The same classes with the text "name: definition" wherever gerund knows the action.

    Case, punctuation and spacing do not matter for the look-up. Classes that came with texts of their own keep them.

    Example:
        >>> with_definitions(ClassSpace(("Shoot bow", "feeding a unicorn"))).texts[1]
        ('feeding a unicorn',)
    """
    texts = tuple(
        (f"{name}: {definition}",) if given == (name,) and (definition := find_definition(name)) else given
        for name, given in zip(classes.names, classes.texts, strict=True)
    )
    return ClassSpace(classes.names, texts)


def find_definition(name: str) -> str | None:
    """The definition of an action, also under a data set's spelling of it; None when gerund has none."""
    return _definitions().get(_key(name)) or _definitions().get(_key(to_words(name)))


@cache
def _definitions() -> dict[str, str]:
    lines = files("gerund.text").joinpath("data", "definitions.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return {_key(entry["name"]): entry["definition"] for entry in entries}


def _key(name: str) -> str:
    return _NOT_WORD.sub(" ", name.casefold()).strip()
