"""What every sink takes, and what it does with it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gerund.answers import ActionScore
from gerund.types import Segment, Segments

if TYPE_CHECKING:
    from gerund.page import Embed

AnswerKind = Literal["actions", "segments"]
"""What an answer is a list of, and what that list is called in its line."""

Answer = dict[str, Any]
"""A line of the record: what a video was answered, or with an `error` why it was not; see ``docs/answers.md``."""


class Sink(ABC):
    """One output of a command over many videos.

    Whatever a sink raises costs the video at hand alone, except an `OutputError`, which stops the work.
    """

    @abstractmethod
    def take(self, answer: Answer) -> None:
        """Writes or shows one answer."""

    def close(self, *, spare_earlier: bool) -> Iterable[str]:
        """Finishes the output when the command ends, also when it was stopped.

        Args:
            spare_earlier: leave a file of an earlier command in its place, for this command was stopped and there is no
                record to make the file from again.

        Returns:
            What a person should know about it.
        """
        return ()


@dataclass(frozen=True)
class Order:
    """An output as a command orders it.

    Attributes:
        target: a file, or ``-`` for standard output; a folder where the format takes one.
        kind: what the answers are lists of.
        videos: all of the command.
        model: the model's name.
        note: told of videos that a part of the output could not be made for, with the reason.
        embed: which videos a page holds.
    """

    target: str
    kind: AnswerKind
    videos: Sequence[Path]
    model: str
    note: Callable[[str, str], None]
    embed: Embed = "auto"


@dataclass(frozen=True)
class OutputFormat:
    """One kind of file that answers go into.

    Every file of this folder may have a tuple `FORMATS` of these; a new file here is a new format of ``--to``.

    Attributes:
        suffixes: endings of its files in lower case, ``(".csv",)``; the first without its dot is its name.
        what: in a few words.
        make: opens an output.
        kinds: the answers that it can show.
        check: refuses an order before anything is computed, by raising a `UsageError`; None where all are right.
        takes_folder: its target may be a folder that is there.
    """

    suffixes: tuple[str, ...]
    what: str
    make: Callable[[Order], Sink]
    kinds: tuple[AnswerKind, ...] = ("actions", "segments")
    check: Callable[[Order], object] | None = None
    takes_folder: bool = False

    @property
    def name(self) -> str:
        """What users call it."""
        return self.suffixes[0].removeprefix(".")


def actions_of(answer: Answer) -> tuple[ActionScore, ...]:
    """The actions of an answer of ``classify``, best first."""
    return tuple(ActionScore(item["action"], item["score"], item["probability"]) for item in answer["actions"])


def is_answer(line: Answer) -> bool:
    """True for an answer that can be shown again; False for a failure, and for a line that was spoilt by hand.

    Example:
        >>> line = {"duration_s": 2.0, "model": "i3d-minilm", "segments": [], "error": None, "note": None}
        >>> is_answer(line), is_answer(line | {"duration_s": "2"}), is_answer(line | {"error": "it is empty"})
        (True, False, False)
    """
    try:
        items = actions_of(line) if "actions" in line else segments_of(line)
        duration_s = line["duration_s"]
        texts = [line["model"], line["note"] or "", *(item.action for item in items)]
        return (
            line["error"] is None
            and isinstance(duration_s, int | float)
            and 0 <= float(duration_s) < math.inf
            and all(isinstance(text, str) for text in texts)
            and ("segments" in line or bool(items))
        )
    except (KeyError, TypeError, ValueError, OverflowError):  # gerund's own errors about values are ValueErrors
        return False


def segments_of(answer: Answer) -> Segments:
    """The segments of an answer of ``locate``."""
    return Segments(Segment(**item) for item in answer["segments"])
