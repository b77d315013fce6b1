"""The method that answers about videos: found by name, in a file or in a trained folder, and made for one model.

It is the object that answers in a benchmark, asked in the same way; only where tracks come from differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gerund.answers import ActionScore, Classification, Location
from gerund.asking import Encoded
from gerund.encoders.base import Encoder, VideoHalf, VideoOnly, Window
from gerund.encoders.table import VectorTable
from gerund.errors import UsageError, VideoError
from gerund.examples import Inputs
from gerund.features import Sampling
from gerund.features.object_lists import ObjectLists, read_objects
from gerund.methods.adapters import Pooled, Sliding
from gerund.methods.card import MethodCard, Task, require_takes
from gerund.methods.catalog import describe_method, find_method, make_method, takes
from gerund.methods.failures import errors_while
from gerund.methods.own import file_sha256, names_file
from gerund.methods.questions import ask_scores, ask_segments, logit_scale_of
from gerund.methods.training import saved
from gerund.methods.training.lesson import read_lesson, require_any_objects, require_objects
from gerund.metrics.calibration import softmax
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FrameArray, IntArray, Segments, Track
from gerund.video.memory import FrameSource

PARTS = ("texts", "descriptions", "rows", "words", "concepts")
"""What methods may be built on besides the model, by the names of their constructors' arguments."""

_BEFORE = {
    "conse": "plain ConSE over the names of Kinetics is --model i3d-minilm-plain",
    "eszsl": "the classifier rows that this once meant are --method rows-eszsl",
    "gcn": "the classifier rows that this once meant are --method rows-gcn",
    "devise": "the classifier rows that this once meant are --method rows-devise",
}
"""What `classify --method` once meant by these names."""


@dataclass(frozen=True)
class Answerer:
    """A method that is ready to answer about videos of one model; made by `Model.method`.

    Attributes:
        name: as outputs have it; an adapter between the two questions is named too: ``"eszsl, sliding"``.
        method: what answers.
        own: it is the user's, so its segments are shown as they are, also those of no score.
        sampling: which frames it has learned from; None where it asks for none.
        objects: of the videos, for methods that look at them.
        learned: hash of what it has learned.
    """

    name: str
    method: Any
    own: bool = False
    sampling: Sampling | None = None
    objects: ObjectLists | None = None
    learned: str = ""

    def __post_init__(self) -> None:
        if not hasattr(self.method, "score") and not hasattr(self.method, "locate"):
            raise UsageError(
                f"{type(self.method).__name__} is no method: it has neither score(inputs, classes) nor locate(track, "
                "classes)"
            )
        if require_takes(self.method) == "clip":
            raise UsageError(f"{self.name} takes decoded frames, and is asked about tracks here; say takes = 'track'")

    def answering(self, task: Task) -> Answerer:
        """The same, with an adapter where it answers the other question."""
        if hasattr(self.method, "score" if task == "recognition" else "locate"):
            return self
        if task == "recognition":
            return replace(self, name=f"{self.name}, pooled", method=Pooled(self.method))
        return replace(self, name=f"{self.name}, sliding", method=Sliding(self.method), own=False)

    @property
    def dense(self) -> bool:
        """True where it needs the whole video in time order: to say when, or because it has learned so."""
        return hasattr(self._inner, "locate") or bool(self.sampling and self.sampling.dense)

    def encoder_of(self, encoder: Encoder) -> VideoHalf:
        """The encoder as the method wants it: with the choice of frames that it has learned from, or raw vectors."""
        chosen = self.sampling.of(encoder) if self.sampling else encoder
        return Raw(chosen) if getattr(self._inner, "needs_raw", False) else chosen

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
        nobody = hasattr(inner, "texts_for") or isinstance(encoder, VideoOnly)
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

    def rank(self, found: Encoded, track: Track, classes: ClassSpace, top: int | None, model: str) -> Classification:
        """Which of the classes a video shows.

        Raises:
            GerundError: the method fails, or gives what is no answer.
        """
        scores = ask_scores(self.method, Inputs([track], self._objects_of(found.name)), classes)[0]
        order = np.argsort(-scores, kind="stable")[:top]
        shares: list[float | None] = [None] * len(scores)
        if self.logit_scale:
            shares = softmax(self.logit_scale * (scores - scores.max()).astype(np.float64)).tolist()
        ranked = tuple(ActionScore(classes.names[i], float(scores[i]), shares[i]) for i in order)
        tied = not self.logit_scale and len(scores) > 1 and bool((scores == scores[0]).all())
        return Classification(
            found.name, found.duration_s, model, ranked, found.time_error_s, found.num_frames, self.name, tied
        )

    def place(self, found: Encoded, track: Track, classes: ClassSpace, model: str) -> Location:
        """When the classes happen in a video.

        Raises:
            GerundError: the method fails, or gives what is no answer.
        """
        method = self.method
        if isinstance(method, Sliding) and (objects := self._objects_of(found.name)) is not None:
            method = replace(method, objects=objects[0])
        segments = ask_segments(method, track, classes)
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


class Raw(VideoHalf):
    """An encoder whose vectors are as its network gives them, for methods that say ``needs_raw = True``."""

    def __init__(self, encoder: VideoHalf) -> None:
        self.name, self.dim, self.batch = encoder.name, encoder.dim, encoder.batch
        self.preparation = getattr(encoder, "preparation", None)
        self._encoder = encoder

    @property
    def fingerprint(self) -> str:
        """The encoder's, with an ending: vectors of length 1 are others."""
        return f"{self._encoder.fingerprint}-raw"

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """As the encoder does."""
        return self._encoder.sample(video, dense=dense)

    def prepare(self, picture: FrameArray) -> FrameArray:
        """As the encoder does."""
        return self._encoder.prepare(picture)

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """As the encoder does."""
        return self._encoder.raw_windows(frames, dense=dense)

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """The same: lengths are kept."""
        return self.raw_windows(frames, dense=dense)


@dataclass(frozen=True)
class Wanted:
    """Which method is asked, as a command names it.

    Attributes:
        method: its name, or ``file.py:Class``; ``""`` with a folder.
        trained: folder of one that has learned.
        settings: by name.
        vectors: tables to build it on, by the name of the part: ``FILE`` or ``FILE@NAMES``.
        objects: file with the most likely objects of each video.
        vocabulary: of these, where the file does not say.
        text_model: the model whose texts stand for the actions; ``""`` for the one that sees the videos.
    """

    method: str = ""
    trained: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    vectors: Mapping[str, str] = field(default_factory=dict)
    objects: Path | None = None
    vocabulary: str = ""
    text_model: str = ""

    @property
    def files(self) -> list[Path]:
        """What it is read from, which no output may destroy."""
        kept = [self.trained / name for name in ("method.json", "learned.safetensors")] if self.trained else []
        tables = [Path(part) for place in self.vectors.values() for part in place.split("@")]
        own = [Path(self.method.rpartition(":")[0])] if names_file(self.method) else []
        listed = [*([self.objects] if self.objects else []), *([Path(self.vocabulary)] if self.vocabulary else [])]
        return [*kept, *tables, *own, *listed]

    def tables(self) -> dict[str, VectorTable]:
        """The tables, read.

        Raises:
            UsageError: one is not there or not what it should be.
        """
        found = {}
        for name, place in self.vectors.items():
            path, _, names = place.partition("@")
            found[name] = VectorTable.read(Path(path), Path(names) if names else None)
        return found


def build_method(
    encoder: Encoder,
    name: str,
    *,
    trained: Path | None = None,
    objects: Path | None = None,
    vocabulary: str = "",
    given: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Answerer:
    """A method for the tracks of an encoder.

    Args:
        encoder: whose tracks it is asked about, and whose texts stand for the classes.
        name: of a method, or ``file.py:Class``; may be empty with `trained`.
        trained: folder of a method that has learned.
        objects: file with the most likely objects of each video.
        vocabulary: of these, where the file does not say.
        given: settings, and parts such as ``texts`` by name.
        device: where it computes, where it has a choice.

    Raises:
        UsageError: there is no such method, it has to learn first, or it does not fit the encoder.
        GerundError: the folder is damaged, or the method cannot be made.
    """
    card = choose_card(name, trained)
    parts = {key: value for key, value in (given or {}).items() if key in PARTS}
    settings = {key: value for key, value in (given or {}).items() if key not in PARTS}
    parts = {"encoder": encoder, "texts": encoder, **parts}
    listed: ObjectLists | None = None
    if objects:
        listed, concepts = read_objects(objects, vocabulary)
        parts.setdefault("concepts", concepts)
    with errors_while(f"making {card.name}"):
        if trained:
            if settings:
                raise UsageError(f"a trained method has its settings; leave out {', '.join(settings)}")
            return _take_up(card, trained, encoder, {**parts, "device": device}, listed)
        made = card.load()
        if not getattr(made, "training_free", False) and hasattr(made, "fit"):
            before = f"; {_BEFORE[card.name]}" if card.name in _BEFORE else ""
            raise UsageError(
                f"{card.name} has to learn first: train it ('gerund train {name}') and give its folder (--trained DIR)"
                f"{before}"
            )
        common = {"device": device} if takes(card, "device") else {}
        method = make_method(card, parts, {**common, **settings})
    return Answerer(card.name, method, own=bool(card.sha256), objects=listed)


def ask(how: Callable[..., Any], found: Encoded, *given: Any) -> Any:
    """What `Answerer.rank` or `place` says about a video, or the error that it or the reading of the video met."""
    if found.track is None:
        return found.error or VideoError(found.name, "it was not encoded")
    try:
        return how(found, found.track, *given)
    except Exception as error:  # a method or an encoder of the user's own may fail on one video; the others go on
        return error


def no_method(model: str) -> str:
    """The name of a model, if it is none of those that have become methods.

    Raises:
        UsageError: it is; the text says which.
    """
    for learner in ("eszsl", "gcn", "devise"):
        if model == f"i3d-{learner}":
            raise UsageError(f"{model} is a method now: --method rows-{learner}, with the model i3d or none")
    return model


def choose_card(name: str, trained: Path | None = None) -> MethodCard:
    """The card of a method by name, or of what a folder holds.

    Raises:
        UsageError: there is no such method; the folder holds another one, or one in a file that nobody named.
        GerundError: the folder is damaged.
    """
    if trained is None:
        return find_method(name)
    if not (trained / "method.json").is_file() and (splits := sorted(trained.glob("split-*/method.json"))):
        raise UsageError(
            f"{trained} holds a method for each split of a benchmark; give one, such as {splits[0].parent}"
        )
    kept = saved.look(trained)
    if not name:
        if kept.entry is None:
            raise UsageError(
                f"{trained} holds {kept.method}, which is not one of gerund's own methods: name its file, --method "
                "file.py:Class"
            )
        return kept.entry
    card = find_method(name)
    if kept.entry is not None and kept.entry != card:
        raise UsageError(f"{trained} holds {kept.entry.name}, not {card.name}; leave --method out")
    return card


def _take_up(
    card: MethodCard, folder: Path, encoder: Encoder, parts: Mapping[str, Any], objects: ObjectLists | None
) -> Answerer:
    """What a folder holds, if it has learned from tracks of this encoder.

    Raises:
        UsageError: it has not, or does not say.
    """
    lesson = read_lesson(folder)
    if lesson.features != encoder.fingerprint:
        of = f" of {lesson.encoder}" if lesson.encoder else ""
        raise UsageError(
            f"{folder} has learned from features{of} with fingerprint {lesson.features}, and the model {encoder.name} "
            f"makes {encoder.fingerprint}; give the same model (--model), with the same --precision, --engine and "
            "--device, or train it again"
        )
    require_any_objects(folder, lesson, objects)
    method = saved.load(folder, method=card.load(), **parts)
    require_objects(folder, method, lesson, objects)
    sampling, learned = Sampling.from_key(lesson.sampling), saved.look(folder).sha256
    return Answerer(card.name, method, own=bool(card.sha256), sampling=sampling, objects=objects, learned=learned)
