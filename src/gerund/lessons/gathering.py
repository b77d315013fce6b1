"""Tracks of labelled videos: made once, kept in a store, and found there the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from gerund.assets import cache_dir
from gerund.encoders.base import Encoder
from gerund.errors import VideoError, reason_of
from gerund.features import FeatureStore, FrameProgress, Sampling, TrackKind, extract_many
from gerund.video.reader import Video
from gerund.video.workers import Workers
from gerund.writing import stops_when_full

_AT_ONCE = 512
"""A video that was opened remembers where its frames are, so a data set's are not all kept open at once."""


def cached_store(videos: Path) -> Path:
    """Where the tracks of the videos below a folder are kept, if nobody says otherwise."""
    named = hashlib.sha256(str(videos.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_dir() / "features" / f"{videos.resolve().name or 'videos'}-{named}"


def gather(
    files: Mapping[str, Path],
    encoder: Encoder,
    folder: Path,
    *,
    few: bool,
    raw: bool = False,
    decoders: int = 0,
    videos: Callable[[int, int], None] | None = None,
    frames: FrameProgress | None = None,
) -> tuple[FeatureStore, dict[str, str], int]:
    """The tracks of files, of which only those are made that are not there yet, or are of files that changed since.

    Args:
        files: by the ids that they are kept under.
        encoder: makes the tracks.
        folder: of the store.
        few: the few windows that tell what a video shows, instead of all of it.
        raw: vectors as the network gives them, not of length 1.
        decoders: how many videos are decoded at once; 0 decides by the machine.
        videos: told how many of the videos that were not there are done.
        frames: told how far the present video is.

    Returns:
        The store, why the others could not be made, by their ids, and how many were made now.

    Raises:
        UsageError: the folder is no store and not empty.
        OutputError: no more can be written.
    """
    sampling = Sampling(few=few)
    sampled = sampling.of(encoder, raw=raw)
    kind = TrackKind(sampled.name, sampled.fingerprint, sampled.dim, sampling.key, sampling.words)
    store = FeatureStore.create(folder, kind)
    failed: dict[str, str] = {}
    todo = []
    for video, path in files.items():
        try:
            if not store.has(video, path):
                todo.append((video, path))
        except VideoError as error:
            failed[video] = error.reason
    done = 0
    with Workers() as workers:
        for begin in range(0, len(todo), _AT_ONCE):
            part = todo[begin : begin + _AT_ONCE]
            made = extract_many(
                [Video(path) for _, path in part],
                [sampled],
                dense=sampling.dense,
                decoders=decoders,
                workers=workers,
                progress=frames,
            )
            for (video, path), found in zip(part, made, strict=True):
                if found.error is not None:
                    failed[video] = reason_of(found.error)
                else:
                    with stops_when_full(store.file_of(video)):
                        store.write(video, found.tracks[0], source=path)
                done += 1
                if videos:
                    videos(done, len(todo))
    return store, failed, len(todo) - sum(video in failed for video, _ in todo)
