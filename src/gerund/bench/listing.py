"""The videos of a data set with their labels, as the official lists give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from gerund.errors import UsageError


@dataclass(frozen=True)
class ListedVideo:
    """One line of a data set's lists.

    Attributes:
        video: its id, the name of the file without folder and suffix.
        label: its class in the data set's own spelling; the first one annotated where there are several.
        subset: ``"training"``, ``"validation"``, ``"test"``, or ``""`` where the data set has none.
        lists: names of the official lists that hold it, such as ``"test1"``.
        segments: annotated actions as ``(start_s, end_s, label)``, in the file's order.
        duration_s: of the video; 0 where unknown.
        fps: frames a second; 0 where unknown.
    """

    video: str
    label: str
    subset: str = ""
    lists: frozenset[str] = frozenset()
    segments: tuple[tuple[float, float, str], ...] = ()
    duration_s: float = 0.0
    fps: float = 0.0


@dataclass(frozen=True)
class Listing:
    """All listed videos of one data set, in the order of its lists.

    Raises:
        UsageError: a video is listed twice.
    """

    dataset: str
    videos: tuple[ListedVideo, ...]

    def __post_init__(self) -> None:
        if len(self.by_id) != len(self.videos):
            raise UsageError(f"{self.dataset}: {len(self.videos) - len(self.by_id)} videos are listed twice")

    def __len__(self) -> int:
        return len(self.videos)

    def __iter__(self) -> Iterator[ListedVideo]:
        return iter(self.videos)

    @cached_property
    def by_id(self) -> dict[str, ListedVideo]:
        """The videos by their id."""
        return {video.video: video for video in self.videos}

    def only(self, keep: Callable[[ListedVideo], bool]) -> Listing:
        """The videos that `keep` is true for."""
        return Listing(self.dataset, tuple(video for video in self.videos if keep(video)))
