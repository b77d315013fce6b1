"""I3D with classifier rows for any action: learned from 400 names and the 400 rows of its own classifier.

The last layer of a classifier has a row of weights for each class, and the inner product of a video's features with
that row is the class's score. A learner is shown pairs of text vector and row, one pair for each class, and says the
row of any other name. No video is needed to learn, and the features are I3D's own.

Source: Wang, Ye and Gupta, "Zero-Shot Recognition via Semantic Embeddings and Knowledge Graphs", CVPR 2018, for
regressing the rows of a classifier. The learners are in files of their own; here each row is the one example of its
class, and its bias is its last number. `benchmarks/README.md` compares them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np

from gerund.assets import DownloadProgress, derived, find_asset
from gerund.encoders.base import Encoder, Window, unit
from gerund.encoders.card import EncoderCard, Order
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.engines import Device, EngineName, Precision, require
from gerund.encoders.graph import Graph
from gerund.encoders.networks import i3d
from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.recognizers.bilinear import Bilinear
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.recognizers.gcn import Gcn
from gerund.text.classes import ClassSpace
from gerund.text.names import read_vocabulary, to_words
from gerund.types import FloatArray, FrameArray
from gerund.video.memory import FrameSource

RowLearner = Literal["eszsl", "gcn", "devise"]

SETTINGS: Mapping[RowLearner, Mapping[str, Any]] = {
    "eszsl": {"alpha": 1.0, "gamma": 0.0},
    "gcn": {"hidden": (512,), "neighbours": 5, "epochs": 200},
    "devise": {"lr": 1e-3, "epochs": 300},
}
"""Chosen by Kinetics classes that were left out of the 360 to learn from (`benchmarks/rows.py`)."""

ROW_MODELS: Mapping[str, RowLearner] = {f"i3d-{learner}": learner for learner in SETTINGS}
"""The encoders by the names that users call them."""

_LOGIT_SCALE = 40.0
"""Two standard deviations of a video's 400 scores, which are 0.05: the least negative log-likelihood for each of the
learners when Kinetics classes are left out (`benchmarks/rows.py`)."""

_SMALLEST_SHARE = 1e-4
"""A direction that the rows span by less than this share of the widest one may be rounding."""


@dataclass
class RowMap:
    """Says the row of any class, learned from the rows that some classes have.

    Args:
        learner: ``"eszsl"`` is a formula; ``"gcn"`` and ``"devise"`` learn with PyTorch.
        texts: turns classes into vectors.
        seen: the classes that have a row.
        rows: theirs, float32 ``[K, V]``, any norm.
        settings: changes `SETTINGS`; they are those of `Eszsl`, `Gcn` and `Bilinear`.

    Raises:
        UsageError: there is no such learner, or it has no such setting.
    """

    learner: RowLearner
    texts: ClassEncoder
    seen: ClassSpace
    rows: FloatArray
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.learner not in SETTINGS:
            raise UsageError(f"no learner of rows {self.learner!r}; there are {', '.join(SETTINGS)}")
        settings = {**SETTINGS[self.learner], **self.settings}
        try:
            if self.learner == "eszsl":
                self.method: Eszsl | Gcn | Bilinear = Eszsl(self.texts, **settings)
            elif self.learner == "gcn":
                table = VectorTable(self.seen.names, self.rows)
                self.method = Gcn(self.texts, table, device="cpu", **settings)
            else:
                self.method = Bilinear(self.texts, "devise", device="cpu", **settings)
        except TypeError as error:
            raise UsageError(f"{self.learner}: {error}") from error

    def fit(self) -> RowMap:
        """Learns from every seen class; each is one example, its row at unit length.

        Raises:
            UsageError: the learner needs PyTorch, and it is not installed.
        """
        examples = Examples(Inputs.of(unit(self.rows)), np.arange(len(self.seen)))
        if self.learner == "eszsl":
            self.method.fit(examples, self.seen)
            return self
        require("torch", f"{self.learner} learns rows with PyTorch (eszsl does without), which")
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # matrices this small are slower on several, and their sums would depend on how many
        try:
            self.method.fit(examples, self.seen)
        finally:
            torch.set_num_threads(threads)
        return self

    def rows_for(self, classes: ClassSpace) -> FloatArray:
        """Rows of unit length ``[C, V]``, each a combination of the seen rows.

        What a learner says across the seen rows is left out: nothing ever taught it, and videos would answer to it.
        """
        if isinstance(self.method, Gcn):
            found = self.method.rows_for(classes)
        elif isinstance(self.method, Eszsl):
            found = self.texts.encode_classes(classes) @ _learned(self.method.map_).T
        else:
            found = self.texts.encode_classes(classes) @ _learned(self.method.weights_.get("weight"))
        return unit(np.asarray(found @ self._span.T @ self._span, np.float32))

    @cached_property
    def _span(self) -> FloatArray:
        """Orthonormal directions that the seen rows span, ``[S, V]``."""
        _, sizes, directions = np.linalg.svd(np.asarray(unit(self.rows), np.float64), full_matrices=False)
        return np.asarray(directions[sizes > _SMALLEST_SHARE * sizes[0]], np.float32)


class RowEncoder(Encoder):
    """I3D's features, and for every action a row of a classifier over them.

    An action that has a Kinetics name and no texts of its own has I3D's own row, so that the 400 keep the ranking that
    I3D gives them. The rows of all others are learned, and as long as I3D's are on average. With texts (`--texts`), or
    `encode_texts`, every row is learned.

    Tracks are unit vectors of 1024 features, a 1 for the bias, and a 0. Where classes have rows shorter than the
    longest one, the last place takes up what is missing to unit length, so that it never counts. Their product is I3D's
    score of the class over the length of the features.

    The GCN's rows depend a little on which other actions are asked about, as all join one graph; those of the other
    learners do not.

    Args:
        learner: see `RowMap`. What ``"gcn"`` and ``"devise"`` learn is kept in the cache, so PyTorch is needed once.
        threads: how many threads to compute with; 0 takes every core.
        engine: see `ConseEncoder`, as are the others.
        precision: arithmetic of the video network.
        device: where to compute.
        progress: told about downloads.

    Raises:
        AssetError: the weights cannot be had.
        UsageError: there is no such learner, or it needs PyTorch; or engine, precision and device cannot be had
            together here.
    """

    dim = i3d.FEATURE_DIM + 2
    batch = 1
    logit_scale = _LOGIT_SCALE

    def __init__(
        self,
        learner: RowLearner = "eszsl",
        *,
        threads: int = 0,
        engine: EngineName = "auto",
        precision: Precision = "auto",
        device: Device = "auto",
        progress: DownloadProgress | None = None,
    ) -> None:
        self._conse = ConseEncoder(
            threads=threads, engine=engine, precision=precision, device=device, progress=progress
        )
        self.name = f"i3d-{learner}"
        self.preparation = self._conse.preparation
        rows, bias = i3d.classifier(i3d.load())
        self._own_rows = np.concatenate([rows, bias[:, None]], axis=1)
        kinetics = ClassSpace(read_vocabulary("kinetics400"))
        self._place_of = {_key(name): place for place, name in enumerate(kinetics.names)}
        texts = self._conse.texts_of(kinetics)
        # names of their own: an action that is asked about with other texts is another node of the GCN's graph
        seen = ClassSpace(tuple(f"Kinetics: {name}" for name in kinetics.names), texts, as_given=True)
        self._map = RowMap(learner, self._conse, seen, self._own_rows)
        self._learned_hash = self._learn()
        self._last_classes: tuple[ClassSpace, FloatArray] | None = None

    def _learn(self) -> str:
        """Learns, or takes up what was learned before; a hash of it where it was trained."""
        from safetensors.numpy import load, save

        if self._map.learner == "eszsl":
            self._map.fit()
            return ""
        hashes = [find_asset(name).sha256 for name in ("i3d-kinetics400", "minilm", "minilm-tokenizer")]
        recipe = [self.name, sorted(SETTINGS[self._map.learner].items()), self._map.seen.texts]
        key = hashlib.sha256(repr((hashes, recipe)).encode()).hexdigest()[:16]

        kept = derived(f"{self.name}-{key}.safetensors", lambda: save(dict(self._map.fit().method.state())))
        self._map.method.restore(load(kept))
        return hashlib.sha256(kept).hexdigest()

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the label texts, the recipe, what was learned, and the arithmetic."""
        recipe = [self._conse.fingerprint, self.name, sorted(SETTINGS[self._map.learner].items())]
        return hashlib.sha256(repr((recipe, self._learned_hash)).encode()).hexdigest()[:16]

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """The windows of `ConseEncoder`."""
        return self._conse.sample(video, dense=dense)

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames ``[B, T, 224, 224, 3]``, T a multiple of 8, to vectors: one per 8 frames, or one in all.

        Returns:
            float32 ``[B, S, 1026]``.
        """
        features = self._conse.features(frames, dense=dense)
        one = np.ones((*features.shape[:2], 1), np.float32)
        return np.concatenate([features, one, np.zeros_like(one)], axis=-1)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Learned rows for any texts ``[N, 1026]``."""
        names = tuple(f"text {number}" for number in range(len(texts)))
        return self.encode_classes(ClassSpace(names, tuple((text,) for text in texts), as_given=True))

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """A row of unit length for every class ``[C, 1026]``: I3D's own for bare Kinetics names, else a learned one."""
        if self._last_classes and self._last_classes[0] == classes:
            return self._last_classes[1]
        lengths = np.linalg.norm(self._own_rows, axis=1)
        rows = np.zeros((len(classes), self._own_rows.shape[1]), np.float32)
        own = {place: known for place in range(len(classes)) if (known := self._own_place(classes, place)) is not None}
        for place, known in own.items():
            rows[place] = self._own_rows[known]
        if others := [place for place in range(len(classes)) if place not in own]:
            names, texts = zip(*((classes.names[place], classes.texts[place]) for place in others), strict=True)
            rows[others] = lengths.mean() * self._map.rows_for(ClassSpace(names, texts, classes.as_given))
        rows /= lengths.max()
        missing = np.sqrt(np.maximum(0, 1 - (rows**2).sum(axis=1, keepdims=True)))
        self._last_classes = classes, unit(np.concatenate([rows, missing], axis=1))
        return self._last_classes[1]

    def texts_of(self, classes: ClassSpace) -> tuple[tuple[str, ...], ...]:
        """The texts that rows are learned from: those given, else "name: definition" where gerund has one."""
        return self._conse.texts_of(classes)

    def unfamiliar(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts are far from those of each of the 400 seen actions."""
        return self._conse.unfamiliar(classes)

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts MiniLM cannot read; see `ConseEncoder`."""
        return self._conse.unreadable(classes)

    def remarks(self) -> list[str]:
        """What a user should know about the arithmetic: how well int8 agrees with float32."""
        return self._conse.remarks()

    def graphs(self) -> dict[str, Graph]:
        """The networks by name: frames to I3D's features, token numbers to sentence vectors."""
        return self._conse.graphs()

    def _own_place(self, classes: ClassSpace, place: int) -> int | None:
        """Which of the 400 a class is, if it has that name and no texts of its own."""
        name = classes.names[place]
        bare = not classes.as_given and classes.texts[place] == (name,)
        return self._place_of.get(_key(name)) if bare else None


def _build(order: Order, *, learner: RowLearner) -> Encoder:
    return RowEncoder(learner, progress=order.progress, **order.computing)


_WHAT: Mapping[RowLearner, str] = {
    "eszsl": "I3D with a row of its classifier for every action, learned from its 400 rows by ESZSL's formula",
    "gcn": "the same, learned by a graph network over names; needs PyTorch once",
    "devise": "the same, learned by DeViSE's ranking loss; needs PyTorch once",
}
ROW_CARDS = tuple(
    EncoderCard(
        name,
        _WHAT[learner],
        "video+text",
        partial(_build, learner=learner),
        space="the rows of I3D's classifier",
        dim=RowEncoder.dim,
        assets=("i3d-kinetics400", "minilm", "minilm-tokenizer"),
        trained_on=("kinetics400",),
    )
    for name, learner in ROW_MODELS.items()
)
"""What `gerund.api` registers."""


def _key(name: str) -> str:
    return to_words(name).casefold()


def _learned(array: Any) -> FloatArray:
    if array is None:
        raise UsageError("no rows were learned yet; call fit first")
    return np.asarray(array, np.float32)
