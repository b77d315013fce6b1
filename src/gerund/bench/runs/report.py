"""What a run found, with all that is needed to trust it, to repeat it and to compute it again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from gerund.bench.protocols.audit import overlap_free
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.published import published
from gerund.bench.runs.answers import load_answers, measure, save_answers
from gerund.bench.runs.learning import SplitRun
from gerund.bench.runs.rendering import as_html, as_markdown, as_text
from gerund.errors import GerundError, UsageError
from gerund.metrics.accuracy import mean_and_spread

_FORMAT = 1
_PACKAGES = ("gerund", "numpy", "av", "openvino", "torch")
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Report:
    """A run on a benchmark: what was measured, on what, by what; plain data that goes to JSON and back.

    Attributes:
        content: see `make_report`.
    """

    content: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Report:
        """Reads what `write` wrote.

        Raises:
            UsageError: the file is not a report.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: expected a report as 'gerund evaluate --out' writes it; {error}") from error
        if not isinstance(content, dict) or content.get("report_format") != _FORMAT:
            raise UsageError(f"{path}: expected a report of format {_FORMAT} as 'gerund evaluate --out' writes it")
        return cls(content)

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(self.content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def to_text(self) -> str:
        """For a terminal."""
        return as_text(self.content)

    def to_markdown(self) -> str:
        """For a README or a paper's supplement."""
        return as_markdown(self.content)

    def to_html(self) -> str:
        """One page that needs nothing but itself."""
        return as_html(self.content)


def make_report(
    benchmark: Benchmark,
    runs: Sequence[SplitRun],
    *,
    method: Mapping[str, Any],
    features: Mapping[str, Any],
    texts: Mapping[str, Any],
    trained_on: Mapping[str, Sequence[str]],
    same_actions: Sequence[tuple[str, str]] = (),
    request: Mapping[str, Any] | None = None,
    predictions: Path | None = None,
    seed: int = 0,
    command: Sequence[str] = (),
) -> Report:
    """Computes every figure from the answers and puts beside it what it rests on.

    Args:
        benchmark: the protocol.
        runs: what happened on its splits.
        method: ``name``, ``settings``, ``protocol`` ("inductive", "class-transductive", ...), ``compat``.
        features: what `Features.describe` says of the training and test features.
        texts: what stood for the classes: ``kind``, ``encoder``, and the texts ``of`` each class.
        trained_on: class names of data sets that the encoder was trained on, by data set: the overlap-free figures
            leave out their classes, besides the seen ones.
        same_actions: pairs of classes that are always annotated together.
        request: what was asked for, so that it can be asked again.
        predictions: where the answers are saved.
        seed: of the run.
        command: what was typed.
    """
    splits = [_split_entry(benchmark, done, trained_on, same_actions) for done in runs]
    names = list(dict.fromkeys(name for split in splits for name in split["metrics"]))
    summary = {}
    for name in names:
        values = [split["metrics"][name] for split in splits if name in split["metrics"]]
        spread = mean_and_spread(values)
        summary[name] = {
            "mean": spread.mean,
            "population_std": spread.population_std,
            "sample_std": spread.sample_std if len(values) > 1 else None,
            "num_splits": len(values),
        }
    saved = {}
    if predictions is not None:
        save_answers([answer for done in runs for answer in done.answers], predictions)
        saved = {"file": predictions.name, "sha256": hashlib.sha256(predictions.read_bytes()).hexdigest()}
    return Report(
        {
            "report_format": _FORMAT,
            "benchmark": {
                "name": benchmark.name,
                "task": benchmark.task,
                "sha256": benchmark.sha256,
                "train_on": benchmark.train_on,
                "test_on": benchmark.test_on,
                "num_splits": len(benchmark.splits),
                "tious": list(benchmark.tious),
                "compat": benchmark.compat,
                "source": benchmark.source,
                "note": benchmark.note,
            },
            "method": dict(method),
            "features": dict(features),
            "texts": dict(texts),
            "trained_on": sorted(trained_on),
            "seed": seed,
            "unit": "percent",
            "splits": splits,
            "summary": summary,
            "published": [vars(row) for row in published(benchmark.name)],
            "environment": environment(),
            "command": list(command),
            "request": dict(request or {}),
            "predictions": saved,
        }
    )


def recompute(report: Report, folder: Path, benchmark: Benchmark) -> dict[str, dict[str, float]]:
    """Computes the figures of a report again from its saved answers.

    Args:
        report: as read.
        folder: where its predictions lie.
        benchmark: its protocol.

    Returns:
        For every split its metrics.

    Raises:
        GerundError: the answers are not those of the report, or give other figures.
    """
    saved = report.content["predictions"]
    if not saved:
        raise UsageError("this report was made without saving answers (--no-predictions)")
    path = folder / saved["file"]
    if not path.is_file():
        raise UsageError(f"{path}: the answers of this report are not there")
    if hashlib.sha256(path.read_bytes()).hexdigest() != saved["sha256"]:
        raise GerundError(f"{path}: these are not the answers that the report was made from; its sha256 differs")
    answers = load_answers(path)
    found = {}
    for split in report.content["splits"]:
        mine = [answer for answer in answers if answer.split == split["name"]]
        free = frozenset(split["overlap_free"]["names"])
        found[split["name"]] = measure(mine, benchmark, free)
        for name, value in split["metrics"].items():
            again = found[split["name"]].get(name)
            if again is None or abs(again - value) > _TOLERANCE * max(1.0, abs(value)):
                raise GerundError(f"split {split['name']}: {name} is {again} from the answers, {value} in the report")
    return found


def differences(before: Report, after: Report) -> list[str]:
    """How two reports of one request differ, a line each; empty when every figure is the same.

    Times, versions and machines may differ. Figures may by a billionth, which is rounding.
    """
    found = []
    for key in ("benchmark", "features", "texts"):
        if before.content[key] != after.content[key]:
            found.append(f"{key}: {before.content[key]} before, {after.content[key]} now")
    old, new = ({split["name"]: split["metrics"] for split in one.content["splits"]} for one in (before, after))
    for name in dict.fromkeys([*old, *new]):
        for metric in dict.fromkeys([*old.get(name, {}), *new.get(name, {})]):
            was, now = old.get(name, {}).get(metric), new.get(name, {}).get(metric)
            if was is None or now is None or abs(was - now) > _TOLERANCE * max(1.0, abs(was)):
                found.append(f"split {name}: {metric} {was} before, {now} now")
    return found


def environment() -> dict[str, Any]:
    """Versions and machine class: what a time or a rounding difference may depend on."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "versions": versions,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
    }


def _split_entry(
    benchmark: Benchmark,
    done: SplitRun,
    trained_on: Mapping[str, Sequence[str]],
    same_actions: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    split = _find(benchmark, done.name)
    others = tuple(name for names in trained_on.values() for name in names)
    free = frozenset(overlap_free(split, others, duplicates=same_actions))
    return {
        "name": done.name,
        "metrics": measure(done.answers, benchmark, free),
        "overlap_free": {"names": sorted(free), "num_classes": len(free), "of": len(split.unseen)},
        "num_train": done.num_train,
        "num_test": sum(answer.num_videos for answer in done.answers),
        "missing": done.missing,
        "settings": done.settings,
        "held_out": done.held_out,
        "batch_independent": done.batch_independent,
        "wall_s": round(done.wall_s, 3),
        "cpu_s": round(done.cpu_s, 3),
    }


def _find(benchmark: Benchmark, name: str) -> Split:
    return next(split for split in benchmark.splits if split.name == name)
