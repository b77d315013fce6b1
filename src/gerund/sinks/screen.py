"""Answers in a terminal, as tables and timelines; what could not be answered is listed when the command ends."""

from __future__ import annotations

from rich.text import Text

from gerund.answers import Classification
from gerund.drawing import classification_table, timeline
from gerund.sinks.base import Answer, Sink, actions_of, segments_of
from gerund.terminal import Watcher, show
from gerund.writing import standard_output


class Screen(Sink):
    """Standard output, for people.

    Args:
        watcher: whose bars make room meanwhile.
        many: whether there are several videos, which then stand apart.
        top: how many segments to show.
    """

    def __init__(self, watcher: Watcher, *, many: bool, top: int) -> None:
        self._watcher = watcher
        self._many = many
        self._top = top

    def take(self, answer: Answer) -> None:
        """Shows one answer."""
        if answer["error"] is not None:
            return
        text = self._draw(answer)
        if answer["note"]:
            text.append(f"\n  note: {answer['note']}", style="yellow")
        with self._watcher.hidden(), standard_output():
            show(text.append("\n") if self._many else text)

    def _draw(self, answer: Answer) -> Text:
        if "actions" in answer:
            found = actions_of(answer)
            return classification_table(
                Classification(answer["video"], answer["duration_s"], answer["model"], found, method=answer["method"])
            )
        found_segments = segments_of(answer)
        return timeline(answer["video"], answer["duration_s"], found_segments, top=self._top, method=answer["method"])
