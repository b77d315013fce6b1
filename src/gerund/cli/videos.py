"""What happens in videos: classify, locate, demo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gerund.batch import batch, errors_to_exit
from gerund.cli.options import (
    DEFAULT_MODEL,
    ActionSpec,
    Approximate,
    CsvFile,
    DecodeThreads,
    Device,
    EngineName,
    JsonFile,
    ModelName,
    ObjectsFile,
    ObjectsVocabulary,
    Overwrite,
    Paths,
    PrecisionName,
    Quiet,
    Settings,
    TextModel,
    Texts,
    Threads,
    To,
    Trained,
    Vectors,
    pairs,
)
from gerund.cli.rates import PicturesFps, at_rate, rate_of_pictures
from gerund.errors import UsageError
from gerund.printing import echo

if TYPE_CHECKING:
    from gerund.wanted import Wanted

app = typer.Typer()


@app.command()
def classify(
    paths: Paths,
    actions: ActionSpec,
    model: ModelName = DEFAULT_MODEL,
    texts: Texts = "",
    method: Annotated[
        str,
        typer.Option(metavar="NAME|file.py:Class", help="See 'gerund methods'; without it similarity, or --trained's."),
    ] = "",
    trained: Trained = None,
    set_: Settings = None,
    vectors: Vectors = None,
    objects: ObjectsFile = None,
    objects_vocabulary: ObjectsVocabulary = "",
    text_model: TextModel = "",
    top: Annotated[int, typer.Option(min=1, help="How many actions to show and write.")] = 5,
    json: JsonFile = None,
    csv: CsvFile = None,
    to: To = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    approximate_frames: Approximate = False,
    fps: PicturesFps = None,
    quiet: Quiet = False,
) -> None:
    """Say which of the ACTIONS each video shows.

    Example: gerund classify holiday/ --actions "playing guitar, surfing water, petting a dog"
    """
    from gerund.inquiry import Inquiry, Outputs

    with batch(paths, quiet=quiet) as run:
        rate = rate_of_pictures(run, fps)
        inquiry = Inquiry(run, Outputs(json, csv, overwrite=overwrite, to=to or ()), "actions")
        inquiry.load(
            model,
            actions,
            _wanted("similarity", method, trained, set_, vectors, objects, objects_vocabulary, text_model),
            texts=texts,
            device=device,
            threads=threads,
            engine=engine,
            precision=precision,
        )
        inquiry.answer(
            lambda files: inquiry.model.classify_many(
                at_rate(files, rate),
                inquiry.classes,
                method=inquiry.method,
                top=top,
                decoders=decode_threads,
                approximate=approximate_frames,
                progress=run.watcher.frames,
            ),
            top=top,
            approximate=approximate_frames,
            best=top,
            **({"fps": rate} if rate else {}),
        )


@app.command()
def locate(
    paths: Paths,
    actions: ActionSpec,
    model: ModelName = DEFAULT_MODEL,
    texts: Texts = "",
    method: Annotated[
        str,
        typer.Option(metavar="NAME|file.py:Class", help="See 'gerund methods'; without it contrast, or --trained's."),
    ] = "",
    trained: Trained = None,
    set_: Settings = None,
    vectors: Vectors = None,
    objects: ObjectsFile = None,
    objects_vocabulary: ObjectsVocabulary = "",
    text_model: TextModel = "",
    top: Annotated[int, typer.Option(min=1, help="How many segments to show; JSON and CSV get all.")] = 10,
    json: JsonFile = None,
    csv: CsvFile = None,
    vtt: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Write WebVTT subtitles; a folder for several videos, - for standard output."
        ),
    ] = None,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write one page with players and timelines; - as above.")
    ] = None,
    embed: Annotated[
        Literal["auto", "none", "all"],
        typer.Option(
            help="Which videos the page holds; it links to the others. auto takes those that fit into 100 MB."
        ),
    ] = "auto",
    to: To = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    approximate_frames: Approximate = False,
    fps: PicturesFps = None,
    quiet: Quiet = False,
) -> None:
    """Say when the ACTIONS happen in each video.

    Example: gerund locate match.mp4 --actions "long jump, running" --html match.html
    """
    from gerund.inquiry import Inquiry, Outputs

    with batch(paths, quiet=quiet) as run:
        rate = rate_of_pictures(run, fps)
        inquiry = Inquiry(run, Outputs(json, csv, vtt, html, embed, overwrite, to or ()), "segments")
        inquiry.load(
            model,
            actions,
            _wanted("contrast", method, trained, set_, vectors, objects, objects_vocabulary, text_model),
            texts=texts,
            device=device,
            threads=threads,
            engine=engine,
            precision=precision,
        )
        inquiry.answer(
            lambda files: inquiry.model.locate_many(
                at_rate(files, rate),
                inquiry.classes,
                method=inquiry.method,
                decoders=decode_threads,
                approximate=approximate_frames,
                progress=run.watcher.frames,
            ),
            top=top,
            approximate=approximate_frames,
            **({"fps": rate} if rate else {}),
        )


@app.command()
def demo(
    video: Annotated[
        str | None, typer.Argument(metavar="[VIDEO]", help="A video of yours; else a sample is fetched.")
    ] = None,
) -> None:
    """Show what gerund does: fetch the default model and a sample, say what happens in it and when."""
    from gerund import assets
    from gerund.api import load
    from gerund.drawing import classification_table, timeline
    from gerund.terminal import Watcher, show

    with errors_to_exit(), Watcher(quiet=False) as watcher:
        if video is None:
            asset = assets.find_asset("demo-clip")
            path = str(assets.fetch(asset, progress=watcher.download))
            echo(f"sample: {asset.what}\n        {asset.sources[0]}, {asset.licence}\n")
        else:
            path = video
        loaded = load(progress=watcher.download)
        name = Path(path).name
        answer = loaded.classify(path, "kinetics400", top=3, progress=watcher.frames)
        found = loaded.locate(path, "kinetics400", progress=watcher.frames)
        with watcher.hidden():
            echo("What is done (among the 400 actions of Kinetics):\n")
            show(classification_table(replace(answer, video=name)))
            echo("\nWhen it is done:\n")
            show(timeline(name, answer.duration_s, found, top=6, method="contrast"))
            if answer.note:
                echo(f"\nnote: {answer.note}")
            echo(
                "\nNow yours:\n"
                '  gerund classify VIDEOS... --actions "first action, second action"\n'
                '  gerund locate VIDEO --actions "first action, second action" --html page.html'
            )


def _wanted(
    default: str,
    method: str,
    trained: Path | None,
    settings: list[str] | None,
    vectors: list[str] | None,
    objects: Path | None,
    vocabulary: str,
    text_model: str,
) -> Wanted:
    """The method that was typed, or the command's own.

    Raises:
        UsageError: a setting has several values, or something is not of the form NAME=VALUE.
    """
    from gerund.bench.runs.request import parse_settings
    from gerund.wanted import Wanted

    given = parse_settings(settings or [])
    if several := [name for name, values in given.items() if len(values) > 1]:
        raise UsageError(f"--set {several[0]}: there is nothing to choose by here; give one value")
    return Wanted(
        method or ("" if trained else default),
        trained,
        {name: values[0] for name, values in given.items()},
        pairs(vectors or [], "--vectors"),
        objects,
        vocabulary,
        text_model,
    )
