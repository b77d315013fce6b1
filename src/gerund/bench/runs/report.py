"""What a run found, with all that is needed to trust it, to repeat it and to compute it again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from gerund.bench.datasets import find_dataset
from gerund.bench.protocols.audit import overlap_free
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.published import published
from gerund.bench.runs.answers import save_answers
from gerund.bench.runs.classes import classes_of
from gerund.bench.runs.learning import SplitRun
from gerund.bench.runs.measuring import measure
from gerund.bench.runs.rendering import as_html, as_markdown, as_text
from gerund.bench.runs.schema import (
    FORMAT,
    Environment,
    Figure,
    MethodUsed,
    OverlapFree,
    Protocol,
    PublishedRow,
    ReportData,
    SavedAnswers,
    SplitResult,
    read_report,
)
from gerund.methods.catalog import plain
from gerund.metrics.accuracy import mean_and_spread
from gerund.writing import write_text

_PACKAGES = ("gerund", "numpy", "av", "openvino", "torch")


@dataclass(frozen=True)
class Report:
    """A run on a benchmark: what was measured, on what, by what; plain data that goes to JSON and back.

    Attributes:
        data: see `ReportData`.
    """

    data: ReportData

    @classmethod
    def read(cls, path: Path) -> Report:
        """Reads what `write` wrote.

        Raises:
            UsageError: the file is not a report.
        """
        return cls(read_report(path))

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """The same as JSON has it: dicts, lists, texts and numbers."""
        return dict(msgspec.to_builtins(self.data))

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        write_text(path, json.dumps(self.content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    def to_text(self) -> str:
        """For a terminal."""
        return as_text(self.data)

    def to_markdown(self) -> str:
        """For a README or a paper's supplement."""
        return as_markdown(self.data)

    def to_html(self) -> str:
        """One page that needs nothing but itself."""
        return as_html(self.data)


def make_report(
    benchmark: Benchmark,
    runs: Sequence[SplitRun],
    *,
    method: str,
    features: Mapping[str, Any],
    texts: Mapping[str, Any],
    trained: str = "",
    trained_on: Sequence[str] = (),
    same_actions: Sequence[tuple[str, str]] = (),
    request: Mapping[str, Any] | None = None,
    predictions: Path | None = None,
    seed: int = 0,
    command: Sequence[str] = (),
    file_sha256: str = "",
    stopped: str = "",
) -> Report:
    """Computes every figure from the answers and puts beside it what it rests on.

    Args:
        benchmark: the protocol.
        runs: what happened on its splits.
        method: its name.
        features: what `TrackSource.describe` says of the training and test features.
        texts: what stood for the classes: ``kind``, ``fingerprint``, and the texts ``of`` each class.
        trained: folder of a method that had learned already.
        trained_on: data sets that the encoder has learned the labels of: the overlap-free figures leave out their
            classes, besides the seen ones.
        same_actions: pairs of classes that are always annotated together.
        request: what was asked for, so that it can be asked again.
        predictions: where the answers are saved.
        seed: of the run.
        command: what was typed.
        file_sha256: of the user's file that the method is in.
        stopped: why the rest of the splits is missing.
    """
    pairs = [(one, other) for one, other in same_actions]
    splits = [split_result(benchmark, done, trained_on, pairs) for done in runs]
    saved = SavedAnswers()
    if predictions is not None:
        save_answers([answer for done in runs for answer in done.answers], predictions)
        saved = SavedAnswers(predictions.name, hashlib.sha256(predictions.read_bytes()).hexdigest())
    return Report(
        ReportData(
            report_format=FORMAT,
            benchmark=_protocol(benchmark),
            method=_method_used(method, trained, runs, file_sha256),
            features=plain(features),
            texts=plain(texts),
            trained_on=list(trained_on),
            same_actions=pairs,
            seed=seed,
            unit="percent",
            splits=splits,
            summary=summarise(splits),
            published=[PublishedRow(**vars(row)) for row in published(benchmark.name)],
            environment=environment(),
            command=plain(list(command)),
            request=plain(dict(request or {})),
            predictions=saved,
            stopped=plain(stopped),
        )
    )


def _protocol(benchmark: Benchmark) -> Protocol:
    same = {
        name: getattr(benchmark, name) for name in Protocol.__struct_fields__ if name not in ("num_splits", "tious")
    }
    return Protocol(**same, num_splits=len(benchmark.splits), tious=list(benchmark.tious))


def environment() -> Environment:
    """Versions and machine class: what a time or a rounding difference may depend on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return Environment(versions, platform.python_version(), machine)


def _method_used(name: str, trained: str, runs: Sequence[SplitRun], file_sha256: str) -> MethodUsed:
    """What the method was, as far as it was the same on every split; what was chosen differs, and is told there."""
    used = [done.used for done in runs if done.used]
    if not used:
        return MethodUsed(name, {}, "found elsewhere")
    settings = used[0]["settings"]
    common = {key: value for key, value in settings.items() if all(of["settings"].get(key) == value for of in used)}
    protocol = used[0]["protocol"] + (f", trained elsewhere ({trained})" if trained else "")
    remarks = list(dict.fromkeys(remark for of in used for remark in of["remarks"]))
    return MethodUsed(plain(name), common, plain(protocol), used[0]["compat"], file_sha256, plain(remarks))


def split_result(
    benchmark: Benchmark, done: SplitRun, trained_on: Sequence[str], same_actions: Sequence[tuple[str, str]]
) -> SplitResult:
    """The figures of one split, and what they rest on."""
    split = next(split for split in benchmark.splits if split.name == done.name)
    others = (*done.trained_on, *(label for name in trained_on for label in find_dataset(name).classes))
    is_checked = bool(split.unseen and (split.seen or others))
    free = frozenset(overlap_free(split, others, duplicates=same_actions) if is_checked else ())
    return SplitResult(
        name=done.name,
        metrics=measure(done.answers, benchmark, free),
        overlap_free=OverlapFree(sorted(free), len(free), len(split.unseen)) if is_checked else OverlapFree(),
        num_train=done.num_train,
        num_test=sum(answer.num_videos for answer in done.answers),
        missing=done.missing,
        settings=plain(done.settings),
        held_out=done.held_out,
        trained_on_classes=list(done.trained_on),
        batch_independent=done.batch_independent,
        wall_s=round(done.wall_s, 3),
        cpu_s=round(done.cpu_s, 3),
        chosen=plain(done.chosen),
        choice=done.choice,
        costs=done.costs,
        classes=classes_of(done.answers),
    )


def summarise(splits: Sequence[SplitResult]) -> dict[str, Figure]:
    """Mean and both deviations of every metric over the splits that have it."""
    found = {}
    for name in dict.fromkeys(name for split in splits for name in split.metrics):
        values = [split.metrics[name] for split in splits if name in split.metrics]
        spread = mean_and_spread(values)
        sample_std = spread.sample_std if len(values) > 1 else None
        found[name] = Figure(spread.mean, spread.population_std, sample_std, len(values))
    return found
