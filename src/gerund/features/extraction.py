"""From videos to tracks: a pipeline that decodes ahead while the network computes.

Files are decoded by worker processes (`gerund.video.workers`), each watched by a thread that cuts the frames that come
out into the windows of the encoders; the calling thread gathers windows of one shape, also across the borders of
videos, into batches and encodes them. A bounded queue between the two keeps memory flat, and one pass over a file feeds
several encoders.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace

import numpy as np

from gerund.encoders.base import VideoHalf, Window
from gerund.encoders.engines import available_cores
from gerund.errors import GerundError, UsageError, VideoError
from gerund.types import FloatArray, FrameArray, IntArray, Track
from gerund.video.memory import FrameSource
from gerund.video.reader import Video
from gerund.video.transforms import Preparation
from gerund.video.workers import Reading, Readings, StoppedError, Workers

FrameProgress = Callable[[int, int], None]
"""Called with the number of frames done and the number in all, of the video at hand."""

_QUEUED_BATCHES = 2
_POLL_S = 0.1


@dataclass(frozen=True)
class Extraction:
    """What became of one video.

    Attributes:
        video: the file.
        tracks: one for each encoder, in their order; empty when it failed.
        error: why it failed, or None.
        time_error_s: how far at most a frame that was looked at lies from the one asked for; 0 unless approximate.
    """

    video: FrameSource
    tracks: tuple[Track, ...] = ()
    error: Exception | None = None
    time_error_s: float = 0.0


def extract(
    video: FrameSource,
    encoder: VideoHalf,
    *,
    dense: bool,
    workers: Workers | None = None,
    progress: FrameProgress | None = None,
) -> Track:
    """Encodes one video; memory does not depend on its length.

    Args:
        video: the file.
        encoder: what to encode with; it says which frames it needs.
        dense: the whole video in time order, or the few windows that tell what it shows.
        workers: see `extract_many`.
        progress: told after every window.

    Raises:
        VideoError: the file cannot be read.
    """
    (done,) = extract_many([video], [encoder], dense=dense, workers=workers, progress=progress)
    if done.error is not None:
        raise done.error
    return done.tracks[0]


def extract_many(
    videos: Iterable[FrameSource],
    encoders: Sequence[VideoHalf],
    *,
    dense: bool,
    decoders: int = 0,
    approximate: bool = False,
    workers: Workers | None = None,
    progress: FrameProgress | None = None,
) -> Iterator[Extraction]:
    """Encodes videos with every encoder in one pass over each file.

    A video that fails, whatever the reason, costs only itself. Results do not depend on `decoders`, on a video's
    neighbours, or on how its windows were batched, beyond the rounding of the engine.

    Args:
        videos: files; the next ones are decoded while the present one is encoded.
        encoders: what to encode with.
        dense: the whole video in time order, or the few windows that tell what it shows.
        decoders: how many videos are decoded at once; 0 takes one for every four cores.
        approximate: look at the keyframe nearest to each frame instead, for encoders of single frames. It decodes least
            and reports how far off it was. Files that cannot be sought in are read exactly.
        workers: the processes that decode files, for callers who ask more than once; without, some are made for this
            call. Videos that are in memory already are read here.
        progress: told after every window of frames.

    Yields:
        One extraction for each video, in their order.
    """
    listed = list(videos)
    with nullcontext(workers) if workers else Workers() as decoding:
        line = _Line(_QUEUED_BATCHES * max(encoder.batch for encoder in encoders))
        todo = iter(enumerate(listed))  # of a list, whose iterator may be asked from several threads
        count = min(len(listed), decoders or max(1, available_cores() // 4))

        def decode() -> None:
            for number, video in todo:
                if not line.is_stopped:
                    _decode(number, video, encoders, dense, approximate, decoding, line)

        # Daemons, for Python waits for other threads before it closes a stream that was left half read at the end.
        threads = [threading.Thread(target=decode, name=f"decode_{n}", daemon=True) for n in range(count)]

        def leave() -> None:
            line.stop()
            for thread in threads:
                if thread.ident:  # it was started
                    thread.join()

        atexit.register(leave)
        try:
            for thread in threads:
                thread.start()
            yield from _encode(listed, encoders, dense, line.pieces, progress)
        finally:
            leave()
            atexit.unregister(leave)


class _Line(Readings):
    """What leads from the threads that watch the workers to the one that encodes.

    Args:
        length: how many pieces may wait in it.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.pieces: queue.Queue[_Piece | _End] = queue.Queue(maxsize=length)

    def put(self, item: _Piece | _End) -> None:
        """Waits until there is room.

        Raises:
            StoppedError: nobody takes anything any more.
        """
        while not self.is_stopped:
            try:
                return self.pieces.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
        raise StoppedError


@dataclass(frozen=True)
class _Piece:
    """One window of one video, ready for one encoder."""

    video: int
    encoder: int
    window: int
    frames: FrameArray
    done: int
    total: int


@dataclass(frozen=True)
class _End:
    """All windows of a video are on their way, or it failed."""

    video: int
    plans: Sequence[list[Window]] = ()
    error: Exception | None = None
    time_error_s: float = 0.0


def _decode(
    number: int,
    video: FrameSource,
    encoders: Sequence[VideoHalf],
    dense: bool,
    approximate: bool,
    workers: Workers,
    line: _Line,
) -> None:
    try:
        with _opened(video, workers, line) as read:
            plans = [encoder.sample(video, dense=dense) for encoder in encoders]
            time_error_s = 0.0
            if approximate and len(video.keyframes):
                moved = [nearest_keyframes(video, windows) for windows in plans]
                plans = [windows for windows, _ in moved]
                time_error_s = max(error_s for _, error_s in moved)
            needed = np.unique(np.concatenate([window.frames for windows in plans for window in windows]))
            views = [view for place in range(len(encoders)) for view in _views(place, encoders[place], plans[place])]
            for done, (place, pictures) in enumerate(read(needed, views), 1):
                for view, picture in zip(views, pictures, strict=True):
                    if picture is None:
                        continue
                    for window, frames in view.take(place, picture):
                        line.put(_Piece(number, view.number, window, frames, done, len(needed)))
        line.put(_End(number, plans, time_error_s=time_error_s))
    except StoppedError:
        pass
    except BaseException as error:  # whatever breaks one video is that video's result; without one all would wait
        with suppress(StoppedError):
            line.put(_End(number, error=error if isinstance(error, Exception) else _as_error(error)))


def _as_error(error: BaseException) -> Exception:
    """What wanted to end this thread, such as SystemExit in an encoder of a user's own, as an error of its video."""
    return GerundError(f"reading it was ended by {type(error).__name__}: {error}")


_Read = Callable[[IntArray, Sequence["_View"]], Iterator[tuple[int, Sequence[FrameArray | None]]]]
"""From frame numbers to each frame with its pictures: one for each view that looks at it, prepared."""


@contextmanager
def _opened(video: FrameSource, workers: Workers, line: _Line) -> Iterator[_Read]:
    """A file in the hands of a worker, which prepares the pictures where the encoders let it; or a video in memory."""
    if isinstance(video, Video):
        with workers.reading(video, begun=line.feed) as reading:
            yield lambda numbers, views: _read_there(reading, numbers, views)
    else:
        yield lambda numbers, views: (
            (number, [view.prepare(picture) if number in view.wanted else None for view in views])
            for number, picture in video.frames(numbers)
        )


def _read_there(
    reading: Reading, numbers: IntArray, views: Sequence[_View]
) -> Iterator[tuple[int, Sequence[FrameArray | None]]]:
    ways = list(dict.fromkeys(view.preparation for view in views))
    wanted = {way: set[int]().union(*(view.wanted for view in views if view.preparation == way)) for way in ways}
    for number, found in reading.pictures(numbers, {way: sorted(wanted[way]) for way in ways}):
        yield number, [_of(view, number, found) for view in views]


def _of(view: _View, number: int, found: Mapping[Preparation | None, FrameArray]) -> FrameArray | None:
    if number not in view.wanted:
        return None
    picture = found[view.preparation]
    return view.prepare(picture) if view.preparation is None else picture


def nearest_keyframes(video: FrameSource, windows: Sequence[Window]) -> tuple[list[Window], float]:
    """The same windows looking at the keyframe nearest in time to each frame, and the largest distance in seconds.

    Raises:
        UsageError: a window holds more than one frame, whose motion would be lost.
    """
    if any(len(window.frames) != 1 for window in windows):
        raise UsageError("approximate frames are for encoders of single frames; this one looks at consecutive frames")
    wanted_s = video.times_s[[int(window.frames[0]) for window in windows]]
    keyframes = video.keyframes
    distances_s = np.abs(video.times_s[keyframes][None] - wanted_s[:, None])
    nearest = keyframes[distances_s.argmin(axis=1)]
    moved = [replace(window, frames=np.array([place])) for window, place in zip(windows, nearest, strict=True)]
    return moved, float(distances_s.min(axis=1).max())


class _View:
    """What one encoder sees of a video, prepared in one way: cuts a stream of pictures into windows.

    It keeps no more pictures than windows overlap.

    Args:
        number: of the encoder.
        encoder: whose view it is.
        preparation: how its pictures are prepared; None as the encoder does it itself.
        windows: in the order of time, with their places among all of the encoder's.

    Attributes:
        wanted: the numbers of the frames it looks at.
    """

    def __init__(
        self, number: int, encoder: VideoHalf, preparation: Preparation | None, windows: list[tuple[int, Window]]
    ) -> None:
        self.number = number
        self.encoder = encoder
        self.preparation = preparation
        self.wanted = {int(place) for _, window in windows for place in window.frames}
        self._windows = windows
        self._ready: dict[int, FrameArray] = {}
        self._next = 0

    def prepare(self, picture: FrameArray) -> FrameArray:
        """A picture as the network is to see it."""
        return self.encoder.prepare(picture) if self.preparation is None else self.preparation(picture)

    def take(self, number: int, picture: FrameArray) -> Iterator[tuple[int, FrameArray]]:
        """Takes the next picture, prepared, and gives the windows that it completes, with their numbers."""
        self._ready[number] = picture
        while self._next < len(self._windows) and int(self._windows[self._next][1].frames[-1]) <= number:
            window, of = self._windows[self._next]
            yield window, np.stack([self._ready[int(place)] for place in of.frames])
            self._next += 1
            begin = int(self._windows[self._next][1].frames[0]) if self._next < len(self._windows) else number + 1
            self._ready = {place: frame for place, frame in self._ready.items() if place >= begin}


def _views(number: int, encoder: VideoHalf, windows: list[Window]) -> list[_View]:
    """One view for each way in which the windows want their pictures prepared."""
    own: Preparation | None = getattr(encoder, "preparation", None)
    by_way: dict[Preparation | None, list[tuple[int, Window]]] = {}
    for place, window in enumerate(windows):
        by_way.setdefault(window.preparation or own, []).append((place, window))
    return [_View(number, encoder, way, chosen) for way, chosen in by_way.items()]


@dataclass
class _Assembly:
    """The vectors of one video as they come in."""

    vectors: dict[tuple[int, int], FloatArray] = field(default_factory=dict)
    plans: Sequence[list[Window]] | None = None
    error: Exception | None = None
    time_error_s: float = 0.0

    def is_complete(self) -> bool:
        """True when nothing more is to come for it."""
        if self.error is not None:
            return True
        return self.plans is not None and len(self.vectors) == sum(len(windows) for windows in self.plans)


def _encode(
    videos: list[FrameSource],
    encoders: Sequence[VideoHalf],
    dense: bool,
    pieces: queue.Queue[_Piece | _End],
    progress: FrameProgress | None,
) -> Iterator[Extraction]:
    """Batches what comes out of the queue and yields videos in order as they are complete."""
    assemblies = [_Assembly() for _ in videos]
    waiting: dict[tuple[int, tuple[int, ...]], list[_Piece]] = {}
    ended = given = 0
    while given < len(videos):
        if assemblies[given].is_complete():
            try:
                done = _finish(videos[given], encoders, assemblies[given])
            except Exception as error:  # vectors of another shape than the encoder says, or times that are none
                done = Extraction(videos[given], error=error)
            yield done
            assemblies[given] = _Assembly()
            given += 1
            continue
        if ended == len(videos):
            for batch in waiting.values():
                _run(encoders, dense, batch, assemblies)
            waiting.clear()
            continue
        item = pieces.get()
        if isinstance(item, _End):
            ended += 1
            ending = assemblies[item.video]
            ending.plans, ending.time_error_s = item.plans, item.time_error_s
            ending.error = ending.error or item.error
            continue
        key = (item.encoder, item.frames.shape)
        waiting.setdefault(key, []).append(item)
        if len(waiting[key]) >= encoders[item.encoder].batch:
            _run(encoders, dense, waiting.pop(key), assemblies)
        if progress:
            progress(item.done, item.total)


def _run(encoders: Sequence[VideoHalf], dense: bool, batch: list[_Piece], assemblies: list[_Assembly]) -> None:
    """Encodes a batch; where it fails as a whole, window by window, so that only the guilty video fails."""
    encoder = encoders[batch[0].encoder]
    try:
        vectors = encoder.encode_windows(np.stack([piece.frames for piece in batch]), dense=dense)
        if not np.isfinite(vectors).all():
            raise GerundError(f"{encoder.name} gave numbers that are not finite; try --precision fp32")
        for piece, found in zip(batch, vectors, strict=True):
            assemblies[piece.video].vectors[piece.encoder, piece.window] = found
    except Exception as error:
        if len(batch) > 1:
            for piece in batch:
                _run(encoders, dense, [piece], assemblies)
        else:
            assemblies[batch[0].video].error = error


def _finish(video: FrameSource, encoders: Sequence[VideoHalf], assembly: _Assembly) -> Extraction:
    if assembly.error is not None or assembly.plans is None:
        return Extraction(video, error=assembly.error or VideoError(video.path, "it was not decoded"))
    edges_s = np.append(video.times_s, video.duration_s)
    tracks = []
    for number, (encoder, windows) in enumerate(zip(encoders, assembly.plans, strict=True)):
        kept = [
            assembly.vectors[number, place][window.skip :][: len(window.spans)] for place, window in enumerate(windows)
        ]
        spans = np.minimum(np.concatenate([window.spans for window in windows]), video.num_frames)
        tracks.append(Track(np.concatenate(kept), edges_s[spans], encoder.fingerprint))
    return Extraction(video, tuple(tracks), time_error_s=assembly.time_error_s)
