"""Where tracks come from, whatever they lie in: all of one kind, read when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gerund.errors import GerundError, UsageError
from gerund.examples import LazyTracks
from gerund.types import Track

RAW = "-raw"
"""How the fingerprint of vectors ends that are kept as a network gives them: another one than that of unit vectors."""

_IMPORTED = "imported-"
_NAMED = 3


class FeatureError(GerundError):
    """A file of features that is damaged, or not what it should be; the text names it and says what to do."""


@dataclass(frozen=True)
class TrackKind:
    """What all tracks of a store have in common; tracks that differ in any of it are never mixed.

    Attributes:
        encoder: what users call it.
        fingerprint: of the encoder; changes whenever its vectors would.
        dim: length of the vectors.
        sampling: which frames the vectors stand for, as a short key such as ``"own"`` or ``"stride8"``.
        words: the same in words.
        half: vectors are kept as float16; they are read as float32.

    Example:
        >>> print(TrackKind("clip", "1f5a", 512, "stride8"))
        clip, sampling stride8, 512 numbers, fingerprint 1f5a
    """

    encoder: str
    fingerprint: str
    dim: int
    sampling: str
    words: str = ""
    half: bool = False

    @property
    def raw(self) -> bool | None:
        """Whether vectors are as the network gives them; False: of length 1; None: not known, as of features of others.

        Example:
            >>> TrackKind("clip", "1f5a-raw", 512, "own").raw, TrackKind("clip", "1f5a", 512, "own").raw
            (True, False)
        """
        if self.fingerprint.endswith(RAW):
            return True
        return None if self.sampling.startswith(_IMPORTED) else False

    def to_dict(self) -> dict[str, object]:
        """All of it, ready for JSON."""
        return {
            "encoder": self.encoder,
            "fingerprint": self.fingerprint,
            "dim": self.dim,
            "sampling": self.sampling,
            "sampling_in_words": self.words,
            # what was always so is not said: reports from before would differ
            **({"raw": True} if self.raw else {}),
            **({"half": True} if self.half else {}),
        }

    def __str__(self) -> str:
        kept = (", raw" if self.raw else "") + (", float16" if self.half else "")
        return f"{self.encoder}, sampling {self.sampling}, {self.dim} numbers, fingerprint {self.fingerprint}{kept}"


class Features(ABC):
    """Tracks of many videos, all of one kind.

    Args:
        kind: what they have in common.
        path: the file or folder that they lie in.
    """

    def __init__(self, kind: TrackKind, path: Path) -> None:
        self.kind = kind
        self.path = path

    @property
    def encoder(self) -> str:
        """The name of the encoder that made them."""
        return self.kind.encoder

    @property
    def fingerprint(self) -> str:
        """The fingerprint of that encoder."""
        return self.kind.fingerprint

    @property
    def sampling(self) -> str:
        """The key of the sampling."""
        return self.kind.sampling

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.kind.dim

    @abstractmethod
    def ids(self) -> list[str]:
        """The videos that there are tracks of, sorted."""

    @abstractmethod
    def read(self, video: str) -> Track:
        """The track of one video.

        Raises:
            UsageError: there is none.
            FeatureError: its file is damaged, or of another encoder.
        """

    def __contains__(self, video: object) -> bool:
        return video in self.ids()

    def __len__(self) -> int:
        return len(self.ids())

    def tracks(self, ids: Sequence[str]) -> Sequence[Track]:
        """The tracks of some videos in the order asked for, each read from disk whenever it is indexed.

        Raises:
            UsageError: there is no track of one of them.
        """
        if lacking := self.missing(ids):
            named = ", ".join(lacking[:_NAMED]) + (", ..." if len(lacking) > _NAMED else "")
            raise UsageError(
                f"{self.path}: {len(lacking)} of {len(ids)} videos have no features here ({named}); extract them, or "
                "leave them out"
            )
        names = tuple(ids)
        return LazyTracks(len(names), lambda place: self.read(names[place]))

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of the videos that there is no track of, in the order given."""
        here = set(self.ids())
        return [video for video in ids if video not in here]

    def describe(self) -> dict[str, object]:
        """Encoder, fingerprint, length of vectors and sampling, as a report prints them."""
        return self.kind.to_dict()
