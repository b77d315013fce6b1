"""What a protocol is: a frozen value whose hash names it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

from gerund.errors import UsageError

Task = Literal["recognition", "generalised", "localization"]


@dataclass(frozen=True)
class Split:
    """Which classes are trained on, which are answered among, and which videos are asked about.

    Attributes:
        name: ``"0"``, ``"1"``, ...
        seen: classes with training examples, in the data set's spelling; empty where nothing is trained on it.
        unseen: classes without any; for conventional recognition and localization the only candidates.
        validation: classes that are neither, for choosing a model; never tested.
        test_list: the official list that test videos must be on, such as ``"test1"``; ``""`` for none.
    """

    name: str
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test_list: str = ""

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
        if not self.unseen:
            raise UsageError(f"split {self.name}: there is no class to answer among")


@dataclass(frozen=True)
class Benchmark:
    """One protocol: data sets, splits, and what is measured.

    Attributes:
        name: ``"ucf101-50-50"``.
        task: ``"recognition"``: unseen videos among unseen classes. ``"generalised"``: seen test videos and unseen
            ones among all classes. ``"localization"``: segments of unseen classes.
        train_on: data set of the training videos; the same as `test_on` but for cross-data-set protocols.
        test_on: data set of the test videos.
        splits: in order; every one is reported, with mean and spread over them.
        train_subset: training videos come from it; ``""`` for all.
        test_subset: test videos come from it; ``""`` for all.
        tious: thresholds of localization.
        compat: a released deviation that this protocol reproduces; ``""`` for none.
        source: where the protocol comes from.
        note: what a reader has to know.
    """

    name: str
    task: Task
    train_on: str
    test_on: str
    splits: tuple[Split, ...]
    train_subset: str = ""
    test_subset: str = ""
    tious: tuple[float, ...] = ()
    compat: str = ""
    source: str = ""
    note: str = ""

    @cached_property
    def sha256(self) -> str:
        """Hash of everything that decides a result: all fields but `source` and `note`."""
        content = asdict(self)
        del content["source"], content["note"]
        return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
