"""The one small interface that every method has.

A method is a class in a file of its own. Its constructor only stores settings; work happens in `fit`; what was learned
ends in ``_``. The classes are given when scoring: that is what zero-shot means, so one fitted object answers for any
list. Nothing here knows of data sets, splits or test labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Protocol, Self

from gerund.examples import Examples, Inputs
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, Segments, Track


class ClassEncoder(Protocol):
    """Class names to vectors; every encoder is one, and so is a table of word vectors."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would."""
        ...

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """Classes to vectors ``[C, D]``, each from all of its texts."""
        ...


class Recognizer(Protocol):
    """Says which action a video shows.

    Attributes:
        takes: what of its inputs it looks at: ``"track"``, ``"vector"`` (the mean of a track over time), or ``"clip"``
            (pictures, by `Inputs.clips`).

    A method that must know the unseen class names while it learns has a class variable ``class_names_at_fit = True``.
    Then `fit` gets all classes, the seen ones first, of which only these have examples, and reports say
    "class-transductive" instead of "inductive". One that learns nothing has ``training_free = True``; then benchmarks
    neither need training features nor call `fit`. One whose scores become fair probabilities by a softmax has a
    ``logit_scale`` for it; then reports give its calibration. One that has texts of its own for the classes tells them
    by ``texts_for(classes)``; what a reader of its results should know, by ``remarks()``, a list of texts. One with
    settings that only matter when it answers names them in ``chosen_after_fit = (...)``; then their values are compared
    on one fit. One that needs the lengths of vectors, which encoders bring to 1, has ``needs_raw = True``; then
    features of length 1 are refused.
    """

    takes: ClassVar[str]

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns from examples of seen classes; training-free methods return themselves."""
        ...

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Scores ``[N, C]``, higher is better; no softmax."""
        ...


class Choosing(Protocol):
    """A method with something to choose after fitting, such as a checkpoint, by seen classes that `fit` never met."""

    def choose(self, held_out: Examples, classes: ClassSpace) -> Self:
        """Keeps what answers best for the held-out examples among `classes`, none of which is a test class."""
        ...


class Checkpointed(Protocol):
    """A method that keeps what it had learned after some of its epochs, so that others can choose one.

    Attributes:
        stop_epoch: `fit` ends after this epoch, on the schedule of all of them; None goes to the end.
    """

    stop_epoch: int | None

    def checkpoints(self) -> Sequence[int]:
        """Numbers of the epochs that can be taken, in order."""
        ...

    def take_checkpoint(self, number: int) -> Self:
        """Answers from now on with what was learned when so many epochs were done."""
        ...


class Localizer(Protocol):
    """Says when actions happen in a video."""

    takes: ClassVar[str]

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns from examples of seen classes with their segments; training-free methods return themselves."""
        ...

    def locate(self, track: Track, classes: ClassSpace) -> Segments:
        """Segments of the classes that the track shows."""
        ...
