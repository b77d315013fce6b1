"""A method trained on a user's own labelled videos: from a folder and a table to a folder that answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from gerund.bench.datasets.listing import ListedVideo, Listing
from gerund.bench.datasets.lists import stem_of
from gerund.bench.protocols.benchmark import Benchmark, Split, Task
from gerund.bench.protocols.tasks import SplitVideos
from gerund.bench.runs.assembly import LoadEncoder, assemble_on
from gerund.bench.runs.footage import VideoFolder
from gerund.bench.runs.learning import Learning, Say, SplitRun
from gerund.bench.runs.material import Material
from gerund.bench.runs.request import Request
from gerund.chores.verdicts import KnownBad
from gerund.encoders.base import Encoder, is_random
from gerund.errors import GerundError, UsageError, VideoError
from gerund.features import Features, FrameProgress, open_features
from gerund.features.object_lists import Listed, ObjectLists, read_objects
from gerund.features.store import name_videos
from gerund.lessons.gathering import cached_store, gather
from gerund.lessons.labels import Labels, labels_of_folders, labels_of_table
from gerund.lessons.matching import Known, Matched, Shown, match
from gerund.methods.card import MethodCard
from gerund.methods.catalog import find_method, takes
from gerund.methods.failures import errors_while
from gerund.methods.training import saved
from gerund.methods.training.lesson import Lesson, write_lesson
from gerund.text.descriptions import choose_texts
from gerund.text.objects import Concepts
from gerund.video.files import find_videos

_OWN = "own videos"
_SPLIT = "own"


@dataclass(frozen=True)
class OwnVideos:
    """A user's own labelled videos, as they were named.

    Attributes:
        folder: with the videos; None where there are only features of them.
        table: says what they show; None where they lie in a folder for each class.
        actions: the list of classes, where the table counts them; ``""`` for none.
        kept: where their features are kept; None for the cache.
        decoders: how many are decoded at once; 0 decides by the machine.

    Raises:
        UsageError: there are neither videos nor a table, or the folder is none.
    """

    folder: Path | None
    table: Path | None = None
    actions: str = ""
    kept: Path | None = None
    decoders: int = 0

    def __post_init__(self) -> None:
        if self.folder is None and self.table is None:
            raise UsageError("say what to learn from: --on BENCHMARK, --videos DIR, or --labels FILE with --features")
        if self.folder is not None and not self.folder.is_dir():
            raise UsageError(f"--videos {self.folder}: no such folder")


@dataclass
class Taught:
    """What came of it.

    Attributes:
        videos: how many videos of each class were learned from.
        num_videos: how many in all; one may show several classes over time.
        failed: videos that were not, with the reason.
        notes: what else to know.
    """

    videos: dict[str, int] = field(default_factory=dict)
    num_videos: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Watching:
    """Who is told how far it is.

    Attributes:
        say: told in words what is being done.
        videos: told how many videos of how many are encoded.
        frames: told how far the present one is.
    """

    say: Say | None = None
    videos: Callable[[int, int], None] | None = None
    frames: FrameProgress | None = None


def teach(
    request: Request,
    own: OwnVideos,
    out: Path,
    *,
    model: str,
    load_encoder: LoadEncoder,
    watching: Watching | None = None,
) -> Taught:
    """Trains a method on labelled videos and writes it down with its lesson.

    What cannot be read, or is not there, is named, and the others are learned from.

    Args:
        request: the method and its settings; its `features` are tracks that are there already.
        own: the videos and what they show.
        out: the folder for the trained method, with its checkpoints.
        model: makes the tracks, and encodes the class texts where the request names no other for these.
        load_encoder: gives a model by its name.
        watching: told how far it is.

    Raises:
        UsageError: labels, videos and method do not fit together, or there is not enough to learn from.
        GerundError: the method fails.
    """
    card, done, watching = find_method(request.method), Taught(), watching or Watching()
    made = card.load()
    raw, takes_clips = getattr(made, "needs_raw", False), getattr(made, "takes", "") == "clip"
    if getattr(made, "training_free", False):
        raise UsageError(f"{card.name} is training-free; use it as it is")
    if takes_clips and (own.folder is None or request.features):
        raise UsageError(f"{card.name} takes clips; give the videos themselves (--videos DIR), and no features")
    if own.folder is None and not request.features:
        raise UsageError(f"{own.table}: says what videos show, and not where they are; give --videos or --features")
    timed, load = card.task == "localization", cache(load_encoder)
    files, labels = _labelled(own, done)
    features: Features | VideoFolder
    if request.features:
        features = open_features(
            Path(request.features), encoder=request.encoder or None, sampling=request.sampling or None, raw=raw
        )
        matched = _without_bad(match(labels.rows, features.ids(), timed=timed), request.skip, files, done)
    elif takes_clips and own.folder is not None:
        matched = _without_bad(match(labels.rows, list(files), timed=timed), request.skip, files, done)
        features = VideoFolder(own.folder, own.decoders)
        request = replace(request, model=request.model or request.encoder or model)
    else:
        matched = _without_bad(match(labels.rows, list(files), timed=timed), request.skip, files, done)
        encoder = load(request.encoder or model) if matched.shown else None
        features, matched = _encoded(own, files, matched, encoder, done, few=not timed, raw=raw, watching=watching)
        request = replace(request, model=request.model or request.encoder or model)
    if is_random(features.fingerprint):
        done.notes.append(f"{features.encoder} has random weights, so what is learned from its features means nothing")
    done.videos, done.num_videos = _counts(matched, timed, own, card, done), len(matched.shown)
    _note_missing(matched, done, allow=request.allow_missing)
    lost = sorted({row.label for row in labels.rows} - set(done.videos))
    if lost:
        done.notes.append(f"without any video here, so not learned: {', '.join(lost)}")
    objects, concepts = _objects(request, matched.shown, done) if request.objects else (None, None)
    parts = {} if concepts is None else {"concepts": concepts}
    material = _material(request, card, matched.shown, features, objects)
    method = _fit(request, card, material, tuple(done.videos), parts, load, out, watching.say)
    saved.save(method, out)
    lesson = Lesson(
        classes=tuple(done.videos),
        features=features.fingerprint,
        encoder=features.encoder,
        sampling=features.sampling,
        objects=objects.network.fingerprint if objects else "",
        object_network=objects.network.name if objects else "",
        videos=done.videos,
        labels_sha256=labels.sha256,
    )
    write_lesson(lesson, out)
    return done


def _without_bad(matched: Matched, skip: str, files: Mapping[str, Path], done: Taught) -> Matched:
    """The matches without the videos that a scan's list calls bad: files by themselves, others by their names."""
    if not skip:
        return matched
    bad = KnownBad.read(skip)

    def is_bad(video: str) -> bool:
        return bad.has_file(files[video]) if video in files else stem_of(video) in bad.ids

    shown = tuple(one for one in matched.shown if not is_bad(one.video))
    missing = tuple(item for item in matched.missing if stem_of(item[0]) not in bad.ids)
    count = len(matched.shown) + len(matched.missing) - len(shown) - len(missing)
    done.notes.append(f"{count} videos left out, bad by {skip}")
    return replace(matched, shown=shown, missing=missing)


def _encoded(
    own: OwnVideos,
    files: Mapping[str, Path],
    matched: Matched,
    encoder: Encoder | None,
    done: Taught,
    *,
    few: bool,
    raw: bool,
    watching: Watching,
) -> tuple[Features, Matched]:
    """The features of the videos that labels mean, and the matches without the videos that cannot be read."""
    if own.folder is None or encoder is None:
        raise _nothing_of(own, matched, done)
    wanted = {shown.video: files[shown.video] for shown in matched.shown}
    features, failed, num_new = gather(
        wanted,
        encoder,
        own.kept or cached_store(own.folder),
        few=few,
        raw=raw,
        decoders=own.decoders,
        videos=watching.videos,
        frames=watching.frames,
    )
    done.failed += [(str(files[video]), reason) for video, reason in failed.items()]
    done.notes.append(f"{features.path}: features of {len(wanted) - len(failed)} videos, {num_new} of them new")
    return features, replace(matched, shown=tuple(one for one in matched.shown if one.video not in failed))


def _labelled(own: OwnVideos, done: Taught) -> tuple[Mapping[str, Path], Labels]:
    """The files by their ids, and what they show."""
    files: dict[str, Path] = {}
    if own.folder is not None:
        found = find_videos([own.folder])
        files = name_videos(found.files, own.folder)
        done.failed += [(problem.path, problem.reason) for problem in found.problems if isinstance(problem, VideoError)]
    if own.table is not None:
        labels = labels_of_table(own.table, own.actions)
    elif own.folder is not None and files:
        labels = labels_of_folders(files, own.folder, own.actions)
    else:
        raise UsageError(
            f"{own.folder}: there is no video to learn from; {'; '.join(reason for _, reason in done.failed)}"
        )
    if labels.num_left_out:
        done.notes.append(f"{labels.num_left_out} rows of validation and test videos left out")
    return files, labels


def _counts(matched: Matched, timed: bool, own: OwnVideos, card: MethodCard, done: Taught) -> dict[str, int]:
    """How many videos show each class, in alphabetical order.

    Raises:
        UsageError: there are too few to learn from, or they lack what the method learns from.
        GerundError: none of them could be read.
    """
    shown = matched.shown
    if not shown:
        raise _nothing_of(own, matched, done)
    if timed and (without := [one for one in shown if not one.actions]):
        raise UsageError(
            f"{without[0].place}: {card.name} is a localizer and learns when actions happen; give a table with the "
            "columns video,start_s,end_s,label"
        )
    counted = Counter(
        label for one in shown for label in ({action[2] for action in one.actions} if timed else {one.label})
    )
    if len(counted) < 2 and not timed:
        raise UsageError(
            f"all {len(shown)} videos show {shown[0].label!r}; a recognizer learns from two classes or more"
        )
    return dict(sorted(counted.items()))


def _nothing_of(own: OwnVideos, matched: Matched, done: Taught) -> GerundError:
    if done.failed:
        video, reason = done.failed[0]
        return GerundError(f"none of the videos can be learned from; {video}: {reason}")
    if not matched.missing:
        return UsageError(f"{own.table or own.folder}: none of its videos is learned from")
    video, place = matched.missing[0]
    return UsageError(
        f"{place}: none of the {len(matched.missing)} videos of the table is here, such as {video}; they are looked up "
        "below the folder of --videos, or in the store of --features"
    )


def _note_missing(matched: Matched, done: Taught, *, allow: bool) -> None:
    if matched.missing and allow:
        done.notes.append(f"{len(matched.missing)} videos of the table are not here, such as {matched.missing[0][0]}")
    elif matched.missing:
        done.failed += [(video, f"{place}: there is no such video here") for video, place in matched.missing]
    if matched.num_unnamed:
        done.notes.append(f"{matched.num_unnamed} videos are here and not in the table")


def _material(
    request: Request,
    card: MethodCard,
    shown: Sequence[Shown],
    features: Features | VideoFolder,
    objects: ObjectLists | None,
) -> Material:
    """The videos as benchmarks have them."""
    listing = Listing(_OWN, tuple(ListedVideo(one.video, one.label, segments=tuple(one.actions)) for one in shown))
    class_texts = None
    if request.texts and not takes(card, "descriptions"):
        class_texts = partial(choose_texts, which=request.texts)
    videos = features if isinstance(features, VideoFolder) else None
    return Material(listing, listing, features, features, objects, class_texts, videos)


def _fit(
    request: Request,
    card: MethodCard,
    material: Material,
    classes: tuple[str, ...],
    parts: dict[str, Any],
    load: LoadEncoder,
    out: Path,
    say: Say | None,
) -> Any:
    """The method, fitted by the same code as in benchmarks: so settings are chosen on held-out classes here too."""
    split = Split(_SPLIT, classes, ())
    task: Task = "localization" if card.task == "localization" else "closed-set"
    benchmark = Benchmark(_OWN, task, _OWN, _OWN, (split,))
    found = assemble_on(request, card, benchmark, material, load, parts=parts)
    learning = Learning(
        benchmark,
        found.make,
        material,
        choices=request.settings,
        seed=request.seed or 0,
        folder=out,
        shared=found.parts.values(),
        progress=say,
    )
    with errors_while(f"training {card.name}"):
        return learning.method(SplitVideos(split, material.train.videos, (), ()), SplitRun(_SPLIT))


def _objects(request: Request, shown: Sequence[Shown], done: Taught) -> tuple[ObjectLists, Concepts]:
    """The objects of the videos, whether the file calls them by their paths or by their names alone.

    Raises:
        UsageError: it is not known what its numbers stand for.
        GerundError: it has none of one of them.
    """
    lists, concepts = read_objects(Path(request.objects), request.objects_vocabulary)
    names = Known(lists.videos)
    found: dict[str, Listed] = {}
    for one in shown:
        there = names.find([one.video], one.place)
        if there is None:
            raise GerundError(f"{request.objects}: has no objects of {one.video}")
        found[one.video] = lists.videos[there]
    if lists.network.random_weights:
        done.notes.append(f"the objects were found by {lists.network.name} with random weights, so they mean nothing")
    return replace(lists, videos=found), concepts
