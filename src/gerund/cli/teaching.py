"""`gerund train --videos`: what it refuses, shows while it runs, and says at the end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gerund.errors import UsageError
from gerund.printing import echo, printable

if TYPE_CHECKING:
    from gerund.bench.runs.assembly import LoadEncoder
    from gerund.bench.runs.request import Request
    from gerund.lessons.teaching import OwnVideos

_MOST_NAMED = 50


def one_source(
    on: str,
    *,
    own: Mapping[str, object],
    of_benchmarks: Mapping[str, object],
    of_features: Mapping[str, object],
    features: str,
) -> None:
    """Refuses options that do not go together: a method learns from a benchmark or from a user's own videos.

    Args:
        on: the benchmark.
        own: options for own videos, by their names.
        of_benchmarks: options for benchmarks.
        of_features: options for features that are there already.
        features: where these are.

    Raises:
        UsageError: which.
    """
    given = [name for name, value in (own if on else of_benchmarks).items() if value]
    if given and on:
        raise UsageError(f"{given[0]} is for videos of your own, and --on {on} brings its own; give one of the two")
    if given:
        raise UsageError(f"{given[0]} is for benchmarks (--on); leave it out")
    if not on and not features and (given := [name for name, value in of_features.items() if value]):
        raise UsageError(f"{given[0]} chooses among features that are there already (--features); leave it out")
    if features and own["--keep-features"]:
        raise UsageError("--keep-features is for features that are made now, and --features has them already")


def teach_own(
    request: Request, own: OwnVideos, out: Path, *, model: str, load_encoder: LoadEncoder, quiet: bool
) -> None:
    """Trains on labelled videos of the user's own; the exit status is 1 where some were not learned from."""
    from gerund.lessons.teaching import Watching, teach
    from gerund.terminal import Watcher

    with Watcher(quiet=quiet) as watcher:

        def say(words: str) -> None:
            if not quiet:
                watcher.console.print(words, style="dim")

        watching = Watching(say, watcher.videos, watcher.frames)
        done = teach(request, own, out, model=model, load_encoder=load_encoder, watching=watching)
        with watcher.hidden():
            for note in () if quiet else done.notes:
                echo(f"note: {printable(note)}", err=True)
            if done.failed:
                echo(f"{len(done.failed)} not learned from:", err=True)
                for video, reason in done.failed[:_MOST_NAMED]:
                    echo(f"  {printable(video)}: {printable(reason)}", err=True)
                if len(done.failed) > _MOST_NAMED:
                    echo(f"  and {len(done.failed) - _MOST_NAMED} more", err=True)
            if not quiet:
                count = "1 action" if len(done.videos) == 1 else f"{len(done.videos)} actions"
                echo(f"{request.method} has learned from {done.num_videos} videos of {count}", err=True)
    echo(out)
    if done.failed:
        raise typer.Exit(1)
