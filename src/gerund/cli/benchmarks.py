"""Protocols: list, show, verify, audit; and whether a copy of a data set is whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.cli.audit import audit
from gerund.errors import UsageError
from gerund.writing import check_outputs, write_text

if TYPE_CHECKING:
    from rich.text import Text

    from gerund.bench.protocols.benchmark import Benchmark, Split
    from gerund.bench.protocols.checks import Check

app = typer.Typer()
benchmarks_app = typer.Typer(no_args_is_help=True)
app.add_typer(benchmarks_app, name="benchmarks")
benchmarks_app.command()(audit)

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", envvar="GERUND_DATA", help="Folder with the data sets; searched to the bottom."
    ),
]
_SHORT_HASH = 12


@benchmarks_app.callback()
def _benchmarks() -> None:
    """Protocols of the literature: which classes are seen, which videos are tested, and proof of it."""


@benchmarks_app.command("list")
def list_benchmarks() -> None:
    """List the protocols: task, data sets, splits with their classes, and hash."""
    from gerund.bench.protocols.benchmarks import BENCHMARKS, find_benchmark
    from gerund.terminal import show

    rows = [["benchmark", "task", "data sets", "splits", "seen+unseen", "sha256"]]
    for name in BENCHMARKS:
        benchmark = find_benchmark(name)
        rows.append(
            [
                name,
                benchmark.task,
                _data_sets(benchmark),
                str(len(benchmark.splits)),
                _sizes(benchmark),
                _short(benchmark),
            ]
        )
    with errors_to_exit():
        show(_table(rows))


@benchmarks_app.command("show")
def show_benchmark(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name from 'gerund benchmarks list'.")],
    split: Annotated[str | None, typer.Option(metavar="K", help="The split to print; the first by default.")] = None,
) -> None:
    """Show a protocol: where it comes from, what to know, its hash, and the classes of a split."""
    from gerund.bench.protocols.benchmarks import find_benchmark
    from gerund.terminal import show

    with errors_to_exit():
        show(_description(find_benchmark(name), split))


@benchmarks_app.command("verify")
def verify_benchmarks(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Protocols; all by default.")] = None,
    data: DataDir = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Write every check; - for standard output.")
    ] = None,
) -> None:
    """Prove that protocols are what they claim: disjoint, complete, frozen, and with the documented numbers of videos.

    Classes are checked at once; videos are counted when --data names a folder with the data sets' list files.
    """
    from gerund.bench.protocols.verify import verify
    from gerund.terminal import show

    with errors_to_exit():
        target = Path(json_file) if json_file else None
        check_outputs([target])
        if data and not data.is_dir():
            raise UsageError(f"--data {data}: no such folder")
        checks = verify(names or (), data)
        if target:
            write_text(target, json.dumps([vars(check) for check in checks], indent=1) + "\n")
        if json_file != "-":
            show(_verdicts(checks, has_data=data is not None))
        if any(check.state == "failed" for check in checks):
            raise typer.Exit(1)


@benchmarks_app.command("check")
def check_dataset(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="ucf101, hmdb51, kinetics600, thumos14, ...")],
    data: DataDir = None,
) -> None:
    """Say what a folder holds of a data set: lists, counts against the published ones, and videos on disk."""
    from rich.text import Text

    from gerund.bench.datasets import check, find_dataset
    from gerund.terminal import show

    with errors_to_exit():
        found = find_dataset(dataset)
        if data is None:
            raise UsageError("name the folder to look into: --data DIR, or set GERUND_DATA")
        report = check(found, data)
        show(Text(report.render()))
        if report.problems:
            raise typer.Exit(1)


def _data_sets(benchmark: Benchmark) -> str:
    if benchmark.train_on == benchmark.test_on:
        return benchmark.test_on
    return f"{benchmark.train_on} > {benchmark.test_on}"


def _sizes(benchmark: Benchmark) -> str:
    first = benchmark.splits[0]
    return f"{len(first.seen)}+{len(first.unseen)}"


def _tested_on(benchmark: Benchmark, split: Split) -> str:
    if benchmark.task == "generalised" and split.test_list:
        return f"{split.test_list} of seen classes, all videos of unseen ones"
    return benchmark.test_subset or split.test_list or "all videos"


def _short(benchmark: Benchmark) -> str:
    return benchmark.sha256[:_SHORT_HASH]


def _table(rows: Sequence[Sequence[str]]) -> Text:
    """Columns as wide as their longest cell, with a heading."""
    from rich.text import Text

    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    text = Text()
    for number, row in enumerate(rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        text.append(line + ("\n" if number < len(rows) - 1 else ""), style="" if number else "bold")
    return text


def _description(benchmark: Benchmark, split_name: str | None) -> Text:
    from rich.text import Text

    splits = {split.name: split for split in benchmark.splits}
    if split_name is not None and split_name not in splits:
        raise UsageError(f"{benchmark.name} has no split {split_name!r}; there are {', '.join(splits)}")
    split = splits[split_name] if split_name is not None else benchmark.splits[0]
    facts = {
        "task": benchmark.task,
        "data sets": _data_sets(benchmark),
        "trained on": benchmark.train_subset or split.train_list or ("all videos" if split.seen else "nothing of it"),
        "tested on": _tested_on(benchmark, split),
        "tIoU": ", ".join(map(str, benchmark.tious)),
        "shots": str(benchmark.shots or ""),
        "left out": ", ".join(benchmark.excluded),
        "compat": benchmark.compat,
        "source": benchmark.source,
        "note": benchmark.note,
        "sha256": benchmark.sha256,
        "splits": ", ".join(splits),
    }
    text = Text().append(benchmark.name, style="bold")
    for what, value in facts.items():
        if value:
            text.append(f"\n  {what.ljust(10)}  ", style="bright_black").append(value)
    for side, classes in (("seen", split.seen), ("unseen", split.unseen), ("validation", split.validation)):
        if classes:
            text.append(f"\nsplit {split.name}, {len(classes)} {side}: ", style="bold").append(", ".join(classes))
    return text


def _verdicts(checks: Sequence[Check], *, has_data: bool) -> Text:
    """A line for each benchmark and data set; then what is wrong, and what could not be checked."""
    from gerund.bench.protocols.benchmarks import BENCHMARKS, find_benchmark

    rows = [["benchmark", "splits", "checked", "result"]]
    for subject in dict.fromkeys(check.subject for check in checks):
        own = [check for check in checks if check.subject == subject]
        failed = any(check.state == "failed" for check in own)
        looked = [check.what for check in own if check.state != "not checked"]
        result = "FAILED" if failed else "ok" if looked else "not checked"
        count = str(len(find_benchmark(subject).splits)) if subject in BENCHMARKS else ""
        rows.append([subject, count, ", ".join(looked), result])
    text = _table(rows)
    for state, style in (("failed", "red"), ("not checked", "bright_black")):
        for check in checks:
            if check.state == state and (has_data or state == "failed"):
                said = "FAILED" if state == "failed" else state
                text.append(f"\n{said}  {check.subject}, {check.what}: {check.detail}", style=style)
    open_count = sum(check.state == "not checked" for check in checks)
    if open_count and not has_data:
        text.append(f"\nnot checked: {open_count} counts of videos; give the folder of your data sets with --data DIR")
    return text
