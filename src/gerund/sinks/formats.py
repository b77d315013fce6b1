"""The formats of output: all that the files of this folder have."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gerund import sinks
from gerund.discovery import modules_of
from gerund.errors import UsageError
from gerund.sinks.base import AnswerKind, OutputFormat

_RECORD = (".json", ".jsonl")


@cache
def formats() -> tuple[OutputFormat, ...]:
    """Every format, file after file."""
    return tuple(one for module in modules_of(sinks) for one in getattr(module, "FORMATS", ()))


def choose_format(given: str, kind: AnswerKind) -> tuple[OutputFormat, str]:
    """What ``--to`` means: ``FILE`` in the format of its ending, or ``NAME=FILE`` in a format by its name.

    Args:
        given: as typed.
        kind: of the answers that go there.

    Returns:
        The format, and the file.

    Raises:
        UsageError: there is no such format, or it cannot show these answers.

    Example:
        >>> choose_format("found.CSV", "actions")[0].name, choose_format("vtt=-", "segments")[1]
        ('csv', '-')
    """
    fit = [one for one in formats() if kind in one.kinds]
    name, _, file = given.partition("=")
    named = [one for one in formats() if file and one.name == name.lower()]
    target, suffix = (file, "") if named else (given, Path(given).suffix.lower())
    meant = named or [one for one in formats() if suffix in one.suffixes]
    if not meant and suffix in _RECORD:
        raise UsageError(f"--to {given}: --json {given} writes JSON Lines, and goes on from what is there")
    if not meant:
        known = ", ".join(".".join(["", one.name]) for one in fit)
        raise UsageError(f"--to {given}: no format ends like that; there are {known}, or give NAME=FILE")
    if meant[0] not in fit:
        raise UsageError(f"--to {given}: {meant[0].what} cannot show a list of {kind}")
    return meant[0], target
