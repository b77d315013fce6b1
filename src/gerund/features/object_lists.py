"""Lists of the objects that videos show, in a file: gerund's own, and Elaborative Rehearsal's.

gerund's is JSON that says which vocabulary its numbers belong to and which network found them::

    {"objects_format": 1,
     "vocabulary": {"name": "imagenet1k", "size": 1000, "sha256": "..."},
     "network": {"name": "efficientnet-lite0", "fingerprint": "...", "random_weights": false},
     "top": 20,
     "videos": {"v_Archery_g01_c01": {"objects": [[places, best first], [scores]], "content": "...", "file": "..."}}}

Elaborative Rehearsal's, ``{id: [[places, best first], [scores]]}``, says neither, so that a person has to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from gerund.errors import UsageError
from gerund.features.tracks import FeatureError
from gerund.reading import read_at_most
from gerund.text.objects import VOCABULARIES, Concepts, find_concepts
from gerund.types import IntArray
from gerund.writing import write_text

FORMAT = 1
"""Counts up when a file of before can no longer be read."""

_MOST_BYTES = 1 << 30

Place = Annotated[int, msgspec.Meta(ge=0, le=1 << 31)]
Ranked = tuple[list[Place], list[float]]
"""Places in a vocabulary, best first, and their scores."""


class Vocabulary(msgspec.Struct, frozen=True):
    """Which object vocabulary places belong to.

    Attributes:
        name: one of `VOCABULARIES`, or what a person called their own.
        size: how many objects it has.
        sha256: the fingerprint of its texts and their order.
    """

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, concepts: Concepts) -> Vocabulary:
        """That of these concepts."""
        return cls(name, len(concepts), concepts.fingerprint)


class Finder(msgspec.Struct, frozen=True):
    """The network that found the objects.

    Attributes:
        name: what users call it; ``""`` where nobody knows.
        fingerprint: changes with its weights and its arithmetic.
        random_weights: it has learned nothing, so that the objects mean nothing.
    """

    name: str = ""
    fingerprint: str = ""
    random_weights: bool = False


class Listed(msgspec.Struct, frozen=True):
    """The objects of one video.

    Attributes:
        objects: places and scores.
        content: the `content_id` of the file; ``""`` where nobody knows.
        file: where it lay.
    """

    objects: Ranked
    content: str = ""
    file: str = ""


class _Content(msgspec.Struct, frozen=True):
    """All of a file of gerund's."""

    objects_format: int
    vocabulary: Vocabulary
    network: Finder
    top: int
    videos: dict[str, Listed]


class _Head(msgspec.Struct, frozen=True):
    objects_format: Any = None


@dataclass(frozen=True)
class ObjectLists:
    """What objects videos show.

    Attributes:
        vocabulary: what the places belong to.
        network: what found them.
        top: how many there are of each video at most.
        videos: the lists by the ids of the videos.
    """

    vocabulary: Vocabulary
    network: Finder
    top: int
    videos: Mapping[str, Listed] = field(default_factory=dict)

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """The places alone, best first, by the ids of the videos."""
        return {video: listed.objects[0] for video, listed in self.videos.items()}

    def describe(self) -> dict[str, object]:
        """What a report says of them."""
        named = self.vocabulary
        return {
            "encoder": self.network.name or "unknown",
            "fingerprint": self.network.fingerprint or "unknown",
            "vocabulary": f"{named.name} ({named.size} objects, {named.sha256})",
            "top": self.top,
        }

    def write(self, path: Path) -> None:
        """Writes them as `read_objects` reads them, videos sorted by id; the file is replaced as a whole.

        Raises:
            FeatureError: a list is not what it should be.
        """
        for video, listed in self.videos.items():
            _check(path, video, listed.objects, self.vocabulary.size)
        content = _Content(FORMAT, self.vocabulary, self.network, self.top, dict(sorted(self.videos.items())))
        write_text(path, json.dumps(msgspec.to_builtins(content), allow_nan=False) + "\n")


def read_objects(path: Path, vocabulary: str = "") -> tuple[ObjectLists, Concepts]:
    """The objects that a file lists, and the vocabulary that they belong to.

    Args:
        path: a file of gerund's, or JSON ``{id: [[places, best first], [scores]]}`` as Elaborative Rehearsal's
            released code writes it.
        vocabulary: as `find_concepts` takes it; needed where the file does not say, or gerund does not know it by name.

    Raises:
        UsageError: there is no such file, it is not known which vocabulary it belongs to, or it is another one.
        AssetError: the vocabulary cannot be had.
        FeatureError: the file is of another form, or its scores do not descend.
    """
    found = read_lists(path)
    if isinstance(found, ObjectLists):
        named = found.vocabulary
        if not vocabulary and named.name not in VOCABULARIES:
            raise UsageError(
                f"{path}: its objects are those of the vocabulary {named.name!r} ({named.size} objects, "
                f"{named.sha256}), which gerund does not know by name; give its file (--objects-vocabulary FILE)"
            )
        concepts = find_concepts(vocabulary or named.name)
        require_vocabulary(found, concepts, f"{path}")
        return found, concepts
    if not vocabulary:
        raise UsageError(
            f"{path}: does not say which vocabulary its numbers belong to; say it: --objects-vocabulary imagenet21k "
            f"for Elaborative Rehearsal's own, or another of {', '.join(VOCABULARIES)}, or a file of yours"
        )
    concepts = find_concepts(vocabulary)
    for video, ranked in found.items():
        _check(path, video, ranked, len(concepts))
    top = max((len(places) for places, _ in found.values()), default=0)
    listed = {video: Listed(ranked) for video, ranked in found.items()}
    return ObjectLists(Vocabulary.of(vocabulary, concepts), Finder(), top, listed), concepts


def read_lists(path: Path) -> ObjectLists | dict[str, Ranked]:
    """What a file says, without a look at the vocabulary; one of Elaborative Rehearsal's as it is.

    Raises:
        UsageError: there is no such file, or a later gerund wrote it.
        FeatureError: it is of another form.
    """
    try:
        content = read_at_most(path, _MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise FeatureError(f"{path}: {error}") from error
    try:
        head = msgspec.json.decode(content, type=_Head)
        if head.objects_format is None:
            return msgspec.json.decode(content, type=dict[str, Ranked])
        if head.objects_format != FORMAT:
            raise UsageError(
                f"{path}: its objects_format is {str(head.objects_format)[:40]}, and this gerund reads {FORMAT}; use "
                "the gerund that wrote it, or run 'gerund objects' again"
            )
        read = msgspec.json.decode(content, type=_Content)
    except UsageError:
        raise
    except (ValueError, RecursionError) as error:
        raise FeatureError(
            f"{path}: expected a file as 'gerund objects' writes it, or {{id: [[places], [scores]]}}; {error}"
        ) from error
    for video, listed in read.videos.items():
        _check(path, video, listed.objects, read.vocabulary.size)
    return ObjectLists(read.vocabulary, read.network, read.top, read.videos)


def require_vocabulary(lists: ObjectLists, concepts: Concepts, where: str) -> None:
    """Refuses places that belong to another vocabulary.

    Raises:
        UsageError: they do.
    """
    named = lists.vocabulary
    if named.sha256 != concepts.fingerprint:
        raise UsageError(
            f"{where}: its numbers belong to the vocabulary {named.name} of {named.size} objects ({named.sha256}), and "
            f"this one has {len(concepts)} ({concepts.fingerprint}); the same number would be another object. Give the "
            "vocabulary that they were found with, or find them again with 'gerund objects'"
        )


def require_learned_network(lists: ObjectLists, path: Path) -> None:
    """Refuses objects that a network with random weights has found.

    Raises:
        UsageError: it has.
    """
    if lists.network.random_weights:
        raise UsageError(
            f"{path}: its objects were found by {lists.network.name} with random weights, so they mean nothing, and so "
            "would every answer and figure that follows from them; find them again without --random-weights"
        )


def stack_objects(objects: Mapping[str, Sequence[int]], ids: Iterable[str]) -> IntArray:
    """The objects of some videos ``[N, K]`` in the order of the ids, as `gerund.examples.Inputs` takes them.

    Raises:
        UsageError: a video has none, or another number than the others.

    Example:
        >>> stack_objects({"a": [5, 2], "b": [1, 5]}, ["b", "a"]).tolist()
        [[1, 5], [5, 2]]
    """
    listed = list(ids)
    if lacking := [video for video in listed if video not in objects]:
        raise UsageError(f"{len(lacking)} of {len(listed)} videos have no objects, such as {lacking[0]}")
    counts = {len(objects[video]) for video in listed}
    if len(counts) > 1:
        raise UsageError(f"videos need as many objects each, got {' and '.join(map(str, sorted(counts)))}")
    return np.array([objects[video] for video in listed], np.int64).reshape(len(listed), -1)


def _check(path: Path, video: str, ranked: Ranked, size: int) -> None:
    places, scores = ranked
    if len(places) != len(scores) or not bool((np.diff(np.asarray(scores, np.float64)) <= 0).all()):
        raise FeatureError(f"{path}: expected as many scores as places for {video}, and the best object first")
    if places and max(places) >= size:
        raise FeatureError(f"{path}: {video} shows object {max(places)}, and the vocabulary has {size}")
