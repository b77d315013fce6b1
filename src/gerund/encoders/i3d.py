"""I3D alone: its features as the network gives them, without a text side."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import NoReturn

import numpy as np

from gerund.assets import DownloadProgress
from gerund.encoders.base import Window
from gerund.encoders.conse import ConseEncoder
from gerund.encoders.engines import Device, EngineName, Precision
from gerund.encoders.graph import Graph
from gerund.encoders.networks import i3d
from gerund.errors import UsageError
from gerund.text.classes import ClassSpace
from gerund.types import FloatArray, FrameArray
from gerund.video.memory import FrameSource


class I3dEncoder:
    """Frames to what I3D's classifier looks at: 1024 features, of the length that the network gives them.

    Args:
        threads: see `ConseEncoder`, as are the others.
        engine: what computes.
        precision: arithmetic of the network.
        device: where to compute.
        progress: told about downloads.

    Raises:
        AssetError: the weights cannot be had.
        UsageError: engine, precision and device cannot be had together here.
    """

    name = "i3d"
    dim = i3d.FEATURE_DIM
    batch = 1
    logit_scale = 1.0

    def __init__(
        self,
        *,
        threads: int = 0,
        engine: EngineName = "auto",
        precision: Precision = "auto",
        device: Device = "auto",
        progress: DownloadProgress | None = None,
    ) -> None:
        self._conse = ConseEncoder(
            threads=threads, engine=engine, precision=precision, device=device, progress=progress
        )
        self.preparation = self._conse.preparation

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the weights, the choice of frames and the arithmetic."""
        return hashlib.sha256(repr(("i3d", self._conse.fingerprint)).encode()).hexdigest()[:16]

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """The windows of `ConseEncoder`."""
        return self._conse.sample(video, dense=dense)

    def prepare(self, picture: FrameArray) -> FrameArray:
        """Shorter side to 256 pixels, then the central 224 x 224."""
        return self._conse.prepare(picture)

    def encode_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Prepared frames ``[B, T, 224, 224, 3]``, T a multiple of 8, to features: one per 8 frames, or one in all.

        Returns:
            float32 ``[B, S, 1024]``, not of unit length.
        """
        return self._conse.features(frames, dense=dense)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Refused.

        Raises:
            UsageError: always.
        """
        _refuse()

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """Refused.

        Raises:
            UsageError: always.
        """
        _refuse()

    def texts_of(self, classes: ClassSpace) -> tuple[tuple[str, ...], ...]:
        """Those of the classes."""
        return classes.texts

    def hubness(self, class_vectors: FloatArray) -> FloatArray:
        """Zeros."""
        return np.zeros(len(class_vectors), np.float32)

    def unfamiliar(self, classes: ClassSpace) -> list[str]:
        """None: it reads no names."""
        return []

    def unreadable(self, classes: ClassSpace) -> list[str]:
        """None: it reads no names."""
        return []

    def remarks(self) -> list[str]:
        """What a user should know about the arithmetic: how well int8 agrees with float32."""
        return self._conse.remarks()

    def graphs(self) -> dict[str, Graph]:
        """The network, from frames to features."""
        return {"i3d": self._conse.graphs()["i3d"]}


def _refuse() -> NoReturn:
    raise UsageError(
        "i3d has no text side, so it cannot compare videos with names; ask it by a method that has one of its own, "
        "such as --method rows-eszsl, or take the model i3d-minilm"
    )
