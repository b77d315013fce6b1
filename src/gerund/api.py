"""What Python users call: load a model, classify a video, locate actions in it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

from gerund.answering import Answerer, ask
from gerund.answers import ActionScore, Classification, Location
from gerund.asking import Askable, Encoded, Rate, prepare, several
from gerund.assets import DownloadProgress
from gerund.encoders.base import Encoder, VideoHalf, require_frames
from gerund.encoders.catalog import build
from gerund.encoders.engines import Device, EngineName, Precision
from gerund.errors import UnreadableWarning, UsageError
from gerund.features import FrameProgress
from gerund.methods import Localizer, Recognizer
from gerund.methods.card import Task
from gerund.readers import require_readable, some, unfamiliar, unreadable
from gerund.text.classes import Actions, ClassSpace
from gerund.types import Segments, Track, kind_of
from gerund.video.limits import Limits
from gerund.video.memory import VideoLike
from gerund.video.workers import Workers
from gerund.wanted import build_method, no_method

__all__ = ["DEFAULT_MODEL", "ActionScore", "Askable", "Classification", "Location", "MethodLike", "Model", "load"]

DEFAULT_MODEL = "i3d-minilm"
MethodLike = str | Recognizer | Localizer | Answerer
"""What is asked: a method by name, ``file.py:Class``, an object that is one, or what `Model.method` made."""
Several = list[Any] | tuple[Any, ...] | Iterator[Any]
AskableT = TypeVar("AskableT", bound=Askable)

_CALLER = 4
"""How far from a warning the line of the user is: in Model.classify's or locate's caller."""


class Model:
    """An encoder with the questions that can be asked of it; made by `load`."""

    def __init__(self, encoder: Encoder, *, workers: Workers | None = None, device: Device = "auto") -> None:
        self.encoder = encoder
        self._device = device
        self._workers = workers or Workers()

    def __repr__(self) -> str:
        return f"Model({self.name!r})"

    @property
    def name(self) -> str:
        """The name it was loaded by."""
        return self.encoder.name

    @overload
    def classify(
        self,
        video: Askable,
        actions: Actions,
        *,
        method: MethodLike = "similarity",
        top: int | None = 5,
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Classification: ...
    @overload
    def classify(
        self,
        video: Several,
        actions: Actions,
        *,
        method: MethodLike = "similarity",
        top: int | None = 5,
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> list[Classification]: ...
    def classify(
        self,
        video: Askable | Several,
        actions: Actions,
        *,
        method: MethodLike = "similarity",
        top: int | None = 5,
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Classification | list[Classification]:
        """Which of the actions a video shows.

        Args:
            video: a file, `Video`, `Clip`, uint8 array ``[T, H, W, 3]`` with `fps`, or a `Track` that `encode` made; or
                several of these. A dense track is asked with all of its vectors, which may give another answer than the
                few windows of a video.
            actions: names, a mapping from names to texts, or a specification as `ClassSpace.parse` takes it.
            method: the name of one (``gerund methods list``), ``file.py:Class``, an object with
                ``score(inputs, classes)``, or what `method` made; one with ``locate(track, classes)`` is pooled.
            top: how many actions to return; None for all.
            fps: frames a second, for arrays.
            progress: told after every window of frames.

        Returns:
            The answer; for several videos a list. Where one of them fails its error is raised; `classify_many` goes on.

        Raises:
            VideoError: a file cannot be read.
            UsageError: the video or the list of actions is not usable.
        """
        listed, alone = several(video)
        answers = [
            _raised(answer)
            for _, answer in self.classify_many(listed, actions, method=method, top=top, fps=fps, progress=progress)
        ]
        return answers[0] if alone else answers

    def classify_many(
        self,
        videos: Iterable[AskableT],
        actions: Actions,
        *,
        method: MethodLike = "similarity",
        top: int | None = 5,
        fps: Rate | None = None,
        decoders: int = 0,
        approximate: bool = False,
        progress: FrameProgress | None = None,
    ) -> Iterator[tuple[AskableT, Classification | Exception]]:
        """Which of the actions each of many videos shows; the next ones are decoded while the present one is encoded.

        Args:
            videos: see `classify`, as are actions, method, top and fps.
            actions: what to choose from.
            method: who answers.
            top: how many actions to return.
            fps: frames a second.
            decoders: how many videos are decoded at once; 0 decides by the machine.
            approximate: look at the nearest keyframes, where the encoder looks at single frames.
            progress: told after every window of frames.

        Returns:
            An iterator of each video as it was given with its answer, or with the error that it met, in order.

        Raises:
            UsageError: a video or the list of actions is not usable.
        """
        answerer = self._answerer(method, "recognition")
        classes = self._readable(actions, answerer)
        if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
            raise UsageError(f"top must be a whole number of at least 1, or None for all; got {top!r}")
        encoder = answerer.encoder_of(self.encoder)
        listed, encoded = self._prepare(videos, encoder, answerer.dense, fps, decoders, approximate, progress)
        answers = (ask(answerer.rank, found, classes, top, self.name) for found in encoded)
        return zip(listed, answers, strict=True)

    @overload
    def locate(
        self,
        video: Askable,
        actions: Actions,
        *,
        method: MethodLike = "contrast",
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Segments: ...
    @overload
    def locate(
        self,
        video: Several,
        actions: Actions,
        *,
        method: MethodLike = "contrast",
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> list[Segments]: ...
    def locate(
        self,
        video: Askable | Several,
        actions: Actions,
        *,
        method: MethodLike = "contrast",
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Segments | list[Segments]:
        """When the actions happen in a video.

        Args:
            video: see `classify`; a track must be a dense one. Moments are in a clip's own time.
            actions: names, a mapping from names to texts, or a specification as `ClassSpace.parse` takes it.
            method: see `classify`; an object has ``locate(track, classes)``, and one with ``score`` slides in windows.
            fps: frames a second, for arrays.
            progress: told after every window of frames.

        Returns:
            Segments, best first, empty when nothing stands out; for several videos a list. Where one fails its error
            is raised; `locate_many` goes on.

        Raises:
            VideoError: a file cannot be read.
            UsageError: the video, the list of actions or the method is not usable.
        """
        listed, alone = several(video)
        answers = [
            _raised(answer).segments
            for _, answer in self.locate_many(listed, actions, method=method, fps=fps, progress=progress)
        ]
        return answers[0] if alone else answers

    def locate_many(
        self,
        videos: Iterable[AskableT],
        actions: Actions,
        *,
        method: MethodLike = "contrast",
        fps: Rate | None = None,
        decoders: int = 0,
        approximate: bool = False,
        progress: FrameProgress | None = None,
    ) -> Iterator[tuple[AskableT, Location | Exception]]:
        """When the actions happen in each of many videos; see `locate` and `classify_many`."""
        answerer = self._answerer(method, "localization")
        classes = self._readable(actions, answerer)
        encoder = answerer.encoder_of(self.encoder)
        listed, encoded = self._prepare(videos, encoder, True, fps, decoders, approximate, progress)
        answers = (ask(answerer.place, found, classes, self.name) for found in encoded)
        return zip(listed, answers, strict=True)

    @overload
    def encode(
        self, video: VideoLike, *, dense: bool = False, fps: Rate | None = None, progress: FrameProgress | None = None
    ) -> Track: ...
    @overload
    def encode(
        self, video: Several, *, dense: bool = False, fps: Rate | None = None, progress: FrameProgress | None = None
    ) -> list[Track]: ...
    def encode(
        self,
        video: VideoLike | Several,
        *,
        dense: bool = False,
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Track | list[Track]:
        """Encodes a video once, to be asked any number of questions: `classify` and `locate` take what this returns.

        Args:
            video: a file, `Video`, `Clip` or uint8 array ``[T, H, W, 3]`` with `fps`; or several of these.
            dense: the whole video in time order, as `locate` needs it; else the few windows that `classify` looks at.
            fps: frames a second, for arrays.
            progress: told after every window of frames.

        Returns:
            A track; for several videos a list.

        Raises:
            VideoError: a file cannot be read.
            UsageError: the video is none, or is a track already.
        """
        listed, alone = several(video)
        if any(isinstance(item, Track) for item in listed):
            raise UsageError("encode() takes videos; this one is a track, which is encoded already")
        _, encoded = self._prepare(listed, self.encoder, dense, fps, 0, False, progress)
        tracks = [_raised(found.error or found.track) for found in encoded]
        return tracks[0] if alone else tracks

    def method(
        self,
        name: str = "",
        *,
        trained: str | os.PathLike[str] | None = None,
        objects: str | os.PathLike[str] | None = None,
        objects_vocabulary: str = "",
        **given: Any,
    ) -> Answerer:
        """A method for this model, to be passed to `classify` and `locate`.

        Args:
            name: of a method (``gerund methods list``), or ``file.py:Class``; may be left out with `trained`.
            trained: folder of a method that has learned from tracks of this very model (``gerund train``).
            objects: file with the most likely objects of each video, for methods that look at them.
            objects_vocabulary: what these are, where the file does not say.
            given: its settings; and what it is built on in the model's place: ``texts``, ``rows``, ``descriptions``.

        Raises:
            UsageError: there is no such method or setting, it has to learn first, or it has learned from tracks of
                another encoder.
            GerundError: the folder is damaged, or the method cannot be made.
        """
        if not name and trained is None:
            raise UsageError("name a method, or give the folder of one that has learned (trained=...)")
        return build_method(
            self.encoder,
            name,
            trained=Path(trained) if trained is not None else None,
            objects=Path(objects) if objects is not None else None,
            vocabulary=objects_vocabulary,
            given=given,
            device=self._device,
        )

    def unfamiliar(self, actions: Actions, *, method: Answerer | None = None) -> list[str]:
        """Those of the actions that the model knows beforehand it cannot tell, so that its answer is a guess.

        Names that it cannot even read are not among them; see `unreadable`.
        """
        return unfamiliar(ClassSpace.of(actions), self._reader(method))

    def unreadable(self, actions: Actions, *, method: Answerer | None = None) -> list[str]:
        """Those of the actions whose names (or texts) are in a script that the model's vocabulary does not have.

        Args:
            actions: see `classify`.
            method: whose texts they are, where it has texts of its own.
        """
        return unreadable(ClassSpace.of(actions), self._reader(method))

    def require_readable(self, actions: Actions, *, method: Answerer | None = None) -> list[str]:
        """Refuses a list of which the model can read nothing; all answers would be equal.

        Args:
            actions: see `classify`.
            method: see `unreadable`.

        Returns:
            The names that it cannot read.

        Raises:
            UsageError: it cannot read any.
        """
        return require_readable(ClassSpace.of(actions), self._reader(method), self.name)

    def _reader(self, method: Answerer | None) -> Any:
        return method.reader(self.encoder) if method else self.encoder

    def _readable(self, actions: Actions, method: Answerer) -> ClassSpace:
        classes = ClassSpace.of(actions)
        if unread := self.require_readable(classes, method=method):
            warnings.warn(
                f"{self.name} cannot read {some(unread)}: its vocabulary does not have this script, and what it says "
                "about these actions means nothing",
                UnreadableWarning,
                stacklevel=_CALLER,
            )
        return classes

    def _prepare(
        self,
        videos: Iterable[AskableT],
        encoder: VideoHalf | None,
        dense: bool,
        fps: Rate | None,
        decoders: int,
        approximate: bool,
        progress: FrameProgress | None,
    ) -> tuple[list[AskableT], Iterator[Encoded]]:
        """What was given as a list, checked before anything is decoded, and what becomes of each."""
        if encoder:
            require_frames(self.encoder)
        return prepare(
            videos,
            encoder,
            dense=dense,
            fps=fps,
            decoders=decoders,
            approximate=approximate,
            workers=self._workers,
            progress=progress,
        )

    def remarks(self) -> list[str]:
        """What a user should know about how the answers are computed, such as int8's agreement with float32."""
        return self.encoder.remarks()

    def _answerer(self, method: MethodLike, task: Task) -> Answerer:
        if isinstance(method, str):
            method = self.method(method)
        elif not isinstance(method, Answerer):
            method = Answerer(type(method).__name__, method, own=True)
        return method.answering(task)


def _raised(answer: Any) -> Any:
    """An answer; an error is raised instead."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def load(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    device: Device = "auto",
    threads: int = 0,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    limits: Limits | None = None,
    random_weights: bool = False,
    progress: DownloadProgress | None = None,
) -> Model:
    """Loads a model by name, fetching its weights on first use.

    Args:
        model: a name that ``gerund models`` lists, or that was registered; a weight file or folder of one of these; or
            the name of one on the model hub.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: a CUDA device where PyTorch finds one, else the processor.
        threads: how many threads to compute with on the processor; 0 takes every core.
        engine: ``"openvino"``, ``"onnx"``, ``"torch"``, or ``"auto"``: PyTorch on a CUDA device, else OpenVINO.
        precision: ``"fp32"``, ``"bf16"``, ``"int8"``, ``"fp16"`` (CUDA alone), or ``"auto"``: the fastest 16-bit
            arithmetic that the device has and that agrees with float32, else float32.
        limits: what reading one video may cost: pixels, memory, time.
        random_weights: draw the weights, the same every time, for trying out what costs how much: what such an encoder
            says of videos means nothing, and it knows no texts.
        progress: told about downloads: label, bytes done, bytes in all.

    Raises:
        UsageError: there is no such model, or engine, precision and device cannot be had together here.
        AssetError: its weights cannot be had.
    """
    if not isinstance(model, str | os.PathLike):
        raise UsageError(f"a model is the name of one, of a file or of a folder; got {kind_of(model)}")
    if threads < 0:
        raise UsageError(f"threads must not be negative, got {threads}; 0 takes every core")
    workers = Workers(limits)
    encoder = build(
        no_method(os.fspath(model)),
        engine=engine,
        precision=precision,
        device=device,
        threads=threads,
        random_weights=random_weights,
        progress=progress,
    )
    return Model(encoder, workers=workers, device=device)
