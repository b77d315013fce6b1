"""TEAR: recognition without training, by what a language model, or gerund, says about each action.

An action is its name and several texts: steps, a description, a context, objects. Each text goes into sentence
templates and through the text encoder; the action is the mean of its texts. A video is the mean of its frames. The
nearest action wins.

Source: Bosetti et al., "Text-Enhanced Zero-Shot Action Recognition: A training-free approach", ICPR 2024
    (arXiv 2408.16412). The equations are those of its released code, where the paper's method is called ``simple``.
    That code does not run as released. Its ensemble leaves out the first descriptor: a `compat` switch here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gerund.assets import derived
from gerund.encoders.base import Encoder, require_same_encoder, unit
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.card import MethodCard
from gerund.text.classes import ClassSpace
from gerund.text.descriptions import Descriptions, built_in
from gerund.types import FloatArray, IntArray, Track

Aggregation = Literal["simple", "ensemble", "structured"]
Compat = Literal["", "skip-first-descriptor"]

KINDS = ("steps", "description", "context", "objects")
"""What TEAR calls ``all``: decomposition, description and context with its objects, in this order."""

TEMPLATES = (
    "a photo of action {}",
    "a picture of action {}",
    "Human action of {}",
    "{}, an action",
    "{} this is an action",
    "{}, a photo of action",
    "Playing action of {}",
    "{}",
    "Playing a kind of action, {}",
    "Doing a kind of action, {}",
    "Look, the human is {}",
    "Can you recognize the action of {}?",
    "Image classification of {}",
    "An image of {}",
    "The man is {}",
    "The woman is {}",
)
"""The sentence frames that TEAR took over from ActionCLIP (Wang et al., arXiv 2109.08472)."""

_SCALE = 100.0


@dataclass
class Tear:
    """Cosine of a video with the mean of an action's texts.

    Args:
        encoder: what texts are encoded with; its space is that of the tracks.
        descriptions: texts about actions; gerund's own by default. An action without any stands for its name.
        kinds: which of them are used, in this order behind the name.
        templates: sentences with one slot ``{}`` each; a text is the mean over all.
        conditioning: put the action's name before each text ("run starting to move the legs").
        aggregation: ``"simple"``: cosine with the mean text, which is TEAR. ``"ensemble"``: mean of the cosines with
            all texts. ``"structured"``: like that, but steps are compared with the frames that show them, found by the
            best assignment of frames to steps that never goes back.
        weights: of the kinds, and of ``"label"``; 1 where none is given, so that every text has one vote.
        unit_frames: bring frames to unit length before their mean; the released code does not. gerund's own encoders
            give unit vectors anyway, so this matters to imported features alone.
        truncate: cut texts that are longer than the encoder reads, as the released code does in silence, instead of
            refusing them.
        compat: ``"skip-first-descriptor"``: as released, the ensemble leaves out each action's first descriptor.

    Raises:
        UsageError: a template has no slot, or settings contradict each other.
    """

    takes: ClassVar[str] = "track"
    training_free: ClassVar[bool] = True

    encoder: Encoder
    descriptions: Descriptions | None = None
    kinds: Sequence[str] = KINDS
    templates: Sequence[str] = TEMPLATES
    conditioning: bool = True
    aggregation: Aggregation = "simple"
    weights: Mapping[str, float] = field(default_factory=dict)
    unit_frames: bool = False
    truncate: bool = False
    compat: Compat = ""
    _known: dict[str, FloatArray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for template in self.templates:
            if template.count("{}") != 1:
                raise UsageError(f"a template needs one slot {{}}, got {template!r}")
        if self.compat and self.aggregation != "ensemble":
            raise UsageError(f"compat {self.compat!r} is of the ensemble; the aggregation is {self.aggregation!r}")

    @classmethod
    def paper(cls, encoder: Encoder, descriptions: Descriptions | None = None, **changes: Any) -> Self:
        """The likely settings of the paper's main results: all kinds, 16 templates, conditioning, ``simple``."""
        return cls(encoder, descriptions, **changes)

    def fit(self, examples: Examples | None = None, classes: ClassSpace | None = None) -> Self:
        """Nothing is learned."""
        return self

    def score(self, inputs: Inputs | Sequence[Track], classes: ClassSpace) -> FloatArray:
        """100 times the cosine of every video with every action, ``[N, C]``.

        Raises:
            UsageError: a track is of another encoder; one that names none is taken for one of this.
        """
        for track in inputs:
            if track.encoder:
                require_same_encoder(track, self.encoder)
        texts = [self.texts_of(name) for name in classes.names]
        vectors = self._vectors_of(texts)
        votes = [np.array([self.weights.get(kind, 1.0) for kind, _ in of]) for of in texts]
        if self.aggregation == "simple":
            actions = np.stack([class_vector(u, w) for u, w in zip(vectors, votes, strict=True)])
            videos = np.stack([video_vector(track.vectors, unit_first=self.unit_frames) for track in inputs])
            return np.asarray(_SCALE * videos @ actions.T, np.float32)
        kinds = [[kind for kind, _ in of] for of in texts]
        rows = [[self._mean_cosine(t.vectors, *of) for of in zip(vectors, votes, kinds, strict=True)] for t in inputs]
        return np.asarray(rows, np.float32)

    def texts_for(self, classes: ClassSpace) -> list[list[str]]:
        """The texts that stand for the classes, before they go into the templates."""
        return [[text for _, text in self.texts_of(name)] for name in classes.names]

    def texts_of(self, name: str) -> list[tuple[str, str]]:
        """Kind and text of an action's name and descriptors, as they go into the templates.

        Example:
            >>> tear = Tear(None, Descriptions({}))
            >>> tear.texts_of("run")
            [('label', 'run run')]
        """
        known = built_in() if self.descriptions is None else self.descriptions
        found = [("label", name), *((kind, text) for kind in self.kinds for text in known.of(name, kind))]
        return [(kind, f"{name} {text}" if self.conditioning else text) for kind, text in found]

    def _vectors_of(self, texts: Sequence[Sequence[tuple[str, str]]]) -> list[FloatArray]:
        """The vectors of each action's texts, ``[texts, D]``, kept on disk by a hash of all that they depend on.

        So another list of actions costs what is new in it, also in another process.
        """
        keys = [_key(self.encoder.fingerprint, self.templates, self.truncate, [text for _, text in of]) for of in texts]
        wanted = {key: [text for _, text in of] for key, of in zip(keys, texts, strict=True) if key not in self._known}
        for key, of in wanted.items():
            kept = derived(f"tear-{key}.f32", partial(self._encode, of))
            self._known[key] = np.frombuffer(kept, np.float32).reshape(len(of), -1)
        return [self._known[key] for key in keys]

    def _encode(self, texts: Sequence[str]) -> bytes:
        sentences = [template.format(text) for template in self.templates for text in texts]
        cut = {"truncate": True} if self.truncate else {}
        encoded = self.encoder.encode_texts(sentences, **cut).reshape(len(self.templates), len(texts), -1)
        return np.asarray(text_vectors(encoded), np.float32).tobytes()

    def _mean_cosine(self, frames: FloatArray, u: FloatArray, votes: FloatArray, kinds: Sequence[str]) -> float:
        whole = u @ video_vector(frames, unit_first=self.unit_frames)
        is_step = np.array([kind == "steps" for kind in kinds])
        if self.aggregation == "structured" and is_step.any():
            shown = unit(frames) @ u[is_step].T
            places = align(shown)
            whole[is_step] = [shown[a:b, step].mean() for step, (a, b) in enumerate(pairwise(places))]
        if self.compat and len(u) > 1:
            whole, votes = np.delete(whole, 1), np.delete(votes, 1)
        return float(_SCALE * np.average(whole, weights=votes))


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]


def text_vectors(encoded: FloatArray) -> FloatArray:
    """One unit vector for each text from its vectors in all templates: ``u = norm(mean norm(E(template(text))))``.

    Args:
        encoded: ``[templates, texts, D]``, of any length.

    Returns:
        ``[texts, D]``.
    """
    return unit(unit(encoded).mean(axis=0))


def class_vector(u: FloatArray, votes: FloatArray | None = None) -> FloatArray:
    """One unit vector for an action, ``w = norm(mean u)``, from those of its texts ``[texts, D]``; votes weigh them."""
    return unit(np.average(u, axis=0, weights=votes))


def video_vector(frames: FloatArray, *, unit_first: bool = False) -> FloatArray:
    """One unit vector for a video, ``v = norm(mean f)``, from its frames ``[T, D]``; of unit frames when asked."""
    return unit((unit(frames) if unit_first else frames).mean(axis=0))


def align(similarity: FloatArray) -> IntArray:
    """The best way to give every frame to a step, in order, with at least one frame a step.

    Args:
        similarity: of frames and steps, ``[T, K]``..

    Returns:
        Borders ``[K + 1]``: step k has the frames ``[borders[k], borders[k + 1])``.

    Example:
        >>> align(np.array([[1, 0], [1, 0], [0, 1.0]])).tolist()
        [0, 2, 3]
    """
    frames, steps = similarity.shape
    if frames < steps:
        raise UsageError(f"{frames} frames cannot show {steps} steps; sample more, or use aggregation='ensemble'")
    best = np.full((frames + 1, steps + 1), -np.inf)  # best[t, k]: the first t frames given to the first k steps
    best[0, 0] = 0.0
    begun = np.zeros((frames + 1, steps + 1), np.int64)
    for t in range(1, frames + 1):
        for k in range(1, min(t, steps) + 1):
            stay, enter = best[t - 1, k], best[t - 1, k - 1]
            best[t, k] = max(stay, enter) + similarity[t - 1, k - 1]
            begun[t, k] = t - 1 if enter >= stay else begun[t - 1, k]
    borders = [frames]
    for k in range(steps, 0, -1):
        borders.append(int(begun[borders[-1], k]))
    return np.array(borders[::-1], np.int64)


CARDS = (
    MethodCard(
        "tear",
        Tear,
        "cosine of a video and the mean of many texts about each class",
        source="Bosetti et al., Text-Enhanced Zero-Shot Action Recognition, ICPR 2024",
    ),
)
