"""Data sets that their authors offer as archives: where these lie, and where what is in them goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gerund.chores.downloads import Source

_KEPT = frozenset((".avi", ".txt"))


@dataclass(frozen=True)
class Official:
    """The archives of a data set.

    Attributes:
        name: the data set's.
        videos: the archive with its videos.
        lists: the archive with its official lists.
        below: folder that the videos go into, where their archive has none around them.
    """

    name: str
    videos: Source
    lists: Source
    below: str = ""

    def where(self, path: PurePosixPath) -> Path | None:
        """The place of a file of its archives; None for anything but videos and lists."""
        if path.suffix.lower() not in _KEPT:
            return None
        return Path(self.below if path.suffix.lower() == ".avi" else "", path)


OFFICIAL = {
    official.name: official
    for official in (
        Official(
            "ucf101",
            Source("https://www.crcv.ucf.edu/datasets/human-actions/ucf101/UCF101.rar"),
            Source(
                "https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip",
                "sha256:5c0d1a53b8ed364a2ac830a73f405e51bece7d98ce1254fd19ed4a36b224bd27",
            ),
        ),
        Official(
            "hmdb51",
            Source("https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar"),
            Source(
                "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar",
                "md5:15e67781e70dcfbdce2d7dbb9b3344b5",
            ),
            below="hmdb51_org",
        ),
    )
}
"""Hashes as TensorFlow Datasets (``url_checksums/ucf101.txt``) and torchvision (``datasets/hmdb51.py``) have them; of
the archives of videos no published hash is known."""
