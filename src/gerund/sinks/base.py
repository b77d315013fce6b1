"""What every sink takes, and what it does with it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from gerund.answers import ActionScore
from gerund.types import Segment, Segments

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


def actions_of(answer: Answer) -> tuple[ActionScore, ...]:
    """The actions of an answer of ``classify``, best first."""
    return tuple(ActionScore(item["action"], item["score"], item["probability"]) for item in answer["actions"])


def is_answer(line: Answer) -> bool:
    """True for an answer that can be shown again; False for a failure, and for a line that was spoilt by hand.

    Example:
        >>> line = {"duration_s": 2.0, "model": "clip", "method": "contrast", "segments": []}
        >>> line |= {"error": None, "note": None}
        >>> is_answer(line), is_answer(line | {"duration_s": "2"}), is_answer(line | {"error": "it is empty"})
        (True, False, False)
    """
    try:
        items = actions_of(line) if "actions" in line else segments_of(line)
        duration_s = line["duration_s"]
        texts = [line["model"], line["method"], line["note"] or "", *(item.action for item in items)]
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
