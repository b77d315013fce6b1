"""How clips are taken from videos: which frames, and how often the picture is cut; values that a method holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gerund.errors import UsageError
from gerund.types import IntArray
from gerund.video.sampling import consecutive_clips, segment_centres, segment_draws, strided_views


class ClipSampling(Protocol):
    """A choice of frames: so many clips of so many frames, whatever the length of the video.

    Attributes:
        clips: how many clips of a video.
        frames: how many frames of a clip.
        crops: how many squares are cut from each picture, every one a clip of its own.
    """

    @property
    def clips(self) -> int:
        """See the class."""
        ...

    @property
    def frames(self) -> int:
        """See the class."""
        ...

    @property
    def crops(self) -> int:
        """See the class."""
        ...

    def numbers(self, num_frames: int, fps: float, generator: np.random.Generator | None = None) -> IntArray:
        """Frame numbers ``[clips, frames]``, each in ``[0, num_frames)``; with a generator they are drawn."""
        ...


@dataclass(frozen=True)
class Consecutive:
    """Clips of consecutive frames, one from each equal part of the video; see `consecutive_clips`.

    A video of fewer frames than clips is gone through again from its start.

    Attributes:
        clips: how many.
        frames: of each.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> Consecutive(clips=25, frames=16).numbers(186, 25.0)[-1, [0, -1]].tolist()
        [168, 183]
    """

    clips: int = 1
    frames: int = 16
    crops: int = 1

    def __post_init__(self) -> None:
        _require_counts(self)

    def numbers(self, num_frames: int, fps: float, generator: np.random.Generator | None = None) -> IntArray:
        """Frame numbers ``[clips, frames]``; with a generator each clip begins anywhere in its part."""
        found = consecutive_clips(num_frames, self.frames, self.clips, generator)
        return found[np.arange(self.clips) % len(found)]


@dataclass(frozen=True)
class Strided:
    """Views of frames that lie apart, spread evenly over the video; see `strided_views`.

    Attributes:
        clips: how many views in time.
        frames: of each.
        step: frames from one to the next.
        rate_hz: of the video that `step` is meant for, so that a view lasts equally long in all; 0 takes each
            video's own.
        crops: squares along the longer side of each picture.

    Raises:
        UsageError: a number that is not above 0, or a rate below it.

    Example:
        >>> Strided(clips=3, frames=8, step=16, rate_hz=30).numbers(300, 30.0)[:, 0].tolist()
        [0, 86, 172]
    """

    clips: int = 1
    frames: int = 8
    step: float = 16
    rate_hz: float = 30.0
    crops: int = 1

    def __post_init__(self) -> None:
        _require_counts(self)
        if not 0 < self.step < np.inf or not 0 <= self.rate_hz < np.inf:
            raise UsageError(f"step must be above 0 and rate_hz not below it, got {self.step} and {self.rate_hz}")

    def numbers(self, num_frames: int, fps: float, generator: np.random.Generator | None = None) -> IntArray:
        """Frame numbers ``[clips, frames]``; with a generator each view begins anywhere."""
        step = self.step * fps / self.rate_hz if self.rate_hz else self.step
        return strided_views(num_frames, self.frames, step, self.clips, generator)


@dataclass(frozen=True)
class Spread:
    """One clip of frames from equal parts of the whole video: their centres, or with a generator one drawn from each.

    Attributes:
        frames: how many.
        crops: squares along the longer side of each picture.

    Raises:
        UsageError: a number below 1.

    Example:
        >>> Spread(4).numbers(10, 25.0).tolist()
        [[1, 3, 6, 8]]
    """

    frames: int = 8
    crops: int = 1

    def __post_init__(self) -> None:
        _require_counts(self)

    @property
    def clips(self) -> int:
        """One."""
        return 1

    def numbers(self, num_frames: int, fps: float, generator: np.random.Generator | None = None) -> IntArray:
        """Frame numbers ``[1, frames]``, ascending."""
        if generator is None:
            return segment_centres(num_frames, self.frames)[None]
        return segment_draws(num_frames, self.frames, generator)[None]


def _require_counts(sampling: ClipSampling) -> None:
    counts = {"clips": sampling.clips, "frames": sampling.frames, "crops": sampling.crops}
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageError(f"{name} is a whole number of at least 1, got {count!r}")
