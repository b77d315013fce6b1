"""What methods learn from and answer about: videos without names, and labelled ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload
from weakref import WeakKeyDictionary

import numpy as np

from gerund.encoders.engines import available_cores
from gerund.errors import UsageError
from gerund.types import FloatArray, IntArray, Segments, Track
from gerund.video.ahead import Clips, in_batches
from gerund.video.clipping import ClipSampling
from gerund.video.clips import ClipRecipe
from gerund.video.memory import FrameSource
from gerund.video.transforms import Augmentation, Preparation
from gerund.video.workers import Workers

PIXELS = "pixels"
"""What is named as the encoder, and as its fingerprint, where a method looks at the pictures itself."""


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


class Footage:
    """Where the pictures of videos come from; no attribute of it leads to a file.

    Args:
        video: gives the video at a place.
        workers: the processes that decode files; None starts some whenever clips are asked for.
        decoders: how many videos are decoded at once; 0 takes half of the cores.
    """

    def __init__(self, video: Callable[[int], FrameSource], workers: Workers | None = None, decoders: int = 0) -> None:
        self.workers = workers
        self.decoders = decoders or max(1, available_cores() // 2)
        _VIDEO_OF[self] = video

    def video(self, place: int) -> FrameSource:
        """The video at a place."""
        return _VIDEO_OF[self](place)

    def take(self, places: IntArray) -> Footage:
        """That of some of the videos, in the order named."""
        video = _VIDEO_OF[self]
        return Footage(lambda number: video(int(places[number])), self.workers, self.decoders)


_VIDEO_OF: WeakKeyDictionary[Footage, Callable[[int], FrameSource]] = WeakKeyDictionary()
"""Kept apart from what methods are given, since a file's name often says what is to be found out."""


class Inputs(Sequence[Track]):
    """Videos as a method gets them: tracks, or pictures, in some order, with no name, no label and no file.

    Args:
        tracks: one for each video, all of one encoder; may read them from disk as they are asked for.
        objects: for each video the places of its most likely objects in the object vocabulary, best first ``[N, K]``.
        footage: where the pictures of the videos come from, for methods that take clips.

    Raises:
        UsageError: there are objects for another number of videos.

    Example:
        >>> inputs = Inputs.of(np.array([[3.0, 4.0], [0.0, 2.0]], np.float32))
        >>> len(inputs), inputs.take([1]).vectors.tolist()
        (2, [[0.0, 2.0]])
    """

    def __init__(
        self, tracks: Sequence[Track], objects: IntArray | None = None, footage: Footage | None = None
    ) -> None:
        self._tracks = tracks
        self.objects = objects
        self._footage = footage
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

    @classmethod
    def of_videos(cls, videos: Sequence[FrameSource], *, workers: Workers | None = None, decoders: int = 0) -> Inputs:
        """Videos whose pictures are there, and no tracks: for methods that take clips.

        Args:
            videos: files, folders of pictures, or frames in memory.
            workers: see `Footage`.
            decoders: see `Footage`.

        Example:
            >>> from gerund.video.clipping import Spread
            >>> from gerund.video.memory import MemoryVideo
            >>> inputs = Inputs.of_videos([MemoryVideo(np.zeros((9, 4, 6, 3), np.uint8), fps=3)])
            >>> next(inputs.clips(Spread(2), Preparation(4, 4))).times_s.tolist()
            [[[0.6666666666666666, 2.0]]]
        """
        return cls(without_tracks(len(videos)), footage=Footage(lambda place: videos[place], workers, decoders))

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
        objects = None if self.objects is None else self.objects[chosen]
        return Inputs(tracks, objects, self._footage and self._footage.take(chosen))

    def alone(self) -> Inputs:
        """The same, from which no other video can be reached: tracks are read now, pictures still when asked for."""
        return Inputs(self._tracks if self._footage else list(self), self.objects, self._footage)

    @cached_property
    def vectors(self) -> FloatArray:
        """One vector for each video ``[N, D]``: the mean of its track over time, of whatever length that has."""
        return np.stack([track.vectors.mean(axis=0) for track in self]) if len(self) else np.zeros((0, 0), np.float32)

    def clips(
        self,
        sampling: ClipSampling,
        preparation: Preparation | Augmentation,
        generator: np.random.Generator | None = None,
        *,
        size: int = 8,
        batches: Iterable[Sequence[int] | IntArray] | None = None,
    ) -> Clips:
        """Decoded pictures of the videos, read ahead while the batch before them is used.

        The pictures are decoded and prepared in other processes, no further ahead than 512 MiB. The same generator
        gives the same clips, however many these are.

        Args:
            sampling: how many clips of how many frames, and which: `gerund.video.clipping` has some.
            preparation: how each picture becomes what the network looks at; an `Augmentation` is drawn for each video.
            generator: draws them, anew each time a video comes; None takes the fixed ones, as for an answer.
            size: videos a batch, in order.
            batches: places of videos, a batch each, instead: the order of a training, over any number of epochs.

        Returns:
            An iterator of `ClipBatch`; a loss that is told the places of its batch asks by `take`.

        Raises:
            UsageError: there are no pictures, as where features alone were given.
            VideoError: while iterating: a video cannot be read.
        """
        if self._footage is None:
            raise UsageError(
                "these videos have no pictures to take clips from; give the videos themselves (--videos DIR), or ask "
                "for their tracks"
            )
        return Clips(
            self._footage.video,
            in_batches(len(self), size) if batches is None else batches,
            ClipRecipe(sampling, preparation),
            generator,
            workers=self._footage.workers,
            decoders=self._footage.decoders,
        )

    def sampled(self, sampling: ClipSampling, generator: np.random.Generator | None = None) -> FloatArray:
        """Some vectors of each track, chosen as a sampling chooses frames: ``[N, clips, frames, D]``.

        Of tracks with a vector for every frame, or many of them, this is what a network learns from without decoding
        anything: other vectors whenever it is asked, with a generator, for instance once an epoch.

        Args:
            sampling: takes the vectors of a track for the frames of a video.
            generator: draws them; None takes the fixed ones.

        Raises:
            UsageError: it cuts pictures, which tracks do not have, or a track is empty.

        Example:
            >>> from gerund.video.clipping import Spread
            >>> track = Track(np.arange(8, dtype=np.float32)[:, None], np.arange(16.0).reshape(8, 2), "")
            >>> Inputs([track]).sampled(Spread(2)).tolist()
            [[[[2.0], [6.0]]]]
        """
        if sampling.crops != 1:
            raise UsageError(f"tracks have no pictures to cut {sampling.crops} squares from; take a sampling of one")
        found = []
        for track in self:
            if not len(track):
                raise UsageError("a track without a vector has nothing to sample from; leave its video out")
            lasts_s = float(track.spans_s[-1, 1] - track.spans_s[0, 0])
            rate_hz = len(track) / lasts_s if 0 < lasts_s < np.inf else 1.0
            found.append(track.vectors[sampling.numbers(len(track), rate_hz, generator)])
        return np.stack(found) if found else np.zeros((0, sampling.clips, sampling.frames, 0), np.float32)

    def batches(self, size: int) -> Iterator[Inputs]:
        """The videos in order, `size` at a time, so that only those are in memory."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


def without_tracks(count: int) -> LazyTracks:
    """The tracks of videos that nobody has encoded; each says so when it is asked for."""

    def refuse(_: int) -> Track:
        raise UsageError(
            "these videos have pictures and no features; extract some ('gerund extract'), or take clips of them"
        )

    return LazyTracks(count, refuse)


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
