"""Decoding outside this process: a file that crashes, hangs or swells costs one worker, and its video a reason."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import numpy as np

from gerund.errors import UsageError
from gerund.types import FrameArray, IntArray, kind_of
from gerund.video.index import Index
from gerund.video.limits import Limits
from gerund.video.process import Process, WorkerLostError
from gerund.video.reader import Video
from gerund.video.transforms import Preparation

_T = TypeVar("_T")


class Workers:
    """Processes that decode, each for one video at a time; they start when they are needed and stay for the next.

    Safe to use from several threads, and in a forked process, which gets workers of its own. A worker that dies or runs
    out of memory is replaced; a video that was not its first is then tried once more in a fresh one, so that no video
    pays for its predecessors.

    Args:
        limits: what one video may cost.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._closed = False
        self._begin()
        if not isinstance(limits, Limits | None):
            raise UsageError(f"limits are gerund.Limits(...), or None for those by default; got {kind_of(limits)}")
        self.limits = limits or Limits()

    def _begin(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[Process] = []
        self._all: set[Process] = set()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    @contextmanager
    def reading(self, video: Video, *, begun: Callable[[Reading], None] | None = None) -> Iterator[Reading]:
        """Puts a video into the hands of a worker; from then on it knows where its frames are.

        Args:
            video: the file.
            begun: told before the worker does anything, by whoever may want to interrupt it.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        reading = Reading(self, video)
        try:
            if begun:
                begun(reading)
            reading.learn()
            yield reading
        finally:
            reading.leave()

    def check(self, path: Path, *, thorough: bool) -> tuple[Index, int]:
        """Whether a video can be read.

        Args:
            path: the file, or folder of pictures.
            thorough: decode every frame; else only find out where they are, which reads the file but one picture.

        Returns:
            Where its frames are, and how many of them the decoder calls damaged.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        video = Video(path)
        reading = Reading(self, video)
        try:
            return reading.ask(lambda process: process.check(video, thorough=thorough))
        finally:
            reading.leave()

    def preview(self, path: Path, *, most_bytes: int, fps: float | None = None) -> tuple[str, bytes]:
        """A video as a browser plays it.

        Args:
            path: the file or folder.
            most_bytes: a larger file is replaced by a small copy of its pictures, even if browsers would play it.
            fps: pictures a second of a folder.

        Returns:
            Its media type and its bytes.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        video = Video(path, fps=fps)
        reading = Reading(self, video)
        try:
            kind, content = reading.ask(lambda process: process.preview(video, most_bytes))
        finally:
            reading.leave()
        return kind, content or path.read_bytes()

    def take(self, *, fresh: bool = False) -> Process:
        """A worker for one video; a fresh one has never seen another."""
        if self._owner != os.getpid():  # forked: two processes that ask one worker would get each other's pictures
            for process in self._all:
                process.let_go()
            self._begin()
        with self._lock:
            if self._closed:
                raise UsageError("these workers were closed; make new ones")
            if self._idle and not fresh:
                return self._idle.pop()
            process = Process(self.limits)
            self._all.add(process)
            return process

    def give_back(self, process: Process) -> None:
        """Keeps a worker for the next video, or ends it where it cannot be trusted with one."""
        with self._lock:
            if process.is_fit and not self._closed:
                self._idle.append(process)
                return
            self._all.discard(process)
        process.end()

    def close(self) -> None:
        """Ends all of them, also those at work; who uses one of these learns it as from any worker that is lost."""
        if self._owner != os.getpid():
            return
        with self._lock:
            self._closed = True
            leaving, self._idle = self._idle, []
            self._all.difference_update(leaving)
            working = list(self._all)
        for process in leaving:
            process.end()
        for process in working:
            process.stop()


class Reading:
    """One video in the hands of a worker; made by `Workers.reading`.

    Attributes:
        video: it knows where its frames are.
    """

    def __init__(self, workers: Workers, video: Video) -> None:
        self._workers = workers
        self.video = video
        self._process = workers.take()
        self._interrupted = self._left = False
        self._changing = threading.Lock()

    def learn(self) -> None:
        """Lets the worker find out where the frames are, and the video know it."""
        vars(self.video)["index"] = self.ask(lambda process: process.index(self.video))

    def pictures(
        self, numbers: Sequence[int] | IntArray, preparations: Mapping[Any, Sequence[int] | IntArray]
    ) -> Iterator[tuple[int, dict[Preparation | None, FrameArray]]]:
        """Decodes frames one at a time, in constant memory.

        Args:
            numbers: frame numbers, strictly ascending.
            preparations: ways to prepare pictures, None for whole ones, each with the frames to prepare so.

        Yields:
            The number of a frame with its pictures, uint8 ``[h, w, 3]``.

        Raises:
            VideoError: it cannot be read within the limits.
        """
        wanted, done = np.asarray(numbers, np.int64), 0
        asked = np.stack([np.isin(wanted, list(of_way)) for of_way in preparations.values()], axis=1)
        while True:
            try:
                for item in self._process.pictures(self.video, wanted[done:], list(preparations), asked[done:]):
                    done += 1
                    yield item
                return
            except WorkerLostError as loss:
                self._replace(loss)
                self.learn()

    def ask(self, question: Callable[[Process], _T]) -> _T:
        """Asks the worker, and where that was lost after serving others, a fresh one."""
        try:
            return question(self._process)
        except WorkerLostError as loss:
            self._replace(loss)
            return question(self._process)

    def interrupt(self) -> None:
        """Ends the work from another thread; who waits for a picture gets an error."""
        with self._changing:
            self._interrupted = True
            if not self._left and not self._process.is_fit:
                self._process.kill()

    def leave(self) -> None:
        """Gives the worker back."""
        with self._changing:
            self._left = True
        self._workers.give_back(self._process)

    def _replace(self, loss: WorkerLostError) -> None:
        """Takes a fresh worker in place of a lost one.

        Raises:
            WorkerLostError: this video was the first of the lost one, so it is at fault itself.
        """
        with self._changing:
            if (self._process.served <= 1 and loss.has_begun) or self._interrupted:
                raise loss
            self._workers.give_back(self._process)
            self._process = self._workers.take(fresh=True)


class Readings:
    """Readings that end together, for threads that watch workers on behalf of one who may leave early."""

    def __init__(self) -> None:
        self._readings: WeakSet[Reading] = WeakSet()
        self._adding = threading.Lock()
        self._stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        """True when nobody takes anything any more."""
        return self._stopped.is_set()

    def feed(self, reading: Reading) -> None:
        """From now on stopping stops this worker too.

        Raises:
            StoppedError: it is stopped already.
        """
        with self._adding:
            self._readings.add(reading)
        if self._stopped.is_set():
            raise StoppedError

    def stop(self) -> None:
        """Lets the threads leave, also those that wait for a worker."""
        self._stopped.set()
        with self._adding:
            readings = tuple(self._readings)
        for reading in readings:
            reading.interrupt()


class StoppedError(Exception):
    """Who asked is gone."""
