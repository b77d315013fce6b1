"""What a video shows, by the objects in its frames: which frames to look at, and how their scores are ranked.

The networks are `networks.bit` (21,843 classes) and `networks.efficientnet` (1,000 classes).

Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021, the object stream.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from gerund.encoders.graph import Graph, Tensor
from gerund.encoders.networks.backbone import Backbone
from gerund.errors import UsageError
from gerund.types import FloatArray, IntArray

Output = Literal["logits", "features"]

_FRAMES = 8


class ObjectNetwork(Backbone):
    """A network from single pictures to scores of objects, or to the numbers behind the scores."""

    def sample(self, num_frames: int) -> IntArray:
        """Eight frames from the first to the last, or all of a shorter video."""
        return sample_frames(num_frames)


def declare(graph: Graph, features: Tensor, weight: FloatArray, bias: FloatArray, output: Output) -> None:
    """Ends a graph with its features or with the linear classifier on them."""
    graph.output(output, features if output == "features" else graph.linear(features, weight, bias))


def sample_frames(num_frames: int) -> IntArray:
    """Eight frames from the first to the last, or all of a shorter video.

    Example:
        >>> sample_frames(300).tolist()
        [0, 43, 85, 128, 171, 214, 256, 299]
    """
    if num_frames < 1:
        raise UsageError(f"num_frames must be above 0, got {num_frames}")
    if num_frames <= _FRAMES:
        return np.arange(num_frames)
    return np.linspace(0, num_frames - 1, _FRAMES).round().astype(np.int64)  # halves to even, as the authors' code


def rank_objects(logits: FloatArray, count: int = 20) -> tuple[IntArray, FloatArray]:
    """What a video shows: logits averaged over its frames, best first.

    Args:
        logits: one row per frame ``[T, K]``.
        count: how many objects; at most K are returned.

    Returns:
        Class numbers and the sigmoids of their mean logits, both ``[count]``; equal logits keep the classes' order.
        The sigmoids are probabilities for BiT, which was trained with them; for EfficientNet only the order counts.

    Example:
        >>> rank_objects(np.array([[0.0, 2.0, 1.0], [0.0, 0.0, 3.0]], np.float32), 2)[0].tolist()
        [2, 1]
    """
    mean = np.asarray(logits, np.float64).mean(axis=0)
    best = np.argsort(-mean, kind="stable")[:count]
    return best, np.asarray(1 / (1 + np.exp(-mean[best])), np.float32)
