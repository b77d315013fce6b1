"""Raw vectors for methods whose maths is of unit vectors."""

from __future__ import annotations

from dataclasses import replace

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.features.tracks import RAW, Features
from gerund.types import Track


class UnitTracks(Features):
    """Tracks that were kept as the network gave them, read as the encoder gives them otherwise: of length 1.

    Args:
        features: the raw ones.

    Raises:
        UsageError: they are means over frames, which are others where each frame has length 1 first.
    """

    def __init__(self, features: Features) -> None:
        if features.sampling.endswith("-mean"):
            raise UsageError(
                f"{features.path}: holds means of raw vectors, and here those of vectors of length 1 are needed; "
                "extract them again without --raw"
            )
        kind = replace(features.kind, fingerprint=features.fingerprint.removesuffix(RAW))
        super().__init__(kind, features.path)
        self._features = features

    def ids(self) -> list[str]:
        """The videos that there are tracks of."""
        return self._features.ids()

    def read(self, video: str) -> Track:
        """The track of one video.

        Raises:
            UsageError: there is none.
            FeatureError: its file is damaged.
        """
        track = self._features.read(video)
        return replace(track, vectors=unit(track.vectors), encoder=self.fingerprint)
