"""Chores around folders of videos: scan, frames, transcode; and fetch, in a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gerund.batch import errors_to_exit
from gerund.cli.fetching import fetch_app
from gerund.cli.options import CsvFile, DecodeThreads, Overwrite, Paths, Quiet
from gerund.errors import UsageError, reason_of
from gerund.printing import csv_text, echo, printable
from gerund.writing import check_outputs, is_stdout, write_text

if TYPE_CHECKING:
    from gerund.bench.datasets import CheckReport
    from gerund.chores.converting import Form
    from gerund.chores.verdicts import Verdict

app = typer.Typer()
data_app = typer.Typer(no_args_is_help=True)
app.add_typer(data_app, name="data")
data_app.add_typer(fetch_app, name="fetch")

_SHOWN = 20

In = Annotated[str, typer.Argument(metavar="IN", help="A video, or a folder (searched to the bottom).")]
Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the results, with the folders of IN below it.")]
Rate = Annotated[
    str | None, typer.Option(metavar="R", help="Pictures a second: 25, 12.5, 30000/1001; without it the video's own.")
]
Short = Annotated[
    int | None,
    typer.Option(min=2, max=8192, metavar="PX", help="Scale larger pictures until their shorter side has PX pixels."),
]
Anew = Annotated[bool, typer.Option("--overwrite", help="Make everything anew, and replace what is there.")]


@data_app.callback()
def _data() -> None:
    """Folders of videos: what is wrong with them, how to get them, and in which form they are kept."""


@data_app.command()
def scan(
    paths: Paths,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="LIST",
            help="Write JSON Lines, one for each video: the list that --skip takes. The same command goes on from it.",
        ),
    ] = None,
    csv: CsvFile = None,
    shorter_than: Annotated[
        float, typer.Option(min=0, metavar="S", help="Call videos of less than S seconds short.")
    ] = 0.5,
    fewer_frames: Annotated[int, typer.Option(min=1, metavar="N", help="And those of less than N frames.")] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look for the places of frames alone; damaged pictures are not found.")
    ] = False,
    keep_copies: Annotated[
        bool, typer.Option("--keep-copies", help="Say which files are equal, but do not call them bad.")
    ] = False,
    dataset: Annotated[
        str, typer.Option(metavar="DATASET", help="Whose official lists say what must be here: ucf101, hmdb51, ...")
    ] = "",
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", envvar="GERUND_DATA", help="Where these lists lie; with --dataset.")
    ] = None,
    decode_threads: DecodeThreads = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Find videos that cannot be used: corrupt, short and missing ones, and copies.

    Every file is opened, and every frame decoded, in processes of their own. The exit status is 1 when one is bad.

    Example: gerund data scan ucf101/ --dataset ucf101 --data lists/ --json ucf101.jsonl
    """
    from gerund.chores.scan import Strictness
    from gerund.chores.scan import scan as look
    from gerund.chores.verdicts import is_verdict
    from gerund.record import Record
    from gerund.terminal import Watcher
    from gerund.video.files import find_videos
    from gerund.video.workers import Workers

    with errors_to_exit(), ExitStack() as stack:
        found = find_videos(paths)
        if is_stdout(json_file):
            raise UsageError("--json -: the list is gone on from, so give a file; --csv takes -")
        check_outputs([json_file, Path(csv) if csv else None], found.files)
        ids, missing, report = _listed(found.files, dataset, data)
        if not found.files and not missing:
            raise UsageError("; ".join(map(str, found.problems)))
        record = Record(json_file, overwrite=overwrite, is_answer=is_verdict) if json_file else None
        if record:
            stack.callback(record.release)
        strictness = Strictness(shorter_than, fewer_frames, thorough=not quick, copies=not keep_copies)
        watcher = stack.enter_context(Watcher(quiet=quiet))
        verdicts = look(
            ids,
            missing,
            strictness,
            workers=stack.enter_context(Workers()),
            at_once=decode_threads or _cores(),
            record=record,
            progress=watcher.videos,
        )
        if csv:
            write_text(Path(csv), _table(verdicts))
        if not quiet and not is_stdout(csv):
            echo("\n".join(_said(verdicts)))
            if report is not None:
                echo("\n".join(_compared(verdicts, report, found.files)))
        _tell_problems(found.problems)
        if found.problems or any(verdict.state != "ok" for verdict in verdicts):
            raise typer.Exit(1)


@data_app.command()
def frames(
    source: In,
    out: Out,
    rate: Rate = None,
    short: Short = None,
    format_: Annotated[Literal["jpg", "png"], typer.Option("--format", help="Of the pictures.")] = "jpg",
    decode_threads: DecodeThreads = 0,
    overwrite: Anew = False,
    quiet: Quiet = False,
) -> None:
    """Write videos as folders of numbered pictures, with their rate in frames.json.

    A command that was stopped goes on where it was when it is given again.

    Example: gerund data frames hmdb51/ hmdb51-frames/ --rate 5 --short 256
    """
    from gerund.chores.frames import Frames
    from gerund.chores.rhythm import parse_rate

    with errors_to_exit():
        form = Frames(parse_rate(rate) if rate else None, short, format_)
        _convert(form, source, out, decode_threads, overwrite=overwrite, quiet=quiet)


@data_app.command()
def transcode(
    source: In,
    out: Out,
    rate: Rate = None,
    short: Short = None,
    crf: Annotated[
        int, typer.Option(min=0, max=51, help="How much may be lost: 0 nothing, 18 hardly to be seen.")
    ] = 18,
    decode_threads: DecodeThreads = 0,
    overwrite: Anew = False,
    quiet: Quiet = False,
) -> None:
    """Write videos anew, as H.264 in .mp4 with a steady rate and without sound.

    A command that was stopped goes on where it was when it is given again.

    Example: gerund data transcode kinetics/ kinetics-256/ --rate 25 --short 256
    """
    from gerund.chores.rhythm import parse_rate
    from gerund.chores.transcode import Transcoded

    with errors_to_exit():
        form = Transcoded(parse_rate(rate) if rate else None, short, crf)
        _convert(form, source, out, decode_threads, overwrite=overwrite, quiet=quiet)


def _convert(form: Form, source: str, out: Path, at_once: int, *, overwrite: bool, quiet: bool) -> None:
    from gerund.chores.converting import Conversion, plan
    from gerund.terminal import Watcher
    from gerund.video.workers import Workers

    with ExitStack() as stack:
        jobs, problems = plan(Path(source), out, form.ending)
        workers = stack.enter_context(Workers())
        conversion = Conversion(form, out, workers, overwrite=overwrite)
        stack.callback(conversion.release)
        watcher = stack.enter_context(Watcher(quiet=quiet))
        failed = 0
        for done, (job, error) in enumerate(conversion.run(jobs, at_once=at_once or _cores()), 1):
            if error is not None:
                failed += 1
                with watcher.hidden():
                    echo(f"{printable(job.source)}: {printable(reason_of(error))}", err=True)
            watcher.videos(done, len(jobs))
        if not quiet:
            new = len(jobs) - failed - conversion.num_known
            echo(f"{out}: {len(jobs) - failed} of {len(jobs)} videos are here, {new} of them new")
        _tell_problems(problems)
        if failed or problems:
            raise typer.Exit(1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell_problems(problems: Iterable[Exception]) -> None:
    for problem in problems:
        echo(f"gerund: {printable(problem)}", err=True)


def _listed(
    files: Sequence[Path], dataset: str, data: Path | None
) -> tuple[dict[Path, str], list[str], CheckReport | None]:
    """What lists call the files, and the listed videos that have none.

    Raises:
        UsageError: there is no such data set, or nothing lists its videos.
    """
    from gerund.bench.datasets import check, find_dataset
    from gerund.bench.datasets.lists import stem_of

    if not dataset:
        return {path: stem_of(path.name) for path in files}, [], None
    known = find_dataset(dataset)
    if data is None:
        raise UsageError("--dataset says whose lists count; name the folder that they lie in: --data DIR")
    report = check(known, data)
    listing = report.stock.listing
    if not listing.videos:
        raise UsageError(f"{data}: no list of {known.title} videos; put {' or '.join(known.list_files)} there")
    ids = {path: known.video_id(stem_of(path.name)) for path in files}
    if known.kinetics_names:  # a file may have the video's name alone
        full = {video.video[:11]: video.video for video in listing}
        ids = {path: name if name in listing.by_id else full.get(name, name) for path, name in ids.items()}
    there = set(ids.values())
    return ids, [video.video for video in listing if video.video not in there], report


def _said(verdicts: Sequence[Verdict]) -> list[str]:
    """How many videos are in which state, and the first of those that are bad."""
    from gerund.chores.scan import count_states

    counts = count_states(verdicts)
    lines = [f"{len(verdicts)} videos: " + (", ".join(f"{count} {state}" for state, count in counts.items()))]
    for state in counts:
        bad = [verdict for verdict in verdicts if verdict.state == state != "ok"]
        lines += [f"  {state:<9}  {printable(item.video)}: {printable(item.reason)}" for item in bad[:_SHOWN]]
        if len(bad) > _SHOWN:
            lines.append(f"  {state:<9}  and {len(bad) - _SHOWN} more; --json and --csv have all of them")
    return lines


def _compared(verdicts: Sequence[Verdict], report: CheckReport, files: Sequence[Path]) -> list[str]:
    """Where this differs from what ``gerund benchmarks check`` says, which opens no video."""
    stock = report.stock
    checked = {video.video for video in stock.listing} - set(report.missing)
    usable = {verdict.id for verdict in verdicts if verdict.state == "ok"}
    here = {verdict.id for verdict in verdicts if verdict.state != "missing"}
    bad = [verdict for verdict in verdicts if verdict.state not in ("ok", "missing") and verdict.id in checked - usable]
    lines = []
    if bad:
        lines.append(
            f"benchmarks check counts {len(bad)} of these bad videos as there, for it opens none: "
            + ", ".join(printable(verdict.id) for verdict in bad[:5])
            + (", ..." if len(bad) > 5 else "")
        )
    if elsewhere := checked - here:
        lines.append(f"benchmarks check finds {len(elsewhere)} listed videos elsewhere in {stock.root}")
    if unseen := {verdict.id for verdict in verdicts if verdict.id in stock.listing.by_id} & here - checked:
        lines.append(f"benchmarks check does not see {len(unseen)} of these videos, which are not in {stock.root}")
    return lines or [f"benchmarks check --data {stock.root} says the same of all {len(files)} files"]


def _table(verdicts: Sequence[Verdict]) -> str:
    columns = ["video", "id", "state", "reason", "same_as", "frames", "duration_s", "fps", "width", "height", "bytes"]
    return csv_text([columns, *([getattr(verdict, column) for column in columns] for verdict in verdicts)])
