"""Answers as tables in CSV: a row an action, or a row a segment; a video without any has a row that shows it."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from gerund.printing import csv_text
from gerund.sinks.base import Answer, Order, OutputFormat, Sink, actions_of, segments_of
from gerund.writing import GrowingFile, StandardOutput, is_stdout


class _Table(Sink):
    """A table that grows by the rows of one video at a time.

    Where a file of that name is there, the new one grows beside it as ``NAME.part`` and takes its place at the end.

    Args:
        target: a file; ``-`` for standard output.
    """

    header: ClassVar[Sequence[str]]

    def __init__(self, target: str) -> None:
        self._target = Path(target).resolve()
        self._part: Path | None = None
        self._stream: GrowingFile | StandardOutput
        if is_stdout(target):
            self._stream = StandardOutput()
        else:
            if self._target.is_file() and self._target.stat().st_size:
                self._part = self._target.with_name(f"{self._target.name}.part")
            self._stream = GrowingFile(self._part or self._target)
        self._stream.append(csv_text([self.header]))

    def take(self, answer: Answer) -> None:
        """Writes the rows of one video."""
        self._stream.append(csv_text(self.rows(answer)))

    @abstractmethod
    def rows(self, answer: Answer) -> Iterable[Sequence[Any]]:
        """What the table has about one video."""

    def close(self, *, spare_earlier: bool) -> Iterable[str]:
        """Puts the table in its place."""
        self._stream.close()
        if not self._part:
            return ()
        if spare_earlier:
            return (f"{self._target} is that of an earlier command; what was finished now is in {self._part}",)
        os.replace(self._part, self._target)
        return ()


class ActionTable(_Table):
    """Rows of actions with their ranks, from `classify`."""

    header = ("video", "duration_s", "rank", "action", "score", "probability", "error")

    def rows(self, answer: Answer) -> Iterable[Sequence[Any]]:
        """One row an action, or one with the error."""
        if answer["error"] is not None:
            return [[answer["video"], "", "", "", "", "", answer["error"]]]
        duration = f"{answer['duration_s']:.3f}"
        return [
            [answer["video"], duration, rank, item.action, f"{item.score:.6f}", f"{item.probability:.6f}", ""]
            for rank, item in enumerate(actions_of(answer), 1)
        ]


class SegmentTable(_Table):
    """Rows of segments, from `locate`."""

    header = ("video", "start_s", "end_s", "action", "score", "confidence", "error")

    def rows(self, answer: Answer) -> Iterable[Sequence[Any]]:
        """One row a segment; one with the error; or one with empty cells, where no action stands out."""
        if answer["error"] is not None:
            return [[answer["video"], "", "", "", "", "", answer["error"]]]
        return [[*row, ""] for row in segments_of(answer).to_rows(answer["video"])]


def _table(order: Order) -> Sink:
    return (ActionTable if order.kind == "actions" else SegmentTable)(order.target)


CSV = OutputFormat((".csv",), "a table", _table)
FORMATS = (CSV,)
