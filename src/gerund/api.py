"""What Python users call: load a model, classify a video, locate actions in it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar, overload

import numpy as np

from gerund.answers import ActionScore, Classification, Location
from gerund.asking import Askable, Encoded, Rate, as_sources, encode_all, several
from gerund.assets import DownloadProgress
from gerund.encoders.base import Encoder, require_frames
from gerund.encoders.catalog import build, register
from gerund.encoders.engines import Device, EngineName, Precision
from gerund.errors import UnreadableWarning, UsageError, VideoError
from gerund.features import FrameProgress
from gerund.methods import Contrast, Localizer, Similarity, UniformWindows, WholeVideo
from gerund.methods.recognizers.rows import ROW_CARDS
from gerund.text.classes import Actions, ClassSpace
from gerund.types import Segments, Track, kind_of
from gerund.video.limits import Limits
from gerund.video.memory import VideoLike
from gerund.video.workers import Workers

__all__ = ["DEFAULT_MODEL", "ActionScore", "Askable", "Classification", "Location", "Method", "Model", "load"]

DEFAULT_MODEL = "i3d-minilm"
Method = Literal["contrast", "whole", "uniform"]
for _card in ROW_CARDS:
    register(_card)

Several = list[Any] | tuple[Any, ...] | Iterator[Any]
AskableT = TypeVar("AskableT", bound=Askable)

_NAMED = 5
_CALLER = 4
"""How far from a warning the line of the user is: in Model.classify's or locate's caller."""


class Model:
    """An encoder with the questions that can be asked of it; made by `load`."""

    def __init__(self, encoder: Encoder, *, workers: Workers | None = None) -> None:
        self.encoder = encoder
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
        top: int | None = 5,
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> list[Classification]: ...
    def classify(
        self,
        video: Askable | Several,
        actions: Actions,
        *,
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
            _raised(answer) for _, answer in self.classify_many(listed, actions, top=top, fps=fps, progress=progress)
        ]
        return answers[0] if alone else answers

    def classify_many(
        self,
        videos: Iterable[AskableT],
        actions: Actions,
        *,
        top: int | None = 5,
        fps: Rate | None = None,
        decoders: int = 0,
        approximate: bool = False,
        progress: FrameProgress | None = None,
    ) -> Iterator[tuple[AskableT, Classification | Exception]]:
        """Which of the actions each of many videos shows; the next ones are decoded while the present one is encoded.

        Args:
            videos: see `classify`.
            actions: names, a mapping from names to texts, or a specification as `ClassSpace.parse` takes it.
            top: how many actions to return; None for all.
            fps: frames a second, for arrays.
            decoders: how many videos are decoded at once; 0 decides by the machine.
            approximate: look at the nearest keyframes, where the encoder looks at single frames.
            progress: told after every window of frames.

        Returns:
            An iterator of each video as it was given with its answer, or with the error that it met, in order.

        Raises:
            UsageError: a video or the list of actions is not usable.
        """
        classes = self._readable(actions)
        if top is not None and (isinstance(top, bool) or not isinstance(top, int) or top < 1):
            raise UsageError(f"top must be a whole number of at least 1, or None for all; got {top!r}")
        listed, encoded = self._encode(videos, False, fps, decoders, approximate, progress)
        answers = (
            self._ranked(found, found.track, classes, top) if found.track is not None else _failure(found)
            for found in encoded
        )
        return zip(listed, answers, strict=True)

    @overload
    def locate(
        self,
        video: Askable,
        actions: Actions,
        *,
        method: Method | Localizer = "contrast",
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Segments: ...
    @overload
    def locate(
        self,
        video: Several,
        actions: Actions,
        *,
        method: Method | Localizer = "contrast",
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> list[Segments]: ...
    def locate(
        self,
        video: Askable | Several,
        actions: Actions,
        *,
        method: Method | Localizer = "contrast",
        fps: Rate | None = None,
        progress: FrameProgress | None = None,
    ) -> Segments | list[Segments]:
        """When the actions happen in a video.

        Args:
            video: see `classify`; a track must be a dense one. Moments are in a clip's own time.
            actions: names, a mapping from names to texts, or a specification as `ClassSpace.parse` takes it.
            method: ``"contrast"``, one of the two baselines ``"whole"`` and ``"uniform"``, or a localizer of your own.
            fps: frames a second, for arrays.
            progress: told after every window of frames.

        Returns:
            Segments, best first, empty when nothing stands out; for several videos a list of them. Where one of them
            fails its error is raised; `locate_many` goes on.

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
        method: Method | Localizer = "contrast",
        fps: Rate | None = None,
        decoders: int = 0,
        approximate: bool = False,
        progress: FrameProgress | None = None,
    ) -> Iterator[tuple[AskableT, Location | Exception]]:
        """When the actions happen in each of many videos; see `locate` and `classify_many`."""
        classes = self._readable(actions)
        localizer = self._localizer(method)
        listed, encoded = self._encode(videos, True, fps, decoders, approximate, progress)
        answers = (
            self._located(found, found.track, classes, localizer, own=localizer is method)
            if found.track is not None
            else _failure(found)
            for found in encoded
        )
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
        _, encoded = self._encode(listed, dense, fps, 0, False, progress)
        tracks = [_raised(found.error or found.track) for found in encoded]
        return tracks[0] if alone else tracks

    def unfamiliar(self, actions: Actions) -> list[str]:
        """Those of the actions that the model knows beforehand it cannot tell, so that its answer is a guess.

        Names that it cannot even read are not among them; see `unreadable`.
        """
        classes = ClassSpace.of(actions)
        unread = self.unreadable(classes)
        return [name for name in self.encoder.unfamiliar(classes) if name not in unread]

    def unreadable(self, actions: Actions) -> list[str]:
        """Those of the actions whose names (or texts) are in a script that the model's vocabulary does not have."""
        classes = ClassSpace.of(actions)
        # An encoder of a user's own may have been written before this question was asked.
        ask = getattr(self.encoder, "unreadable", None)
        return ask(classes) if ask else []

    def require_readable(self, actions: Actions) -> list[str]:
        """Refuses a list of which the model can read nothing; all answers would be equal.

        Returns:
            The names that it cannot read.

        Raises:
            UsageError: it cannot read any.
        """
        classes = ClassSpace.of(actions)
        unread = self.unreadable(classes)
        if len(unread) == len(classes):
            raise UsageError(
                f"{self.name} cannot read {_some(unread)}: its vocabulary does not have this script; name the actions "
                "in English, or give them texts it can read, as in {name: [texts]}"
            )
        return unread

    def _readable(self, actions: Actions) -> ClassSpace:
        classes = ClassSpace.of(actions)
        if unread := self.require_readable(classes):
            warnings.warn(
                f"{self.name} cannot read {_some(unread)}: its vocabulary does not have this script, and what it says "
                "about these actions means nothing",
                UnreadableWarning,
                stacklevel=_CALLER,
            )
        return classes

    def _encode(
        self,
        videos: Iterable[AskableT],
        dense: bool,
        fps: Rate | None,
        decoders: int,
        approximate: bool,
        progress: FrameProgress | None,
    ) -> tuple[list[AskableT], Iterator[Encoded]]:
        """What was given as a list, checked before anything is decoded, and what becomes of each."""
        require_frames(self.encoder)
        listed, alone = several(videos, least=0)
        if alone:
            raise UsageError(f"expected several videos, got {kind_of(videos)}; put it in a list")
        sources = as_sources(listed, self.encoder, dense=dense, fps=fps)
        encoded = encode_all(
            sources,
            self.encoder,
            dense=dense,
            decoders=decoders,
            approximate=approximate,
            workers=self._workers,
            progress=progress,
        )
        return listed, encoded

    def _ranked(self, found: Encoded, track: Track, classes: ClassSpace, top: int | None) -> Classification | Exception:
        try:
            scores = Similarity(self.encoder).score([track], classes)[0]
            logits = self.encoder.logit_scale * (scores - scores.max()).astype(np.float64)
            probabilities = np.exp(logits) / np.exp(logits).sum()
            order = np.argsort(-scores, kind="stable")[:top]
            ranked = tuple(ActionScore(classes.names[i], float(scores[i]), float(probabilities[i])) for i in order)
            return Classification(found.name, found.duration_s, self.name, ranked, found.time_error_s, found.num_frames)
        except Exception as error:  # an encoder of the user's own may give vectors that cannot be compared
            return error

    def _located(
        self, found: Encoded, track: Track, classes: ClassSpace, localizer: Localizer, *, own: bool
    ) -> Location | Exception:
        try:
            segments = localizer.locate(track, classes)
            if not own and not len(segments.distinct()):
                segments = Segments()  # what has no score fills a ranking; alone it would be taken for an answer
            return Location(found.name, found.duration_s, self.name, segments, found.time_error_s, found.num_frames)
        except Exception as error:  # a method of the user's own may fail on one video; the others go on
            return error

    def remarks(self) -> list[str]:
        """What a user should know about how the answers are computed, such as int8's agreement with float32."""
        return self.encoder.remarks()

    def _localizer(self, method: Method | Localizer) -> Localizer:
        if not isinstance(method, str):
            return method
        known: dict[str, Localizer] = {
            "contrast": Contrast(self.encoder),
            "whole": WholeVideo(self.encoder),
            "uniform": UniformWindows(self.encoder),
        }
        if method not in known:
            raise UsageError(f"no method {method!r}; there are {', '.join(known)}")
        return known[method]


def _raised(answer: Any) -> Any:
    """An answer; an error is raised instead."""
    if isinstance(answer, Exception):
        raise answer
    return answer


def _failure(found: Encoded) -> Exception:
    return found.error or VideoError(found.name, "it was not encoded")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(map(repr, names[:_NAMED])) + more


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
        os.fspath(model),
        engine=engine,
        precision=precision,
        device=device,
        threads=threads,
        random_weights=random_weights,
        progress=progress,
    )
    return Model(encoder, workers=workers)
