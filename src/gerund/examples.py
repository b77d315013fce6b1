"""What methods learn from and answer about: videos without names, and labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from gerund.errors import UsageError
from gerund.types import FloatArray, IntArray, Segments, Track


class LazyTracks(Sequence[Track]):
    """Tracks that are read anew each time they are asked for, so that a loop over any number of them holds one.

    Args:
        count: how many there are.
        read: gives the track of a place.
    """

    def __init__(self, count: int, read: Callable[[int], Track]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Track: ...
    @overload
    def __getitem__(self, place: slice) -> LazyTracks: ...
    def __getitem__(self, place: int | slice) -> Track | LazyTracks:
        places = range(self._count)[place]
        if isinstance(places, range):
            return LazyTracks(len(places), lambda number: self._read(places[number]))
        return self._read(places)


class Inputs(Sequence[Track]):
    """Videos as a method gets them: tracks in some order, with no name, no label and no file.

    Args:
        tracks: one for each video, all of one encoder; may read them from disk as they are asked for.
        objects: for each video the places of its most likely objects in the object vocabulary, best first ``[N, K]``.

    Raises:
        UsageError: there are objects for another number of videos.

    Example:
        >>> inputs = Inputs.of(np.array([[3.0, 4.0], [0.0, 2.0]], np.float32))
        >>> len(inputs), inputs.take([1]).vectors.tolist()
        (2, [[0.0, 2.0]])
    """

    def __init__(self, tracks: Sequence[Track], objects: IntArray | None = None) -> None:
        self._tracks = tracks
        self.objects = objects
        if objects is not None and (objects.ndim != 2 or len(objects) != len(tracks)):
            raise UsageError(f"objects must be [N, K] for {len(tracks)} videos, got {objects.shape}")

    @classmethod
    def of(cls, given: Inputs | Sequence[Track] | FloatArray) -> Inputs:
        """Accepts tracks, or a matrix ``[N, D]`` with one vector for each video."""
        if isinstance(given, Inputs):
            return given
        if isinstance(given, np.ndarray):
            if given.ndim != 2:
                raise UsageError(f"a matrix of videos is [N, D], got {given.shape}")
            span_s = np.array([[0.0, 1.0]])
            return cls([Track(np.asarray(row[None], np.float32), span_s, "") for row in given])
        return cls(given)

    def __len__(self) -> int:
        return len(self._tracks)

    @overload
    def __getitem__(self, place: int) -> Track: ...
    @overload
    def __getitem__(self, place: slice) -> Inputs: ...
    def __getitem__(self, place: int | slice) -> Track | Inputs:
        if isinstance(place, slice):
            return self.take(range(*place.indices(len(self))))
        return self._tracks[place]

    def take(self, places: Sequence[int] | IntArray) -> Inputs:
        """Some of the videos, in the order named; tracks that were not read yet are still not read."""
        chosen = np.asarray(places, np.int64)
        tracks = LazyTracks(len(chosen), lambda number: self._tracks[int(chosen[number])])
        return Inputs(tracks, None if self.objects is None else self.objects[chosen])

    @cached_property
    def vectors(self) -> FloatArray:
        """One vector for each video ``[N, D]``: the mean of its track over time, of whatever length that has."""
        return np.stack([track.vectors.mean(axis=0) for track in self]) if len(self) else np.zeros((0, 0), np.float32)

    def batches(self, size: int) -> Iterator[Inputs]:
        """The videos in order, `size` at a time, so that only those are in memory."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


@dataclass(frozen=True)
class Examples:
    """Labelled videos of seen classes.

    Attributes:
        inputs: the videos.
        labels: for each its place in the classes that come along, int64 ``[N]``.
        segments: for localizers, the annotated actions of each video.

    Raises:
        UsageError: labels or segments are not as many as videos.
    """

    inputs: Inputs
    labels: IntArray
    segments: Sequence[Segments] | None = None

    def __post_init__(self) -> None:
        if self.labels.shape != (len(self.inputs),):
            raise UsageError(f"{len(self.inputs)} videos need as many labels, got {self.labels.shape}")
        if self.segments is not None and len(self.segments) != len(self.inputs):
            raise UsageError(f"{len(self.inputs)} videos need segments each, got {len(self.segments)}")

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, places: Sequence[int] | IntArray) -> Examples:
        """Some of the examples, in the order named."""
        chosen = np.asarray(places, np.int64)
        segments = None if self.segments is None else [self.segments[int(place)] for place in chosen]
        return Examples(self.inputs.take(chosen), self.labels[chosen], segments)
