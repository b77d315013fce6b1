"""Names of actions: the lists that ship with gerund, and how a data set's spelling becomes words."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from gerund.errors import UsageError

VOCABULARIES = (
    "ucf101",
    "hmdb51",
    "kinetics400",
    "kinetics600",
    "activitynet200",
    "thumos14",
    "olympicsports16",
)
"""Class lists that ship with gerund; each file keeps the data set's own order and spelling."""

_LONGEST_MISTYPED = 30
_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def to_words(name: str) -> str:
    """A data set's label as plain words; names that are words already stay as they are.

    Example:
        >>> [to_words(name) for name in ("ApplyEyeMakeup", "shoot_bow", "BMX", "Clean and jerk", "Fahrrad fahren")]
        ['apply eye makeup', 'shoot bow', 'BMX', 'Clean and jerk', 'Fahrrad fahren']
    """
    name = " ".join(name.replace("_", " ").split())
    if " " in name:
        return name
    spaced = _CASE_BOUNDARY.sub(" ", name)
    return spaced.lower() if spaced != name or name[1:].islower() else name


@cache
def read_vocabulary(name: str) -> tuple[str, ...]:
    """Labels of a built-in vocabulary in the data set's own order and spelling.

    Raises:
        UsageError: there is no such vocabulary.
    """
    if name not in VOCABULARIES:
        raise UsageError(f"no vocabulary {name!r}; there are {', '.join(VOCABULARIES)}")
    text = files("gerund.text").joinpath("data", "vocabularies", f"{name}.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def vocabularies_like(spec: str) -> list[str]:
    """The built-in lists that a mistyped one, or one without its number, was meant to be."""
    bare = re.sub(r"\W|_", "", spec.lower())
    stems = {name: name.rstrip("0123456789") for name in VOCABULARIES}
    if len(bare) > _LONGEST_MISTYPED:
        return []
    stem = bare.rstrip("0123456789")
    if bare in VOCABULARIES:
        return [bare]
    if (
        stem != bare
        and stem not in stems.values()
        and (found := get_close_matches(bare, VOCABULARIES, n=1, cutoff=0.8))
    ):
        return found
    found = get_close_matches(stem, set(stems.values()), n=1, cutoff=0.85)
    return [name for name, of in stems.items() if of in found]
