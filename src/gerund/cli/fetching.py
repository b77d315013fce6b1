"""Data sets from where they are offered: fetch ucf101, hmdb51, kinetics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.cli.options import Quiet
from gerund.errors import UsageError, reason_of
from gerund.printing import csv_text, echo, printable
from gerund.writing import check_folder, write_text

if TYPE_CHECKING:
    from gerund.chores.downloads import Source
    from gerund.chores.kinetics import Clip, Wishes
    from gerund.chores.placing import Placed, Where
    from gerund.chores.programs import Programs
    from gerund.terminal import Watcher

fetch_app = typer.Typer(no_args_is_help=True)

MISSING = "missing.csv"
"""What could not be had, in the folder of the data set."""

Out = Annotated[Path, typer.Argument(metavar="OUT", help="The data set's folder; what is there is added to.")]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="PLACE", help="A mirror's address, or a folder, with the archives under their own names."
    ),
]
VideosFrom = Annotated[
    str, typer.Option("--videos", metavar="PLACE", help="The archive of videos itself: an address, or a file.")
]
ListsFrom = Annotated[
    str, typer.Option("--lists", metavar="PLACE", help="The archive of official lists: an address, or a file.")
]
Keep = Annotated[bool, typer.Option("--keep-archives", help="Keep archives that were fetched.")]
Again = Annotated[bool, typer.Option("--again", help="Ask again for what was had before, or was gone.")]


@fetch_app.callback()
def _fetch() -> None:
    """Fetch a data set; a command that was stopped goes on when it is given again."""


@fetch_app.command()
def ucf101(
    out: Out,
    place: From = "",
    videos: VideosFrom = "",
    lists: ListsFrom = "",
    keep_archives: Keep = False,
    again: Again = False,
    quiet: Quiet = False,
) -> None:
    """UCF101, 7 GB, and its official lists, from its authors' site or a mirror.

    Its .rar is unpacked by an installed program: unrar, unar, bsdtar or 7z.

    Example: gerund data fetch ucf101 data/ucf101/
    """
    _official("ucf101", out, place, videos, lists, keep=keep_archives, again=again, quiet=quiet)


@fetch_app.command()
def hmdb51(
    out: Out,
    place: From = "",
    videos: VideosFrom = "",
    lists: ListsFrom = "",
    keep_archives: Keep = False,
    again: Again = False,
    quiet: Quiet = False,
) -> None:
    """HMDB51, 2 GB, and its official lists, from its authors' site or a mirror.

    Its .rar are unpacked by an installed program: unrar, unar, bsdtar or 7z.

    Example: gerund data fetch hmdb51 data/hmdb51/ --from ~/Downloads
    """
    _official("hmdb51", out, place, videos, lists, keep=keep_archives, again=again, quiet=quiet)


@fetch_app.command()
def kinetics(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="A list: label, youtube_id, time_start, time_end.")],
    out: Out,
    archives: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="Take clips from archives: a .tar.gz, or a .txt with one a line; addresses or files; may be repeated.",
        ),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=8, metavar="N", help="Videos fetched at once.")] = 2,
    pause: Annotated[float, typer.Option(min=0, metavar="S", help="Seconds to wait before each video.")] = 1.0,
    tallest: Annotated[int, typer.Option(min=72, metavar="PX", help="Fetch no higher pictures than these.")] = 480,
    cookies: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Cookies for yt-dlp, where the site asks who is there.")
    ] = None,
    keep_archives: Keep = False,
    again: Again = False,
    quiet: Quiet = False,
) -> None:
    """The clips of a list of Kinetics, into a folder for each class.

    Videos are fetched by an installed yt-dlp and cut by an installed ffmpeg, or come out of the archives that mirrors
    offer. What is gone is remembered and not asked for again. The exit status is 1 when clips are missing.

    Example: gerund data fetch kinetics val.csv data/k400/val --archives k400_val_path.txt
    """
    from gerund.chores.kinetics import Wishes

    with errors_to_exit(), ExitStack() as stack:
        clips = _read_clips(table)
        check_folder(out)
        if cookies and not cookies.is_file():
            raise UsageError(f"--cookies {cookies}: no such file")
        watcher, programs = stack.enter_context(_at_work(quiet=quiet))
        reasons: dict[Clip, tuple[str, bool]]
        if archives:
            reasons = _from_archives(clips, out, archives, watcher, programs, keep=keep_archives, again=again)
        else:
            wishes = Wishes(tallest, pause, cookies)
            reasons = _from_site(clips, out, wishes, watcher, programs, at_once=at_once, again=again)
        _report(clips, out, reasons, quiet=quiet)


@contextmanager
def _at_work(*, quiet: bool) -> Iterator[tuple[Watcher, Programs]]:
    """What shows progress and what runs programs, which are ended however the command ends."""
    from gerund.chores.programs import Programs
    from gerund.terminal import Watcher

    programs = Programs()
    try:
        with Watcher(quiet=quiet) as watcher:
            yield watcher, programs
    finally:
        programs.stop()


def _official(
    name: str, out: Path, place: str, videos: str, lists: str, *, keep: bool, again: bool, quiet: bool
) -> None:
    from gerund.chores.downloads import Source, check_place
    from gerund.chores.official import OFFICIAL
    from gerund.chores.unpacking import find_rar_tools

    with errors_to_exit(), ExitStack() as stack:
        official = OFFICIAL[name]
        for given in filter(None, (place, videos, lists)):
            check_place(given)
        check_folder(out)
        sources = [
            Source(lists, official.lists.digest) if lists else official.lists.elsewhere(place),
            Source(videos, official.videos.digest) if videos else official.videos.elsewhere(place),
        ]
        if any(source.name.lower().endswith(".rar") for source in sources):
            find_rar_tools()  # before gigabytes are fetched
        watcher, programs = stack.enter_context(_at_work(quiet=quiet))
        failed = False
        for done in _place(sources, out, official.where, name, watcher, programs, keep=keep, again=again):
            failed = failed or bool(done.errors)
            if not quiet:
                _tell_placed(done, watcher)
        if failed:
            raise typer.Exit(1)
        if not quiet:
            echo(f"{out}: 'gerund data scan {out} --dataset {name} --data {out}' tells whether all of it is well")


def _place(
    sources: Sequence[Source],
    out: Path,
    where: Where,
    wanted: str,
    watcher: Watcher,
    programs: Programs,
    *,
    keep: bool,
    again: bool,
) -> Iterator[Placed]:
    from gerund.chores.placing import place_archives

    for done in place_archives(
        sources, out, where, wanted=wanted, programs=programs, keep=keep, again=again, progress=watcher.download
    ):
        for error in done.errors:
            with watcher.hidden():
                echo(f"{printable(done.source.place)}: {printable(error)}", err=True)
        yield done


def _tell_placed(done: Placed, watcher: Watcher) -> None:
    others = f", {done.passed_over} others not wanted" if done.passed_over else ""
    before = ", as unpacked before" if done.known else ""
    with watcher.hidden():
        echo(f"{printable(done.source.name)}: {done.files} files{others}{before}")


def _read_clips(table: Path) -> list[Clip]:
    from gerund.bench.datasets.lists import read_kinetics
    from gerund.chores.kinetics import Clip

    if not table.is_file():
        raise UsageError(f"{table}: no such file")
    clips = {video.video: Clip(video.video, video.label) for video in read_kinetics(table)}
    if not clips:
        raise UsageError(f"{table}: it lists no clips; expected columns label, youtube_id, time_start, time_end")
    return list(clips.values())


def _from_archives(
    clips: Sequence[Clip],
    out: Path,
    places: Iterable[str],
    watcher: Watcher,
    programs: Programs,
    *,
    keep: bool,
    again: bool,
) -> dict[Clip, tuple[str, bool]]:
    from gerund.chores.downloads import read_sources
    from gerund.chores.kinetics import place_of, where
    from gerund.record import settings_id

    sources = [item for place in places for item in read_sources(place)]
    wanted = settings_id(clips=sorted(f"{clip.label}/{clip.name}" for clip in clips))
    known = where(clips)
    failed = 0
    done = _place(sources, out, partial(place_of, clips=known), wanted, watcher, programs, keep=keep, again=again)
    for placed in done:
        failed += bool(placed.errors)
    why = f"not in the {len(sources)} archives" + (f", of which {failed} could not be had whole" if failed else "")
    return dict.fromkeys(clips, (why, False))


def _from_site(
    clips: Sequence[Clip],
    out: Path,
    wishes: Wishes,
    watcher: Watcher,
    programs: Programs,
    *,
    at_once: int,
    again: bool,
) -> dict[Clip, tuple[str, bool]]:
    """What kept clips from being had, and whether they are gone; those of a site that wants no more are not named."""
    from gerund.chores.kinetics import Cutter, GoneError, RefusedError, fetch
    from gerund.video.workers import Workers

    reasons: dict[Clip, tuple[str, bool]] = {}
    with Workers() as workers:
        cutter = Cutter(out, wishes, programs, workers)
        out.mkdir(parents=True, exist_ok=True)
        try:
            for done, (clip, error) in enumerate(fetch(clips, out, cutter, at_once=at_once, again=again), 1):
                if error is not None:
                    reasons[clip] = reason_of(error), isinstance(error, GoneError)
                    if not isinstance(error, GoneError):
                        with watcher.hidden():
                            echo(f"{clip.name}: {printable(reason_of(error))}", err=True)
                watcher.videos(done, len(clips))
        except RefusedError as error:
            with watcher.hidden():
                echo(f"gerund: stopped: {printable(error)}", err=True)
    return reasons


def _report(clips: Sequence[Clip], out: Path, reasons: dict[Clip, tuple[str, bool]], *, quiet: bool) -> None:
    """Says what is here, and writes down what is not."""
    lacking = [(clip, *reasons.get(clip, ("not asked for", False))) for clip in clips if not clip.find(out)]
    rows = [[clip.name, clip.label, "gone" if gone else "failed", reason] for clip, reason, gone in lacking]
    write_text(out / MISSING, csv_text([["video", "label", "state", "reason"], *rows]))
    num_gone = sum(gone for _, _, gone in lacking)
    if not quiet:
        said = f"{out}: {len(clips) - len(lacking)} of {len(clips)} clips are here"
        if lacking:
            said += f", {num_gone} are gone, {len(lacking) - num_gone} could not be had: see {out / MISSING}"
        echo(said)
    if lacking:
        raise typer.Exit(1)
