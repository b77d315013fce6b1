"""I3D as an encoder: the 1024 features that its classifier looks at, and the windows of frames that it looks at itself.

Source: Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017: 25 frames a second, shorter side 256, the
central 224 x 224. How many windows of which length is gerund's own choice (`benchmarks/few_frames.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from gerund.encoders.base import RANDOM, VideoHalf, VideoOnly, Window
from gerund.encoders.engines import Device, Engine, EngineName, Precision, choose, compile_graph
from gerund.encoders.graph import Graph
from gerund.encoders.networks import i3d
from gerund.types import FloatArray, FrameArray
from gerund.video.memory import FrameSource
from gerund.video.sampling import spread_windows
from gerund.video.transforms import Preparation

_SHORT_SIDE_PX = 256
_TRAINED_FPS = 25
_WINDOW_FRAMES = 56
_WINDOWS = 3
_CONTEXT_STEPS = 3
_CHUNK_STEPS = 16
SAMPLING = (_SHORT_SIDE_PX, _TRAINED_FPS, _WINDOW_FRAMES, _WINDOWS, _CONTEXT_STEPS, _CHUNK_STEPS)
"""What fingerprints know of the frames that are looked at."""


class I3dVideo(VideoHalf):
    """I3D's way from frames to features.

    Args:
        weights: as `networks.i3d.load` gives them.
        threads: how many threads to compute with; 0 takes every core.
        engine: what computes; ``"auto"`` is PyTorch where it finds a CUDA device, else OpenVINO.
        precision: arithmetic; ``"auto"`` is bfloat16 where the device has it.
        device: where to compute.

    Raises:
        UsageError: engine, precision and device cannot be had together here.
    """

    preparation = Preparation(i3d.SIZE_PX, _SHORT_SIDE_PX)

    def __init__(
        self,
        weights: Mapping[str, FloatArray],
        *,
        threads: int = 0,
        engine: EngineName = "auto",
        precision: Precision = "auto",
        device: Device = "auto",
    ) -> None:
        self._i3d_weights = weights
        self._threads = threads
        self._setup = choose(engine, precision, device)  # I3D was compared in 16 bits: cosine 0.9999 on real frames

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Windows near the 25 frames a second that I3D was trained on; faster videos are thinned.

        Dense windows overlap, so that every kept vector was computed with frames before and after it.
        """
        stride = max(1, round(float(video.fps) / _TRAINED_FPS))
        numbers = np.arange(0, video.num_frames, stride)
        if not dense:
            length = min(_WINDOW_FRAMES, _round_up(len(numbers)))
            chosen = numbers[spread_windows(len(numbers), length, _WINDOWS)]
            return [Window(row, np.array([[row[0], row[-1] + stride]])) for row in chosen]
        steps = _round_up(len(numbers)) // i3d.FRAMES_PER_STEP
        windows = []
        for first in range(0, steps, _CHUNK_STEPS):
            end = min(first + _CHUNK_STEPS, steps)
            begin = max(first - _CONTEXT_STEPS, 0)
            stop = min(end + _CONTEXT_STEPS, steps)
            places = np.arange(begin * i3d.FRAMES_PER_STEP, stop * i3d.FRAMES_PER_STEP)
            bounds = np.arange(first, end + 1) * i3d.FRAMES_PER_STEP * stride
            spans = np.stack([bounds[:-1], bounds[1:]], axis=1)
            windows.append(Window(numbers[np.minimum(places, len(numbers) - 1)], spans, first - begin))
        return windows

    def features(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """What I3D's classifier looks at: ``[B, T / 8, 1024]`` when dense, else pooled ``[B, 1, 1024]``."""
        found = self._video_network(frames)
        return found if dense else i3d.pool(found)

    def graphs(self) -> dict[str, Graph]:
        """The network by its name: frames to I3D's features."""
        return {"i3d": i3d.build(self._i3d_weights)}

    def remarks(self) -> list[str]:
        """How well int8 agrees with float32."""
        if self._setup.precision != "int8":
            return []
        return [f"int8 video network: {self._video_network.agreement}"]

    @property
    def _arithmetic(self) -> str:
        return str(self._setup) if self._setup.precision != "fp32" else "fp32"

    @cached_property
    def _video_network(self) -> Engine:
        setup = self._setup
        return compile_graph(
            i3d.build(self._i3d_weights),
            engine=setup.engine,
            precision=setup.precision,
            device=setup.device,
            threads=self._threads,
        )


class I3dEncoder(I3dVideo, VideoOnly):
    """Frames to I3D's 1024 features: one vector for every 8 frames, or pooled over each of a few windows.

    Args:
        weights: see `I3dVideo`.
        sha256: of the file that they came from; empty where they are random.
        settings: of `I3dVideo`.
    """

    name = "i3d"
    dim = i3d.FEATURE_DIM

    def __init__(self, weights: Mapping[str, FloatArray], sha256: str, **settings: Any) -> None:
        super().__init__(weights, **settings)
        self._sha256 = sha256

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the recipe and the arithmetic."""
        recipe = repr((self.name, self._sha256, self._arithmetic, SAMPLING))
        return ("" if self._sha256 else RANDOM) + hashlib.sha256(recipe.encode()).hexdigest()[:16]

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames ``[B, T, 224, 224, 3]``, T a multiple of 8, to features: one per 8 frames, or one in all."""
        return self.features(frames, dense=dense)

    def remarks(self) -> list[str]:
        """That the weights are random, and how well int8 agrees with float32."""
        return [*VideoOnly.remarks(self), *super().remarks()]


def _round_up(num_frames: int) -> int:
    return -(-num_frames // i3d.FRAMES_PER_STEP) * i3d.FRAMES_PER_STEP
