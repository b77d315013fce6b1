"""What a run works on, and how it is handed out: tracks without names, labels of training videos only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.footage import VideoFolder
from gerund.errors import UsageError
from gerund.examples import Examples, Inputs, LazyTracks
from gerund.features.object_lists import ObjectLists, stack_objects
from gerund.text.classes import ClassSpace
from gerund.text.names import to_words
from gerund.types import Segment, Segments, Track


class TrackSource(Protocol):
    """Where tracks come from: a FeatureStore, or anything like one."""

    def ids(self) -> Sequence[str]:
        """The videos that it has."""
        ...

    def tracks(self, ids: Sequence[str]) -> Sequence[Track]:
        """Their tracks, in the order asked for; may be read when indexed."""
        ...

    def describe(self) -> Mapping[str, object]:
        """Encoder, fingerprint, sampling and whatever else a report should say."""
        ...


@dataclass(frozen=True)
class Material:
    """What a run works on.

    Attributes:
        train: lists of the data set that is trained on.
        test: lists of the data set that is asked about.
        train_features: tracks of its videos.
        test_features: tracks of its videos.
        objects: for methods with an object stream, the most likely objects of each video.
        videos: for methods that take clips, the files themselves.
        class_texts: turns names into classes with the texts to use; by default their own names.
        skip: ids of videos that are known to be bad; they are left out and counted.
    """

    train: Listing
    test: Listing
    train_features: TrackSource
    test_features: TrackSource
    objects: ObjectLists | None = None
    class_texts: Callable[[ClassSpace], ClassSpace] | None = None
    videos: VideoFolder | None = None
    skip: frozenset[str] = frozenset()


class Present:
    """Tells which listed videos have features, objects and files where the material has any, and are not known bad."""

    def __init__(self, material: Material, allow_missing: bool) -> None:
        self._train, self._test = set(material.train_features.ids()), set(material.test_features.ids())
        self._allow_missing, self._skip = allow_missing, material.skip
        self._what = "features"
        if material.objects is not None:
            self._train &= material.objects.places.keys()
            self._test &= material.objects.places.keys()
            self._what = "features, or no objects"
        if material.videos is not None:
            files = set(material.videos.ids())
            self._train &= files
            self._test &= files
            self._what += ", or no file"

    def only(self, videos: tuple[ListedVideo, ...], side: str, missing: dict[str, int]) -> tuple[ListedVideo, ...]:
        """The videos that have all that is needed and are not known to be bad; the others are counted in `missing`.

        Raises:
            UsageError: some have none, and that was not allowed.
        """
        there = self._train if side == "train" else self._test
        wanted = [video for video in videos if video.video not in self._skip]
        kept = tuple(video for video in wanted if video.video in there)
        num_missing = len(wanted) - len(kept)
        if num_missing and not self._allow_missing:
            first = next(video.video for video in wanted if video.video not in there)
            raise UsageError(
                f"{num_missing} of {len(videos)} {side} videos have no {self._what}, such as {first}; extract them, "
                "allow missing ones (--allow-missing), or name a list of bad ones (--skip); the latter two change what "
                "is measured"
            )
        missing[side] = missing.get(side, 0) + len(videos) - len(kept)
        return kept


def examples(
    benchmark: Benchmark,
    videos: tuple[ListedVideo, ...],
    names: tuple[str, ...],
    features: TrackSource,
    material: Material,
) -> Examples:
    """Labelled videos of the classes named, with no trace of where they come from.

    For localization with the actions of these classes that count; a video's label is its first.
    """
    places = {name: place for place, name in enumerate(names)}
    ids = [video.video for video in videos]
    if benchmark.task != "localization":
        labels = np.array([places[video.label] for video in videos], np.int64)
        return Examples(inputs(ids, features, material), labels)
    actions = [benchmark.truth(video, names) for video in videos]
    labels = np.array([places[of[0][2]] for of in actions], np.int64)
    segments = [Segments(Segment(s, e, to_words(label), 1.0, 1.0) for s, e, label in of) for of in actions]
    return Examples(inputs(ids, features, material), labels, segments)


def inputs(ids: Sequence[str], features: TrackSource, material: Material) -> Inputs:
    """Videos with nothing that tells which they are: tracks come through a function, behind which the store is hidden.

    Raises:
        UsageError: the material has objects, but not of all of them, or not as many of each.
    """
    tracks = features.tracks(ids)
    objects = None if material.objects is None else stack_objects(material.objects.places, ids)
    footage = None if material.videos is None else material.videos.footage(tuple(ids))
    return Inputs(LazyTracks(len(ids), lambda place: tracks[place]), objects, footage)


def space(names: tuple[str, ...], material: Material) -> ClassSpace:
    """Classes in words, with the texts that the material chooses for them."""
    classes = ClassSpace(tuple(to_words(name) for name in names))
    return material.class_texts(classes) if material.class_texts else classes
