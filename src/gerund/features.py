"""From a video to a track: decode what the encoder asks for, once and in order, and encode it window by window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gerund.encoders.base import Encoder
from gerund.types import FrameArray, Track
from gerund.video.reader import Video

FrameProgress = Callable[[int, int], None]
"""Called with the number of frames done and the number in all."""


def extract(video: Video, encoder: Encoder, *, dense: bool, progress: FrameProgress | None = None) -> Track:
    """Encodes a video; memory does not depend on its length.

    Args:
        video: the file.
        encoder: what to encode with; it says which frames it needs.
        dense: the whole video in time order, or the few windows that tell what it shows.
        progress: told after every window.

    Raises:
        VideoError: the file cannot be read.
    """
    windows = encoder.sample(video, dense=dense)
    needed = np.unique(np.concatenate([window.frames for window in windows]))
    stream = video.frames(needed)
    ready: dict[int, FrameArray] = {}
    vectors = []
    for window in windows:
        first = int(window.frames[0])
        ready = {number: frame for number, frame in ready.items() if number >= first}
        while int(window.frames[-1]) not in ready:
            number, picture = next(stream)
            ready[number] = encoder.prepare(picture)
        frames = np.stack([ready[int(number)] for number in window.frames])
        vectors.append(encoder.encode_windows(frames[None], dense=dense)[0, window.skip :][: len(window.spans)])
        if progress:
            progress(int(np.searchsorted(needed, window.frames[-1])) + 1, len(needed))
    stream.close()
    spans = np.concatenate([window.spans for window in windows])
    edges_s = np.append(video.times_s, video.duration_s)
    return Track(
        vectors=np.concatenate(vectors),
        spans_s=edges_s[np.minimum(spans, video.num_frames)],
        encoder=encoder.fingerprint,
    )
