"""The command line: classify, locate, models, export, demo.

Answers go to standard output, everything else to standard error. The exit status is 0 when all inputs were answered,
1 when some could not be, 2 when the command itself cannot be right, and 130 after Ctrl-C. What was finished is kept.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gerund.batch import Outputs, batch, errors_to_exit
from gerund.errors import UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from gerund.api import Classification, Location

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(invoke_without_command=True)
app.add_typer(models_app, name="models")

DEFAULT_MODEL = "i3d-minilm"

Paths = Annotated[
    list[str], typer.Argument(metavar="PATH...", help="Videos, folders (searched to the bottom) or patterns.")
]
ActionSpec = Annotated[
    str,
    typer.Option(
        metavar="SPEC",
        help="Names separated by commas, a text file with one a line, or a built-in list: ucf101, hmdb51, kinetics400, "
        "kinetics600, activitynet200, thumos14, olympicsports16.",
    ),
]
ModelName = Annotated[
    str, typer.Option("--model", metavar="NAME", help="A name from 'gerund models', a hub name, or a folder.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute; auto is cuda where PyTorch finds it.")
]
Threads = Annotated[int, typer.Option(min=0, help="Threads to compute with; 0 takes every core.")]
EngineName = Annotated[
    Literal["auto", "torch", "openvino", "onnx"],
    typer.Option(help="What computes; auto is torch on a CUDA device, else openvino."),
]
PrecisionName = Annotated[
    Literal["auto", "fp32", "bf16", "fp16", "int8"],
    typer.Option(
        help="Arithmetic; auto is 16 bits where the device has them. int8 tells how well it agrees with fp32."
    ),
]
DecodeThreads = Annotated[
    int, typer.Option(min=0, help="How many videos are decoded at once; 0 decides by the machine.")
]
Approximate = Annotated[
    bool,
    typer.Option(
        "--approximate-frames", help="Look at the nearest keyframes; tells how far off they are (CLIP's kin)."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table; files and errors only.")]
JsonFile = Annotated[
    str | None, typer.Option("--json", metavar="FILE", help="Write JSON Lines; - for standard output.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a CSV table.")]


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False) -> None:
    """Recognise and localise human actions in video from nothing but their names."""
    if version:
        from gerund import __version__

        typer.echo(f"gerund {__version__}")
        raise typer.Exit


@app.command()
def classify(
    paths: Paths,
    actions: ActionSpec,
    model: ModelName = DEFAULT_MODEL,
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
        loaded = run.load(model, actions, device=device, threads=threads, engine=engine, precision=precision)
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
        loaded = run.load(model, actions, device=device, threads=threads, engine=engine, precision=precision)
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


@models_app.callback()
def _models(context: typer.Context) -> None:
    """List the models: what each is, its size and licence, where it comes from, and whether it is here."""
    if context.invoked_subcommand is None:
        from gerund.terminal import models_list, show

        show(models_list())


@models_app.command("get")
def get_model(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models or assets to fetch and verify.")],
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take it from a file instead of the network.")
    ] = None,
) -> None:
    """Fetch a model's files, or verify them when they are here."""
    from gerund import assets
    from gerund.terminal import Watcher

    with errors_to_exit(), Watcher(quiet=False) as watcher:
        cards = [card for card in assets.MODELS if card.name in names]
        wanted = [name for card in cards for name in card.assets]
        wanted += [asset.name for asset in assets.ASSETS if asset.name in names]
        for name in set(names) - {card.name for card in cards} - set(wanted):
            raise UsageError(f"no model {name!r}; there are {', '.join(card.name for card in assets.MODELS)}")
        if source:
            taken = assets.install(source, tuple(dict.fromkeys(wanted)))
            typer.echo(f"taken from {source}: {', '.join(asset.name for asset in taken)}")
            return
        for card in cards:
            if card.repository:
                typer.echo(f"fetched  {card.repository}  {assets.hub_folder(card.repository, file=card.file)}")
        for name in dict.fromkeys(wanted):
            asset = assets.find_asset(name)
            was_here = assets.is_here(asset) and assets.verify(asset)
            path = assets.fetch(asset, renew=not was_here, progress=watcher.download)
            typer.echo(
                f"{'verified' if was_here else 'fetched'}  {asset.name}  {asset.size_bytes / 1e6:.1f} MB  {path}"
            )


@app.command()
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="See 'gerund models'.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")],
    format: Annotated[Literal["onnx", "openvino"], typer.Option(help="What kind of files.")] = "onnx",
    video: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Compare on frames of this video too; may be repeated.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Largest error allowed, as a share of the largest value.")
    ] = 1e-3,
    threads: Threads = 0,
) -> None:
    """Write a model's networks to files for other programs, and prove that they compute the same.

    DIR/parity.json says how near their results are to another engine's. Past the tolerance nothing is kept.

    Example: gerund export i3d-minilm exported/ --format openvino --video holiday.mp4
    """
    from gerund.api import load
    from gerund.encoders.engines.export import export_model
    from gerund.terminal import Watcher

    with errors_to_exit(), Watcher(quiet=False) as watcher:
        encoder = load(model, device="cpu", precision="fp32", threads=threads, progress=watcher.download).encoder
        report = export_model(encoder, folder, format=format, videos=video or [], tolerance=tolerance, threads=threads)
        for network in report["networks"].values():
            files = " + ".join(str(folder / file) for file in network["files"])
            typer.echo(f"{files}  {network['size_bytes'] / 1e6:.1f} MB, compared with {network['reference']}:")
            for check in network["checks"]:
                typer.echo(
                    f"  {check['data']}: error {check['max_error']:.1e} at most and {check['mean_error']:.1e} in the "
                    f"mean, cosine {check['cosine_min']:.6f} at least ({check['num_vectors']} vectors)"
                )
        typer.echo(f"report: {folder / 'parity.json'}")


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
            typer.echo(f"sample: {asset.what}\n        {asset.sources[0]}, {asset.licence}\n")
        else:
            path = video
        loaded = load(progress=watcher.download)
        name = Path(path).name
        answer = loaded.classify(path, "kinetics400", top=3, progress=watcher.frames)
        found = loaded.locate(path, "kinetics400", progress=watcher.frames)
        with watcher.hidden():
            typer.echo("What is done (among the 400 actions of Kinetics):\n")
            show(classification_table(replace(answer, video=name)))
            typer.echo("\nWhen it is done:\n")
            show(timeline(name, answer.duration_s, found, top=6))
            typer.echo(
                "\nNow yours:\n"
                '  gerund classify VIDEOS... --actions "first action, second action"\n'
                '  gerund locate VIDEO --actions "first action, second action" --html page.html'
            )


def main() -> None:
    """Entry point of the ``gerund`` command."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows few letters gets escapes, not a crash
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
