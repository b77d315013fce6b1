"""Counts of the videos, actions and windows that a protocol chooses, against the numbers that others documented."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from gerund.bench.datasets import CheckReport, check, find_dataset
from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.benchmarks import PROTOCOLS
from gerund.bench.protocols.checks import Check, documented
from gerund.errors import UsageError
from gerund.methods.localizers.windows import Action, cut_windows, keep_actions, place_actions, window_span_s
from gerund.reading import parse_json

_STRIDE = 8
_HEAD_BYTES = 4096
_MOST_SAID = 3


class _LackingError(Exception):
    """Something that a count needs is not in the folder."""


class Counting:
    """Counts from the lists in a folder; every data set is read once.

    Args:
        root: the folder; None to say of everything what would be needed.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._reports: dict[str, CheckReport | UsageError | None] = {}

    def check_benchmark(self, benchmark: Benchmark) -> list[Check]:
        """Compares what a protocol chooses with what is documented of it; empty where nothing is."""
        for dataset in (benchmark.train_on, benchmark.test_on):
            self._report(dataset)
        counters: dict[str, Callable[[Benchmark, Listing], Iterator[str]]] = {
            "videos tested": _wrong_tested,
            "videos for validation": _wrong_validation,
            "videos in all": _wrong_in_all,
            "windows": self._wrong_windows,
        }
        return [
            self._count(benchmark, what, wrong)
            for what, wrong in counters.items()
            if _expected(benchmark, what) is not None
        ]

    def check_datasets(self) -> list[Check]:
        """Compares the lists of all data sets asked for so far with what their authors published."""
        checks = []
        for name in self._reports:
            checks.append(self._check_lists(name))
            if name == "thumos14" and (listing := self._listing(name)):
                wrong = list(_wrong_thumos14(listing))
                checks.append(Check(name, "actions of each class", "failed" if wrong else "ok", _said(wrong)))
        return checks

    def _report(self, dataset: str) -> CheckReport | UsageError | None:
        if dataset not in self._reports:
            report: CheckReport | UsageError | None = None
            if self._root is not None:
                try:
                    report = check(dataset, self._root)
                except UsageError as error:
                    if not self._root.is_dir():
                        raise
                    report = error
            self._reports[dataset] = report
        return self._reports[dataset]

    def _listing(self, dataset: str) -> Listing | None:
        report = self._report(dataset)
        return report.stock.listing if isinstance(report, CheckReport) and len(report.stock.listing) else None

    def _check_lists(self, name: str) -> Check:
        report, dataset = self._report(name), find_dataset(name)
        if isinstance(report, UsageError):
            return Check(name, "lists", "failed", str(report))
        if report is None or not len(report.stock.listing):
            return Check(name, "lists", "not checked", f"put {' or '.join(dataset.list_files)} into the data folder")
        wrong = [f"{count} videos with the unknown label {label!r}" for label, count in report.stock.unknown.items()]
        if report.stock.unlabelled:
            wrong.append(f"no list says what {len(report.stock.unlabelled)} videos show")
        wrong += [
            f"{what}: {found} instead of {expected}" for what, found, expected in report.counts if 0 < found != expected
        ]
        if wrong:
            return Check(name, "lists", "failed", _said(wrong))
        absent = [what for what, found, _ in report.counts if not found]
        return Check(name, "lists", "ok", f"no list of {', '.join(absent)} here" if absent else "")

    def _count(self, benchmark: Benchmark, what: str, wrong: Callable[[Benchmark, Listing], Iterator[str]]) -> Check:
        listing = self._listing(benchmark.test_on)
        if listing is None:
            needed = " or ".join(find_dataset(benchmark.test_on).list_files)
            return Check(benchmark.name, what, "not checked", f"needs {needed} in the data folder")
        try:
            found = list(wrong(benchmark, listing))
        except _LackingError as error:
            return Check(benchmark.name, what, "not checked", str(error))
        return Check(benchmark.name, what, "failed" if found else "ok", _said(found))

    def _wrong_windows(self, benchmark: Benchmark, listing: Listing) -> Iterator[str]:
        """Training and test windows as GAP's released code cuts them."""
        expected = _expected(benchmark, "windows")
        for place, split in enumerate(benchmark.splits):
            training = _windows(_of_subset(benchmark, listing, benchmark.train_subset), split.seen, self._lengths, True)
            yield from _compare(f"split {split.name}, training", training, expected["training"][place])
            test = _windows(_of_subset(benchmark, listing, benchmark.test_subset), split.unseen, self._lengths, False)
            yield from _compare(f"split {split.name}, test", test, expected["test"][place])
        lengths = [self._length(video) for video in _of_subset(benchmark, listing, benchmark.test_subset)]
        in_all = sum(len(cut_windows(length, training=False)) for length in lengths)
        yield from _compare("test windows of every split", [in_all], [documented("test windows")])

    def _length(self, video: ListedVideo) -> int:
        return self._lengths[video.video]

    @cached_property
    def _lengths(self) -> Mapping[str, int]:
        """TrackSource of every THUMOS14 video, one for 8 frames, from a file such as GAP releases."""
        for place, folders, names in os.walk(self._root or "", followlinks=True):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".json") and _holds_lengths(Path(place, name)):
                    content = parse_json(Path(place, name).read_text(encoding="utf-8"))
                    return {video: int(entry["snippet_length"]) for video, entry in content.items()}
        raise _LackingError("needs GAP's info.json of 8-frame features in the data folder")


def _expected(benchmark: Benchmark, what: str) -> Any:
    """The documented numbers of a protocol: those that ship with gerund, or that came with its file; None for none."""
    own = PROTOCOLS[benchmark.name].counts if benchmark.name in PROTOCOLS else {}
    return documented(what).get(benchmark.name, own.get(what))


def _wrong_tested(benchmark: Benchmark, listing: Listing) -> Iterator[str]:
    expected, variants = _expected(benchmark, "videos tested"), documented("variants").get(benchmark.name, {})
    if benchmark.name == "kinetics600-220" and not _has_list("test-", listing):
        raise _LackingError("needs the lists of ER-ZSAR or LoCATe-GAT (zsar_tst_k600_s0.csv, ...) in the data folder")
    for split, number in zip(benchmark.splits, expected, strict=False):
        asked = [
            video for video in _of_subset(benchmark, listing, benchmark.test_subset) if _is_on(split.test_list, video)
        ]
        if split.test_list and not asked:
            raise _LackingError(f"needs the official {split.test_list} list in the data folder")
        if benchmark.task == "localization":
            actions = [len(benchmark.truth(video, split.unseen)) for video in asked]
            found = [sum(map(bool, actions)), sum(actions)]
        elif benchmark.task == "base-to-novel":
            found = [sum(video.label in side for video in asked) for side in (split.seen, split.unseen)]
        else:
            found = [sum(video.label in (split.unseen or split.seen) for video in asked)]
        variant = variants.get(str(found[0]), "")
        for problem in _compare(f"split {split.name}", found, number if isinstance(number, list) else [number]):
            yield f"{problem} ({variant})" if variant else problem


def _wrong_validation(benchmark: Benchmark, listing: Listing) -> Iterator[str]:
    if not _has_list("validation-", listing):
        raise _LackingError("needs the lists of ER-ZSAR or LoCATe-GAT (zsar_val_k600_s0.csv, ...) in the data folder")
    for split, number in zip(benchmark.splits, _expected(benchmark, "videos for validation"), strict=True):
        found = sum(video.label in split.validation for video in _of_subset(benchmark, listing, "validation"))
        yield from _compare(f"split {split.name}", [found], [number])


def _wrong_in_all(benchmark: Benchmark, listing: Listing) -> Iterator[str]:
    """Videos of any class of a protocol that leaves some out."""
    found = len(_of_subset(benchmark, listing, ""))
    yield from _compare("seen and unseen", [found], [_expected(benchmark, "videos in all")])


def _wrong_thumos14(listing: Listing) -> Iterator[str]:
    """Actions and videos of each class, and that whatever is a CliffDiving is annotated as Diving too."""
    for label, expected in documented("thumos14 actions").items():
        found: list[int] = []
        for subset in ("validation", "test"):
            actions = [len(_actions(video, [label])) for video in listing if video.subset == subset]
            found += [sum(actions), sum(map(bool, actions))]
        yield from _compare(f"{label} (actions and videos, validation and test)", found, expected)
    for subset, number in documented("thumos14 duplicates").items():
        twice = 0
        for video in listing:
            dives = {(start_s, end_s) for start_s, end_s, label in video.segments if label == "Diving"}
            cliff = [(start_s, end_s) for start_s, end_s, label in video.segments if label == "CliffDiving"]
            twice += sum(span in dives for span in cliff) if video.subset == subset else 0
        yield from _compare(f"CliffDiving that is Diving too, {subset}", [twice], [number])


def _windows(
    videos: Sequence[ListedVideo], classes: Sequence[str], lengths: Mapping[str, int], training: bool
) -> list[int]:
    """Videos with an action of the classes, such actions, windows with one, and actions placed in windows."""
    counts = [0, 0, 0, 0]
    for video in videos:
        actions = keep_actions(video.segments, set(classes), longer_than_s=_STRIDE / video.fps)
        if not actions:
            continue
        placed = _placed(video, actions, lengths, training)
        for place, more in enumerate((1, len(actions), sum(map(bool, placed)), sum(placed))):
            counts[place] += more
    return counts if training else counts[:3]


def _placed(video: ListedVideo, actions: list[Action], lengths: Mapping[str, int], training: bool) -> list[int]:
    """How many actions each window holds."""
    windows = cut_windows(lengths[video.video], training=training)
    rate = video.fps / _STRIDE
    return [len(place_actions(actions, window_span_s(window, rate, compat="gap"))) for window in windows]


def _holds_lengths(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b'"snippet_length"' in head and b'"video_' in head


def _of_subset(benchmark: Benchmark, listing: Listing, subset: str) -> list[ListedVideo]:
    return [v for v in listing if subset in ("", v.subset) and v.video not in benchmark.excluded]


def _has_list(beginning: str, listing: Listing) -> bool:
    return any(name.startswith(beginning) for video in listing for name in video.lists)


def _is_on(name: str, video: ListedVideo) -> bool:
    return not name or name in video.lists


def _actions(video: ListedVideo, classes: Sequence[str]) -> list[Action]:
    return [action for action in video.segments if action[2] in classes]


def _compare(what: str, found: Sequence[int], expected: Sequence[int | None]) -> Iterator[str]:
    """A sentence where numbers differ; one that is not documented is None."""
    if any(number is not None and number != there for there, number in zip(found, expected, strict=True)):
        wanted = ", ".join("?" if number is None else str(number) for number in expected)
        yield f"{what}: {', '.join(map(str, found))} instead of {wanted}"


def _said(problems: Sequence[str]) -> str:
    more = f"; and {len(problems) - _MOST_SAID} more" if len(problems) > _MOST_SAID else ""
    return "; ".join(problems[:_MOST_SAID]) + more
