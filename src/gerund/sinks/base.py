"""What every sink takes, and what it does with it."""

from __future__ import annotations

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


def segments_of(answer: Answer) -> Segments:
    """The segments of an answer of ``locate``."""
    return Segments(Segment(**item) for item in answer["segments"])
