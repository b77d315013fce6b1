"""What Python users call: load a model, classify a video, locate actions in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from gerund.assets import MODELS, Progress
from gerund.encoders.base import Encoder
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.engines import Precision
from gerund.errors import UsageError
from gerund.features import FrameProgress, extract
from gerund.methods import Contrast, Localizer, Similarity, UniformWindows, WholeVideo
from gerund.text.classes import ClassSpace
from gerund.types import Segments
from gerund.video.reader import Video

DEFAULT_MODEL = "i3d-minilm"
Method = Literal["contrast", "whole", "uniform"]
Actions = ClassSpace | str | Iterable[str]

_UNFAMILIAR = 0.3
"""Below this cosine to all 400 Kinetics labels an action is called unfamiliar. Of the Kinetics labels themselves 2 %
are as far from all *others* with their definitions, 10 % by their bare names (`benchmarks/leave_out.py`)."""


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
        classes = ClassSpace.of(actions)
        if top is not None and top < 1:
            raise UsageError(f"top must be at least 1, got {top}")
        video = Video(path)
        track = extract(video, self.encoder, dense=False, progress=progress)
        scores = Similarity(self.encoder).score([track], classes)[0]
        logits = self.encoder.logit_scale * (scores - scores.max()).astype(np.float64)
        probabilities = np.exp(logits) / np.exp(logits).sum()
        order = np.argsort(-scores, kind="stable")[:top]
        ranked = tuple(ActionScore(classes.names[i], float(scores[i]), float(probabilities[i])) for i in order)
        return Classification(os.fspath(path), video.duration_s, self.name, ranked)

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
        classes = ClassSpace.of(actions)
        localizer = self._localizer(method)
        return localizer.locate(extract(Video(path), self.encoder, dense=True, progress=progress), classes)

    def unfamiliar(self, actions: Actions) -> list[str]:
        """Those of the actions that are unlike anything the model was trained on, so that its answer is a guess."""
        classes = ClassSpace.of(actions)
        if not isinstance(self.encoder, ConseEncoder):
            return []
        nearness = self.encoder.familiarity(self.encoder.encode_classes(classes))
        return [name for name, near in zip(classes.names, nearness, strict=True) if near < _UNFAMILIAR]

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
    device: str = "auto",
    threads: int = 0,
    precision: Precision = "auto",
    progress: Progress | None = None,
) -> Model:
    """Loads a model by name, fetching its weights on first use.

    Args:
        model: a name that ``gerund models`` lists.
        device: ``"auto"`` or ``"cpu"``; this version computes on the processor.
        threads: how many threads to compute with; 0 takes every core.
        precision: ``"auto"`` is bfloat16 where the processor has it, else float32.
        progress: told about downloads: label, bytes done, bytes in all.

    Raises:
        UsageError: there is no such model or device.
        AssetError: its weights cannot be had.
    """
    if device not in ("auto", "cpu"):
        raise UsageError(f"device {device!r} is not there; this version computes on the processor: use 'cpu' or 'auto'")
    if threads < 0:
        raise UsageError(f"threads must not be negative, got {threads}; 0 takes every core")
    if model not in {card.name for card in MODELS}:
        raise UsageError(f"no model {model!r}; there are {', '.join(card.name for card in MODELS)}")
    plain = model == "i3d-minilm-plain"
    return Model(ConseEncoder(plain=plain, threads=threads, precision=precision, progress=progress))
