"""I3D and MiniLM as one text-aligned video encoder, from two published checkpoints and no further training.

A classifier over 400 seen actions becomes an encoder into the space of a sentence model: a video is where its scores
say it lies among the 400 *named* actions. What it says about an action outside the 400 is semantic transfer.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings" (ConSE), ICLR 2014. `carry`
says how the default goes beyond it; `benchmarks/README.md` has the measurement that chose it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from gerund.assets import DownloadProgress, derived, fetch, find_asset, verified
from gerund.encoders import sentence
from gerund.encoders.base import Encoder, unit
from gerund.encoders.engines import Device, EngineName, Precision, choose
from gerund.encoders.graph import Graph
from gerund.encoders.i3d import SAMPLING, I3dVideo
from gerund.encoders.networks import i3d
from gerund.encoders.scripts import unreadable
from gerund.text.classes import ClassSpace
from gerund.text.descriptions import with_definitions
from gerund.text.names import read_vocabulary
from gerund.types import FloatArray, FrameArray

_TOP = 10
"""How many labels ConSE averages (section 4 of the paper uses 10 on ImageNet)."""
_RIDGE = 0.3
_NEIGHBOURS = 10
_UNFAMILIAR = 0.3
"""Below this cosine to all 400 Kinetics labels an action is called unfamiliar. Of the Kinetics labels themselves 2 %
are as far from all *others* with their definitions, 10 % by their bare names (`benchmarks/leave_out.py`)."""
_LOGIT_SCALE = 15.0
"""Least negative log-likelihood when Kinetics classes are left out (`benchmarks/leave_out.py`)."""


def carry(logits: FloatArray, labels: FloatArray, *, ridge: float | None = _RIDGE, top: int = _TOP) -> FloatArray:
    """Carries scores over named actions into the space of their names.

    ConSE takes the mean of the `top` best labels weighted by their probability ``p``: where the video is *if* it
    shows one of them. It ignores how well every other label fits. The ridge solution ``v`` of ``labels @ v = logits``
    uses them all: the vector whose agreement with every name explains the scores. Their sum, both at unit length,
    ranks left-out Kinetics classes better than either (`benchmarks/README.md`).

    Args:
        logits: scores of the labels, float32 ``[N, K]``; a constant added to a row changes nothing.
        labels: unit vectors of the labels' texts ``[K, D]``.
        ridge: strength of the penalty on ``v``; None gives ConSE alone.
        top: how many labels ConSE averages.

    Returns:
        Unit vectors ``[N, D]``.
    """
    top = min(top, logits.shape[1])
    best = np.argpartition(-logits, top - 1, axis=1)[:, :top]
    kept = np.full_like(logits, -np.inf)
    np.put_along_axis(kept, best, np.take_along_axis(logits, best, axis=1), axis=1)
    p = np.exp(kept - kept.max(axis=1, keepdims=True))
    conse = unit(p / p.sum(axis=1, keepdims=True) @ labels)
    if ridge is None:
        return conse
    gram = labels.T @ labels + np.float32(ridge) * np.eye(labels.shape[1], dtype=np.float32)
    centred = logits - logits.mean(axis=1, keepdims=True)
    explained = unit(np.linalg.solve(gram, labels.T @ centred.T).T)
    return unit(conse + explained)


class ConseEncoder(I3dVideo, Encoder):
    """The default offline model: I3D's 400 scores carried into MiniLM's 384-dimensional space.

    Args:
        plain: plain ConSE over bare names, as published, instead of the default (definitions, centring, ridge).
        threads: how many threads to compute with; 0 takes every core.
        engine: what computes; ``"auto"`` is PyTorch where it finds a CUDA device, else OpenVINO.
        precision: arithmetic of the video network; ``"auto"`` is bfloat16 where the device has it. Texts are float32.
        device: where to compute.
        progress: told about downloads.

    Raises:
        AssetError: the weights cannot be had.
        UsageError: engine, precision and device cannot be had together here.
    """

    dim = sentence.DIM
    logit_scale = _LOGIT_SCALE
    unit_only = True

    def __init__(
        self,
        *,
        plain: bool = False,
        threads: int = 0,
        engine: EngineName = "auto",
        precision: Precision = "auto",
        device: Device = "auto",
        progress: DownloadProgress | None = None,
    ) -> None:
        choose(engine, precision, device)  # a setting that cannot be is told before anything is fetched
        super().__init__(i3d.load(progress), threads=threads, engine=engine, precision=precision, device=device)
        self.name = "i3d-minilm-plain" if plain else "i3d-minilm"
        self._plain = plain
        for name in ("minilm", "minilm-tokenizer"):
            fetch(find_asset(name), progress=progress)

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the label texts, the recipe and the arithmetic."""
        hashes = [find_asset(name).sha256 for name in ("i3d-kinetics400", "minilm", "minilm-tokenizer")]
        recipe = [self.name, self._arithmetic, _RIDGE, _TOP, _NEIGHBOURS, *SAMPLING]
        return hashlib.sha256(repr((hashes, recipe, self._label_space.texts)).encode()).hexdigest()[:16]

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames ``[B, T, 224, 224, 3]``, T a multiple of 8, to vectors: one per 8 frames, or one in all.

        Dense vectors are ConSE's alone: the ridge solution listens to all 400 scores, and those of a third of a
        second are too noisy for it. All have unit length from the start.
        """
        ridge = None if self._plain or dense else _RIDGE
        logits = self.label_logits(frames, dense=dense)
        return carry(logits.reshape(-1, i3d.NUM_CLASSES), self._labels, ridge=ridge).reshape(*logits.shape[:2], -1)

    def label_logits(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """I3D's scores of the 400 Kinetics actions: ``[B, T / 8, 400]`` when dense, else ``[B, 1, 400]``."""
        rows, bias = i3d.classifier(self._i3d_weights)
        return np.asarray(self.features(frames, dense=dense) @ rows.T + bias, np.float32)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Texts to unit vectors, measured from the mean of the 400 labels (plain: from the origin).

        The mean direction is common to all action names and only makes some names near to everything.
        """
        return unit(self._sentences(texts) - self._centre)

    def encode_class_texts(self, texts: Sequence[str]) -> FloatArray:
        """The same; what MiniLM says of them is kept on disk."""
        return unit(self._kept_sentences(texts) - self._centre)

    def texts_of(self, classes: ClassSpace) -> tuple[tuple[str, ...], ...]:
        """The texts that stand for the classes: those given, else "name: definition" where gerund has one."""
        return (classes if self._plain or classes.as_given else with_definitions(classes)).texts

    def hubness(self, class_vectors: FloatArray) -> FloatArray:
        """Half the mean cosine of each class to its 10 nearest labels, ``[C]``; none for plain ConSE.

        Source: cross-domain similarity local scaling (Conneau et al., "Word Translation Without Parallel Data", ICLR
        2018, section 2.3, K = 10), halved with the cosine it is taken from. The labels stand for the videos.
        """
        if self._plain:
            return np.zeros(len(class_vectors), np.float32)
        nearest = np.sort(class_vectors @ self._labels.T, axis=1)[:, -_NEIGHBOURS:]
        return np.asarray(nearest.mean(axis=1) / 2, np.float32)

    def unfamiliar(self, classes: ClassSpace) -> list[str]:
        """Names of the classes that are far from each of the 400 seen actions, so that those say nothing of them."""
        nearest = (self.encode_classes(classes) @ self._labels.T).max(axis=1)
        return [name for name, near in zip(classes.names, nearest, strict=True) if near < _UNFAMILIAR]

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts MiniLM's vocabulary has no words for: all scripts but the Latin one."""
        return unreadable(classes, lambda: sentence.read_tokenizer(verified(find_asset("minilm-tokenizer"))))

    def graphs(self) -> dict[str, Graph]:
        """The networks by name: frames to I3D's features, token numbers to sentence vectors."""
        return {**super().graphs(), "minilm": sentence.load(verified(find_asset("minilm")))}

    @cached_property
    def _label_space(self) -> ClassSpace:
        space = ClassSpace(read_vocabulary("kinetics400"))
        return space if self._plain else with_definitions(space)

    @cached_property
    def _raw_labels(self) -> FloatArray:
        return self._kept_sentences([texts[0] for texts in self._label_space.texts])

    def _kept_sentences(self, texts: Sequence[str]) -> FloatArray:
        """Sentence vectors ``[N, 384]``, kept on disk: a list of actions asked for again costs no encoding."""
        key = hashlib.sha256(repr((find_asset("minilm").sha256, list(texts))).encode()).hexdigest()[:16]
        kept = derived(f"minilm-texts-{key}.f32", lambda: self._sentences(texts).tobytes())
        return np.frombuffer(kept, np.float32).reshape(len(texts), self.dim)

    @cached_property
    def _centre(self) -> FloatArray:
        return np.zeros(self.dim, np.float32) if self._plain else self._raw_labels.mean(axis=0)

    @cached_property
    def _labels(self) -> FloatArray:
        return unit(self._raw_labels - self._centre)

    @cached_property
    def _sentences(self) -> sentence.SentenceEncoder:
        return sentence.SentenceEncoder(
            verified(find_asset("minilm")),
            verified(find_asset("minilm-tokenizer")),
            threads=self._threads,
            engine=self._setup.engine,
            device=self._setup.device,
        )
