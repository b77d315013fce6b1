"""A backbone as an encoder of videos: which frames it looks at, and for which time each of its vectors speaks."""

from __future__ import annotations

import hashlib
from functools import cached_property

import numpy as np

from gerund.encoders.base import RANDOM, VideoOnly, Window, is_random
from gerund.encoders.graph import Graph
from gerund.encoders.networks.backbone import Backbone
from gerund.encoders.shares import at_rate, covering
from gerund.types import FloatArray, FrameArray, IntArray
from gerund.video.memory import FrameSource
from gerund.video.sampling import segment_centres, sliding_windows

_DENSE_HZ = 4.0
"""As often as CLIP's kin looks at a picture."""
_PICTURES, _CLIPS = 16, 4
"""How many are encoded together."""


class FeatureEncoder(VideoOnly):
    """Frames to the features of a backbone, which no text has a place among.

    The few windows that tell what a video shows are those of the paper that the backbone is from (`Backbone.sample`).
    A whole video is looked at four times a second by a network of single pictures; one of clips goes through it clip
    by clip, each with as many frames and as far apart as it was trained with.

    Args:
        backbone: the network.
        name: what users call the encoder.
    """

    def __init__(self, backbone: Backbone, name: str) -> None:
        self.name = name
        self.dim = backbone.dim
        self.batch = _PICTURES if backbone.clip_frames == 1 else _CLIPS
        self.preparation = backbone.preparation
        self._backbone = backbone

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the network, its weights, the sampling and the arithmetic."""
        network = self._backbone
        recipe = (network.fingerprint, network.clip_frames, network.reach_frames, _DENSE_HZ)
        start = RANDOM if is_random(network.fingerprint) else ""
        return start + hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """The frames that the backbone's paper looks at, or the whole video in time order.

        A clip of the paper's speaks for the frames from its first to its last, the only one for the whole video.
        """
        if self._backbone.clip_frames > 1:
            return self._parts(video.num_frames) if dense else self._clips(video.num_frames)
        if dense:
            return at_rate(video, _DENSE_HZ)
        frames = self._backbone.sample(video.num_frames)
        borders = np.append(0, (frames[:-1] + frames[1:] + 1) // 2)
        return covering(frames, borders, video.num_frames)

    def _clips(self, num_frames: int) -> list[Window]:
        clips = self._backbone.sample(num_frames)
        if len(clips) == 1:
            return [Window(clips[0], np.array([[0, num_frames]]))]
        return [Window(clip, np.array([[clip[0], clip[-1] + 1]])) for clip in clips]

    def _parts(self, num_frames: int) -> list[Window]:
        """Clips one after the other; the last one reaches back so that it ends with the video."""
        reach = min(self._backbone.reach_frames, num_frames)
        inside = segment_centres(reach, self._backbone.clip_frames)
        starts: IntArray = sliding_windows(num_frames, reach, reach)[:, 0]
        bounds = np.append(np.arange(len(starts)) * reach, num_frames)
        return [Window(start + inside, bounds[place : place + 2][None]) for place, start in enumerate(starts)]

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Frames ``[B, T, size, size, 3]`` to features: ``[B, T, dim]`` of pictures, ``[B, 1, dim]`` of clips."""
        if self._backbone.clip_frames > 1:
            return self._backbone(frames)[:, None]
        return self._backbone(frames.reshape(-1, *frames.shape[2:])).reshape(*frames.shape[:2], self.dim)

    def remarks(self) -> list[str]:
        """That the weights are random, and how well int8 agrees with float32."""
        return [*super().remarks(), *self._backbone.remarks()]

    def graphs(self) -> dict[str, Graph]:
        """The network: frames to features."""
        return {self._backbone.graph.name: self._backbone.graph}
