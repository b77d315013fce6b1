"""gerund's own descriptions of the actions in the built-in vocabularies: original texts, under gerund's licence."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from gerund.text.descriptions.schema import Descriptions, Source

FILE = "descriptions.jsonl"


@cache
def built_in() -> Descriptions:
    """The descriptions that ship with gerund.

    Example:
        >>> "ApplyEyeMakeup" in built_in(), len(built_in().of("playing guitar", "steps"))
        (True, 3)
    """
    text = files("gerund.text").joinpath("data", FILE).read_text(encoding="utf-8")
    return Descriptions.parse(text.splitlines(), FILE, Source("gerund"))
