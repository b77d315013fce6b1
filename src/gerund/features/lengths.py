"""Raw vectors for methods whose maths is of unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gerund.encoders.base import unit
from gerund.errors import UsageError
from gerund.examples import LazyTracks
from gerund.features.tracks import RAW, Features
from gerund.types import Track


class UnitTracks:
    """Tracks that were kept as the network gave them, read as the encoder gives them otherwise: of length 1.

    Args:
        features: the raw ones.

    Raises:
        UsageError: they are means over frames, which are others where each frame has length 1 first.
    """

    def __init__(self, features: Features) -> None:
        if features.sampling.endswith("-mean"):
            raise UsageError(
                f"{features.path}: holds means of raw vectors, and this method needs those of vectors of length 1; "
                "extract them again without --raw"
            )
        self._features = features

    def ids(self) -> list[str]:
        """The videos that there are tracks of."""
        return self._features.ids()

    def tracks(self, ids: Sequence[str]) -> Sequence[Track]:
        """The tracks of some videos, in the order asked for, each read whenever it is indexed."""
        tracks = self._features.tracks(ids)
        return LazyTracks(len(tracks), lambda place: _as_unit(tracks[place]))

    def describe(self) -> dict[str, object]:
        """As a report of the unit vectors says it."""
        kind = self._features.kind
        return replace(kind, fingerprint=kind.fingerprint.removesuffix(RAW)).to_dict()


def _as_unit(track: Track) -> Track:
    return replace(track, vectors=unit(track.vectors), encoder=track.encoder.removesuffix(RAW))
