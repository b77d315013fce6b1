"""What gerund knows of each data set: its classes, its official counts, its usual files and folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from gerund.bench.datasets.lists import ListFormat
from gerund.bench.shipped import read_json, read_text
from gerund.text.names import VOCABULARIES, read_vocabulary


@dataclass(frozen=True)
class Dataset:
    """One data set as its authors published it; gerund ships names and counts, never videos or annotations.

    Attributes:
        name: ``"ucf101"``.
        title: as people write it.
        expected: official counts: ``"videos"``, the labelled ones of a subset (``"training"``), an official list
            (``"test1"``), or the annotated actions of a subset (``"training actions"``). Empty where they change as
            videos go offline.
        formats: how its lists may be written.
        nicknames: what files and folders of it have in their names, in lower case without punctuation.
        list_files: patterns of the list files that are usual; others are read too.
        video_files: patterns of its videos in the usual layouts.
        source: where to get it.
        spellings: labels of its files that are not classes by letters and digits alone, with the class they mean.
        ignored: labels that are never a class.
        partition: its official train and test lists name every video between them.
        video_id: a video's id from its file's name without suffix; for most data sets that name itself.
        label_in: finds the class in a video's id, where that holds it.
        kinetics_names: videos are named after a YouTube id and two times, and often after the id only.
    """

    name: str
    title: str
    expected: Mapping[str, int] = field(hash=False)
    formats: tuple[ListFormat, ...]
    nicknames: tuple[str, ...]
    list_files: tuple[str, ...]
    video_files: tuple[str, ...]
    source: str
    spellings: Mapping[str, str] = field(default_factory=dict, hash=False)
    ignored: tuple[str, ...] = ()
    partition: bool = False
    video_id: Callable[[str], str] = field(default=str, compare=False)
    label_in: Callable[[str], str] = field(default=lambda _: "", compare=False)
    kinetics_names: bool = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Its classes in its own order and spelling."""
        return read_vocabulary(self.name) if self.name in VOCABULARIES else _read_names(self.name)

    @cached_property
    def _by_key(self) -> dict[str, str]:
        by_key = {_key(name): name for name in self.classes}
        return by_key | {_key(label): name for label, name in self.spellings.items()}

    def class_of(self, label: str) -> str | None:
        """The class that a label means, whatever its case, spaces and punctuation; None when it means none.

        Example:
            >>> UCF101.class_of("HandstandPushups") == UCF101.class_of("hand stand push-ups"), UCF101.class_of("eat")
            (True, None)
        """
        if label not in self._met:  # a list repeats few labels many times
            self._met[label] = self._by_key.get(_key(label))
        return self._met[label]

    @cached_property
    def _met(self) -> dict[str, str | None]:
        return {}


def _key(label: str) -> str:
    return re.sub(r"[\W_]", "", label.casefold())


def _read_names(name: str) -> tuple[str, ...]:
    return tuple(read_text(f"{name}.txt").splitlines())


def _kinetics(number: int) -> Dataset:
    return Dataset(
        name=f"kinetics{number}",
        title=f"Kinetics-{number}",
        expected={},
        formats=("kinetics", "table", "classwise", "metas", "paths"),
        nicknames=(f"kinetics{number}", f"k{number}"),
        list_files=("train.csv", "validate.csv", "val.csv", "test.csv", "*_video_metas.jsonl"),
        video_files=("train/*/*.mp4", "val/*/*.mp4", "validate/*/*.mp4", "test/*/*.mp4", "*/*.mp4"),
        source="https://github.com/cvdfoundation/kinetics-dataset (videos and lists)",
        kinetics_names=True,
    )


UCF101 = Dataset(
    name="ucf101",
    title="UCF101",
    expected={
        "videos": 13320, "train1": 9537, "test1": 3783, "train2": 9586, "test2": 3734, "train3": 9624, "test3": 3696,
    },
    formats=("table", "classwise", "paths"),
    nicknames=("ucf101", "ucftraintestlist", "ucf"),
    list_files=("ucfTrainTestlist/trainlist0?.txt", "ucfTrainTestlist/testlist0?.txt", "ucf101_videos.csv"),
    video_files=("UCF-101/*/*.avi", "UCF101/*/*.avi", "*/v_*.avi"),
    source="https://www.crcv.ucf.edu/data/UCF101.php (UCF101.rar and UCF101TrainTestSplits-RecognitionTask.zip)",
    partition=True,
    video_id=lambda stem: stem.replace("v_HandstandPushups_", "v_HandStandPushups_"),  # both occur
    label_in=lambda stem: (re.findall(r"^v_(.+)_g\d+_c\d+$", stem) or [""])[0],
)  # fmt: skip

HMDB51 = Dataset(
    name="hmdb51",
    title="HMDB51",
    expected={
        "videos": 6766, "train1": 3570, "test1": 1530, "train2": 3570, "test2": 1530, "train3": 3570, "test3": 1530,
    },
    formats=("table", "classwise", "hmdb", "paths"),
    nicknames=("hmdb51", "testtrainmulti", "hmdb"),
    list_files=("testTrainMulti_7030_splits/*_test_split?.txt", "hmdb51_videos.csv"),
    video_files=("hmdb51_org/*/*.avi", "hmdb51/*/*.avi", "*/*.avi"),
    source="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database "
    "(hmdb51_org.rar and test_train_splits.rar)",
)  # fmt: skip

OLYMPICSPORTS16 = Dataset(
    name="olympicsports16",
    title="Olympic Sports",
    expected={"videos": 783},
    formats=("table", "classwise", "paths"),
    nicknames=("olympicsports16", "olympicsports", "olympic"),
    list_files=("olympicsports_videos.csv",),
    video_files=("*/*.avi", "*/*.mp4", "*/*.seq"),
    source="https://vision.stanford.edu/Datasets/OlympicSports",
    spellings={"gymnastic_vault": "vault"},
)

KINETICS400 = _kinetics(400)
KINETICS600 = _kinetics(600)
KINETICS700 = _kinetics(700)

ACTIVITYNET200 = Dataset(
    name="activitynet200",
    title="ActivityNet 1.3",
    expected={
        "training": 10024, "training actions": 15410, "validation": 4926, "validation actions": 7654,
    },
    formats=("annotations", "classwise"),
    nicknames=("activitynet200", "activitynet", "anet"),
    list_files=("activity_net.v1-3.min.json",),
    video_files=("v_*.mp4", "v_*.mkv", "*/v_*.mp4"),
    video_id=lambda stem: stem[2:] if re.fullmatch(r"v_[\w-]{11}", stem) else stem,  # files have v_ in front
    source="http://activity-net.org/download.html (activity_net.v1-3.min.json)",
)  # fmt: skip

THUMOS14 = Dataset(
    name="thumos14",
    title="THUMOS14",
    expected={
        "validation": 200, "validation actions": 3007, "test": 212, "test actions": 3358,
    },
    formats=("annotations",),
    nicknames=("thumos14", "thumos", "th14"),
    list_files=("thumos14*annotations*.json", "thumos_14_anno.json"),
    video_files=("video_validation_*.mp4", "video_test_*.mp4", "*/video_*_*.mp4"),
    source="https://www.crcv.ucf.edu/THUMOS14/download.html (videos and the temporal annotations of 20 classes)",
    ignored=("Ambiguous",),
)  # fmt: skip

STHV2 = Dataset(
    name="sthv2",
    title="Something-Something v2",
    expected={"validation": 24777},
    formats=("templates", "table", "paths"),
    nicknames=("sthv2", "ssv2", "somethingsomethingv2", "somethingv2"),
    list_files=("something-something-v2-train.json", "something-something-v2-validation.json"),
    video_files=("20bn-something-something-v2/*.webm", "*.webm", "*.mp4"),
    source="https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
)

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        UCF101, HMDB51, OLYMPICSPORTS16, KINETICS400, KINETICS600, KINETICS700, ACTIVITYNET200, THUMOS14, STHV2,
    )
}  # fmt: skip
"""Every data set that a benchmark names."""


def kinetics_zsl_classes() -> tuple[str, ...]:
    """The 220 classes that `kinetics600-220` draws unseen and validation classes from, in alphabetical order.

    Kinetics-600 has 232 names that Kinetics-400 lacks; twelve of them are old classes with a new name.
    """
    lists, names = read_json("protocols.json")["kinetics600-220"], DATASETS["kinetics600"].classes
    return tuple(names[place] for place in sorted({*lists["unseen"][0], *lists["validation"][0]}))
