"""Features of videos: extract, import."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gerund.batch import Batch, batch
from gerund.cli.options import (
    DEFAULT_MODEL,
    DecodeThreads,
    Device,
    EngineName,
    Paths,
    PrecisionName,
    Quiet,
    Skip,
    Threads,
)
from gerund.cli.rates import PicturesFps, rate_of_pictures
from gerund.errors import VideoError, reason_of

if TYPE_CHECKING:
    from gerund.encoders import VideoHalf
    from gerund.features import Extraction, FeatureStore, Sampling
    from gerund.features.importers import ImportedFeatures
    from gerund.video.reader import Video
    from gerund.video.workers import Workers

app = typer.Typer()

_Groups = dict[tuple[int, ...], list[tuple[str, "Video"]]]
"""Ids and videos by the places of the encoders that they were not encoded with yet."""

_AT_ONCE = 512
"""A video that was opened remembers where its frames are, so a data set's are not all kept open at once."""

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder for the features; one that has some is added to.")]


@app.command()
def extract(
    paths: Paths,
    out: Out,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name from 'gerund models', a weight file, a folder, or a hub name; may be repeated, for all share "
            f"one decode. Without it {DEFAULT_MODEL}.",
        ),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="One vector for every N frames: the centre one (CLIP's kin).")
    ] = None,
    mean: Annotated[bool, typer.Option("--mean", help="With --stride: the mean over all N frames.")] = False,
    rate: Annotated[float | None, typer.Option(min=1e-3, metavar="R", help="R vectors a second (CLIP's kin).")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, metavar="K", help="The centres of K equal parts (CLIP's kin).")
    ] = None,
    few: Annotated[
        bool, typer.Option("--few", help="The few windows that 'classify' looks at, not the whole video.")
    ] = False,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights",
            help="Draw the encoders' weights, to try out what costs how much; 'gerund evaluate' refuses such features.",
        ),
    ] = False,
    clips: Annotated[
        str | None, typer.Option(metavar="NxM", help="N clips of M consecutive frames, such as 25x16.")
    ] = None,
    views: Annotated[
        str | None, typer.Option(metavar="VxC", help="V views in time x C crops, such as 4x3; 8 frames, 16 apart.")
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Keep vectors as the network gives them, not of length 1.")
    ] = False,
    half: Annotated[bool, typer.Option("--half", help="Keep them as float16: half the room.")] = False,
    fps: PicturesFps = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Name videos by their paths below this folder, not by their file names alone."
        ),
    ] = None,
    skip: Skip = "",
    device: Device = "auto",
    threads: Threads = 0,
    engine: EngineName = "auto",
    precision: PrecisionName = "auto",
    decode_threads: DecodeThreads = 0,
    quiet: Quiet = False,
) -> None:
    """Encode videos once and keep the vectors, so that methods and evaluations need not.

    A video that is there already is skipped; a command that was stopped goes on where it was when it is run again.

    Example: gerund extract ucf101/ --encoder i3d-minilm --out features/
    """
    from gerund.api import load
    from gerund.encoders.base import require_frames
    from gerund.features import FeatureStore, Sampling, TrackKind
    from gerund.features.layout import check_place
    from gerund.features.sampling import parse_pair
    from gerund.features.store import name_videos
    from gerund.video.reader import Video
    from gerund.video.workers import Workers

    with batch(paths, quiet=quiet) as run:
        sampling = Sampling(
            stride=stride or 0,
            mean=mean,
            rate_hz=rate or 0.0,
            frames=frames or 0,
            few=few,
            clips=parse_pair(clips, "--clips") if clips else None,
            views=parse_pair(views, "--views") if views else None,
        )
        pictures_fps = rate_of_pictures(run, fps)
        if skip:
            _leave_out(run, skip)
        named = name_videos(run.videos, root)
        check_place(out)
        settings: dict[str, Any] = {"device": device, "threads": threads, "engine": engine, "precision": precision}
        settings |= {"random_weights": random_weights, "progress": run.watcher.download}
        loaded = [load(name, **settings).encoder for name in dict.fromkeys(encoder or [DEFAULT_MODEL])]
        for item in loaded:
            require_frames(item)
        encoders = [sampling.of(item, raw=raw) for item in loaded]
        encoders = list({item.fingerprint: item for item in encoders}.values())
        workers = run.stack.enter_context(Workers())
        videos = {video: Video(path, fps=pictures_fps) for video, path in named.items()}
        _require_fit(run, encoders, sampling, list(videos.values()), workers)
        if not quiet:
            _note_remarks(run, encoders)
        stores = [
            FeatureStore.create(
                out, TrackKind(item.name, item.fingerprint, item.dim, sampling.key, sampling.words, half)
            )
            for item in encoders
        ]
        _extract(run, videos, encoders, stores, workers, dense=sampling.dense, decoders=decode_threads, quiet=quiet)


@app.command()
def import_features(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="The folder or file of features.")],
    layout: Annotated[
        Literal["arrays", "vectors", "video-features", "table"],
        typer.Option(
            "--format",
            help="arrays: a file [T, D] a video (GAP, T3AL). vectors: a file with one vector a video (ER). "
            "video-features: what v-iashin/video_features saves. table: one .npz with ids [N] and vectors [N, D].",
        ),
    ],
    encoder: Annotated[str, typer.Option(metavar="NAME", help="What to call the encoder that made them.")],
    out: Out,
    fps: Annotated[float, typer.Option(min=0, help="Frames a second of every video.")] = 0.0,
    stride: Annotated[float, typer.Option(min=0, help="Frames from one vector to the next.")] = 0.0,
    info: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON with the rate or length of each video, such as GAP's.")
    ] = None,
    name: Annotated[str, typer.Option(help="How files are named after videos, without ending: '{id}_rgb'.")] = "{id}",
    key: Annotated[str | None, typer.Option(help="Which array is meant, where there are several.")] = None,
    times: Annotated[str | None, typer.Option(help="Which array has the timestamps in milliseconds.")] = None,
    fingerprint: Annotated[
        str | None, typer.Option(help="The encoder's, where you know that gerund's own is the very same.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Take over features that others have made.

    Example: gerund import-features thumos/ --format arrays --info info.json --encoder clip-b16 --out features/
    """
    from gerund.features.layout import check_place
    from gerund.features.opening import open_files

    with batch([], quiet=quiet) as run:
        check_place(out)
        found = open_files(
            source,
            layout,
            encoder=encoder,
            fingerprint=fingerprint,
            fps=fps,
            stride=stride,
            info=info,
            name=name,
            key=key,
            times=times,
        )
        _take_over(run, found, out, quiet=quiet)


def _leave_out(run: Batch, skip: str) -> None:
    """Takes the bad videos of a scan's list from those of the command."""
    from gerund.chores.verdicts import KnownBad

    bad = KnownBad.read(skip)
    kept = [path for path in run.videos if not bad.has_file(path)]
    if not run.quiet:
        run.say(f"note: {len(run.videos) - len(kept)} of {len(run.videos)} videos left out, bad by {skip}")
    run.videos = kept


def _take_over(run: Batch, found: ImportedFeatures, out: Path, *, quiet: bool) -> None:
    from gerund.errors import OutputError
    from gerund.features import FeatureStore
    from gerund.writing import stops_when_full

    store = FeatureStore.create(out, found.kind)
    listed = found.ids()
    todo = [video for video in listed if not store.has(video, found.file_of(video))]
    _summarise(run, [store], listed, quiet=quiet)
    for done, video in enumerate(todo, 1):
        try:
            with stops_when_full(store.file_of(video)):
                store.write(video, found.read(video), source=found.file_of(video))
        except OutputError:
            raise
        except Exception as error:
            run.failed.append((video, reason_of(error)))
        run.watcher.videos(done, len(todo))


def _extract(
    run: Batch,
    named: dict[str, Video],
    encoders: list[VideoHalf],
    stores: list[FeatureStore],
    workers: Workers,
    *,
    dense: bool,
    decoders: int,
    quiet: bool,
) -> None:
    from gerund.drawing import heading
    from gerund.features import extract_many
    from gerund.terminal import show
    from gerund.writing import standard_output, stops_when_full

    groups = _group(named, stores)
    run.videos = [video.path for group in groups.values() for _, video in group]
    _summarise(run, stores, list(named), quiet=quiet)

    def ask(_: list[Path]) -> Iterator[tuple[Path, Any]]:
        for places, group in groups.items():
            chosen = [encoders[place] for place in places]
            for begin in range(0, len(group), _AT_ONCE):
                part = group[begin : begin + _AT_ONCE]
                done = extract_many(
                    [copy(video) for _, video in part],
                    chosen,
                    dense=dense,
                    decoders=decoders,
                    workers=workers,
                    progress=run.watcher.frames,
                )
                for (name, video), found in zip(part, done, strict=True):
                    yield video.path, found.error or (name, places, found)

    def take(path: Path, answer: tuple[str, tuple[int, ...], Extraction]) -> None:
        video, places, found = answer
        text = heading(str(path), found.video.duration_s)
        for place, track in zip(places, found.tracks, strict=True):
            with stops_when_full(stores[place].file_of(video)):
                stores[place].write(video, track, source=named[video])
            text.append(f"  {encoders[place].name}: {len(track)} x {encoders[place].dim}")
        if not quiet:
            with run.watcher.hidden(), standard_output():
                show(text)

    run.each_video(ask, take)


def _require_fit(
    run: Batch, encoders: list[VideoHalf], sampling: Sampling, videos: list[Video], workers: Workers
) -> None:
    """Asks every encoder about the first video that can be read, so that a command that cannot be right writes nothing.

    Says what room an hour of video, or each video, will take.

    Raises:
        UsageError: the sampling is none for one of them.
    """
    from gerund.features import Resampled
    from gerund.features.size import size_in_words

    for given in videos:
        with suppress(VideoError), workers.reading(video := copy(given)):
            for encoder in encoders:
                with suppress(*() if isinstance(encoder, Resampled) else (Exception,)):  # its own choice fits, or not
                    room = size_in_words(encoder, video, dense=sampling.dense, fixed=sampling.is_fixed)
                    if not run.quiet:
                        run.say(f"note: {encoder.name}: the vectors take about {room}")
            return


def _group(named: dict[str, Video], stores: list[FeatureStore]) -> _Groups:
    """What is to be done; videos that lack the same encoders go through one decode each."""
    groups: _Groups = {}
    for video, path in named.items():
        try:
            places = tuple(place for place, store in enumerate(stores) if not store.has(video, path))
        except VideoError:  # it cannot be read, and the reader will say why
            places = tuple(range(len(stores)))
        if places:
            groups.setdefault(places, []).append((video, path))
    return groups


def _summarise(run: Batch, stores: list[FeatureStore], ids: list[str], *, quiet: bool) -> None:
    """Says at the end, also after Ctrl-C, how many videos have features now."""

    def count() -> int:
        return sum(all(video in store for store in stores) for video in ids)

    before = count()
    if not quiet:
        run.at_end(lambda _: [f"{stores[0].path}: {count()} of {len(ids)} are here, {count() - before} of them new"])


def _note_remarks(run: Batch, encoders: list[VideoHalf]) -> None:
    for encoder in encoders:
        for remark in encoder.remarks():
            run.say(f"note: {encoder.name}: {remark}")
