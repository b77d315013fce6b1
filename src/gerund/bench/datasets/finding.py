"""Finds data sets by name, and their lists and videos in a folder of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from gerund.bench.datasets.catalog import DATASETS, Dataset
from gerund.bench.datasets.folders import Inventory, take_stock
from gerund.bench.datasets.listing import Listing
from gerund.errors import UsageError

_NAMED = 5


def find_dataset(name: str) -> Dataset:
    """The data set of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in DATASETS:
        near = get_close_matches(name, DATASETS, n=1, cutoff=0.5)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(f"no data set {name!r}{meant}; there are {', '.join(DATASETS)}")
    return DATASETS[name]


def find_files(dataset: Dataset | str, root: str | Path) -> dict[str, Path]:
    """The file of every listed video that is in a folder, by the video's id.

    Kinetics videos are also found under their YouTube id alone.

    Raises:
        UsageError: the folder is not there, a list cannot be read, or two lists contradict each other.
    """
    return dict(take_stock(_as_dataset(dataset), Path(root)).files)


def read_listing(dataset: Dataset | str, root: str | Path) -> Listing:
    """The videos of a data set as the list files under a folder give them.

    Where these do not name all videos, those that lie in folders with the names of classes are added.

    Raises:
        UsageError: the folder is not there, nothing in it lists videos of the data set, two lists contradict each
            other, a label is no class, or no list says the class of a video.
    """
    found = take_stock(_as_dataset(dataset), Path(root))
    dataset = found.dataset
    if found.unknown:
        path = next(each.path for each in found.lists if each.unknown)
        label, count = found.unknown.most_common(1)[0]
        near = get_close_matches(label, dataset.classes, n=1, cutoff=0.4)
        raise UsageError(
            f"{path}: {len(found.unknown)} labels are no class of {dataset.title}, such as {label!r} ({count} videos)"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    if found.unlabelled:
        raise UsageError(
            f"{root}: no list says what {len(found.unlabelled)} videos of {dataset.title} show, such as "
            f"{found.unlabelled[0]}; put a list with classes there, or the videos in folders named after them"
        )
    if not found.listing.videos:
        raise UsageError(
            f"{root}: no list of {dataset.title} videos and no folder with the name of one of its classes; put "
            f"{' or '.join(dataset.list_files)} there, from {dataset.source}"
        )
    return found.listing


@dataclass(frozen=True)
class CheckReport:
    """Whether a user's copy of a data set is whole.

    Attributes:
        stock: what was found.
        counts: for each thing counted ``(what, found, expected)``; nothing found means that its list is not there.
        missing: listed videos that are not there.
        empty: files of no bytes.
    """

    stock: Inventory
    counts: tuple[tuple[str, int, int], ...]
    missing: tuple[str, ...]
    empty: tuple[Path, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing or broken, one sentence each; empty when all is well."""
        return tuple(self._problems())

    def render(self) -> str:
        """The report as plain text."""
        stock, dataset = self.stock, self.stock.dataset
        lines = [f"{dataset.title}: {len(dataset.classes)} classes, in {stock.root}", "", "lists"]
        for each in stock.lists:
            lines.append(f"  {each.path.relative_to(stock.root)}  {each.format}, {len(each.videos)} videos")
        lines += [f"  {path.relative_to(stock.root)}  not used: {reason}" for path, reason in stock.unused]
        if not stock.lists:
            lines.append("  none")
        lines += ["", "counts"]
        for what, found, expected in self.counts:
            said = "as published" if found == expected else f"published: {expected}"
            lines.append(f"  {what:<20} {found:>8}  {said}")
        if not any(what == "videos" for what, _, _ in self.counts):
            lines.append(f"  {'videos':<20} {len(stock.listing):>8}")
        lines += ["", "videos on disk", f"  {len(stock.files)} of {len(stock.listing)} listed ones"]
        if stock.unlisted:
            lines.append(f"  {stock.unlisted} that no list names")
        lines += ["", "all is well" if not self.problems else "to mend"]
        lines += [f"  {problem}" for problem in self.problems]
        return "\n".join(lines)

    def _problems(self) -> Iterator[str]:
        stock, dataset = self.stock, self.stock.dataset
        if not stock.listing.videos:
            yield f"no list: put {' or '.join(dataset.list_files)} here, from {dataset.source}"
        for label, count in stock.unknown.most_common():
            near = get_close_matches(label, dataset.classes, n=1, cutoff=0.4)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            yield f"{count} videos have the label {label!r}, which is no class{meant}"
        if stock.unlabelled:
            yield f"no list says what {len(stock.unlabelled)} videos show, such as {stock.unlabelled[0]}"
        for what, found, expected in self.counts:
            if not found and stock.listing.videos:
                yield f"{what}: no list gives them; there should be {expected}"
            elif found != expected and stock.listing.videos:
                yield f"{what}: {found} instead of {expected}"
        if self.missing and not stock.files:
            yield f"no video is here; usual places: {', '.join(dataset.video_files)}"
        elif self.missing:
            yield f"{len(self.missing)} videos are missing: {_few(self.missing)}"
        if self.empty:
            yield f"{len(self.empty)} videos are empty files: {_few([str(path) for path in self.empty])}"


def check(dataset: Dataset | str, root: str | Path) -> CheckReport:
    """Compares what is in a folder with what the data set's authors published.

    Videos are not opened: one that cannot be decoded is found when it is read.

    Raises:
        UsageError: the folder is not there, a list cannot be read, or two lists contradict each other.
    """
    dataset = _as_dataset(dataset)
    stock = take_stock(dataset, Path(root))
    counts = tuple((what, _count(stock.listing, what), expected) for what, expected in dataset.expected.items())
    missing = tuple(video.video for video in stock.listing if video.video not in stock.files)
    empty = tuple(sorted(path for path in stock.files.values() if path.stat().st_size == 0))
    return CheckReport(stock, counts, missing, empty)


def _as_dataset(dataset: Dataset | str) -> Dataset:
    return find_dataset(dataset) if isinstance(dataset, str) else dataset


def _count(listing: Listing, what: str) -> int:
    """How many videos, labelled videos of a subset or official list, or annotated actions of a subset."""
    if what == "videos":
        return len(listing)
    subset, _, actions = what.partition(" ")
    if actions:
        return sum(len(video.segments) for video in listing if video.subset == subset)
    return sum(bool(video.label) and (video.subset == subset or subset in video.lists) for video in listing)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
