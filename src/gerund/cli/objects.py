"""Objects in videos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import Batch, Outcome, batch
from gerund.cli.options import DecodeThreads, Paths, PrecisionName, Quiet, Threads
from gerund.errors import UsageError, VideoError

if TYPE_CHECKING:
    from gerund.features.object_store import ObjectStore
    from gerund.features.objects import FoundObjects, ObjectFinder
    from gerund.video.workers import Workers

app = typer.Typer()

_AT_ONCE = 512
"""A video that was opened remembers where its frames are, so a data set's are not all kept open at once."""

_SHOWN = 3


@app.command()
def objects(
    paths: Paths,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="JSON with the objects of each video; one that has some is added to.")
    ],
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            "--model",
            metavar="NAME|FILE",
            help="efficientnet-lite0, -lite1 or -lite2 (1,000 kinds of things), or BiT's weight file (21,843).",
        ),
    ] = "efficientnet-lite0",
    vocabulary: Annotated[
        str,
        typer.Option(metavar="NAME|FILE", help="What the network's classes are, where gerund does not know that."),
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="How many objects of each video.")] = 20,
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="A network that has learned nothing, to try things out.")
    ] = False,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Name videos by their paths below this folder, not by their file names alone."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin FILE anew, whatever it holds.")] = False,
    threads: Threads = 0,
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    quiet: Quiet = False,
) -> None:
    """Name the objects in videos, for methods that look at them (Elaborative Rehearsal).

    A video that is in FILE already is skipped; a command that was stopped goes on where it was when it is run again.

    Example: gerund objects ucf101/ --out objects.json
    """
    from gerund.features.object_store import ObjectStore
    from gerund.features.objects import open_finder
    from gerund.features.store import name_videos
    from gerund.video.workers import Workers
    from gerund.writing import check_outputs, is_stdout

    with batch(paths, quiet=quiet) as run:
        named = name_videos(run.videos, root)
        check_outputs([out], run.videos)
        if is_stdout(out):
            raise UsageError("--out -: objects are added to a file, so give one")
        finder = open_finder(
            encoder,
            vocabulary,
            random_weights=random_weights,
            threads=threads,
            precision=precision,
            progress=run.watcher.download,
        )
        store = ObjectStore(out, finder.lists(top), overwrite=overwrite)
        if random_weights:
            run.say(f"note: {encoder} has random weights: what it finds means nothing, and 'evaluate' refuses it")
        workers = run.stack.enter_context(Workers())
        _find(run, named, finder, store, workers, top=top, decoders=decode_threads, quiet=quiet)


def _find(
    run: Batch,
    named: dict[str, Path],
    finder: ObjectFinder,
    store: ObjectStore,
    workers: Workers,
    *,
    top: int,
    decoders: int,
    quiet: bool,
) -> None:
    from gerund.drawing import heading
    from gerund.terminal import show
    from gerund.video.reader import Video
    from gerund.writing import standard_output

    id_of = {path: video for video, path in named.items()}
    run.videos = [path for video, path in named.items() if not _is_known(store, video, path)]
    before = len(named) - len(run.videos)
    store.begin()

    def close(_: bool) -> list[str]:
        store.close()
        count = sum(video in store for video in named)
        return [f"{store.path}: {count} of {len(named)} are here, {count - before} of them new"]

    run.at_end(close)

    def ask(paths: list[Path]) -> Iterator[Outcome]:
        for begin in range(0, len(paths), _AT_ONCE):
            part = paths[begin : begin + _AT_ONCE]
            done = finder.find(map(Video, part), top=top, decoders=decoders, workers=workers)
            for path, found in zip(part, done, strict=True):
                yield path, found.error or found

    def take(path: Path, found: FoundObjects) -> None:
        store.write(id_of[path], path, found.places, found.scores)
        if not quiet:
            best = ", ".join(finder.concepts.names[place].partition(",")[0] for place in found.places[:_SHOWN])
            text = heading(str(path), found.video.duration_s).append(f"  {best}")
            with run.watcher.hidden(), standard_output():
                show(text)

    run.each_video(ask, take)


def _is_known(store: ObjectStore, video: str, path: Path) -> bool:
    with suppress(VideoError):  # it cannot be read, and the reader will say why
        return store.has(video, path)
    return False
