"""What a user's folder holds of a data set: its lists, whatever their form and place, and its videos.

Nobody keeps data sets in the same way, so files are recognised by what they hold: a list file belongs to the data set
whose classes it names; its own name, and those of the folders above it, only settle what the content leaves open.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

from gerund.bench.datasets.catalog import DATASETS, Dataset, kinetics_zsl_classes
from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.datasets.lists import READERS, ListFormat, read_metas, read_paths, recognise, stem_of, subset_of
from gerund.errors import UsageError
from gerund.text.names import read_vocabulary
from gerund.video.reader import VIDEO_SUFFIXES

_LIST_SUFFIXES = frozenset((".txt", ".csv", ".json", ".jsonl", ".list"))
_MOST_FIRST: tuple[ListFormat, ...] = (
    "annotations",
    "table",
    "classwise",
    "kinetics",
    "templates",
    "hmdb",
    "metas",
    "paths",
)
_SHORT = 5
_FEWEST_KNOWN = 0.5
_FEWEST_KNOWN_UNNAMED = 0.95


@dataclass(frozen=True)
class FoundList:
    """A file that says what videos show.

    Attributes:
        path: where it is.
        format: how it says it.
        videos: what it says, with the data set's ids, classes and subsets.
        unknown: labels that are no class of the data set, with how many videos have them.
    """

    path: Path
    format: ListFormat
    videos: tuple[ListedVideo, ...]
    unknown: Mapping[str, int]


@dataclass(frozen=True)
class Inventory:
    """All that was found of a data set in a folder.

    Attributes:
        dataset: the data set.
        root: the folder.
        lists: the files that were used, in the order of their use.
        unused: files that look like lists of it and were not used, with the reason.
        listing: the videos; those with an unknown label are not among them.
        files: for each listed video that is there, its file.
        unlisted: how many videos are there that no list names.
        unlabelled: listed videos of which no file says the class.
    """

    dataset: Dataset
    root: Path
    lists: tuple[FoundList, ...]
    unused: tuple[tuple[Path, str], ...]
    listing: Listing
    files: Mapping[str, Path]
    unlisted: int
    unlabelled: tuple[str, ...]

    @property
    def unknown(self) -> Counter[str]:
        """Labels that are no class of the data set, with how many videos have them."""
        return sum((Counter(found.unknown) for found in self.lists), Counter())


def take_stock(dataset: Dataset, root: Path) -> Inventory:
    """All that is in a folder of a data set, good or bad.

    Where the lists do not name all videos, those that lie in folders with the names of classes are added.

    Raises:
        UsageError: the folder is not there, a list cannot be read, or two lists contradict each other.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: there is no such folder; give the one that holds your data sets")
    lists, unused, files = _find_lists(dataset, root)
    videos = _merge(dataset, lists)
    if len(videos) < dataset.expected.get("videos", 1):
        _add_class_folders(dataset, root, files, videos)
    if dataset.partition:
        _add_train_lists(dataset, videos)
    may_lack_label = {"annotations", "templates"} & set(dataset.formats)  # no action annotated, or a hidden test label
    labelled = tuple(video for video in videos.values() if video.label or may_lack_label)
    unlabelled = tuple(video.video for video in videos.values() if not video.label and not may_lack_label)
    listing = Listing(dataset.name, labelled)
    there = _match(dataset, listing, files)
    unlisted = len(files) - len(there)
    return Inventory(dataset, root, lists, unused, listing, there, unlisted, unlabelled)


def _find_lists(
    dataset: Dataset, root: Path
) -> tuple[tuple[FoundList, ...], tuple[tuple[Path, str], ...], dict[str, Path]]:
    """The list files, those that were passed over with the reason, and all videos by their id."""
    found: list[FoundList] = []
    unused: list[tuple[Path, str]] = []
    files: dict[str, Path] = {}
    for path in _walk(dataset, root):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            files.setdefault(dataset.video_id(stem_of(path.name)), path)
            continue
        named = _hint(path, root) == dataset.name
        try:
            form = recognise(path)
            candidate = _read(dataset, path, form, named=named) if form in dataset.formats else None
        except UsageError as error:
            if named:
                raise
            unused.append((path, str(error)))
            continue
        if candidate:
            found.append(candidate)
        elif named and form in dataset.formats:
            unused.append((path, f"most of its labels are no classes of {dataset.title}"))
        elif named and form is None and any(fnmatch(path.name, p.rsplit("/", 1)[-1]) for p in dataset.list_files):
            unused.append((path, "it has the name of a list, but lists no videos"))
    annotations = sorted((f for f in found if f.format == "annotations"), key=lambda f: (-len(f.videos), f.path))
    for other in annotations[1:]:
        unused.append((other.path, f"annotations are taken from {annotations[0].path.name}"))
    kept = [f for f in found if f.format != "annotations"] + annotations[:1]
    kept.sort(key=lambda f: (_MOST_FIRST.index(f.format), f.path))
    return tuple(kept), tuple(unused), files


def _walk(dataset: Dataset, root: Path) -> Iterator[Path]:
    """Videos and possible lists, in order, but for folders that name another data set."""
    visited: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(root, followlinks=True):
        status = os.stat(place)
        if (status.st_dev, status.st_ino) in visited:
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(f for f in folders if not f.startswith(".") and _names(f) in ("", dataset.name))
        for name in sorted(names):
            ending = Path(name).suffix.lower()
            if ending in VIDEO_SUFFIXES or (ending in _LIST_SUFFIXES and _names(name) in ("", dataset.name)):
                yield Path(place, name)


def _names(part: str) -> str:
    """The data set that a file or folder is named after; ``""`` for none or several."""
    words = re.split(r"[\W_]+", part.casefold())
    bare = "".join(words)
    found = [
        dataset.name
        for dataset in DATASETS.values()
        if any(
            nickname in bare if len(nickname) > _SHORT else any(word.startswith(nickname) for word in words)
            for nickname in dataset.nicknames
        )
    ]
    return found[0] if len(found) == 1 else ""


def _hint(path: Path, root: Path) -> str:
    """The data set that a path is named after, the nearest part first."""
    parts = [root.resolve().name, *path.relative_to(root).parts]
    return next((named for part in reversed(parts) if (named := _names(part))), "")


def _read(dataset: Dataset, path: Path, form: ListFormat, *, named: bool) -> FoundList | None:
    """The file as a list of the data set; None when it is one of another."""
    if form == "paths":
        videos = read_paths(path, dataset.classes)
    elif form == "metas":
        videos = read_metas(path, _kinetics_zsl_classes())
    else:
        videos = READERS[form](path)
    labels = {_label(dataset, video) for video in videos} - {"", *dataset.ignored}
    labels |= {label for video in videos for _, _, label in video.segments} - set(dataset.ignored)
    if not _belongs(dataset, labels, named=named):
        return None
    subset, official = ("", "") if form == "hmdb" else _role(dataset, path)  # HMDB51's say it line by line
    clean, unknown = _clean(dataset, videos, subset, frozenset({official} - {""}))
    return FoundList(path, form, tuple(clean), unknown)


def _belongs(dataset: Dataset, labels: set[str], *, named: bool) -> bool:
    if not labels:
        return named
    share = _share(dataset, labels)
    if named:
        return share >= _FEWEST_KNOWN
    return share >= _FEWEST_KNOWN_UNNAMED and all(share >= _share(other, labels) for other in DATASETS.values())


def _share(dataset: Dataset, labels: set[str]) -> float:
    return sum(dataset.class_of(label) is not None for label in labels) / len(labels)


def _label(dataset: Dataset, video: ListedVideo) -> str:
    """The label that a list gives; where it is not a class, what the video's name says may be one."""
    if dataset.class_of(video.label) is None:
        named = dataset.label_in(dataset.video_id(video.video))
        if dataset.class_of(named) is not None:
            return named
    return video.label


def _clean(
    dataset: Dataset, videos: list[ListedVideo], subset: str, lists: frozenset[str]
) -> tuple[list[ListedVideo], dict[str, int]]:
    """Videos in the data set's own terms, and how many have labels that it does not know."""
    kept: list[ListedVideo] = []
    unknown: Counter[str] = Counter()
    for video in videos:
        segments = tuple(s for s in video.segments if s[2] not in dataset.ignored)
        given = {label for _, _, label in segments} or {_label(dataset, video)} - {"", *dataset.ignored}
        strange = [label for label in given if dataset.class_of(label) is None]
        unknown.update(strange)
        if strange:
            continue
        actions = tuple((start_s, end_s, dataset.class_of(label) or "") for start_s, end_s, label in segments)
        label = actions[0][2] if actions else dataset.class_of(next(iter(given), "")) or ""
        kept.append(
            ListedVideo(
                dataset.video_id(video.video),
                label,
                video.subset or subset,
                video.lists | lists,
                actions,
                video.duration_s,
                video.fps,
            )
        )
    return kept, unknown


def _role(dataset: Dataset, path: Path) -> tuple[str, str]:
    """Subset and official list that the names of a file and its folder stand for."""
    if "test1" in dataset.expected:  # train and test by number; some call the test list of such data "val"
        here = f"{path.parent.name.lower()}/{path.stem.lower()}"
        role = re.search(r"(?:^|[/_])(train|test|val)(?:list|_split)?_?0?(\d?)$", here)
        number = role and (role[2] or (re.findall(r"split_?0?(\d)/", here) or [""])[0])
        return "", f"{role[1].replace('val', 'test')}{number}" if role and number else ""
    words = [*re.split(r"[\W_]+", path.stem), path.parent.name]
    subset = next((subset_of(word) for word in words if subset_of(word)), "")
    split = re.search(r"_(s\d|video_metas)$", path.stem)  # LoCATe-GAT's and ER-ZSAR's Kinetics lists
    return subset, f"{subset}-{split[1]}" if subset and split else ""


def _merge(dataset: Dataset, lists: tuple[FoundList, ...]) -> dict[str, ListedVideo]:
    """All lists as one, each video once.

    Raises:
        UsageError: two lists disagree on a video's class or subset.
    """
    merged: dict[str, ListedVideo] = {}
    said_by: dict[str, Path] = {}
    for found in lists:
        for video in found.videos:
            known = merged.get(video.video)
            if known is None:
                merged[video.video], said_by[video.video] = video, found.path
                continue
            annotated = {label for _, _, label in known.segments}
            if video.label not in ("", known.label, *annotated) and known.label:
                raise UsageError(
                    f"{found.path} calls {video.video} {video.label!r}, {said_by[video.video]} {known.label!r}; "
                    f"remove the wrong list of {dataset.title}"
                )
            if video.subset not in ("", known.subset) and known.subset:
                raise UsageError(
                    f"{found.path} has {video.video} in {video.subset}, {said_by[video.video]} in {known.subset}; "
                    f"remove the wrong list of {dataset.title}"
                )
            merged[video.video] = replace(
                known,
                label=known.label or video.label,
                subset=known.subset or video.subset,
                lists=known.lists | video.lists,
            )
    return merged


def _add_class_folders(dataset: Dataset, root: Path, files: Mapping[str, Path], videos: dict[str, ListedVideo]) -> None:
    """Adds the videos that lie in a folder with the name of a class, in the order of the classes."""
    places = {name: place for place, name in enumerate(dataset.classes)}
    found: list[tuple[int, str, ListedVideo]] = []
    for video, path in files.items():
        label = dataset.class_of(path.parent.name) if path.parent != root else None
        if label is None:
            continue
        if video in videos:
            videos[video] = replace(videos[video], label=videos[video].label or label)
            continue
        subset = "" if "test1" in dataset.expected else subset_of(path.parent.parent.name)
        found.append((places[label], video, ListedVideo(video, label, subset)))
    videos.update((video, listed) for _, video, listed in sorted(found, key=lambda item: item[:2]))


def _add_train_lists(dataset: Dataset, videos: dict[str, ListedVideo]) -> None:
    """Where only an official test list is here, whole, the other videos are the training list."""
    if len(videos) != dataset.expected["videos"]:
        return
    for number in "123":
        on = {role: sum(f"{role}{number}" in video.lists for video in videos.values()) for role in ("train", "test")}
        if not on["train"] and on["test"] == dataset.expected[f"test{number}"]:
            for video in videos.values():
                if f"test{number}" not in video.lists:
                    videos[video.video] = replace(video, lists=video.lists | {f"train{number}"})


def _match(dataset: Dataset, listing: Listing, files: Mapping[str, Path]) -> dict[str, Path]:
    """The file of every listed video that is there."""
    there = {video.video: files[video.video] for video in listing if video.video in files}
    if dataset.kinetics_names:
        for video in listing:
            if video.video not in there and video.video[:11] in files:
                there[video.video] = files[video.video[:11]]
    return there


def _kinetics_zsl_classes() -> tuple[str, ...]:
    """The 620 classes of ER-ZSAR's lists: those of Kinetics-400, then the 220 of its benchmark by name."""
    return read_vocabulary("kinetics400") + kinetics_zsl_classes()
