"""One thing that was looked at, and the numbers that others documented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gerund.bench.shipped import read_json

State = Literal["ok", "failed", "not checked"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        subject: a benchmark or a data set.
        what: in a few words.
        state: how it went.
        detail: what is wrong, or what is needed to check it; ``""`` where all is well.
    """

    subject: str
    what: str
    state: State
    detail: str = ""


def documented(what: str) -> Any:
    """Numbers that papers and releases give, by what they count."""
    return shipped("counts")[what]


def shipped(name: str) -> Any:
    """The content of a JSON file beside this code."""
    return read_json(f"{name}.json")
