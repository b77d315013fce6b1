"""From what users ask about to tracks: files, frames in memory, and what was encoded before, in any mixture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from gerund.encoders.base import Encoder, require_same_encoder
from gerund.errors import UsageError, VideoError
from gerund.features import FrameProgress, extract_many
from gerund.types import Clip, Track
from gerund.video.memory import FrameSource, MemoryVideo, VideoLike, as_source
from gerund.video.reader import Video
from gerund.video.workers import Workers

Askable = VideoLike | Track
"""What questions are asked about: a video, or a track that the model has made of one before."""
Rate = float | Fraction


@dataclass(frozen=True)
class Encoded:
    """What became of one video: its track, or why there is none.

    Attributes:
        name: of the video, as answers have it.
        track: all of it or a few windows, as was asked.
        duration_s: of the video.
        error: why there is no track.
        time_error_s: how far at most a frame that was looked at lies from the one asked for.
        num_frames: of the video; 0 where only its track is known.
    """

    name: str
    track: Track | None = None
    duration_s: float = 0.0
    error: Exception | None = None
    time_error_s: float = 0.0
    num_frames: int = 0


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
    videos: Sequence[Any], encoder: Encoder, *, dense: bool, fps: Rate | None = None
) -> list[FrameSource | Track | VideoError]:
    """What tracks are made of, or are already; nothing is opened. What is named and never read stays as its error.

    Args:
        videos: see `Askable`.
        encoder: must be the one that made the tracks.
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
            _require_usable(item, encoder, dense)
            sources.append(item)
        else:
            kind = "clip" if isinstance(item, Clip) else "array"
            try:
                sources.append(as_source(item, fps=fps, name=kind if len(videos) == 1 else f"{kind} {number}"))
            except VideoError as error:
                sources.append(error)
    return sources


def encode_all(
    sources: Sequence[FrameSource | Track | VideoError],
    encoder: Encoder,
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
            yield Encoded(source.video or "track", source, _duration_s(source))
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
        yield Encoded(name, made, lasts_s, time_error_s=done.time_error_s, num_frames=source.num_frames)


def _is_folder(item: object) -> bool:
    return isinstance(item, str | os.PathLike) and os.path.isdir(item)


def _require_usable(track: Track, encoder: Encoder, dense: bool) -> None:
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
            "locate needs the whole video in time order, and this track has only the few windows that classify looks "
            "at; encode the video again with model.encode(video, dense=True)"
        )
    if not np.isfinite(track.spans_s).all():
        raise UsageError("the track does not say when its video ends; give it finite spans_s")


def _duration_s(track: Track) -> float:
    return float(track.spans_s[-1, 1] - track.spans_s[0, 0]) if track.duration_s is None else track.duration_s
