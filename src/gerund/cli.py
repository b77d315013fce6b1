"""The command line: classify, locate, models, demo.

Answers go to standard output, everything else to standard error. The exit status is 0 when all inputs were answered,
1 when some could not be, 2 when the command itself cannot be right, and 130 after Ctrl-C. What was finished is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from gerund.errors import AssetError, GerundError, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from gerund.api import Model
    from gerund.terminal import Watcher

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(invoke_without_command=True)
app.add_typer(models_app, name="models")

DEFAULT_MODEL = "i3d-minilm"
_UNFAMILIAR_SHOWN = 5

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
ModelName = Annotated[str, typer.Option("--model", metavar="NAME", help="See 'gerund models'.")]
Device = Annotated[str, typer.Option(help="auto or cpu.")]
Threads = Annotated[int, typer.Option(min=0, help="Threads to compute with; 0 takes every core.")]
PrecisionName = Annotated[
    Literal["auto", "fp32", "bf16"], typer.Option(help="Arithmetic; auto is bf16 where the processor has it.")
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
    precision: PrecisionName = "auto",
    quiet: Quiet = False,
) -> None:
    """Say which of the ACTIONS each video shows.

    Example: gerund classify holiday/ --actions "playing guitar, surfing water, petting a dog"
    """
    from gerund.terminal import classification_table

    with _run(json, csv, quiet) as run:
        loaded = run.load(model, actions, device=device, threads=threads, precision=precision)
        run.csv_row(["video", "duration_s", "rank", "action", "score", "probability", "error"])

        def answer(path: Path) -> Text:
            found = loaded.classify(path, run.classes, top=top, progress=run.watcher.frames)
            run.json_line(found.to_dict())
            for rank, item in enumerate(found.actions, 1):
                numbers = [f"{item.score:.6f}", f"{item.probability:.6f}"]
                run.csv_row([found.video, f"{found.duration_s:.3f}", rank, item.action, *numbers, ""])
            return classification_table(found)

        def fail(path: str, reason: str) -> None:
            run.json_line({"video": path, "duration_s": None, "model": loaded.name, "actions": [], "error": reason})
            run.csv_row([path, "", "", "", "", "", reason])

        run.each_video(paths, answer, fail)


@app.command()
def locate(
    paths: Paths,
    actions: ActionSpec,
    model: ModelName = DEFAULT_MODEL,
    method: Annotated[
        Literal["contrast", "whole", "uniform"],
        typer.Option(help="contrast, or one of two baselines: the whole video, uniform windows."),
    ] = "contrast",
    top: Annotated[int, typer.Option(min=1, help="How many segments to show; files get all.")] = 10,
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
    precision: PrecisionName = "auto",
    quiet: Quiet = False,
) -> None:
    """Say when the ACTIONS happen in each video.

    Example: gerund locate match.mp4 --actions "long jump, running" --html match.html
    """
    from gerund.page import Located, write_page
    from gerund.terminal import timeline
    from gerund.video.reader import Video

    results: list[Located] = []
    with _run(json, csv, quiet, vtt, html) as run:
        run.require_vtt_target(vtt, paths)
        loaded = run.load(model, actions, device=device, threads=threads, precision=precision)
        run.csv_row(["video", "start_s", "end_s", "action", "score", "confidence"])

        def answer(path: Path) -> Text:
            found = loaded.locate(path, run.classes, method=method, progress=run.watcher.frames)
            duration_s = round(Video(path).duration_s, 3)
            results.append(Located(path, duration_s, found))
            record = {"video": str(path), "duration_s": duration_s, "model": loaded.name}
            run.json_line({**record, "segments": found.to_dicts(), "error": None})
            run.csv_text(found.to_csv(str(path), header=False))
            if vtt:
                run.write_vtt(vtt, path, found.distinct().to_vtt())
            return timeline(str(path), duration_s, found, top=top)

        def fail(path: str, reason: str) -> None:
            from gerund.types import Segments

            results.append(Located(Path(path), None, Segments(), reason))
            record = {"video": path, "duration_s": None, "model": loaded.name}
            run.json_line({**record, "segments": [], "error": reason})

        if html:
            run.at_end(lambda: write_page(html, loaded.name, results))
        run.each_video(paths, answer, fail)


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

    with _errors_to_exit(), Watcher(quiet=False) as watcher:
        wanted: list[str] = []
        for name in names:
            card = next((card for card in assets.MODELS if card.name == name), None)
            wanted += card.assets if card else [assets.find_asset(name).name]
        if source:
            taken = assets.install(source, tuple(dict.fromkeys(wanted)))
            typer.echo(f"taken from {source}: {', '.join(asset.name for asset in taken)}")
            return
        for name in dict.fromkeys(wanted):
            asset = assets.find_asset(name)
            was_here = assets.is_here(asset) and assets.verify(asset)
            path = assets.fetch(asset, progress=watcher.download)
            typer.echo(
                f"{'verified' if was_here else 'fetched'}  {asset.name}  {asset.size_bytes / 1e6:.1f} MB  {path}"
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
    from gerund.video.reader import Video

    with _errors_to_exit(), Watcher(quiet=False) as watcher:
        if video is None:
            asset = assets.find_asset("demo-clip")
            path = str(assets.fetch(asset, progress=watcher.download))
            typer.echo(f"sample: {asset.what}\n        {asset.sources[0]}, {asset.licence}\n")
        else:
            path = video
        loaded = load(progress=watcher.download)
        typer.echo("What is done (among the 400 actions of Kinetics):\n")
        show(classification_table(loaded.classify(path, "kinetics400", progress=watcher.frames)))
        typer.echo("\nWhen it is done:\n")
        found = loaded.locate(path, "kinetics400", progress=watcher.frames)
        show(timeline(path, Video(path).duration_s, found, top=6))
        typer.echo(
            "\nNow yours:\n"
            '  gerund classify VIDEOS... --actions "first action, second action"\n'
            '  gerund locate VIDEO --actions "first action, second action" --html page.html'
        )


class _Run:
    """One command over many videos: where its answers go, and what went wrong."""

    def __init__(self, watcher: Watcher, quiet: bool) -> None:
        self.watcher = watcher
        self.failed: list[tuple[str, str]] = []
        self.json: TextIO | None = None
        self.csv: TextIO | None = None
        self.classes: Any = None
        self._quiet = quiet
        self._endings: list[Callable[[], None]] = []

    def load(self, model: str, actions: str, **settings: Any) -> Model:
        """Reads the actions first, so that a typing error costs nothing, then the model."""
        from gerund.api import load
        from gerund.text.classes import ClassSpace

        self.classes = ClassSpace.parse(actions)
        loaded = load(model, progress=self.watcher.download, **settings)
        strange = loaded.unfamiliar(self.classes)
        if strange and not self._quiet:
            names = ", ".join(strange[:_UNFAMILIAR_SHOWN])
            more = f" and {len(strange) - _UNFAMILIAR_SHOWN} more" if len(strange) > _UNFAMILIAR_SHOWN else ""
            self.say(f"note: unlike any of the 400 actions behind {loaded.name}, so a guess at best: {names}{more}")
        return loaded

    def each_video(self, paths: list[str], answer: Callable[[Path], Text], fail: Callable[[str, str], None]) -> None:
        """Answers every video; a failure is noted and the next one is taken."""
        from gerund.terminal import show
        from gerund.video.files import find_videos

        found, problems = find_videos(paths)
        for problem in problems:
            self._note(problem.path, problem.reason, fail)
        for done, path in enumerate(found):
            self.watcher.videos(done, len(found))
            try:
                text = answer(path)
            except (GerundError, OSError, RuntimeError, ValueError, MemoryError) as error:
                self._note(str(path), getattr(error, "reason", None) or str(error) or type(error).__name__, fail)
                continue
            if not self._quiet and self.json is not sys.stdout:
                show(text.append("\n") if len(found) > 1 else text)
        self.watcher.videos(len(found), len(found))

    def _note(self, path: str, reason: str, fail: Callable[[str, str], None]) -> None:
        self.failed.append((path, reason))
        fail(path, reason)

    def at_end(self, action: Callable[[], None]) -> None:
        """Does this when the last video is done, or after Ctrl-C."""
        self._endings.append(action)

    def finish(self) -> None:
        """Writes what is written at the end and lists the videos that failed."""
        for action in self._endings:
            action()
        if self.failed:
            from gerund.terminal import printable

            self.say(f"{len(self.failed)} not answered:")
            for path, reason in self.failed:
                self.say(f"  {printable(path)}: {reason}")

    def json_line(self, record: dict[str, Any]) -> None:
        """One line of JSON, on disk before the next video begins."""
        if self.json:
            import json

            self.json.write(json.dumps(record) + "\n")
            self.json.flush()

    def csv_row(self, row: list[Any]) -> None:
        """One row of the table."""
        if self.csv:
            import csv

            csv.writer(self.csv, lineterminator="\n").writerow(row)
            self.csv.flush()

    def csv_text(self, text: str) -> None:
        """Rows that are text already."""
        if self.csv:
            self.csv.write(text)
            self.csv.flush()

    def require_vtt_target(self, vtt: Path | None, paths: list[str]) -> None:
        """Several videos need a folder for their subtitles."""
        from gerund.video.files import find_videos

        if vtt and vtt.suffix.lower() == ".vtt" and len(find_videos(paths)[0]) > 1:
            raise UsageError(f"--vtt {vtt}: one file for several videos; give a folder")

    def write_vtt(self, target: Path, video: Path, text: str) -> None:
        """Subtitles to the file, or into the folder under the video's name."""
        if target.suffix.lower() != ".vtt":
            target.mkdir(parents=True, exist_ok=True)
            target = target / f"{video.name}.vtt"
        target.write_text(text, encoding="utf-8")

    def say(self, line: str) -> None:
        """A line on standard error."""
        self.watcher.console.print(line, markup=False, soft_wrap=True)


@contextmanager
def _run(json: str | None, csv: Path | None, quiet: bool, *others: Path | None) -> Iterator[_Run]:
    """Opens the outputs, runs, and ends the process with the right status."""
    from gerund.terminal import Watcher

    with _errors_to_exit(), ExitStack() as stack:
        watcher = stack.enter_context(Watcher(quiet=quiet))
        run = _Run(watcher, quiet)
        for other in others:
            if other and not other.absolute().parent.is_dir():
                raise UsageError(f"cannot write {other}: the folder {other.parent} does not exist")
        if json == "-":
            run.json = sys.stdout
        elif json:
            run.json = stack.enter_context(_open_output(Path(json)))
        if csv:
            run.csv = stack.enter_context(_open_output(csv))
        try:
            yield run
        except KeyboardInterrupt:
            run.finish()
            run.say("stopped; what was finished is kept")
            raise typer.Exit(130) from None
        run.finish()
        if run.failed:
            raise typer.Exit(1)


def _open_output(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def _errors_to_exit() -> Iterator[None]:
    """Turns errors into one line and an exit status."""
    try:
        yield
    except UsageError as error:
        typer.echo(f"gerund: {error}", err=True)
        raise typer.Exit(2) from None
    except (AssetError, GerundError, OSError) as error:
        typer.echo(f"gerund: {error}", err=True)
        raise typer.Exit(1) from None


def main() -> None:
    """Entry point of the ``gerund`` command."""
    app()
