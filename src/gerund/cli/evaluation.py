"""Runs on benchmarks: evaluate, train, rerun."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.cli.options import (
    DEFAULT_MODEL,
    DecodeThreads,
    Device,
    EngineName,
    ObjectsVocabulary,
    PrecisionName,
    Skip,
    Texts,
    Threads,
    pairs,
)
from gerund.cli.reports import HtmlFile, MarkdownFile, answers_of, show, tell_new
from gerund.errors import UsageError
from gerund.printing import echo, printable
from gerund.writing import check_folder, check_outputs, is_stdout

if TYPE_CHECKING:
    from collections.abc import Callable

    from gerund.bench.runs.report import Report
    from gerund.bench.runs.request import Request
    from gerund.encoders.base import Encoder
    from gerund.terminal import Watcher

app = typer.Typer()

OutFile = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write the report as JSON, and the answers beside it as .npz."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")]
FeaturesOption = Annotated[str, typer.Option(metavar="DIR", help="Features of the videos ('gerund extract').")]
TrainFeatures = Annotated[
    str, typer.Option(metavar="DIR", help="Features of the training videos, where they are elsewhere.")
]
FeatureEncoder = Annotated[
    str, typer.Option(metavar="NAME", help="Which encoder's features, where the folder has those of several.")
]
Sampling = Annotated[str, typer.Option(metavar="KEY", help="Which sampling, where the folder has several.")]
Data = Annotated[
    str, typer.Option(metavar="DIR", envvar="GERUND_DATA", help="Where the data sets' official lists lie.")
]
TextModel = Annotated[
    str, typer.Option(metavar="NAME", help="The model whose texts stand for the classes; by default the features'.")
]
Vectors = Annotated[
    list[str] | None,
    typer.Option(metavar="PART=FILE[@NAMES]", help="A table of class vectors for the method's texts or rows."),
]
Objects = Annotated[str, typer.Option(metavar="FILE", help="The objects in each video ('gerund objects').")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE[,VALUE]", help="A setting; of several the best on held-out classes."),
]
Choose = Annotated[
    str,
    typer.Option(
        metavar="WHAT", help="Chosen on held-out seen classes too: checkpoint, temperature, bias; several by ,"
    ),
]
Paper = Annotated[bool, typer.Option("--paper", help="Start from the method's published settings.")]
Splits = Annotated[str, typer.Option(metavar="NAMES", help="Only these splits, such as 0,1,2.")]
AllowMissing = Annotated[bool, typer.Option("--allow-missing", help="Leave out videos without features or objects.")]
Videos = Annotated[str, typer.Option(metavar="DIR", help="The data sets' files, for methods that take clips.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of everything random; without it methods have their own.")]


@app.command()
def evaluate(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="A method, or file.py:Class for one of yours.")],
    on: Annotated[str, typer.Option("--on", metavar="BENCHMARK", help="See 'gerund benchmarks list', or toyworld.")],
    features: FeaturesOption = "",
    train_features: TrainFeatures = "",
    encoder: FeatureEncoder = "",
    sampling: Sampling = "",
    data: Data = "",
    model: TextModel = "",
    texts: Texts = "",
    vectors: Vectors = None,
    objects: Objects = "",
    objects_vocabulary: ObjectsVocabulary = "",
    set_: Settings = None,
    choose: Choose = "",
    paper: Paper = False,
    splits: Splits = "",
    trained: Annotated[str, typer.Option(metavar="DIR", help="A method that 'gerund train' wrote.")] = "",
    trained_on: Annotated[
        list[str] | None,
        typer.Option(metavar="DATASET", help="What the features were trained on, for the overlap-free figures."),
    ] = None,
    allow_missing: AllowMissing = False,
    skip: Skip = "",
    predictions: Annotated[
        str, typer.Option(metavar="PATTERN", help="Score these detection files instead; {split} stands for the split.")
    ] = "",
    truth: Annotated[str, typer.Option(metavar="PATTERN", help="Annotations of each split, instead of --data.")] = "",
    videos: Videos = "",
    seed: Seed = None,
    out: OutFile = None,
    markdown: MarkdownFile = None,
    html: HtmlFile = None,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    quiet: Quiet = False,
) -> None:
    """Run METHOD on a benchmark and report it: every split, mean and spread, and what it all rests on.

    Methods are trained on seen classes alone; settings are chosen on held-out seen classes. Only this command holds
    test labels. With --predictions nothing is run, and METHOD is only what the report calls them.

    Example: gerund evaluate eszsl --on toyworld --set alpha=0,1,2
    """
    from gerund.bench.runs.evaluate import RunStoppedError
    from gerund.bench.runs.request import Request, parse_settings

    with errors_to_exit():
        request = Request(
            method=_method(method),
            benchmark=on,
            features=_absolute(features),
            train_features=_absolute(train_features),
            encoder=encoder,
            sampling=sampling,
            data=_absolute(data),
            model=model,
            texts=texts,
            vectors=pairs(vectors or [], "--vectors"),
            objects=_absolute(objects),
            objects_vocabulary=_vocabulary(objects_vocabulary),
            settings=parse_settings(set_ or []),
            choose=_names(choose),
            paper=paper,
            splits=_names(splits),
            trained=_absolute(trained),
            trained_on=trained_on or [],
            allow_missing=allow_missing,
            skip=_absolute(skip),
            predictions=_absolute(predictions),
            truth=_absolute(truth),
            videos=_absolute(videos),
            seed=seed,
            device=device,
        )
        _check_report_file(out)
        check_outputs(
            [out, out and answers_of(out), markdown, html],
            [
                Path(place)
                for place in (predictions, truth, objects, request.objects_vocabulary, texts, *request.vectors.values())
                if place
            ],
        )
        try:
            report = _run(request, out, _loader(device, threads, engine, precision), quiet=quiet)
        except RunStoppedError as error:
            _write(error.report, out, markdown, html, quiet=quiet)
            echo(f"gerund: {error}", err=True)
            raise typer.Exit(130 if isinstance(error.cause, KeyboardInterrupt) else 1) from None
        _write(report, out, markdown, html, quiet=quiet)


@app.command()
def train(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="A method, or file.py:Class for one of yours.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="A folder for the method; of a benchmark, one for each split."),
    ] = None,
    on: Annotated[
        str, typer.Option("--on", metavar="BENCHMARK", help="See 'gerund benchmarks list', or toyworld.")
    ] = "",
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Videos of yours instead: a folder for each class, or --labels. With --on, for methods that take "
            "clips, the data sets' files.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What they show: path,label, or video,start_s,end_s,label; see the docs."),
    ] = None,
    actions: Annotated[
        str, typer.Option(metavar="SPEC", help="The list of classes that numbers in --labels count.")
    ] = "",
    keep_features: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where features of --videos are kept; by default the cache.")
    ] = None,
    features: FeaturesOption = "",
    train_features: TrainFeatures = "",
    encoder: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Which of the folder's encoders; with --videos what encodes them, if not --model."
        ),
    ] = "",
    sampling: Sampling = "",
    data: Data = "",
    model: TextModel = "",
    texts: Texts = "",
    vectors: Vectors = None,
    objects: Objects = "",
    objects_vocabulary: ObjectsVocabulary = "",
    set_: Settings = None,
    choose: Choose = "",
    paper: Paper = False,
    splits: Splits = "",
    allow_missing: AllowMissing = False,
    skip: Skip = "",
    seed: Seed = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would take: steps, parameters, memory, time.")
    ] = False,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    quiet: Quiet = False,
) -> None:
    """Train METHOD on the seen classes of a benchmark, or on labelled videos of yours, and keep it.

    'gerund evaluate --trained DIR' takes it up. Videos that cannot be read are named, and the exit status is 1.

    A run that was stopped goes on from its last checkpoint when it is started again with the same settings.

    Example: gerund train eszsl --videos clips/ --labels labels.csv --out trained/
    """
    from gerund.bench.runs.evaluate import train_and_save
    from gerund.bench.runs.planning import plan_training
    from gerund.bench.runs.request import Request, parse_settings
    from gerund.cli.teaching import one_source, teach_own
    from gerund.lessons.teaching import OwnVideos
    from gerund.terminal import Watcher

    with errors_to_exit():
        one_source(
            on,
            own={
                "--videos": None if on else videos,
                "--labels": labels,
                "--actions": actions,
                "--keep-features": keep_features,
            },
            of_benchmarks={"--splits": splits, "--train-features": train_features},
            of_features={"--sampling": sampling},
            features=features,
        )
        request = Request(
            method=_method(method),
            benchmark=on,
            features=_absolute(features),
            train_features=_absolute(train_features),
            encoder=encoder,
            sampling=sampling,
            data=_absolute(data),
            model=model,
            texts=texts,
            vectors=pairs(vectors or [], "--vectors"),
            objects=_absolute(objects),
            objects_vocabulary=_vocabulary(objects_vocabulary),
            settings=parse_settings(set_ or []),
            choose=_names(choose),
            paper=paper,
            splits=_names(splits),
            allow_missing=allow_missing,
            videos=_absolute(str(videos)) if on and videos else "",
            skip=_absolute(skip),
            seed=seed,
            device=device,
        )
        load = _loader(device, threads, engine, precision)
        if dry_run and not on:
            raise UsageError("--dry-run plans the training on a benchmark (--on); leave it out with --videos")
        if dry_run:
            with Watcher(quiet=quiet) as watcher:
                plan = plan_training(request, load_encoder=load, progress=_teller(watcher, quiet=quiet))
            echo("\n".join(plan))
            return
        if out is None:
            instead = ", or --dry-run to see what it would take" if on else ""
            raise UsageError(f"give a folder for what is learned (--out DIR){instead}")
        check_folder(out)
        if not on:
            own = OwnVideos(videos, labels, actions, keep_features, decode_threads)
            teach_own(request, own, out, model=model or DEFAULT_MODEL, load_encoder=load, quiet=quiet)
            return
        with Watcher(quiet=quiet) as watcher:
            written = train_and_save(request, out, load_encoder=load, progress=_teller(watcher, quiet=quiet))
        for place in written:
            echo(place)


@app.command()
def rerun(
    report: Annotated[Path, typer.Argument(metavar="REPORT", help="A report that 'gerund evaluate --out' wrote.")],
    out: OutFile = None,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run the Python file that the report names, if it is unchanged.")
    ] = False,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    quiet: Quiet = False,
) -> None:
    """Run again what a report reports, and compare every figure. The exit status is 1 when one differs.

    A report is data: a method in a file of somebody's own is run with --allow-code only, and nothing is fetched from
    the model hub because a report names it.
    """
    from gerund.bench.runs.evaluate import repeat
    from gerund.bench.runs.proving import differences, new_figures
    from gerund.bench.runs.report import Report

    with errors_to_exit():
        before = Report.read(report)
        _check_report_file(out)
        check_outputs([out, out and answers_of(out)], [report, answers_of(report)])
        load = _loader(device, threads, engine, precision)
        after = _running(partial(repeat, before, allow_code=allow_code, device=device), out, load, quiet=quiet)
        _write(after, out, None, None, quiet=True)
        found = differences(before, after)
        same = f"the same: {len(before.data.splits)} splits, every figure"
        echo("\n".join(map(printable, found)) if found else same)
        tell_new(new_figures(before, after))
        if found:
            raise typer.Exit(1)


def _run(request: Request, out: Path | None, load: Callable[[str], Encoder], *, quiet: bool) -> Report:
    from gerund.bench.runs.evaluate import evaluate as evaluate_request

    return _running(partial(evaluate_request, request), out, load, quiet=quiet)


def _running(run: Callable[..., Report], out: Path | None, load: Callable[[str], Encoder], *, quiet: bool) -> Report:
    from gerund.terminal import Watcher

    answers = answers_of(out) if out else None
    with Watcher(quiet=quiet) as watcher:
        tell = _teller(watcher, quiet=quiet)
        return run(load_encoder=load, answers=answers, command=sys.argv, progress=tell)


def _teller(watcher: Watcher, *, quiet: bool) -> Callable[[str], None]:
    def tell(words: str) -> None:
        if not quiet:
            watcher.console.print(words, markup=False, highlight=False, style="dim")

    return tell


def _loader(device: Device, threads: Threads, engine: EngineName, precision: PrecisionName) -> Callable[[str], Encoder]:
    def load(name: str) -> Encoder:
        from gerund.api import load as load_model

        return load_model(name, device=device, threads=threads, engine=engine, precision=precision).encoder

    return load


def _write(report: Report, out: Path | None, markdown: Path | None, html: Path | None, *, quiet: bool) -> None:
    if out:
        report.write(out)
    show(report, markdown, html, quiet=quiet)


def _check_report_file(out: Path | None) -> None:
    """Refuses standard output for a report, which has its answers beside it.

    Raises:
        UsageError: that was given.
    """
    if is_stdout(out):
        raise UsageError("--out -: a report has its answers beside it, so give a file; --markdown and --html take -")


def _absolute(path: str) -> str:
    """A path that means the same from another folder; a report keeps it."""
    return str(Path(path).absolute()) if path else ""


def _vocabulary(given: str) -> str:
    """A vocabulary's name, or its file, named so that it is the same one from another folder."""
    from gerund.text.objects import VOCABULARIES

    return given if given in VOCABULARIES else _absolute(given)


def _method(given: str) -> str:
    """A method's name; a file is named so that it is the same one from another folder."""
    from gerund.own import names_file

    file, _, name = given.rpartition(":")
    return f"{_absolute(file)}:{name}" if names_file(given) else given


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]
