"""A method that answers about videos, one at a time.

It is the object that answers in a benchmark, asked in the same way; only where tracks and pictures come from differs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gerund.answers import ActionScore, Classification, Location
from gerund.asking import Encoded
from gerund.encoders.base import Encoder, VideoHalf, VideoOnly
from gerund.errors import UsageError
from gerund.examples import PIXELS
from gerund.features import Sampling
from gerund.features.object_lists import ObjectLists
from gerund.methods.adapters import Pooled, Sliding
from gerund.methods.card import Task, require_takes
from gerund.methods.catalog import describe_method
from gerund.methods.questions import ask_scores, ask_segments, logit_scale_of
from gerund.metrics.calibration import softmax
from gerund.own import file_sha256
from gerund.text.classes import ClassSpace
from gerund.types import IntArray, Segments


@dataclass(frozen=True)
class Answerer:
    """A method that is ready to answer about videos of one model; made by `Model.method`.

    A recognizer that takes clips gets the pictures themselves, and no model sees them; a localizer takes a track.

    Attributes:
        name: as outputs have it; an adapter between the two questions is named too: ``"eszsl, sliding"``.
        method: what answers.
        own: it is the user's, so its segments are shown as they are, also those of no score.
        sampling: which frames it has learned from; None where it asks for none.
        raw: it has learned from vectors as the network gives them; one that says ``needs_raw`` gets such ones anyway.
        objects: of the videos, for methods that look at them.
        learned: hash of what it has learned.
    """

    name: str
    method: Any
    own: bool = False
    sampling: Sampling | None = None
    raw: bool = False
    objects: ObjectLists | None = None
    learned: str = ""

    def __post_init__(self) -> None:
        if not hasattr(self.method, "score") and not hasattr(self.method, "locate"):
            raise UsageError(
                f"{type(self.method).__name__} is no method: it has neither score(inputs, classes) nor locate(track, "
                "classes)"
            )
        require_takes(self.method)

    def answering(self, task: Task) -> Answerer:
        """The same, with an adapter where it answers the other question.

        Raises:
            UsageError: it takes decoded frames, and is to locate.
        """
        if task == "localization" and self.takes_clips and hasattr(self.method, "locate"):
            raise UsageError(
                f"{self.name} takes decoded frames, and locate(track, classes) gets a track; it cannot locate"
            )
        if hasattr(self.method, "score" if task == "recognition" else "locate"):
            return self
        if task == "recognition":
            return replace(self, name=f"{self.name}, pooled", method=Pooled(self.method))
        return replace(self, name=f"{self.name}, sliding", method=Sliding(self.method), own=False)

    @property
    def dense(self) -> bool:
        """True where it needs the whole video in time order: to say when, or because it has learned so."""
        return hasattr(self._inner, "locate") or bool(self.sampling and self.sampling.dense)

    @property
    def takes_clips(self) -> bool:
        """True where it looks at the pictures themselves."""
        return require_takes(self.method) == "clip"

    def seen_by(self, model: str) -> str:
        """What answers name as their model: the one that saw the videos, which is none where the method does."""
        return PIXELS if self.takes_clips else model

    def encoder_of(self, encoder: Encoder) -> VideoHalf | None:
        """The encoder as the method wants it: with the choice of frames that it has learned from, or raw vectors.

        None for one that looks at the pictures itself.

        Raises:
            UsageError: the encoder cannot look at such frames, or has no raw vectors.
        """
        if self.takes_clips:
            return None
        raw = self.raw or bool(getattr(self._inner, "needs_raw", False))
        return (self.sampling or Sampling()).of(encoder, raw=raw)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """All that its answers depend on, besides model, texts and video; plain data."""
        return {
            "method": self.name,
            **describe_method(self._inner),
            "adapter": describe_method(self.method)["settings"] if self._inner is not self.method else {},
            "learned": self.learned,
            "file": file_sha256(type(self._inner)),
            "sampling": self.sampling.key if self.sampling else "",
            "objects": self.objects and [self.objects.describe(), sorted(self.objects.places.items())],
        }

    def reader(self, encoder: Encoder) -> Any:
        """Who reads the names of actions: the method itself, what it is built on, or else the model; or nobody."""
        inner = self._inner
        if hasattr(inner, "unreadable"):
            return inner
        parts = (getattr(inner, name, None) for name in ("texts", "encoder"))
        nobody = hasattr(inner, "texts_for") or isinstance(encoder, VideoOnly) or self.takes_clips
        return next((part for part in parts if part is not None), None if nobody else encoder)

    def texts_of(self, classes: ClassSpace, encoder: Encoder) -> Sequence[Sequence[str]]:
        """The texts that stand for the classes."""
        own = getattr(self._inner, "texts_for", None) or getattr(self.reader(encoder), "texts_of", None)
        texts: Sequence[Sequence[str]] = own(classes) if own else classes.texts
        return texts

    @property
    def _inner(self) -> Any:
        """The method without its adapter."""
        if isinstance(self.method, Pooled):
            return self.method.localizer
        return self.method.recognizer if isinstance(self.method, Sliding) else self.method

    @property
    def logit_scale(self) -> float:
        """The factor that makes its scores logits of probabilities; 0 where it says none, or answers with segments."""
        return logit_scale_of(self.method.recognizer if isinstance(self.method, Sliding) else self.method)

    def rank(self, found: Encoded, classes: ClassSpace, top: int | None, model: str) -> Classification:
        """Which of the classes a video shows.

        Raises:
            GerundError: the method fails, or gives what is no answer.
        """
        scores = ask_scores(self.method, found.inputs(self._objects_of(found.name)), classes)[0]
        order = np.argsort(-scores, kind="stable")[:top]
        shares: list[float | None] = [None] * len(scores)
        if self.logit_scale:
            shares = softmax(self.logit_scale * (scores - scores.max()).astype(np.float64)).tolist()
        ranked = tuple(ActionScore(classes.names[i], float(scores[i]), shares[i]) for i in order)
        tied = not self.logit_scale and len(scores) > 1 and bool((scores == scores[0]).all())
        return Classification(
            found.name,
            found.duration_s,
            self.seen_by(model),
            ranked,
            found.time_error_s,
            found.num_frames,
            self.name,
            tied,
        )

    def place(self, found: Encoded, classes: ClassSpace, model: str) -> Location:
        """When the classes happen in a video.

        Raises:
            GerundError: the method fails, or gives what is no answer.
        """
        method = self.method
        if isinstance(method, Sliding) and (objects := self._objects_of(found.name)) is not None:
            method = replace(method, objects=objects[0])
        segments = ask_segments(method, found.inputs()[0], classes)
        if not self.own and not len(segments.distinct()):
            segments = Segments()  # what has no score fills a ranking; alone it would be taken for an answer
        return Location(
            found.name, found.duration_s, model, segments, found.time_error_s, found.num_frames, method=self.name
        )

    def _objects_of(self, video: str) -> IntArray | None:
        """The objects of a video ``[1, K]``, by its path, its file name, or either without ending.

        Raises:
            UsageError: there are lists of objects, and it is in none.
        """
        if self.objects is None:
            return None
        path, listed = Path(video), self.objects.places
        for name in (video, str(path.with_suffix("")), path.name, path.stem):
            if name in listed:
                return np.array([listed[name]], np.int64)
        raise UsageError(f"the file of objects has none of {path.name}; find them with 'gerund objects'")


def ask(how: Callable[..., Any], found: Encoded, *given: Any) -> Any:
    """What `Answerer.rank` or `place` says about a video, or the error that it or the reading of the video met."""
    if found.error is not None:
        return found.error
    try:
        return how(found, *given)
    except Exception as error:  # a method or an encoder of the user's own may fail on one video; the others go on
        return error
