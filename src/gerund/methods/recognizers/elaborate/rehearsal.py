"""What is rehearsed, and what it costs: texts of the objects in videos, scores of both streams, and their losses.

Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gerund.errors import UsageError
from gerund.examples import Inputs
from gerund.methods.recognizers.elaborate.layers import Views
from gerund.types import IntArray

BoolArray = npt.NDArray[np.bool_]


def no_objects(problem: str) -> UsageError:
    """What is wrong with the objects of videos, and what to do."""
    return UsageError(
        f"the object stream needs the objects in each video, and {problem}. Find them with 'gerund objects' and "
        "give the file (--objects FILE; in Python Inputs(tracks, objects) with the numbers of the likeliest ones, "
        "best first [N, 20]), or do without them: streams='video', which is the method elaborate-video"
    )


@dataclass(frozen=True)
class ObjectTexts:
    """What is said of the objects that a picture network finds in videos.

    Attributes:
        read: the text of every object when a video is described ``[K]``.
        recalled: the text of every object when it is rehearsed ``[K]``.
        num_read: how many of a video's objects describe it.
        num_recalled: how many of them are rehearsed.
        num_random: how many objects are drawn for each video beside them.
        separate: give the texts that describe a video one by one instead of joined.
    """

    read: tuple[str, ...]
    recalled: tuple[str, ...]
    num_read: int = 5
    num_recalled: int = 5
    num_random: int = 0
    separate: bool = False

    def objects_of(self, inputs: Inputs) -> IntArray:
        """The objects of each video, best first ``[N, K]``.

        Raises:
            UsageError: they are not there, are too few, or belong to another vocabulary.
        """
        objects, wanted = inputs.objects, max(self.num_read, self.num_recalled)
        if objects is None:
            problem = "there are none"
        elif objects.shape[1] < wanted:
            problem = f"there are {objects.shape[1]} of each, not {wanted}"
        elif objects.size and not 0 <= objects.min() <= objects.max() < len(self.read):
            problem = f"they go from {objects.min()} to {objects.max()} in a vocabulary of {len(self.read)}"
        else:
            return objects
        raise no_objects(problem)

    def sentences(self, objects: IntArray) -> list[list[str]]:
        """The texts that describe each video ``[N][1]``, or one for each of its objects."""
        texts = [[self.read[place] for place in of_video[: self.num_read]] for of_video in objects]
        return texts if self.separate else [[" ".join(of_video)] for of_video in texts]

    def concepts(self, objects: IntArray, generator: torch.Generator) -> tuple[list[str], BoolArray]:
        """The texts that a batch rehearses, and whose they are: `shared_concepts` of the videos' best objects.

        Objects drawn at random that are on a video's own list are dropped.
        """
        drawn = torch.randint(len(self.recalled), (len(objects), self.num_random), generator=generator).numpy()
        strange = drawn[~(drawn[:, :, None] == objects[:, None, :]).any(axis=2)]
        mine = [[self.recalled[place] for place in of_video[: self.num_recalled]] for of_video in objects]
        return shared_concepts(mine, [self.recalled[place] for place in strange])


def shared_concepts(mine: Sequence[Sequence[str]], others: Sequence[str] = ()) -> tuple[list[str], BoolArray]:
    """The concepts of a batch, each text once, and whose they are.

    Args:
        mine: for each of N videos the texts of its objects.
        others: concepts that are nobody's.

    Returns:
        The M texts, and bool ``[N, M]``, true where a text is one of the video's.

    Example:
        >>> concepts, positives = shared_concepts([["drum", "hat"], ["hat", "hat"]], ["hat", "ox"])
        >>> concepts, positives.astype(int).tolist()
        (['drum', 'hat', 'ox'], [[1, 1, 0], [0, 1, 0]])
    """
    concepts = list(dict.fromkeys([*(text for of_video in mine for text in of_video), *others]))
    place_of = {text: place for place, text in enumerate(concepts)}
    positives = np.zeros((len(mine), len(concepts)), np.bool_)
    for row, of_video in enumerate(mine):
        positives[row, [place_of[text] for text in of_video]] = True
    return concepts, positives


def stream_scores(views: Views, texts: Tensor, *, clamp: bool) -> list[Tensor]:
    """Scores ``[N, C]`` of videos against texts: first those that answer, then each stream's where there are two.

    Args:
        views: of the videos, unit vectors ``[N, E]``.
        texts: unit vectors ``[C, E]``.
        clamp: objects speak for a text, never against it: ``s = s_video + max(0, s_objects)``.
    """
    if views.mixed is not None:
        return [views.mixed @ texts.T]
    streams = [view @ texts.T for view in (views.video, views.objects) if view is not None]
    if len(streams) == 1:
        return streams
    video, objects = streams
    return [video + (objects.clamp(min=0) if clamp else objects), video, objects]


def class_loss(scores: Tensor, labels: Tensor, temperature: float = 0.1) -> Tensor:
    """Cross-entropy of scores ``[N, C]`` divided by a temperature, mean over videos."""
    return torch.nn.functional.cross_entropy(scores.float() / temperature, labels)


def rehearsal_loss(scores: Tensor, positives: Tensor, temperature: float = 0.1) -> Tensor:
    """The loss of elaborative rehearsal: each video must find its own objects among those of the whole batch.

    Args:
        scores: of videos and concepts ``[N, M]``.
        positives: bool ``[N, M]``, true where a concept is one of the video's; the others are its negatives.
        temperature: divides the scores.

    Returns:
        Negative log of the softmax over all concepts, mean over the true pairs, not over videos.
    """
    return -(scores.float() / temperature).log_softmax(1)[positives].mean()
