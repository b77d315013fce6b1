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

from gerund.bench.datasets import find_dataset
from gerund.bench.protocols.audit import overlap_free
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.published import published
from gerund.bench.runs.answers import load_answers, measure, save_answers
from gerund.bench.runs.learning import SplitRun
from gerund.bench.runs.rendering import as_html, as_markdown, as_text
from gerund.errors import GerundError, UsageError
from gerund.metrics.accuracy import mean_and_spread
from gerund.writing import write_text

_FORMAT = 2
_PARTS = ("benchmark", "method", "features", "texts", "trained_on", "same_actions", "splits", "summary", "request")
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
            raise UsageError(
                f"{path}: expected a report of format {_FORMAT} as 'gerund evaluate --out' writes it; evaluate again "
                "if another version of gerund wrote this one"
            )
        if lacking := [part for part in _PARTS if not isinstance(content.get(part), dict | list)]:
            raise UsageError(f"{path}: a damaged report; it lacks {', '.join(lacking)}")
        return cls(content)

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        write_text(path, json.dumps(self.content, indent=1, ensure_ascii=False) + "\n")

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
) -> Report:
    """Computes every figure from the answers and puts beside it what it rests on.

    Args:
        benchmark: the protocol.
        runs: what happened on its splits.
        method: its name.
        features: what `Features.describe` says of the training and test features.
        texts: what stood for the classes: ``kind``, ``fingerprint``, and the texts ``of`` each class.
        trained: folder of a method that had learned already.
        trained_on: data sets that the encoder has learned the labels of: the overlap-free figures leave out their
            classes, besides the seen ones.
        same_actions: pairs of classes that are always annotated together.
        request: what was asked for, so that it can be asked again.
        predictions: where the answers are saved.
        seed: of the run.
        command: what was typed.
    """
    pairs = [list(pair) for pair in same_actions]
    splits = [_split_entry(benchmark, done, trained_on, pairs) for done in runs]
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
            "method": _method_card(method, trained, runs),
            "features": dict(features),
            "texts": dict(texts),
            "trained_on": list(trained_on),
            "same_actions": pairs,
            "seed": seed,
            "unit": "percent",
            "splits": splits,
            "summary": _summary(splits),
            "published": [vars(row) for row in published(benchmark.name)],
            "environment": environment(),
            "command": list(command),
            "request": dict(request or {}),
            "predictions": saved,
        }
    )


def recompute(report: Report, folder: Path, benchmark: Benchmark) -> dict[str, dict[str, float]]:
    """Computes the figures of a report again from its saved answers: those of the splits and their summary.

    Args:
        report: as read.
        folder: where its predictions lie.
        benchmark: its protocol.

    Returns:
        For every split its metrics.

    Raises:
        GerundError: the protocol or the answers are not those of the report, or give other figures.
    """
    content = report.content
    if content["benchmark"]["sha256"] != benchmark.sha256:
        raise GerundError(
            f"the report was made under another {benchmark.name}: its hash is {content['benchmark']['sha256'][:12]}, "
            f"this one's {benchmark.sha256[:12]}"
        )
    saved = content["predictions"]
    if not saved:
        raise UsageError("this report was made without saving answers; evaluate with --out")
    path = folder / saved["file"]
    if not path.is_file():
        raise UsageError(f"{path}: the answers of this report are not there")
    if hashlib.sha256(path.read_bytes()).hexdigest() != saved["sha256"]:
        raise GerundError(f"{path}: these are not the answers that the report was made from; its sha256 differs")
    answers = load_answers(path)
    again = []
    for split in content["splits"]:
        mine = [answer for answer in answers if answer.split == split["name"]]
        done = SplitRun(split["name"], mine, trained_on=tuple(split["trained_on_classes"]))
        entry = _split_entry(benchmark, done, content["trained_on"], content["same_actions"])
        for what in ("overlap_free", "num_test", "metrics"):
            _require_same(f"split {split['name']}, {what}", split[what], entry[what])
        again.append(entry)
    _require_same("the summary", content["summary"], _summary(again))
    return {entry["name"]: entry["metrics"] for entry in again}


def differences(before: Report, after: Report) -> list[str]:
    """How two reports of one request differ, a line each; empty when everything that was measured is the same.

    Times, versions and machines may differ. Figures may by a billionth, which is rounding.
    """
    found = []
    for key in ("benchmark", "method", "features", "texts", "trained_on", "same_actions"):
        if _plain(before.content[key]) != _plain(after.content[key]):
            found.append(f"{key}: {before.content[key]} before, {after.content[key]} now")
    old, new = ({split["name"]: split for split in one.content["splits"]} for one in (before, after))
    for name in dict.fromkeys([*old, *new]):
        for key in ("metrics", "overlap_free", "num_train", "num_test", "missing", "settings", "batch_independent"):
            was, now = old.get(name, {}).get(key), new.get(name, {}).get(key)
            found += [f"split {name}: {line}" for line in _unlike(key, was, now)]
    return found + _unlike("summary", before.content["summary"], after.content["summary"])


def _unlike(name: str, was: Any, now: Any) -> list[str]:
    """Where two values differ by more than rounding."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        names = dict.fromkeys([*was, *now])
        return [line for key in names for line in _unlike(f"{name} {key}", was.get(key), now.get(key))]
    if isinstance(was, float) and isinstance(now, int | float) and abs(was - now) <= _TOLERANCE * max(1.0, abs(was)):
        return []
    return [] if _plain(was) == _plain(now) else [f"{name} {was} before, {now} now"]


def _require_same(what: str, reported: Any, again: Any) -> None:
    lines = _unlike(what, reported, again)
    if lines:
        raise GerundError(f"{lines[0].replace(' before, ', ' in the report, ').removesuffix(' now')} from the answers")


def _plain(value: Any) -> Any:
    """A value as JSON would give it back."""
    return json.loads(json.dumps(value))


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


def _method_card(name: str, trained: str, runs: Sequence[SplitRun]) -> dict[str, Any]:
    """What the method was, as far as it was the same on every split; what was chosen differs, and is told there."""
    used = [done.used for done in runs if done.used]
    if not used:
        return {"name": name, "settings": {}, "protocol": "found elsewhere", "compat": ""}
    settings = used[0]["settings"]
    common = {key: value for key, value in settings.items() if all(of["settings"].get(key) == value for of in used)}
    protocol = used[0]["protocol"] + (f", trained elsewhere ({trained})" if trained else "")
    return used[0] | {"name": name, "settings": common, "protocol": protocol}


def _split_entry(
    benchmark: Benchmark, done: SplitRun, trained_on: Sequence[str], same_actions: Sequence[Sequence[str]]
) -> dict[str, Any]:
    split = next(split for split in benchmark.splits if split.name == done.name)
    others = (*done.trained_on, *(label for name in trained_on for label in find_dataset(name).classes))
    is_checked = bool(split.seen or others)
    pairs = [(one, other) for one, other in same_actions]
    free = frozenset(overlap_free(split, others, duplicates=pairs) if is_checked else ())
    shared = {"names": sorted(free), "num_classes": len(free), "of": len(split.unseen)} if is_checked else {}
    return {
        "name": done.name,
        "metrics": measure(done.answers, benchmark, free),
        "overlap_free": shared,
        "num_train": done.num_train,
        "num_test": sum(answer.num_videos for answer in done.answers),
        "missing": done.missing,
        "settings": done.settings,
        "held_out": done.held_out,
        "trained_on_classes": list(done.trained_on),
        "batch_independent": done.batch_independent,
        "wall_s": round(done.wall_s, 3),
        "cpu_s": round(done.cpu_s, 3),
    }


def _summary(splits: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and both deviations of every metric over the splits that have it."""
    found = {}
    for name in dict.fromkeys(name for split in splits for name in split["metrics"]):
        values = [split["metrics"][name] for split in splits if name in split["metrics"]]
        spread = mean_and_spread(values)
        found[name] = {
            "mean": spread.mean,
            "population_std": spread.population_std,
            "sample_std": spread.sample_std if len(values) > 1 else None,
            "num_splits": len(values),
        }
    return found
