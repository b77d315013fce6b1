"""What Python users call: load a model, classify a video, locate actions in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gerund.assets import MODELS, Progress, find_asset, hub_folder, verified
from gerund.encoders.base import Encoder
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.contrastive import ContrastiveEncoder
from gerund.encoders.engines import Device, EngineName, Precision, choose
from gerund.errors import UsageError
from gerund.features import Extraction, FrameProgress, extract_many
from gerund.methods import Contrast, Localizer, Similarity, UniformWindows, WholeVideo
from gerund.methods.rows import ROW_MODELS, RowEncoder
from gerund.text.classes import ClassSpace
from gerund.types import Segments
from gerund.video.reader import Video

DEFAULT_MODEL = "i3d-minilm"
Method = Literal["contrast", "whole", "uniform"]
Actions = ClassSpace | str | Iterable[str]


@dataclass(frozen=True)
class ActionScore:
    """One action with how well it fits.

    Attributes:
        action: its name.
        score: what ranks it; not bounded, see the model's recognizer.
        probability: softmax of the scores over the listed actions.
    """

    action: str
    score: float
    probability: float


@dataclass(frozen=True)
class Classification:
    """What a video shows: the best actions first.

    Example:
        >>> answer = Classification("a.mp4", 2.0, "i3d-minilm", (ActionScore("waving", 0.5, 0.8),))
        >>> answer.best.action
        'waving'
    """

    video: str
    duration_s: float
    model: str
    actions: tuple[ActionScore, ...]
    time_error_s: float = 0.0
    num_frames: int = 0

    @property
    def best(self) -> ActionScore:
        """The action that fits best."""
        return self.actions[0]

    def to_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return {
            "video": self.video,
            "duration_s": round(self.duration_s, 3),
            "model": self.model,
            "actions": [
                {"action": a.action, "score": round(a.score, 6), "probability": round(a.probability, 6)}
                for a in self.actions
            ],
            "error": None,
        }


@dataclass(frozen=True)
class Location:
    """When actions happen in a video."""

    video: str
    duration_s: float
    model: str
    segments: Segments
    time_error_s: float = 0.0
    num_frames: int = 0

    def to_dict(self) -> dict[str, Any]:
        """A plain dict, ready for JSON."""
        return {
            "video": self.video,
            "duration_s": round(self.duration_s, 3),
            "model": self.model,
            "segments": self.segments.to_dicts(),
            "error": None,
        }


class Model:
    """An encoder with the questions that can be asked of it; made by `load`."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    @property
    def name(self) -> str:
        """The name it was loaded by."""
        return self.encoder.name

    def classify(
        self,
        path: str | os.PathLike[str],
        actions: Actions,
        *,
        top: int | None = 5,
        progress: FrameProgress | None = None,
    ) -> Classification:
        """Which of the actions a video shows.

        Args:
            path: a video file.
            actions: names, or a specification as `ClassSpace.parse` takes it.
            top: how many actions to return; None for all.
            progress: told after every window of frames.

        Raises:
            VideoError: the file cannot be read.
            UsageError: the list of actions is not usable.
        """
        ((_, answer),) = self.classify_many([path], actions, top=top, progress=progress)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def classify_many(
        self,
        paths: Iterable[str | os.PathLike[str]],
        actions: Actions,
        *,
        top: int | None = 5,
        decoders: int = 0,
        approximate: bool = False,
        progress: FrameProgress | None = None,
    ) -> Iterator[tuple[str | os.PathLike[str], Classification | Exception]]:
        """Which of the actions each of many videos shows; the next ones are decoded while the present one is encoded.

        Args:
            paths: video files.
            actions: names, or a specification as `ClassSpace.parse` takes it.
            top: how many actions to return; None for all.
            decoders: how many videos are decoded at once; 0 decides by the machine.
            approximate: look at the nearest keyframes, where the encoder looks at single frames.
            progress: told after every window of frames.

        Yields:
            Each path with its answer, or with the error that it met, in order.

        Raises:
            UsageError: the list of actions is not usable.
        """
        classes = ClassSpace.of(actions)
        if top is not None and top < 1:
            raise UsageError(f"top must be at least 1, got {top}")
        for path, done in self._extract(paths, False, decoders, approximate, progress):
            yield path, done.error or self._ranked(path, done, classes, top)

    def locate(
        self,
        path: str | os.PathLike[str],
        actions: Actions,
        *,
        method: Method | Localizer = "contrast",
        progress: FrameProgress | None = None,
    ) -> Segments:
        """When the actions happen in a video.

        Args:
            path: a video file.
            actions: names, or a specification as `ClassSpace.parse` takes it.
            method: ``"contrast"``, one of the two baselines ``"whole"`` and ``"uniform"``, or a localizer of your own.
            progress: told after every window of frames.

        Returns:
            Segments, best first; empty when nothing stands out.

        Raises:
            VideoError: the file cannot be read.
            UsageError: the list of actions or the method is not usable.
        """
        ((_, answer),) = self.locate_many([path], actions, method=method, progress=progress)
        if isinstance(answer, Exception):
            raise answer
        return answer.segments

    def locate_many(
        self,
        paths: Iterable[str | os.PathLike[str]],
        actions: Actions,
        *,
        method: Method | Localizer = "contrast",
        decoders: int = 0,
        approximate: bool = False,
        progress: FrameProgress | None = None,
    ) -> Iterator[tuple[str | os.PathLike[str], Location | Exception]]:
        """When the actions happen in each of many videos; see `locate` and `classify_many`."""
        classes = ClassSpace.of(actions)
        localizer = self._localizer(method)
        for path, done in self._extract(paths, True, decoders, approximate, progress):
            if done.error is not None:
                yield path, done.error
                continue
            try:
                segments = localizer.locate(done.tracks[0], classes)
            except Exception as error:  # a method of the user's own may fail on one video; the others go on
                yield path, error
                continue
            yield (
                path,
                Location(
                    os.fspath(path),
                    done.video.duration_s,
                    self.name,
                    segments,
                    done.time_error_s,
                    done.video.num_frames,
                ),
            )

    def unfamiliar(self, actions: Actions) -> list[str]:
        """Those of the actions that the model knows beforehand it cannot tell, so that its answer is a guess."""
        return self.encoder.unfamiliar(ClassSpace.of(actions))

    def _extract(
        self,
        paths: Iterable[str | os.PathLike[str]],
        dense: bool,
        decoders: int,
        approximate: bool,
        progress: FrameProgress | None,
    ) -> Iterator[tuple[str | os.PathLike[str], Extraction]]:
        listed = list(paths)
        videos = [Video(path) for path in listed]
        done = extract_many(
            videos, [self.encoder], dense=dense, decoders=decoders, approximate=approximate, progress=progress
        )
        return zip(listed, done, strict=True)

    def _ranked(
        self, path: str | os.PathLike[str], done: Extraction, classes: ClassSpace, top: int | None
    ) -> Classification:
        scores = Similarity(self.encoder).score(done.tracks, classes)[0]
        logits = self.encoder.logit_scale * (scores - scores.max()).astype(np.float64)
        probabilities = np.exp(logits) / np.exp(logits).sum()
        order = np.argsort(-scores, kind="stable")[:top]
        ranked = tuple(ActionScore(classes.names[i], float(scores[i]), float(probabilities[i])) for i in order)
        return Classification(
            os.fspath(path), done.video.duration_s, self.name, ranked, done.time_error_s, done.video.num_frames
        )

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


def load(
    model: str = DEFAULT_MODEL,
    *,
    device: Device = "auto",
    threads: int = 0,
    engine: EngineName = "auto",
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Model:
    """Loads a model by name, fetching its weights on first use.

    Args:
        model: a name that ``gerund models`` lists; the folder or weight file of a CLIP, SigLIP 2 or Perception
            Encoder; or the name of one on the model hub.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"``: a CUDA device where PyTorch finds one, else the processor.
        threads: how many threads to compute with on the processor; 0 takes every core.
        engine: ``"openvino"``, ``"onnx"``, ``"torch"``, or ``"auto"``: PyTorch on a CUDA device, else OpenVINO.
        precision: ``"fp32"``, ``"bf16"``, ``"int8"``, ``"fp16"`` (CUDA alone), or ``"auto"``: the fastest 16-bit
            arithmetic that the device has and that agrees with float32, else float32.
        progress: told about downloads: label, bytes done, bytes in all.

    Raises:
        UsageError: there is no such model, or engine, precision and device cannot be had together here.
        AssetError: its weights cannot be had.
    """
    if threads < 0:
        raise UsageError(f"threads must not be negative, got {threads}; 0 takes every core")
    choose(engine, precision, device)
    card = next((card for card in MODELS if card.name == model), None)
    if model in ROW_MODELS:
        return Model(
            RowEncoder(
                ROW_MODELS[model],
                threads=threads,
                engine=engine,
                precision=precision,
                device=device,
                progress=progress,
            )
        )
    if card and not card.repository:
        plain = model == "i3d-minilm-plain"
        return Model(
            ConseEncoder(
                plain=plain, threads=threads, engine=engine, precision=precision, device=device, progress=progress
            )
        )
    tokenizer = None
    if card:
        folder = hub_folder(card.repository, file=card.file) / card.file
        tokenizer = next((verified(find_asset(name), progress=progress) for name in card.assets), None)
    elif Path(model).exists():
        folder = Path(model)
        if folder.suffix == ".pt":
            tokenizer = verified(find_asset("clip-vocabulary"), progress=progress)
    elif model.count("/") == 1 and not model.startswith((".", "/")):
        folder = hub_folder(model)
    else:
        names = ", ".join(card.name for card in MODELS)
        raise UsageError(f"no model {model!r}; give one of {names}, a folder, or a hub name such as 'owner/name'")
    name = card.name if card else model
    return Model(
        ContrastiveEncoder(
            folder, name=name, tokenizer=tokenizer, engine=engine, precision=precision, device=device, threads=threads
        )
    )
