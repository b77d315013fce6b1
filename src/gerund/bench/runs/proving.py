"""Reports proved: computed again from the saved answers, and compared with the report of a second run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import load_answers
from gerund.bench.runs.learning import SplitRun
from gerund.bench.runs.report import Report, split_result, summarise
from gerund.bench.runs.schema import ReportData, SplitResult
from gerund.errors import GerundError, UsageError

_TOLERANCE = 1e-9
_MOST_SAID = 3
_SAME_METHOD = ("benchmark", "method", "features", "texts", "trained_on", "same_actions")
_SAME_SPLIT = (
    "metrics", "overlap_free", "num_train", "num_test", "missing", "settings", "chosen", "batch_independent",
)  # fmt: skip


@dataclass(frozen=True)
class Recomputed:
    """Figures that follow from the saved answers.

    Attributes:
        figures: for every split those that the report has, all the same as there.
        new: names of figures that this gerund computes and the report has not on some split.
    """

    figures: Mapping[str, Mapping[str, float]]
    new: tuple[str, ...]


def recompute(report: Report, folder: Path, benchmark: Benchmark) -> Recomputed:
    """Computes the figures of a report again from its saved answers: those of the splits and their summary.

    Args:
        report: as read.
        folder: where its predictions lie.
        benchmark: its protocol.

    Raises:
        UsageError: there are no answers, or the report names splits or files that it cannot have.
        GerundError: the protocol or the answers are not those of the report, or give other figures.
    """
    data = report.data
    if data.benchmark.sha256 != benchmark.sha256:
        raise GerundError(
            f"the report was made under another {benchmark.name}: its hash is {data.benchmark.sha256[:12]}, "
            f"this one's {benchmark.sha256[:12]}"
        )
    _require_splits(data, benchmark)
    answers = load_answers(saved_answers(data, folder))
    again = []
    for split in data.splits:
        mine = [answer for answer in answers if answer.split == split.name]
        done = SplitRun(split.name, mine, trained_on=tuple(split.trained_on_classes))
        entry = split_result(benchmark, done, data.trained_on, data.same_actions)
        if split.classes:
            _require_same(f"split {split.name}, classes", _by_class(split), _by_class(entry), False)
        for what in ("overlap_free", "num_test", "metrics"):
            _require_same(f"split {split.name}, {what}", getattr(split, what), getattr(entry, what), what == "metrics")
        again.append(entry)
    _require_same("the summary", data.summary, summarise(again), True)
    return Recomputed({split.name: split.metrics for split in data.splits}, _new(data.splits, again))


def differences(before: Report, after: Report) -> list[str]:
    """How two reports of one request differ, a line each; empty when everything that was measured is the same.

    Times, versions and machines may differ. Figures may by a billionth, which is rounding; one that the first report
    does not know yet is none of its claims, see `new_figures`. Nor is a setting that methods have got since.
    """
    found = []
    for key in _SAME_METHOD:
        was, now = (_plain(getattr(one.data, key)) for one in (before, after))
        if key == "method":
            now["settings"] = {name: value for name, value in now["settings"].items() if name in was["settings"]}
        if was != now:
            found.append(f"{key}: {was} before, {now} now")
    old, new = ({split.name: split for split in one.data.splits} for one in (before, after))
    for name in dict.fromkeys([*old, *new]):
        for key in _SAME_SPLIT:
            was, now = (_plain(getattr(of.get(name), key, None)) for of in (old, new))
            both = name in old and name in new
            found += [f"split {name}: {line}" for line in _unlike(key, was, now, both and key == "metrics")]
        if name in old and name in new and old[name].classes:
            lines = _unlike("class", _by_class(old[name]), _by_class(new[name]))
            found += [f"split {name}: {line}" for line in lines[:_MOST_SAID]]
    return found + _unlike("summary", _plain(before.data.summary), _plain(after.data.summary), True)


def new_figures(before: Report, after: Report) -> tuple[str, ...]:
    """Names of figures that the second report has on a split where the first has not."""
    return _new(before.data.splits, after.data.splits)


def _new(before: Collection[SplitResult], after: Collection[SplitResult]) -> tuple[str, ...]:
    old = {split.name: split.metrics for split in before}
    return tuple(dict.fromkeys(name for of in after for name in of.metrics if name not in old.get(of.name, {name})))


def _by_class(split: SplitResult) -> dict[str, Any]:
    """What was answered to the videos of every class, by exam, number and name."""
    return {
        f"{one.exam} {number}".strip(): {
            "seen classes": one.num_seen,
            "accuracy of": dict(one.accuracy),
            "answers to": dict(zip(one.accuracy, one.confusion, strict=True)),
        }
        for number, one in enumerate(split.classes)
    }


def _require_splits(data: ReportData, benchmark: Benchmark) -> None:
    names = [split.name for split in data.splits]
    there = [split.name for split in benchmark.splits]
    if strange := [name for name in names if name not in there or names.count(name) > 1]:
        raise UsageError(
            f"the report has a split {strange[0]!r} that {benchmark.name} has not, or has it twice; there are "
            f"{', '.join(there)}"
        )


def saved_answers(data: ReportData, folder: Path) -> Path:
    """The file of a report's answers, beside it and nowhere else.

    Raises:
        UsageError: none was saved, or it is not there.
        GerundError: it is not the file that the report was made from.
    """
    saved = data.predictions
    if not saved.file:
        raise UsageError("this report was made without saving answers; evaluate with --out")
    path = folder / saved.file
    if saved.file in (".", "..") or Path(saved.file).name != saved.file or "\\" in saved.file:
        raise UsageError(f"predictions.file must be the name of a file beside the report, got {saved.file!r}")
    if not path.is_file():
        raise UsageError(f"{path}: the answers of this report are not there")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != saved.sha256:
        raise GerundError(f"{path}: these are not the answers that the report was made from; its sha256 differs")
    return path


def _unlike(name: str, was: Any, now: Any, only_known: bool = False) -> list[str]:
    """Where two values differ by more than rounding; with `only_known`, what the first has not is no difference."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        names = dict.fromkeys([*was, *(() if only_known else now)])
        return [line for key in names for line in _unlike(f"{name} {key}", was.get(key), now.get(key))]
    if isinstance(was, float) and isinstance(now, int | float) and abs(was - now) <= _TOLERANCE * max(1.0, abs(was)):
        return []
    return [] if was == now else [f"{name} {was} before, {now} now"]


def _require_same(what: str, reported: Any, again: Any, only_known: bool) -> None:
    lines = _unlike(what, _plain(reported), _plain(again), only_known)
    if lines:
        raise GerundError(f"{lines[0].replace(' before, ', ' in the report, ').removesuffix(' now')} from the answers")


def _plain(value: Any) -> Any:
    """A value as JSON would give it back."""
    return msgspec.to_builtins(value)
