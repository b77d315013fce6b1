"""The videos themselves, for methods that take clips: the files of a data set, found by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gerund.errors import UsageError
from gerund.examples import PIXELS, Footage, without_tracks
from gerund.features.store import name_videos
from gerund.types import Track
from gerund.video.files import find_videos
from gerund.video.reader import Video
from gerund.video.workers import Workers


class VideoFolder:
    """Files below a folder by the ids of a data set, which are paths without ending, or file names alone.

    Args:
        folder: what holds them; folders of numbered pictures are videos too.
        decoders: how many are decoded at once; 0 takes half of the cores.

    Attributes:
        encoder: `PIXELS`, as is the fingerprint: nobody has encoded them.
        sampling: the method's own, which no key names.

    Raises:
        UsageError: there is none, or two would have one id.
    """

    encoder = fingerprint = PIXELS
    sampling = ""

    def __init__(self, folder: Path, decoders: int = 0) -> None:
        found = find_videos([folder])
        if found.problems:
            raise UsageError(f"--videos: {found.problems[0]}")
        self._folder = folder
        self._paths = name_videos(found.files, folder)
        self._named: dict[str, list[str]] = {}
        for video in self._paths:
            self._named.setdefault(video.rsplit("/", 1)[-1], []).append(video)
        self._decoders = decoders
        self._workers = Workers()

    def ids(self) -> list[str]:
        """Every id by which one of them can be meant; a name that several have is none."""
        alone = {name for name, videos in self._named.items() if len(videos) == 1}
        return sorted(alone | set(self._paths))

    def tracks(self, ids: Sequence[str]) -> Sequence[Track]:
        """None: nobody has encoded them. They fail when they are asked for, and say what to do."""
        return without_tracks(len(ids))

    def footage(self, ids: Sequence[str]) -> Footage:
        """Their pictures, through a function behind which the files are hidden."""
        return Footage(lambda place: self._video(ids[place]), self._workers, self._decoders)

    def describe(self) -> dict[str, object]:
        """That the method looks at the pictures, as it says itself."""
        return {"encoder": PIXELS, "fingerprint": PIXELS, "sampling": "the method's own"}

    def _video(self, video: str) -> Video:
        path = self._paths.get(video)
        if path is None:
            found = self._named.get(video, [])
            if len(found) != 1:
                there = f"{' and '.join(found[:2])} could be meant" if found else "there is no such file"
                raise UsageError(f"{self._folder}: {there} by {video}; keep one file for each video of the lists")
            path = self._paths[found[0]]
        return Video(path)
