"""When the vectors in files of others were: spans from rates, from lists of videos, and from timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gerund.errors import UsageError
from gerund.features.sampling import plain_number
from gerund.features.tracks import FeatureError
from gerund.reading import parse_json
from gerund.types import FloatArray64

_RATES = ("video_fps", "fps")
_DURATIONS = ("frame_duration", "duration", "duration_s")


@dataclass(frozen=True)
class Clock:
    """How long each vector of a video lasts.

    Attributes:
        fps: frames a second of every video; 0 where `info` says it for each.
        stride: how many frames lie from one vector to the next; 0 where `info` says it.
        info: what is known of each video by its id: ``video_fps`` or ``fps``; GAP's lists say ``snippet_length`` (the
            number of vectors) and ``snippet_duration`` (seconds that they last together) instead of a stride. Where one
            vector stands for a whole video, ``frame_duration``, ``duration`` or ``duration_s``.
        source: the file of `info`, for messages.

    Raises:
        UsageError: neither a rate nor a list is given, both are, or a number is negative.
    """

    fps: float = 0.0
    stride: float = 0.0
    info: Mapping[str, Mapping[str, Any]] | None = None
    source: str = "the list of videos"

    def __post_init__(self) -> None:
        if not (0 <= self.fps < np.inf and 0 <= self.stride < np.inf):
            raise UsageError(f"fps and stride must be above 0, got {self.fps} and {self.stride}")
        if self.info is not None and self.fps:
            raise UsageError(f"give fps, or a list of videos that says it for each ({self.source}), not both")

    @property
    def key(self) -> str:
        """What tells one timing from another in the key of a sampling."""
        rate = f"-at-{plain_number(self.fps)}" if self.fps else ""
        return f"every-{plain_number(self._listed_stride)}{rate}" if self._listed_stride else "by-list"

    @property
    def words(self) -> str:
        """The same for people."""
        frames = f"{plain_number(self._listed_stride)} frames" if self._listed_stride else "a snippet"
        rate = f" of {plain_number(self.fps)} a second" if self.fps else ", timed by a list of videos"
        return f"one vector for {frames}{rate}"

    @cached_property
    def _listed_stride(self) -> float:
        """The stride, as given or as all entries of the list imply; 0 where they imply none or several."""
        if self.stride or self.info is None:
            return self.stride
        implied = set()
        for entry in self.info.values():
            count, lasts_s = (_number(entry, (name,)) for name in ("snippet_length", "snippet_duration"))
            fps = _number(entry, _RATES)
            if count and lasts_s and fps:
                implied.add(round(lasts_s * fps / count))
        return float(implied.pop()) if len(implied) == 1 else 0.0

    def spans_s(self, video: str, count: int) -> FloatArray64:
        """The seconds ``[count, 2]`` of consecutive vectors from the start of a video.

        Raises:
            UsageError: what is known is not enough to tell.
            FeatureError: the list does not know the video, or knows another number of vectors.

        Example:
            >>> Clock(fps=25.0, stride=5).spans_s("a", 2).tolist()
            [[0.0, 0.2], [0.2, 0.4]]
        """
        edges_s = np.arange(count + 1) * self._step_s(video, count)
        return np.stack([edges_s[:-1], edges_s[1:]], axis=1)

    def whole_s(self, video: str) -> FloatArray64:
        """The seconds ``[1, 2]`` of a whole video; it ends at infinity where no list says how long it is.

        Raises:
            FeatureError: the list does not know the video, or not its length.
        """
        if self.info is None:
            return np.array([[0.0, np.inf]])
        duration_s = _number(self._entry(video), _DURATIONS)
        if duration_s is None:
            raise FeatureError(f"{self.source}: says of {video} neither {' nor '.join(_DURATIONS)}")
        return np.array([[0.0, duration_s]])

    def _step_s(self, video: str, count: int) -> float:
        if self.info is None:
            if not (self.fps and self.stride):
                raise UsageError(
                    "the files do not say when their vectors were; give fps and stride (frames from one vector to the "
                    "next), or a JSON list of the videos (info)"
                )
            return self.stride / self.fps
        entry = self._entry(video)
        expected, lasts_s = (_number(entry, (name,)) for name in ("snippet_length", "snippet_duration"))
        if expected is not None and expected != count:
            raise FeatureError(
                f"{video}: {count} vectors, but {self.source} says {expected:.0f}; the two do not belong together, or "
                "give fps and stride instead of the list"
            )
        if expected and lasts_s and not self.stride:
            return lasts_s / expected
        fps = _number(entry, _RATES)
        if fps and self.stride:
            return self.stride / fps
        raise UsageError(f"{self.source}: does not say how long a vector of {video} lasts; give the stride as well")

    def _entry(self, video: str) -> Mapping[str, Any]:
        entry = (self.info or {}).get(video)
        if not isinstance(entry, Mapping):
            raise FeatureError(f"{self.source}: says nothing of {video}; complete the list, or leave the video out")
        return entry


def read_info(path: Path) -> dict[str, Mapping[str, Any]]:
    """A JSON list of videos: ``{id: {"video_fps": 30.0, ...}}``.

    Raises:
        UsageError: it cannot be read as that.
    """
    try:
        content = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected a JSON list of videos; {error}") from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise UsageError(f'{path}: expected {{"video id": {{"video_fps": ...}}, ...}}')
    return content


def spans_from_times(starts_s: FloatArray64, fps: float | None, what: str) -> FloatArray64:
    """Spans ``[T, 2]`` from the moments at which frames are first shown: each lasts until the next.

    The last one lasts as long as the others do in the median, or one frame where there is no other.

    Args:
        starts_s: seconds, ascending ``[T]``.
        fps: of the video, where known.
        what: the file, for messages.

    Raises:
        FeatureError: the moments do not ascend, or there is one alone and no rate.

    Example:
        >>> spans_from_times(np.array([0.0, 0.5, 1.5]), None, "a").tolist()
        [[0.0, 0.5], [0.5, 1.5], [1.5, 2.25]]
    """
    steps_s = np.diff(starts_s)
    if not np.isfinite(starts_s).all() or (steps_s <= 0).any():
        raise FeatureError(
            f"{what}: its timestamps do not ascend, as some decoders write them for videos with B-frames; import the "
            "vectors alone, with fps and stride"
        )
    if not len(steps_s) and not fps:
        raise FeatureError(f"{what}: one timestamp and no frame rate; import the vector alone, with fps and stride")
    last_s = float(np.median(steps_s)) if len(steps_s) else 1 / float(fps or 1)
    return np.stack([starts_s, np.append(starts_s[1:], starts_s[-1] + last_s)], axis=1)


def _number(entry: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    """The first of some numbers that an entry has."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, int | float) and 0 <= value < np.inf:
            return float(value)
    return None
