"""Clips of many videos, decoded ahead of whoever learns from them: decoded elsewhere, prepared there, and bounded.

Files are decoded by worker processes (`gerund.video.workers`), each watched by a thread. What is asked for next is
decoded while the present batch is used, no further ahead than a number of bytes allows. Which frames come depends on
the generator alone: every video gets a number drawn from it, in the order in which they are asked for.
"""

from __future__ import annotations

import atexit
import copy
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from gerund.errors import UsageError
from gerund.types import FloatArray64, FrameArray, IntArray, kind_of
from gerund.video.clips import ClipBatch, ClipRecipe
from gerund.video.memory import FrameSource
from gerund.video.reader import Video
from gerund.video.transforms import Preparation
from gerund.video.workers import Readings, StoppedError, Workers

_MOST_AHEAD_BYTES = 512 << 20
_MOST_AHEAD = 64
"""Videos that are decoded ahead at most; of clips that are small, more would only be held for longer."""


class Clips(Iterator[ClipBatch]):
    """Clips of batches of videos in order, the next ones decoded while one is used; an iterator.

    Args:
        video: gives the video at a place.
        batches: places of videos, a batch each; may go over several epochs, and is asked for little more than is read.
        recipe: what is made of each video.
        generator: draws frames and augmentations, anew each time a video comes; None takes the fixed ones.
        workers: the processes that decode; without, some are made for this.
        decoders: how many videos are decoded at once; it changes no clip.
        most_ahead_bytes: of pictures that are ready or in work, besides the batch that is used; at least one video.

    Raises:
        UsageError: the generator is none.
        VideoError: later, when the batch of a video that cannot be read is due.
    """

    def __init__(
        self,
        video: Callable[[int], FrameSource],
        batches: Iterable[Sequence[int] | IntArray],
        recipe: ClipRecipe,
        generator: np.random.Generator | None = None,
        *,
        workers: Workers | None = None,
        decoders: int = 1,
        most_ahead_bytes: int = _MOST_AHEAD_BYTES,
    ) -> None:
        if generator is not None and not isinstance(generator, np.random.Generator):
            raise UsageError(f"clips are drawn with a numpy.random.Generator, or None; got {kind_of(generator)}")
        self._video, self._recipe, self._workers, self._decoders = video, recipe, workers, decoders
        self._plans = _plans(batches, generator)
        self._room = max(1, min(_MOST_AHEAD, most_ahead_bytes // recipe.num_bytes))
        self._stream: Generator[ClipBatch] | None = None
        self._last: ClipBatch | None = None
        self._kept: ClipBatch | None = None

    def __next__(self) -> ClipBatch:
        if self._stream is None:
            self._stream = self._read(self._plans)
        return next(self._stream)

    def take(self, places: Sequence[int] | IntArray) -> ClipBatch:
        """The next batch, or the last one again, for whoever is told the places of its videos by another, as a loss is.

        The first time all batches before the one of these places are passed over, undecoded, and the generator goes on
        as if they had been drawn: a run that was stopped goes on with the clips that it would have had.

        Raises:
            UsageError: the next batch is of other places.
            VideoError: a video of the batch cannot be read.
        """
        asked = np.asarray(places, np.int64)
        if self._stream is None:
            begin = next((plan for plan in self._plans if np.array_equal(plan.places, asked)), None)
            if begin is None:
                raise UsageError(f"no batch is of the places {_shown(asked)}; give clips() the order of the training")
            self._stream = self._read(chain([begin], self._plans))
        if self._kept is None:
            self._kept = next(self._stream, None)
        batch = self._kept
        if batch is None or not np.array_equal(batch.places, asked):
            if self._last is not None and np.array_equal(self._last.places, asked):
                return self._last
            found = "there is none any more" if batch is None else f"the next one is of {_shown(batch.places)}"
            raise UsageError(f"a batch of the places {_shown(asked)} is asked for, and {found}; ask in the order given")
        self._last, self._kept = batch, None
        return batch

    def close(self) -> None:
        """Ends the decoding; an iterator that is left half read does so by itself."""
        if self._stream is not None:
            self._stream.close()

    def _read(self, plans: Iterator[_Plan]) -> Generator[ClipBatch]:
        jobs = (
            _Job(self._video(place), place, self._recipe, seed, plan.number, Future())
            for plan in plans
            for place, seed in zip(plan.places.tolist(), plan.seeds, strict=True)
        )
        return _read_ahead(jobs, self._workers, min(self._decoders, self._room), self._room)


@dataclass(frozen=True)
class _Plan:
    """One batch before anything of it is read: its number, its videos, and for each what its draws follow from."""

    number: int
    places: IntArray
    seeds: list[int | None]


def _plans(batches: Iterable[Sequence[int] | IntArray], generator: np.random.Generator | None) -> Iterator[_Plan]:
    for number, given in enumerate(batches):
        places = np.asarray(given, np.int64)
        if places.ndim != 1 or not len(places) or places.min() < 0:
            raise UsageError(f"a batch of clips is of one video or more, named by their places; got {kind_of(given)}")
        yield _Plan(number, places, [None if generator is None else int(generator.integers(2**63)) for _ in places])


def _shown(places: IntArray) -> str:
    return np.array2string(places, threshold=6, edgeitems=2, separator=", ")


def _read_ahead(jobs: Iterator[_Job], given: Workers | None, decoders: int, room: int) -> Generator[ClipBatch]:
    """Hands jobs to threads, and gathers what they read into batches."""
    readings = Readings()
    todo: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
    with nullcontext(given) if given else Workers() as workers:

        def decode() -> None:
            while (job := todo.get()) is not None:
                job.run(workers, readings)

        # Daemons, for Python waits for other threads before it closes a stream that was left half read at the end.
        threads = [threading.Thread(target=decode, name=f"clips_{n}", daemon=True) for n in range(decoders)]

        def leave() -> None:
            readings.stop()
            for _ in threads:
                todo.put(None)
            for thread in threads:
                if thread.ident:  # it was started
                    thread.join()

        atexit.register(leave)
        try:
            for thread in threads:
                thread.start()
            yield from _gathered(jobs, todo, room)
        finally:
            leave()
            atexit.unregister(leave)


def _gathered(jobs: Iterator[_Job], todo: queue.SimpleQueue[_Job | None], room: int) -> Generator[ClipBatch]:
    """Hands out jobs no further ahead than there is room, and yields a batch when all of it is read."""
    ahead: deque[_Job] = deque()
    done: list[tuple[int, FrameArray, FloatArray64]] = []

    def hand_out() -> None:
        while len(ahead) < room and (job := next(jobs, None)):
            ahead.append(job)
            todo.put(job)

    hand_out()
    while ahead:
        number = ahead[0].batch
        done.append((ahead[0].place, *ahead[0].done.result()))
        ahead.popleft()
        hand_out()
        if not ahead or ahead[0].batch != number:
            yield _stacked(done)


def _stacked(done: list[tuple[int, FrameArray, FloatArray64]]) -> ClipBatch:
    """What was read as one batch; the list is emptied, so that only the batch is held while it is used."""
    places = np.array([place for place, _, _ in done], np.int64)
    frames, times_s = (np.stack([item[part] for item in done]) for part in (1, 2))
    done.clear()
    return ClipBatch(frames, times_s, places)


_Pictures = Callable[[IntArray, Sequence[Preparation]], Iterator[tuple[int, Mapping[Any, FrameArray]]]]
"""From frame numbers, ascending, to each frame with its pictures by their preparation."""


@dataclass(frozen=True)
class _Job:
    """One video of one batch."""

    video: FrameSource
    place: int
    recipe: ClipRecipe
    seed: int | None
    batch: int
    done: Future[tuple[FrameArray, FloatArray64]]

    def run(self, workers: Workers, readings: Readings) -> None:
        """Reads it, and leaves its clips, or what went wrong, where it is waited for."""
        try:
            if readings.is_stopped:
                raise StoppedError
            self.done.set_result(self._read(workers, readings))
        except BaseException as error:  # whatever it is, who waits must learn it
            self.done.set_exception(error)

    def _read(self, workers: Workers, readings: Readings) -> tuple[FrameArray, FloatArray64]:
        if not isinstance(self.video, Video):
            there = self.video
            return self._clips(
                there, lambda numbers, ways: ((n, {way: way(p) for way in ways}) for n, p in there.frames(numbers))
            )
        video = copy.copy(self.video)  # it learns where its frames are, which is not to be kept for all of a data set
        with workers.reading(video, begun=readings.feed) as reading:
            return self._clips(video, lambda numbers, ways: reading.pictures(numbers, dict.fromkeys(ways, numbers)))

    def _clips(self, video: FrameSource, pictures: _Pictures) -> tuple[FrameArray, FloatArray64]:
        """Frames ``[C, T, size, size, 3]`` and their times."""
        generator = None if self.seed is None else np.random.default_rng(self.seed)
        sampling, size = self.recipe.sampling, self.recipe.size_px
        numbers = sampling.numbers(video.num_frames, float(video.fps), generator)
        if numbers.shape != (sampling.clips, sampling.frames):
            raise UsageError(f"a sampling of {sampling.clips} x {sampling.frames} frames gave {kind_of(numbers)}")
        ways = self.recipe.ways(generator)
        frames = np.empty((sampling.clips, len(ways), sampling.frames, size, size, 3), np.uint8)
        for number, found in pictures(np.unique(numbers), tuple(dict.fromkeys(ways))):
            clip, at = np.nonzero(numbers == number)
            for cut, way in enumerate(ways):
                frames[clip, cut, at] = found[way]
        times_s = np.repeat(video.times_s[numbers], len(ways), axis=0)
        return frames.reshape(-1, *frames.shape[2:]), times_s


def in_batches(count: int, size: int) -> Iterator[IntArray]:
    """The places of `count` videos in order, `size` at a time.

    Raises:
        UsageError: a batch is of less than one video.
    """
    if size < 1:
        raise UsageError(f"a batch is of at least one video, got {size}")
    return (np.arange(begin, min(begin + size, count)) for begin in range(0, count, size))
