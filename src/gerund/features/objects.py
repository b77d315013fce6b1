"""The objects that videos show, found by a picture network in the frames of each.

A video goes through the network alone, so that its objects do not depend on its neighbours or on where a run was
stopped.

Source: Chen and Huang, "Elaborative Rehearsal for Zero-shot Action Recognition", ICCV 2021: logits averaged over eight
frames, the largest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from gerund.assets import DownloadProgress
from gerund.encoders.base import Encoder, Window
from gerund.encoders.engines import Precision
from gerund.encoders.object_networks import open_object_network, vocabulary_of
from gerund.encoders.objects import ObjectNetwork, rank_objects
from gerund.errors import UsageError
from gerund.features.extraction import FrameProgress, extract_many
from gerund.features.object_lists import Finder, ObjectLists, Vocabulary, require_vocabulary
from gerund.text.objects import VOCABULARIES, Concepts, find_concepts
from gerund.types import FloatArray, FrameArray, IntArray
from gerund.video.memory import FrameSource
from gerund.video.workers import Workers

TOP = 20
"""How many objects of a video are kept, as in the released code; five of them are read."""


@dataclass(frozen=True)
class FoundObjects:
    """What became of one video.

    Attributes:
        video: the file.
        places: its objects by their places in the network's vocabulary, best first ``[K]``; empty when it failed.
        scores: of each, the sigmoid of its mean logit ``[K]``.
        error: why it failed, or None.
    """

    video: FrameSource
    places: IntArray
    scores: FloatArray
    error: Exception | None = None


@dataclass(frozen=True)
class ObjectFinder:
    """A picture network together with what its classes are; `open_finder` makes one.

    Attributes:
        network: what looks at pictures.
        vocabulary: the name of its vocabulary, or the file that it was read from.
        concepts: that vocabulary.
        random_weights: the network has learned nothing.
    """

    network: ObjectNetwork
    vocabulary: str
    concepts: Concepts
    random_weights: bool = False

    def lists(self, top: int = TOP) -> ObjectLists:
        """Lists of no video yet, for an `ObjectStore` to add to."""
        found_by = Finder(self.network.name.removesuffix("-logits"), self.network.fingerprint, self.random_weights)
        return ObjectLists(Vocabulary.of(self.vocabulary, self.concepts), found_by, min(top, self.network.dim))

    def find(
        self,
        videos: Iterable[FrameSource],
        *,
        wanted: Concepts | None = None,
        top: int = TOP,
        decoders: int = 0,
        workers: Workers | None = None,
        progress: FrameProgress | None = None,
    ) -> Iterator[FoundObjects]:
        """Finds the objects in videos; a video that fails, whatever the reason, costs only itself.

        Args:
            videos: files; the next ones are decoded, by worker processes, while the present one is looked at.
            wanted: the vocabulary of the method that is to read them, such as `Elaborate.vocabulary`.
            top: how many objects to keep of each; of a smaller vocabulary all.
            decoders: how many videos are decoded at once; 0 takes one for every four cores.
            workers: the processes that decode files; without, some are made for this call.
            progress: told after every video.

        Yields:
            The objects of each video, in their order. `gerund.examples.Inputs` takes their places, stacked ``[N, K]``.

        Raises:
            UsageError: `top` is below 1, or the method knows the objects of another vocabulary.
        """
        if top < 1:
            raise UsageError(f"top must be above 0, got {top}")
        if wanted is not None:
            require_vocabulary(self.lists(top), wanted, self.network.name)
        eye = cast(
            Encoder, _Eye(self.network)
        )  # all that the pipeline asks of an encoder, which is nothing about texts
        nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
        for done in extract_many(videos, [eye], dense=False, decoders=decoders, workers=workers, progress=progress):
            if done.error is not None:
                yield FoundObjects(done.video, *nothing, done.error)
            else:
                yield FoundObjects(done.video, *rank_objects(done.tracks[0].vectors, top))


def open_finder(
    which: str,
    vocabulary: str = "",
    *,
    random_weights: bool = False,
    threads: int = 0,
    precision: Precision = "auto",
    progress: DownloadProgress | None = None,
) -> ObjectFinder:
    """What finds objects, by its name.

    Args:
        which: as `open_object_network` takes it.
        vocabulary: what the network's classes are, as `find_concepts` takes it; ``""`` where gerund knows.
        random_weights: take a network that has learned nothing.
        threads: how many threads to compute with; 0 takes every core.
        precision: arithmetic.
        progress: told about a download.

    Raises:
        UsageError: there is no such network, or the vocabulary is not its own.
        AssetError: weights or vocabulary cannot be had.
    """
    network = open_object_network(
        which, random_weights=random_weights, threads=threads, precision=precision, progress=progress
    )
    chosen = vocabulary or vocabulary_of(network)
    if not chosen:
        raise UsageError(
            f"{network.name} tells {network.dim} classes apart, and gerund does not know which; give their list "
            f"(--vocabulary FILE, or one of {', '.join(VOCABULARIES)})"
        )
    concepts = find_concepts(chosen)
    if len(concepts) != network.dim:
        raise UsageError(
            f"{network.name} tells {network.dim} classes apart, and the vocabulary {chosen} has {len(concepts)} "
            "objects, so it is not the network's"
        )
    return ObjectFinder(network, chosen, concepts, random_weights)


class _Eye:
    """A picture network as the pipeline takes encoders: all frames of a video are one window, their mean its vector."""

    batch = 1

    def __init__(self, network: ObjectNetwork) -> None:
        self._network = network
        self.name, self.dim = network.name, network.dim
        self.fingerprint, self.preparation = network.fingerprint, network.preparation

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Eight frames from the first to the last, which speak for the whole video."""
        return [Window(self._network.sample(video.num_frames), np.array([[0, video.num_frames]]))]

    def prepare(self, picture: FrameArray) -> FrameArray:
        """As the network wants it; asked only about videos that are in memory."""
        return self._network.prepare(picture)

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames of one video ``[1, T, h, w, 3]`` to their mean logits ``[1, 1, K]``."""
        means = [self._network(of_video).mean(axis=0, keepdims=True, dtype=np.float64) for of_video in frames]
        return np.asarray(means, np.float32)
