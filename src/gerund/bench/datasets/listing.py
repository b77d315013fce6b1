"""The videos of a data set with their labels, as the official lists give them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
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


def draw(videos: Iterable[ListedVideo], shots: int, draw_name: str) -> tuple[ListedVideo, ...]:
    """A few videos of each class, the same ones whatever order the lists are in.

    Args:
        videos: to draw from.
        shots: how many of each class; fewer where a class has no more.
        draw_name: names the draw, such as the split's name; another name is another draw.

    Returns:
        For each class the videos whose SHA-256 of ``"<draw_name>/<video>"`` are smallest, in the order given.

    Example:
        >>> videos = [ListedVideo(f"v{n}", "waving") for n in range(5)]
        >>> [video.video for video in draw(videos, 2, "1")] == [v.video for v in draw(videos[::-1], 2, "1")[::-1]]
        True
    """
    given = tuple(videos)
    by_class: dict[str, list[tuple[str, str]]] = {}
    for video in given:
        rank = hashlib.sha256(f"{draw_name}/{video.video}".encode()).hexdigest()
        by_class.setdefault(video.label, []).append((rank, video.video))
    kept = {video for ranked in by_class.values() for _, video in sorted(ranked)[:shots]}
    return tuple(video for video in given if video.video in kept)
