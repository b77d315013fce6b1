"""Methods that have learned, kept with what they have learned from, so that nothing is unseen by mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.runs.material import TrackSource
from gerund.errors import UsageError
from gerund.features.object_lists import ObjectLists, require_vocabulary
from gerund.methods.catalog import MethodCard
from gerund.methods.training import saved
from gerund.methods.training.lesson import Lesson, read_lesson, write_lesson
from gerund.text.similar import same_names


def keep(
    method: Any,
    folder: Path,
    benchmark: Benchmark,
    split: Split,
    features: TrackSource,
    objects: ObjectLists | None = None,
) -> None:
    """Writes a fitted method and its lesson."""
    saved.save(method, folder)
    about = features.describe()
    lesson = Lesson(
        classes=split.seen,
        features=str(about["fingerprint"]),
        encoder=str(about.get("encoder", "")),
        sampling=str(about.get("sampling", "")),
        objects=objects.network.fingerprint if objects else "",
        object_network=objects.network.name if objects else "",
        benchmark=benchmark.name,
        sha256=benchmark.sha256,
        split=split.name,
    )
    write_lesson(lesson, folder)


def take_up(
    folder: Path,
    card: MethodCard,
    parts: dict[str, Any],
    benchmark: Benchmark,
    split: Split,
    features: TrackSource,
    objects: ObjectLists | None = None,
) -> tuple[Any, tuple[str, ...]]:
    """A method as it was kept, and the classes it has learned from.

    Args:
        folder: of one method, or of several in ``split-NAME`` folders.
        card: which method is expected.
        parts: what it is built on.
        benchmark: the protocol that it is to be asked by.
        split: what it is to be asked about.
        features: what it is to be asked with.
        objects: the same, where it looks at objects.

    Raises:
        UsageError: it is another method, has learned from other features or objects, from classes that the split asks
            about as unseen, or, where the protocol asks about seen classes, maybe from the very videos.
    """
    own = folder / f"split-{split.name}"
    place = own if own.is_dir() else folder
    method = saved.load(place, method=card.load(), **parts)
    for name, value in card.settings:
        if getattr(method, name) != value:
            raise UsageError(f"{place} holds a method with {name} {getattr(method, name)!r}, not {card.name}")
    lesson = read_lesson(place)
    found = str(features.describe()["fingerprint"])
    if found != lesson.features:
        raise UsageError(
            f"{place} has learned from features with fingerprint {lesson.features}, and these have {found}; extract "
            "with the same encoder, or train it again"
        )
    _require_objects(place, method, lesson, objects)
    known = [match.name for match in same_names(split.unseen, lesson.classes)]
    if known:
        raise UsageError(
            f"{place} has learned from {len(known)} of the {len(split.unseen)} classes that split {split.name} asks "
            f"about as unseen, such as {known[0]}; train it on this split"
        )
    if benchmark.asks_seen and (lesson.sha256, lesson.split) != (benchmark.sha256, split.name):
        learned_on = f"{lesson.benchmark} split {lesson.split}" if lesson.benchmark else "videos of one's own"
        raise UsageError(
            f"{place} has learned from {learned_on}, and {benchmark.name} also asks about videos of classes that were "
            f"trained on: these very videos may be among them; train it on split {split.name} of {benchmark.name}"
        )
    return method, lesson.classes


def _require_objects(place: Path, method: Any, lesson: Lesson, objects: ObjectLists | None) -> None:
    """Refuses objects of another vocabulary, or those that another network found, where that is known.

    Raises:
        UsageError: they are.
    """
    vocabulary = getattr(method, "vocabulary", None)
    if objects is None or vocabulary is None:
        return
    require_vocabulary(objects, vocabulary, f"the file of objects, asked of {place}")
    found = objects.network.fingerprint
    if lesson.objects and found and found != lesson.objects:
        raise UsageError(
            f"{place} has learned from objects that a network with fingerprint {lesson.objects} found, and these were "
            f"found by {objects.network.name} ({found}); find them with the same network, or train it again"
        )
