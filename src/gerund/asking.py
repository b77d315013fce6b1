"""From what users ask about to what methods get: files, frames in memory, and tracks made before, in any mixture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from gerund.encoders.base import VideoHalf, require_same_encoder
from gerund.errors import UsageError, VideoError
from gerund.examples import Footage, Inputs, without_tracks
from gerund.features import FrameProgress, extract_many
from gerund.types import Clip, IntArray, Track, kind_of
from gerund.video.memory import FrameSource, MemoryVideo, VideoLike, as_source
from gerund.video.reader import Video
from gerund.video.workers import Workers

Askable = VideoLike | Track
"""What questions are asked about: a video, or a track that the model has made of one before."""
Rate = float | Fraction


@dataclass(frozen=True)
class Encoded:
    """What became of one video: its track, or its pictures, or why there are none.

    Attributes:
        name: of the video, as answers have it.
        track: all of it or a few windows, as was asked; None where the method looks at the pictures itself.
        pictures: where these come from, for such a method.
        duration_s: of the video.
        error: why there is nothing to ask about.
        time_error_s: how far at most a frame that was looked at lies from the one asked for.
        num_frames: of the video; 0 where only its track is known.
    """

    name: str
    track: Track | None = None
    pictures: Footage | None = None
    duration_s: float = 0.0
    error: Exception | None = None
    time_error_s: float = 0.0
    num_frames: int = 0

    def inputs(self, objects: IntArray | None = None) -> Inputs:
        """This one video as methods get it.

        Args:
            objects: that are in it ``[1, K]``.
        """
        return Inputs(without_tracks(1) if self.track is None else [self.track], objects, self.pictures)


def several(videos: Any, *, least: int = 1) -> tuple[list[Any], bool]:
    """What was given as a list, and whether it was one video alone.

    Raises:
        UsageError: there are fewer than `least`.

    Example:
        >>> several("a.mp4"), several(("a.mp4", "b.mp4"))
        ((['a.mp4'], True), (['a.mp4', 'b.mp4'], False))
    """
    one = isinstance(videos, str | os.PathLike | bytes | np.ndarray | Video | MemoryVideo | Clip | Track | Mapping)
    if one or hasattr(videos, "__array__") or not isinstance(videos, Iterable):
        return [videos], True
    listed = list(videos)
    if len(listed) < least:
        raise UsageError("the list of videos is empty; give at least one")
    return listed, False


def as_sources(
    videos: Sequence[Any], encoder: VideoHalf | None, *, dense: bool, fps: Rate | None = None
) -> list[FrameSource | Track | VideoError]:
    """What tracks are made of, or are already; nothing is opened. What is named and never read stays as its error.

    Args:
        videos: see `Askable`.
        encoder: must be the one that made the tracks; None where pictures are needed, which tracks do not have.
        dense: the whole of each video is needed.
        fps: frames a second of those that are arrays or folders of pictures.

    Raises:
        UsageError: one is no video, or a track that this cannot be asked about; or there is a rate and no array.
    """
    if fps is not None and not any(isinstance(item, np.ndarray) or _is_folder(item) for item in videos):
        raise UsageError("fps is for arrays of frames and folders of pictures; files and clips have their own times")
    sources: list[FrameSource | Track | VideoError] = []
    for number, item in enumerate(videos, 1):
        if isinstance(item, Track):
            if encoder is None:
                raise UsageError("the method takes decoded frames, which a track does not have; give the video itself")
            _require_usable(item, encoder, dense)
            sources.append(item)
        else:
            kind = "clip" if isinstance(item, Clip) else "array"
            try:
                sources.append(as_source(item, fps=fps, name=kind if len(videos) == 1 else f"{kind} {number}"))
            except VideoError as error:
                sources.append(error)
    return sources


def prepare(
    videos: Any,
    encoder: VideoHalf | None,
    *,
    dense: bool,
    fps: Rate | None,
    decoders: int,
    approximate: bool,
    workers: Workers,
    progress: FrameProgress | None,
) -> tuple[list[Any], Iterator[Encoded]]:
    """Several videos as a list, checked before anything is decoded, and what becomes of each.

    Args:
        videos: see `Askable`.
        encoder: makes their tracks; None where the method looks at the pictures itself.
        dense: see `encode_all`, as are the others.
        fps: see `as_sources`.
        decoders: how many are decoded at once, where there is an encoder.
        approximate: look at keyframes, where there is one.
        workers: the processes that decode.
        progress: told how far it is.

    Raises:
        UsageError: it is one video alone, or one that this cannot be asked about; or frames were to be approximate and
            the method says which it wants.
    """
    listed, alone = several(videos, least=0)
    if alone:
        raise UsageError(f"expected several videos, got {kind_of(videos)}; put it in a list")
    sources = as_sources(listed, encoder, dense=dense, fps=fps)
    if encoder is not None:
        made = encode_all(
            sources,
            encoder,
            dense=dense,
            decoders=decoders,
            approximate=approximate,
            workers=workers,
            progress=progress,
        )
        return listed, made
    if approximate:
        raise UsageError(
            "the method takes decoded frames and says which; these are read exactly, so leave --approximate-frames out"
        )
    pictured = [source for source in sources if not isinstance(source, Track)]
    return listed, open_all(pictured, workers=workers, progress=progress)


def encode_all(
    sources: Sequence[FrameSource | Track | VideoError],
    encoder: VideoHalf,
    *,
    dense: bool,
    decoders: int = 0,
    approximate: bool = False,
    workers: Workers | None = None,
    progress: FrameProgress | None = None,
) -> Iterator[Encoded]:
    """The tracks of videos, in order; those that are tracks already, or errors, are passed on.

    Tracks say when something was in a clip's own time, and know how long the video is and whether they have all of it.
    """
    videos = [source for source in sources if not isinstance(source, Track | VideoError)]
    extracted = extract_many(
        videos,
        [encoder],
        dense=dense,
        decoders=decoders,
        approximate=approximate,
        workers=workers,
        progress=progress,
    )
    for source in sources:
        if isinstance(source, Track):
            yield Encoded(source.video or "track", source, duration_s=_duration_s(source))
            continue
        if isinstance(source, VideoError):
            yield Encoded(str(source.path), error=source)
            continue
        done, name = next(extracted), str(source.path)
        if done.error is not None:
            yield Encoded(name, error=done.error)
            continue
        track = done.tracks[0]
        lasts_s = source.duration_s if track.duration_s is None else track.duration_s
        start_s = source.start_s if isinstance(source, MemoryVideo) else 0.0
        made = replace(track, spans_s=track.spans_s + start_s, dense=dense, duration_s=lasts_s, video=name)
        yield Encoded(name, made, duration_s=lasts_s, time_error_s=done.time_error_s, num_frames=source.num_frames)


def open_all(
    sources: Sequence[FrameSource | VideoError], *, workers: Workers, progress: FrameProgress | None = None
) -> Iterator[Encoded]:
    """Videos whose pictures a method looks at itself, in order; each is opened when it is due, by a worker.

    Args:
        sources: videos, and errors, which are passed on.
        workers: the processes that open and decode files.
        progress: told when a video is asked about, and when that is done.
    """
    for source in sources:
        name = str(source.path)
        if isinstance(source, VideoError):
            yield Encoded(name, error=source)
            continue
        try:
            if isinstance(source, Video):
                with workers.reading(source):  # from here on it knows where its frames are
                    pass
            num_frames, lasts_s = source.num_frames, source.duration_s
        except Exception as error:  # whatever breaks one video is that video's result
            yield Encoded(name, error=error)
            continue
        if progress:
            progress(0, num_frames)
        pictures = Footage([source].__getitem__, workers, 1)
        yield Encoded(name, pictures=pictures, duration_s=lasts_s, num_frames=num_frames)
        if progress:
            progress(num_frames, num_frames)


def _is_folder(item: object) -> bool:
    return isinstance(item, str | os.PathLike) and os.path.isdir(item)


def _require_usable(track: Track, encoder: VideoHalf, dense: bool) -> None:
    """Refuses a track that the question cannot be asked about."""
    require_same_encoder(track, encoder)
    if track.vectors.shape[1] != encoder.dim:
        raise UsageError(
            f"{encoder.name} makes vectors of {encoder.dim} numbers; this track's have {track.vectors.shape[1]}"
        )
    if not len(track):
        raise UsageError("the track is empty; there is nothing to ask about")
    if dense and track.dense is False:
        raise UsageError(
            "this question needs the whole video in time order, and the track has only the few windows that classify "
            "looks at; encode the video again with model.encode(video, dense=True)"
        )
    if not np.isfinite(track.spans_s).all():
        raise UsageError("the track does not say when its video ends; give it finite spans_s")


def _duration_s(track: Track) -> float:
    return float(track.spans_s[-1, 1] - track.spans_s[0, 0]) if track.duration_s is None else track.duration_s
