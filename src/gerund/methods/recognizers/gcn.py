"""GCN: classifier rows for classes without examples, out of a graph of all class names.

Each class is a node with its text vector. Nodes are joined to those whose texts are near, and layers mix what
neighbours know. The network learns to give seen classes the rows of a classifier that was trained on their videos; what
it gives the other nodes then serves as classifier rows for them. No video is needed to learn, only those rows.

With A the graph, its rows divided by their sums, a layer is ``a(A (H W' + b) + H U)``, where ``a`` is a leaky ReLU, and
nothing after the last layer.

Source: Wang, Ye and Gupta, "Zero-Shot Recognition via Semantic Embeddings and Knowledge Graphs", CVPR 2018, for
regressing classifiers; Kipf and Welling, "Semi-Supervised Classification with Graph Convolutional Networks", ICLR 2017,
for the layer. The graph of nearest names, the term H U and the sizes are those of the baseline in Chen and Huang,
"Elaborative Rehearsal", ICCV 2021.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.training.learner import Learner, require_examples
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray

_SLOPE = 0.2


@dataclass(eq=False)
class Gcn(Learner):
    """Classifier rows through a graph of class names.

    Args:
        texts: turns classes into vectors, which are brought to unit length.
        rows: turns seen classes into rows of a classifier over the same features, for learning; such as a `VectorTable`
            of its last layer's weights. None takes the mean of each class's videos: those of a nearest-mean classifier.
        neighbours: each class is joined to so many nearest ones, itself included.
        hidden: sizes of the layers between.
        dropout: before the last layer, while learning.

    Further settings are those of `Learner`; an epoch is one step over the whole graph. Without a `folder`, the weights
    of every candidate epoch stay in memory, some 50 MB each with the default sizes.

    Classes that were not there in `fit` join the graph when they are asked about. They are new neighbours of the old
    ones, so all rows may then differ a little from those that were learned.
    """

    class_names_at_fit: ClassVar[bool] = True

    rows: ClassEncoder | None = None
    _: KW_ONLY
    neighbours: int = 5
    hidden: Sequence[int] = (512, 1024, 1024, 1024, 1024)
    dropout: float = 0.5
    epochs: int = 200
    lr: float = 1e-3
    weight_decay: float = 1e-6
    choose_every: int = 10
    nodes_: ClassSpace | None = field(init=False, repr=False, default=None)
    vectors_: FloatArray | None = field(init=False, repr=False, default=None)
    _last: tuple[ClassSpace, FloatArray] | None = field(init=False, repr=False, default=None)

    @classmethod
    def paper(cls, texts: ClassEncoder, rows: ClassEncoder | None = None, **changes: Any) -> Self:
        """The settings with which Chen and Huang, ICCV 2021, ran the method on Kinetics with GloVe vectors.

        Source: the configuration file that they released. Its warm-up of 20 steps begins at the full rate, as its batch
        is 1, and so is left out.
        """
        settings = {"epochs": 200, "lr": 1e-3, "warmup_steps": 0, "period_steps": 200, "weight_decay": 1e-6}
        return cls(texts, rows, **{**settings, "choose_every": 10, **changes})

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns rows for all `classes` from those of the classes that have examples.

        Videos are looked at only where there are no `rows`.

        Raises:
            UsageError: there are no examples, or PyTorch is not installed.
        """
        examples = require_examples(examples, classes, "Gcn")
        device = self._device()
        import torch
        from torch import nn

        seen = np.unique(examples.labels)
        if self.rows is None:
            vectors = examples.inputs.vectors
            wanted = unit(np.stack([vectors[examples.labels == place].mean(axis=0) for place in seen]))
        else:
            wanted = unit(self.rows.encode_classes(ClassSpace(tuple(classes.names[place] for place in seen))))
        self.nodes_, self.vectors_, self._last = classes, unit(self.texts.encode_classes(classes)), None
        arrays = (knn_graph(self.vectors_, self.neighbours), self.vectors_, wanted, seen)
        graph, nodes, target, places = (torch.from_numpy(array).to(device) for array in arrays)
        sizes = (nodes.shape[1], *self.hidden, target.shape[1])

        def build() -> Any:
            layers = [_layer(one, other) for one, other in pairwise(sizes)]
            return nn.ModuleDict({f"layer{number}": layer for number, layer in enumerate(layers)})

        def loss(network: Any, _: Any) -> Any:
            found = run_layers(dict(network.named_parameters()), graph, nodes, nn.Dropout(self.dropout))
            return nn.functional.mse_loss(nn.functional.normalize(found[places], dim=1), target)

        digest = hashlib.sha256(repr((classes.names, seen.tolist())).encode() + self.vectors_.tobytes())
        rows = hashlib.sha256(np.ascontiguousarray(wanted).tobytes()).hexdigest()
        card = {"texts": self.texts.fingerprint, "rows": rows, "nodes": digest.hexdigest()}
        return self._train(build, loss, 1, lambda: card)

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Inner products of videos and the classes' rows, which have unit length, ``[N, C]``."""
        return np.asarray(inputs.vectors @ self.rows_for(classes).T, np.float32)

    def rows_for(self, classes: ClassSpace) -> FloatArray:
        """The classes' rows of unit length, ``[C, V]``; those of new classes with these in the graph.

        Raises:
            UsageError: nothing was learned yet.
        """
        if self._last is None or self._last[0] != classes:
            names, vectors = self._nodes_with(classes)
            found = unit(run_layers(self._learned(), knn_graph(vectors, self.neighbours), vectors))
            place_of = {name.casefold(): place for place, name in enumerate(names)}
            self._last = classes, found[[place_of[name.casefold()] for name in classes.names]]
        return self._last[1]

    def _nodes_with(self, classes: ClassSpace) -> tuple[tuple[str, ...], FloatArray]:
        """Names and vectors of all nodes, those of new classes at the end."""
        if self.nodes_ is None or self.vectors_ is None:
            raise UsageError("Gcn has learned nothing yet; call fit, or load what was saved")
        known = {name.casefold() for name in self.nodes_.names}
        new = [place for place, name in enumerate(classes.names) if name.casefold() not in known]
        if not new:
            return self.nodes_.names, self.vectors_
        added = ClassSpace(
            tuple(classes.names[place] for place in new), tuple(classes.texts[place] for place in new), classes.as_given
        )
        return self.nodes_.names + added.names, np.concatenate([self.vectors_, unit(self.texts.encode_classes(added))])

    def state(self) -> Mapping[str, np.ndarray]:
        """The layers, and the nodes with their vectors; empty before `fit`."""
        if self.nodes_ is None or self.vectors_ is None:
            return {}
        names = np.frombuffer("\n".join(self.nodes_.names).encode(), np.uint8)
        return {**self.weights_, "node_names": names, "node_vectors": self.vectors_}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes up what `state` gave."""
        arrays = dict(state)
        if "node_names" in arrays:
            self.nodes_ = ClassSpace(tuple(arrays.pop("node_names").tobytes().decode().split("\n")))
            self.vectors_ = np.asarray(arrays.pop("node_vectors"), np.float32)
        self._last = None
        super().restore(arrays)


def knn_graph(vectors: FloatArray, neighbours: int) -> FloatArray:
    """A, float32 ``[C, C]``: nodes are joined if either is among the other's nearest by cosine; rows sum to 1.

    Args:
        vectors: ``[C, D]`` of unit length.
        neighbours: how many each node picks, itself first.

    Example:
        >>> print(knn_graph(np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]]), 2).round(2))
        [[0.5  0.5  0.  ]
         [0.33 0.33 0.33]
         [0.   0.5  0.5 ]]
    """
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    np.fill_diagonal(cosines, np.inf)
    picked = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
    joined = np.zeros(cosines.shape, np.float32)
    np.put_along_axis(joined, picked, 1, axis=1)
    joined = np.maximum(joined, joined.T)
    return np.asarray(joined / joined.sum(axis=1, keepdims=True), np.float32)


def graph_layer(graph: Any, hidden: Any, weight: Any, bias: Any, own: Any) -> Any:
    """``A (H W' + b) + H U``, H ``[C, D]``, W ``[E, D]``, b ``[E]``, U ``[D, E]``; NumPy's arrays or PyTorch's."""
    return graph @ (hidden @ weight.T + bias) + hidden @ own


def run_layers(weights: Mapping[str, Any], graph: Any, vectors: Any, drop: Any = None) -> Any:
    """All layers, with a leaky ReLU between them and `drop` before the last; NumPy's arrays or PyTorch's."""
    hidden, count = vectors, len(weights) // 3
    for number in range(count):
        if number:
            hidden = hidden.clip(min=0) + _SLOPE * hidden.clip(max=0)
        if drop is not None and number == count - 1:
            hidden = drop(hidden)
        weight, bias, own = (weights[f"layer{number}.{name}"] for name in ("weight", "bias", "own"))
        hidden = graph_layer(graph, hidden, weight, bias, own)
    return hidden


def _layer(dim: int, dim_out: int) -> Any:
    """Initialised as PyTorch does a linear layer; U is Xavier's, for a ReLU."""
    from torch import nn

    layer = nn.Linear(dim, dim_out)
    layer.own = nn.Parameter(layer.weight.new_empty(dim, dim_out))
    nn.init.xavier_uniform_(layer.own, nn.init.calculate_gain("relu"))
    return layer


CARDS = (
    MethodCard(
        "gcn",
        Gcn,
        "classifier rows for unseen classes through a graph of names",
        learns="layers over a graph of all class names, from the rows of seen classes",
        source="Wang, Ye and Gupta, Zero-Shot Recognition via Semantic Embeddings and Knowledge Graphs, CVPR 2018",
        needs=("PyTorch to learn",),
    ),
)
