"""What happens in videos: classify, locate, demo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gerund.batch import Outputs, batch, errors_to_exit
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
    Paths,
    PrecisionName,
    Quiet,
    Texts,
    Threads,
)
from gerund.errors import UsageError
from gerund.printing import echo

if TYPE_CHECKING:
    from rich.text import Text

    from gerund.api import Classification, Location

app = typer.Typer()


@app.command()
def classify(
    paths: Paths,
    actions: ActionSpec,
    model: ModelName = DEFAULT_MODEL,
    texts: Texts = "",
    method: Annotated[
        Literal["conse", "eszsl", "gcn", "devise"] | None,
        typer.Option(
            help="Another way from I3D to your actions than the default model's own: plain ConSE, or classifier rows "
            "learned by one of the others (gcn and devise need PyTorch once)."
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many actions to show and write.")] = 5,
    json: JsonFile = None,
    csv: CsvFile = None,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    approximate_frames: Approximate = False,
    quiet: Quiet = False,
) -> None:
    """Say which of the ACTIONS each video shows.

    Example: gerund classify holiday/ --actions "playing guitar, surfing water, petting a dog"
    """
    from gerund.terminal import classification_table

    with batch(paths, Outputs(json, csv), quiet=quiet) as run:
        chosen = _model_for(model, method)
        loaded = run.load(
            chosen, actions, texts=texts, device=device, threads=threads, engine=engine, precision=precision
        )
        run.csv_row(["video", "duration_s", "rank", "action", "score", "probability", "error"])

        def take(found: Classification) -> Text:
            run.note_time_error(found.video, found.time_error_s)
            run.json_line(found.to_dict())
            for rank, item in enumerate(found.actions, 1):
                numbers = [f"{item.score:.6f}", f"{item.probability:.6f}"]
                run.csv_row([found.video, f"{found.duration_s:.3f}", rank, item.action, *numbers, ""])
            return classification_table(found)

        def fail(path: str, reason: str) -> None:
            run.json_line({"video": path, "duration_s": None, "model": loaded.name, "actions": [], "error": reason})
            run.csv_row([path, "", "", "", "", "", reason])

        run.each_video(
            lambda files: loaded.classify_many(
                files,
                run.classes,
                top=top,
                decoders=decode_threads,
                approximate=approximate_frames,
                progress=run.watcher.frames,
            ),
            take,
            fail,
        )


@app.command()
def locate(
    paths: Paths,
    actions: ActionSpec,
    model: ModelName = DEFAULT_MODEL,
    texts: Texts = "",
    method: Annotated[
        Literal["contrast", "whole", "uniform"],
        typer.Option(help="contrast, or one of two baselines: the whole video, uniform windows."),
    ] = "contrast",
    top: Annotated[int, typer.Option(min=1, help="How many segments to show; JSON and CSV get all.")] = 10,
    json: JsonFile = None,
    csv: CsvFile = None,
    vtt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write WebVTT subtitles; a folder for several videos.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one self-contained page with players and timelines.")
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    approximate_frames: Approximate = False,
    quiet: Quiet = False,
) -> None:
    """Say when the ACTIONS happen in each video.

    Example: gerund locate match.mp4 --actions "long jump, running" --html match.html
    """
    from gerund.page import Located, write_page
    from gerund.terminal import timeline

    results: list[Located] = []
    with batch(paths, Outputs(json, csv, vtt, html), quiet=quiet) as run:
        loaded = run.load(
            model, actions, texts=texts, device=device, threads=threads, engine=engine, precision=precision
        )
        run.csv_row(["video", "start_s", "end_s", "action", "score", "confidence"])

        def take(found: Location) -> Text:
            run.note_time_error(found.video, found.time_error_s)
            path = Path(found.video)
            results.append(Located(path, round(found.duration_s, 3), found.segments))
            run.json_line(found.to_dict())
            run.csv_text(found.segments.to_csv(found.video, header=False))
            run.write_vtt(path, found.segments.distinct().to_vtt())
            return timeline(found.video, found.duration_s, found.segments, top=top)

        def fail(path: str, reason: str) -> None:
            from gerund.types import Segments

            results.append(Located(Path(path), None, Segments(), reason))
            record = {"video": path, "duration_s": None, "model": loaded.name}
            run.json_line({**record, "segments": [], "error": reason})

        if html:
            run.at_end(lambda: write_page(html, loaded.name, results))
        run.each_video(
            lambda files: loaded.locate_many(
                files,
                run.classes,
                method=method,
                decoders=decode_threads,
                approximate=approximate_frames,
                progress=run.watcher.frames,
            ),
            take,
            fail,
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
    from gerund.terminal import Watcher, classification_table, show, timeline

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
            show(timeline(name, answer.duration_s, found, top=6))
            echo(
                "\nNow yours:\n"
                '  gerund classify VIDEOS... --actions "first action, second action"\n'
                '  gerund locate VIDEO --actions "first action, second action" --html page.html'
            )


def _model_for(model: str, method: str | None) -> str:
    """The model that goes from I3D to actions by `method`; without one, `model` itself."""
    if method is None:
        return model
    if model != DEFAULT_MODEL:
        raise UsageError(
            f"--method {method} is for the default model alone; {model} knows one way from videos to actions, so leave "
            "out --method, or --model"
        )
    return "i3d-minilm-plain" if method == "conse" else f"i3d-{method}"
