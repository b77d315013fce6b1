"""DEM: texts are mapped to where videos are, and the nearest class wins.

A network of two layers, ``f(t) = relu(W2 relu(W1 t))``, learns to give the vector of a video from the text of its
class: the loss is the mean squared error between the two. Matching where the videos are, not where the texts are, keeps
a few texts from being nearest to everything.

Source: the single-modality model of Zhang, Xiang and Gong, "Learning a Deep Embedding Model for Zero-Shot Learning",
CVPR 2017. Dropout on the texts and layers without bias are those of the baseline in Chen and Huang, "Elaborative
Rehearsal", ICCV 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from gerund.encoders.base import unit
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.training.learner import Learner, data_card, require_examples
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray


@dataclass(eq=False)
class Dem(Learner):
    """Texts mapped to the space of videos by two layers.

    Its last layer cannot give negative numbers, which suits features that were averaged after a ReLU, and no others.

    Args:
        texts: turns classes into vectors.
        hidden: size of the layer between.
        dropout: on texts, while learning.
        normalize_texts: bring text vectors to unit length.

    Further settings are those of `Learner`.
    """

    hidden: int = 512
    dropout: float = 0.5
    normalize_texts: bool = False

    @classmethod
    def paper(cls, texts: ClassEncoder, **changes: Any) -> Self:
        """The settings with which Chen and Huang, ICCV 2021, ran the method on Kinetics with GloVe vectors.

        They are meant for some 200,000 videos: with fewer, 30 epochs end before the warm-up does.

        Source: the configuration file that they released.
        """
        schedule = {"lr": 1e-4, "warmup_steps": 2000, "period_steps": 50_000, "weight_decay": 1e-5}
        return cls(texts, **{"epochs": 30, "batch": 128, **schedule, "choose_every": 1, **changes})

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns the network from examples of `classes`.

        Raises:
            UsageError: there are no examples, or PyTorch is not installed.
        """
        examples = require_examples(examples, classes, "Dem")
        device = self._device()
        import torch
        from torch import nn

        videos, labels = torch.from_numpy(examples.inputs.vectors), torch.from_numpy(examples.labels)
        texts = torch.from_numpy(self._encode(classes)).to(device)

        def build() -> Any:
            first = nn.Linear(texts.shape[1], self.hidden, bias=False)
            return nn.ModuleDict({"first": first, "second": nn.Linear(self.hidden, videos.shape[1], bias=False)})

        def loss(network: Any, places: Any) -> Any:
            t = nn.functional.dropout(texts[labels[places].to(device)], self.dropout)
            found = visual_prototypes(t, network["first"].weight, network["second"].weight)
            return nn.functional.mse_loss(found, videos[places].to(device))

        return self._train(build, loss, len(examples), lambda: data_card(self.texts, examples, classes))

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Squared distances between videos and what their classes are mapped to, negative, ``[N, C]``."""
        weights = self._learned()
        return -squared_distances(
            inputs.vectors, visual_prototypes(self._encode(classes), weights["first.weight"], weights["second.weight"])
        )

    def _encode(self, classes: ClassSpace) -> FloatArray:
        vectors = self.texts.encode_classes(classes)
        return unit(vectors) if self.normalize_texts else np.asarray(vectors, np.float32)


def visual_prototypes(texts: Any, first: Any, second: Any) -> Any:
    """f, ``[C, V]``, of texts ``[C, T]`` with weights ``[H, T]`` and ``[V, H]``; NumPy's arrays or PyTorch's."""
    return ((texts @ first.T).clip(min=0) @ second.T).clip(min=0)


def squared_distances(videos: FloatArray, prototypes: FloatArray) -> FloatArray:
    """``|x|^2 - 2 x.y + |y|^2`` of ``[N, V]`` and ``[C, V]``, ``[N, C]``: memory does not grow with N times C times V.

    Example:
        >>> squared_distances(np.array([[3.0, 4.0]]), np.array([[0.0, 0.0], [3.0, 1.0]])).tolist()
        [[25.0, 9.0]]
    """
    x, y = np.asarray(videos, np.float64), np.asarray(prototypes, np.float64)
    found = (x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1)
    return np.asarray(found.clip(min=0), np.float32)


CARDS = (
    MethodCard(
        "dem",
        Dem,
        "texts mapped to video vectors, nearest one wins",
        learns="two layers from texts to videos",
        source="Zhang, Xiang and Gong, Learning a Deep Embedding Model for Zero-Shot Learning, CVPR 2017",
        needs=("PyTorch to learn",),
    ),
)
