"""The one small interface that every method has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, Self

from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, Segments, Track


class Recognizer(Protocol):
    """Says which action a video shows.

    `takes` tells what `score` wants: ``"clip"``, ``"track"`` or ``"vector"``. Constructors only store settings; work
    happens in `fit`; the classes are given when scoring, so that one fitted object answers for any list.
    """

    takes: ClassVar[str]

    def fit(self, examples: object, classes: ClassSpace) -> Self:
        """Learns from examples of seen classes."""
        ...

    def score(self, inputs: Sequence[Track], classes: ClassSpace) -> FloatArray:
        """Scores ``[N, C]``, higher is better; no softmax."""
        ...


class Localizer(Protocol):
    """Says when actions happen in a video."""

    takes: ClassVar[str]

    def fit(self, examples: object, classes: ClassSpace) -> Self:
        """Learns from examples of seen classes."""
        ...

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """Segments of the classes that the track shows."""
        ...
