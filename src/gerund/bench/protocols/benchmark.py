"""What a protocol is: a frozen value whose hash names it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from gerund.bench.datasets.listing import ListedVideo
from gerund.errors import UsageError

Task = Literal["recognition", "generalised", "base-to-novel", "closed-set", "localization"]


@dataclass(frozen=True)
class Split:
    """Which classes are trained on, which are answered among, and which videos are asked about.

    Attributes:
        name: ``"0"``, ``"1"``, ...
        seen: classes with training examples, in the data set's spelling; empty where nothing is trained on it.
        unseen: classes without any; for conventional recognition and localization the only candidates. Empty where a
            protocol asks about the seen classes alone.
        validation: classes that are neither, for choosing a model; never tested.
        test_list: the official list that test videos must be on, such as ``"test1"``; ``""`` for none. A generalised
            protocol asks it of seen classes only: no video of an unseen class was trained on, so all are tested.
        train_list: the official list that training videos must be on, such as ``"train1"``; ``""`` for none.

    Raises:
        UsageError: a class is on two sides or listed twice, or there is none to answer among.
    """

    name: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test_list: str = ""
    train_list: str = ""

    def __post_init__(self) -> None:
        for one, other in (("seen", "unseen"), ("seen", "validation"), ("unseen", "validation")):
            both = sorted(set(getattr(self, one)) & set(getattr(self, other)))
            if both:
                raise UsageError(
                    f"split {self.name}: {len(both)} classes are both {one} and {other} ({', '.join(both[:3])}, ...); "
                    "a split that trains on what it tests proves nothing"
                )
        for side in (self.seen, self.unseen, self.validation):
            if len(set(side)) != len(side):
                raise UsageError(f"split {self.name}: a class is listed twice")
        if not (self.seen or self.unseen):
            raise UsageError(f"split {self.name}: there is no class to answer among")


@dataclass(frozen=True)
class Benchmark:
    """One protocol: data sets, splits, and what is measured.

    Attributes:
        name: ``"ucf101-50-50"``.
        task: ``"recognition"``: unseen videos among unseen classes. ``"generalised"``: seen test videos and unseen
            ones among all classes. ``"base-to-novel"``: seen test videos among seen classes and unseen ones among
            unseen classes. ``"closed-set"``: test videos of the classes that were trained on, among these; no
            zero-shot protocol. ``"localization"``: segments of unseen classes.
        train_on: data set of the training videos; the same as `test_on` but for cross-data-set protocols.
        test_on: data set of the test videos.
        splits: in order; every one is reported, with mean and spread over them.
        train_subset: training videos come from it; ``""`` for all.
        test_subset: test videos come from it; ``""`` for all.
        tious: thresholds of localization.
        shots: training videos of each class, drawn by `listing.draw`; 0 for all.
        excluded: videos that are neither trained on nor tested.
        longer_than_s: actions of at most this length are not asked about; 0 keeps all, even those without length.
        longer_than_frames: the same in frames of their video.
        inside_video: actions that begin after the end of their video are not asked about.
        compat: a released deviation that this protocol reproduces; ``""`` for none.
        source: where the protocol comes from.
        note: what a reader has to know.

    Raises:
        UsageError: a closed-set protocol has unseen classes, or another one for recognition has none.
    """

    name: str
    task: Task
    train_on: str
    test_on: str
    splits: tuple[Split, ...]
    train_subset: str = ""
    test_subset: str = ""
    tious: tuple[float, ...] = ()
    shots: int = 0
    excluded: tuple[str, ...] = ()
    longer_than_s: float = 0.0
    longer_than_frames: int = 0
    inside_video: bool = False
    compat: str = ""
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for split in self.splits:
            if self.task == "closed-set" and split.unseen:
                raise UsageError(f"{self.name} split {split.name}: a closed-set protocol has no unseen classes")
            if self.task not in ("closed-set", "localization") and not split.unseen:
                raise UsageError(
                    f"{self.name} split {split.name}: there is no unseen class to answer among; a protocol that tests "
                    "the classes that it trains on is closed-set"
                )

    @property
    def asks_seen(self) -> bool:
        """True where videos of classes that were trained on are tested too."""
        return self.task in ("generalised", "base-to-novel", "closed-set")

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that decides a result: all fields but `source` and `note`."""
        content = asdict(self)
        del content["source"], content["note"]
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def truth(self, video: ListedVideo, classes: Collection[str]) -> list[tuple[float, float, str]]:
        """The annotated actions of a video that are asked about, ``(start_s, end_s, label)`` in the order listed.

        Example:
            >>> video = ListedVideo("a", "Diving", segments=((1.0, 1.2, "Diving"), (2.0, 4.0, "Diving")), fps=30.0)
            >>> Benchmark("b", "localization", "d", "d", (), longer_than_frames=8).truth(video, ["Diving"])
            [(2.0, 4.0, 'Diving')]

        Raises:
            UsageError: the protocol needs the rate or length of the video, and the lists do not say it.
        """
        actions = [action for action in video.segments if action[2] in classes]
        lacking = "rate" if self.longer_than_frames and not video.fps else ""
        lacking = lacking or ("length" if self.inside_video and not video.duration_s else "")
        if actions and lacking:
            raise UsageError(
                f"{self.name} needs the {lacking} of each video, which the lists do not give for {video.video}; put "
                "annotations with fps and duration into the data folder"
            )
        limit_s = self.longer_than_s
        if actions and self.longer_than_frames:
            limit_s = self.longer_than_frames / video.fps
        return [
            (start_s, end_s, label)
            for start_s, end_s, label in actions
            if (not limit_s or end_s - start_s > limit_s) and not (self.inside_video and start_s >= video.duration_s)
        ]
