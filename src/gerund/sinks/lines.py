"""Answers as JSON Lines to standard output, or into a pipe; a file of them is a `Record`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gerund.record import encode
from gerund.sinks.base import Answer, Sink
from gerund.writing import GrowingFile, StandardOutput, is_stdout


class Lines(Sink):
    """One line an answer, gone on its way before the next video begins.

    Args:
        target: ``-`` for standard output, else a pipe or a device.
    """

    def __init__(self, target: str) -> None:
        self._stream = StandardOutput() if is_stdout(target) else GrowingFile(Path(target))

    def take(self, answer: Answer) -> None:
        """Writes the line."""
        self._stream.append(encode(answer))

    def close(self, *, spare_earlier: bool) -> Iterable[str]:
        """Lets go of the pipe."""
        self._stream.close()
        return ()
