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
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np

from gerund.assets import derived, find_asset
from gerund.encoders.base import Encoder, require_same_encoder, unit
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.engines import require
from gerund.encoders.networks import i3d
from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.features.tracks import RAW
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.recognizers.bilinear import Bilinear
from gerund.methods.recognizers.eszsl import Eszsl
from gerund.methods.recognizers.gcn import Gcn
from gerund.text.classes import ClassSpace
from gerund.text.names import read_vocabulary, to_words
from gerund.types import FloatArray, Track

RowLearner = Literal["eszsl", "gcn", "devise"]

SETTINGS: Mapping[RowLearner, Mapping[str, Any]] = {
    "eszsl": {"alpha": 1.0, "gamma": 0.0},
    "gcn": {"hidden": (512,), "neighbours": 5, "epochs": 200},
    "devise": {"lr": 1e-3, "epochs": 300},
}
"""Chosen by Kinetics classes that were left out of the 360 to learn from (`benchmarks/rows.py`)."""

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


@dataclass(eq=False)
class Rows:
    """Scores of I3D's features under a row of a classifier for every action.

    An action that has a Kinetics name and no texts of its own has I3D's own row, so that the 400 keep the ranking that
    I3D gives them. The rows of all others are learned, and as long as I3D's are on average. With texts (`--texts`)
    every row is learned. The first question learns; what ``"gcn"`` and ``"devise"`` learn is kept in the cache, so
    PyTorch is needed once.

    A video is the direction of its features and a 1 for the bias, averaged over time; its score is the inner product of
    that with the row, over the length of the longest of I3D's rows.

    The GCN's rows depend a little on which other actions are asked about, as all join one graph; those of the other
    learners do not.

    Args:
        encoder: the one that made the tracks: I3D's features, as the network gives them.
        learner: see `RowMap`.

    Raises:
        UsageError: there is no such learner.
    """

    takes: ClassVar[str] = "track"
    training_free: ClassVar[bool] = True
    needs_raw: ClassVar[bool] = True
    logit_scale: ClassVar[float] = _LOGIT_SCALE

    encoder: Encoder
    learner: RowLearner = "eszsl"
    _last: tuple[ClassSpace, FloatArray] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.learner not in SETTINGS:
            raise UsageError(f"no learner of rows {self.learner!r}; there are {', '.join(SETTINGS)}")

    def fit(self, examples: Examples | None = None, classes: ClassSpace | None = None) -> Self:
        """Nothing is learned from videos."""
        return self

    def score(self, inputs: Inputs | Sequence[Track], classes: ClassSpace) -> FloatArray:
        """Inner products of directions and rows, ``[N, C]``.

        Raises:
            UsageError: a track is of another encoder, or holds no features of I3D as the network gives them; or the
                learner needs PyTorch, and it is not installed.
            AssetError: the weights cannot be had.
        """
        videos = np.stack([self._direction(track) for track in inputs])
        return np.asarray(videos @ self.rows_for(classes).T, np.float32)

    def rows_for(self, classes: ClassSpace) -> FloatArray:
        """A row for every class ``[C, 1025]``, its bias last: I3D's own for bare Kinetics names, else a learned one."""
        if self._last and self._last[0] == classes:
            return self._last[1]
        lengths = np.linalg.norm(self._own_rows, axis=1)
        rows = np.zeros((len(classes), self._own_rows.shape[1]), np.float32)
        own = {place: known for place in range(len(classes)) if (known := self._own_place(classes, place)) is not None}
        for place, known in own.items():
            rows[place] = self._own_rows[known]
        if others := [place for place in range(len(classes)) if place not in own]:
            names, texts = zip(*((classes.names[place], classes.texts[place]) for place in others), strict=True)
            rows[others] = lengths.mean() * self._map.rows_for(ClassSpace(names, texts, classes.as_given))
        self._last = classes, rows / lengths.max()
        return self._last[1]

    def texts_for(self, classes: ClassSpace) -> tuple[tuple[str, ...], ...]:
        """The texts that rows are learned from: those given, else "name: definition" where gerund has one."""
        return self._texts.texts_of(classes)

    def unfamiliar(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts are far from those of each of the 400 seen actions."""
        return self._texts.unfamiliar(classes)

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """Names of the classes whose texts MiniLM cannot read; see `ConseEncoder`."""
        return self._texts.unreadable(classes)

    def _direction(self, track: Track) -> FloatArray:
        require_same_encoder(replace(track, encoder=track.encoder.removesuffix(RAW)), self.encoder)
        if track.vectors.shape[1] != i3d.FEATURE_DIM:
            raise UsageError(
                f"rows are scored on I3D's {i3d.FEATURE_DIM} features (the model i3d), and the vectors of "
                f"{self.encoder.name} have {track.vectors.shape[1]} numbers"
            )
        if np.allclose(np.linalg.norm(track.vectors, axis=1), 1, atol=1e-3):
            raise UsageError(
                "rows have a bias, which weighs less the longer a video's features are; these features were brought to "
                "unit length, so give them as the network does"
            )
        ones = np.ones((len(track), 1), np.float32)
        return unit(unit(np.concatenate([track.vectors, ones], axis=1)).mean(axis=0))

    @cached_property
    def _texts(self) -> ConseEncoder:
        """What encodes names; its video network is never run."""
        return ConseEncoder()

    @cached_property
    def _own_rows(self) -> FloatArray:
        """I3D's 400 rows with their biases, ``[400, 1025]``."""
        rows, bias = i3d.classifier(i3d.load())
        return np.concatenate([rows, bias[:, None]], axis=1)

    @cached_property
    def _map(self) -> RowMap:
        """Says rows; learned, or taken up from what was learned before."""
        kinetics = ClassSpace(read_vocabulary("kinetics400"))
        # names of their own: an action that is asked about with other texts is another node of the GCN's graph
        names = tuple(f"Kinetics: {name}" for name in kinetics.names)
        found = RowMap(
            self.learner, self._texts, ClassSpace(names, self._texts.texts_of(kinetics), as_given=True), self._own_rows
        )
        if self.learner == "eszsl":
            return found.fit()
        from safetensors.numpy import load, save

        hashes = [find_asset(name).sha256 for name in ("i3d-kinetics400", "minilm", "minilm-tokenizer")]
        recipe = [f"i3d-{self.learner}", sorted(SETTINGS[self.learner].items()), found.seen.texts]
        key = hashlib.sha256(repr((hashes, recipe)).encode()).hexdigest()[:16]
        kept = derived(f"i3d-{self.learner}-{key}.safetensors", lambda: save(dict(found.fit().method.state())))
        found.method.restore(load(kept))
        return found

    @cached_property
    def _place_of(self) -> dict[str, int]:
        return {_key(name): place for place, name in enumerate(read_vocabulary("kinetics400"))}

    def _own_place(self, classes: ClassSpace, place: int) -> int | None:
        """Which of the 400 a class is, if it has that name and no texts of its own."""
        name = classes.names[place]
        bare = not classes.as_given and classes.texts[place] == (name,)
        return self._place_of.get(_key(name)) if bare else None


def _key(name: str) -> str:
    return to_words(name).casefold()


def _learned(array: Any) -> FloatArray:
    if array is None:
        raise UsageError("no rows were learned yet; call fit first")
    return np.asarray(array, np.float32)


_LEARNED = "classifier rows for any name, from I3D's own 400 names and rows; no video"
_SOURCE = "Wang, Ye and Gupta, Zero-Shot Recognition via Semantic Embeddings and Knowledge Graphs, CVPR 2018"

CARDS = (
    MethodCard(
        "rows-eszsl",
        Rows,
        "I3D with a row of its classifier for every action, said by ESZSL's formula",
        learns=_LEARNED,
        source=_SOURCE,
        encoder="i3d",
        settings=(("learner", "eszsl"),),
    ),
    MethodCard(
        "rows-gcn",
        Rows,
        "I3D with a row of its classifier for every action, said by a graph network over names",
        learns=_LEARNED,
        source=_SOURCE,
        needs=("PyTorch, once",),
        encoder="i3d",
        settings=(("learner", "gcn"),),
    ),
    MethodCard(
        "rows-devise",
        Rows,
        "I3D with a row of its classifier for every action, said by DeViSE's ranking loss",
        learns=_LEARNED,
        source=_SOURCE,
        needs=("PyTorch, once",),
        encoder="i3d",
        settings=(("learner", "devise"),),
    ),
)
