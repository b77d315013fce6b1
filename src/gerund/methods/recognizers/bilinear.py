"""DeViSE, ALE and SJE: one linear map from videos to texts, and three losses that rank the right class first.

The score of video x and class c is ``F(x, c) = (W x) . t_c``, with t_c the class's text vector of unit length. Every
class that comes within a margin of the right one, ``h_j = max(0, margin + F(x, j) - F(x, y))``, costs something; the
methods differ only in how the h_j of a video are summed up.

Source: the hinge rank loss of Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013; the
weighted ranking objective of Akata et al., "Label-Embedding for Image Classification" (ALE), PAMI 2016, after Usunier
et al., ICML 2009; the structured hinge of Akata et al., "Evaluation of Output Embeddings for Fine-Grained Image
Classification" (SJE), CVPR 2015, with one margin for all pairs of classes. Dropout on both sides, and Adam instead of
plain stochastic gradients, are those of the baselines in Chen and Huang, "Elaborative Rehearsal", ICCV 2021.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Self

import numpy as np

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs
from gerund.methods.base import ClassEncoder
from gerund.methods.card import MethodCard
from gerund.methods.training.learner import Learner, data_card, require_examples
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray


@dataclass(eq=False)
class Bilinear(Learner):
    """A linear map from videos to texts, learned by ranking.

    Args:
        texts: turns classes into vectors.
        loss: ``"devise"`` sums over all classes that come too near, ``"sje"`` counts the nearest only, ``"ale"`` takes
            their mean, weighted by how many there are.
        margin: by how much the right class must lead.
        dropout: on videos and on texts, while learning.
        normalize_texts: bring text vectors to unit length.

    Further settings are those of `Learner`.
    """

    loss: Literal["devise", "ale", "sje"] = "devise"
    margin: float = 0.1
    dropout: float = 0.5
    normalize_texts: bool = True
    _: KW_ONLY
    lr: float = 3e-3

    @classmethod
    def paper(cls, texts: ClassEncoder, loss: Literal["devise", "ale", "sje"] = "devise", **changes: Any) -> Self:
        """The settings with which Chen and Huang, ICCV 2021, ran these methods on Kinetics with GloVe vectors.

        They are meant for some 200,000 videos: with fewer, 30 epochs end before the warm-up does.

        Source: the configuration files that they released.
        """
        schedule = {"lr": 1e-4, "warmup_steps": 2000, "period_steps": 50_000}
        return cls(texts, loss, **{"epochs": 30, "batch": 128, **schedule, "choose_every": 1, **changes})

    def fit(self, examples: Examples | None, classes: ClassSpace) -> Self:
        """Learns the map from examples of `classes`.

        Raises:
            UsageError: there are no examples, PyTorch is not installed, or `loss` is none of the three.
        """
        if self.loss not in LOSSES:
            raise UsageError(f"loss {self.loss!r} is not one of {', '.join(LOSSES)}")
        examples = require_examples(examples, classes, "Bilinear")
        device = self._device()
        import torch
        from torch.nn import functional

        videos, labels = torch.from_numpy(examples.inputs.vectors), torch.from_numpy(examples.labels)
        texts = torch.from_numpy(self._encode(classes)).to(device)

        def loss(network: Any, places: Any) -> Any:
            x = functional.dropout(videos[places].to(device), self.dropout)
            t = functional.dropout(texts, self.dropout)
            return LOSSES[self.loss](compatibility(x, t, network.weight), labels[places].to(device), self.margin)

        def build() -> Any:
            return torch.nn.Linear(videos.shape[1], texts.shape[1], bias=False)

        return self._train(build, loss, len(examples), lambda: data_card(self.texts, examples, classes))

    def score(self, inputs: Inputs, classes: ClassSpace) -> FloatArray:
        """Compatibilities ``[N, C]``; unbounded, as videos keep their length."""
        return np.asarray(compatibility(inputs.vectors, self._encode(classes), self._learned()["weight"]), np.float32)

    def _encode(self, classes: ClassSpace) -> FloatArray:
        vectors = self.texts.encode_classes(classes)
        return unit(vectors) if self.normalize_texts else np.asarray(vectors, np.float32)


def compatibility(videos: Any, texts: Any, weight: Any) -> Any:
    """F, ``[N, C]``, of videos ``[N, V]`` and texts ``[C, T]`` under a map ``[T, V]``; NumPy's arrays or PyTorch's."""
    return (videos @ weight.T) @ texts.T


def hinges(scores: Any, labels: Any, margin: float = 0.1) -> Any:
    """h, ``[B, C]``: by how much each class comes too near to the right one, whose own h is 0."""
    right = scores.gather(1, labels[:, None])
    return (margin + scores - right).clamp(min=0).scatter(1, labels[:, None], 0.0)


def devise_loss(scores: Any, labels: Any, margin: float = 0.1, *, mean: bool = False) -> Any:
    """The sum of a video's hinges, or their mean over the wrong classes; the mean over videos."""
    total = hinges(scores, labels, margin).sum(1).mean()
    return total / (scores.shape[1] - 1) if mean else total


def ale_loss(scores: Any, labels: Any, margin: float = 0.1) -> Any:
    """``beta(r) / r`` times the sum of a video's hinges, r of which are above 0; ``beta(r) = 1 + 1/2 + ... + 1/r``.

    So a video whose class is near the top, where r is small, is pushed harder. The mean over videos.
    """
    found = hinges(scores, labels, margin)
    rank = (found > 0).sum(1)
    harmonic = scores.new_ones(scores.shape[1]).cumsum(0).reciprocal().cumsum(0)
    beta = harmonic[(rank - 1).clamp(min=0)]  # of any value where there is nothing to sum
    return (beta / (rank + 1e-8) * found.sum(1)).mean()


def sje_loss(scores: Any, labels: Any, margin: float = 0.1, *, top: int = 1) -> Any:
    """The sum of a video's `top` largest hinges; the mean over videos."""
    return hinges(scores, labels, margin).topk(top, dim=1).values.sum(1).mean()


LOSSES = {"devise": devise_loss, "ale": ale_loss, "sje": sje_loss}


_MAP = "a matrix from videos to texts"

CARDS = (
    MethodCard(
        "devise",
        Bilinear,
        "one bilinear map, hinge loss over all classes",
        learns=_MAP,
        source="Frome et al., DeViSE, NeurIPS 2013",
        needs=("PyTorch to learn",),
        settings=(("loss", "devise"),),
    ),
    MethodCard(
        "ale",
        Bilinear,
        "one bilinear map, rank-weighted hinge loss",
        learns=_MAP,
        source="Akata et al., Label-Embedding for Image Classification, PAMI 2016",
        needs=("PyTorch to learn",),
        settings=(("loss", "ale"),),
    ),
    MethodCard(
        "sje",
        Bilinear,
        "one bilinear map, hinge loss of the worst class",
        learns=_MAP,
        source="Akata et al., Evaluation of Output Embeddings, CVPR 2015",
        needs=("PyTorch to learn",),
        settings=(("loss", "sje"),),
    ),
)
