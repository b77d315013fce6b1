"""What a method has learned from, kept beside what it has learned, so that nothing is unseen by mistake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from gerund.errors import UsageError
from gerund.features.object_lists import ObjectLists, require_vocabulary
from gerund.reading import read_at_most
from gerund.writing import write_text

_FILE = "lesson.json"
_MOST_BYTES = 1 << 24


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """What a method has learned from: the seen classes of a benchmark, or a user's own labelled videos.

    Attributes:
        classes: those that it has seen, in the order it was given them.
        features: fingerprint of the encoder that made the tracks.
        encoder: what that encoder is called; ``""`` in lessons of before.
        sampling: key of the sampling of the tracks; ``""`` in lessons of before.
        objects: fingerprint of the network that found the objects; ``""`` where nobody knows, or there were none.
        object_network: what that network is called.
        benchmark: the protocol; ``""`` for a user's own videos.
        sha256: its hash.
        split: name of the split.
        videos: how many videos of each class; empty where it is not known.
        labels_sha256: hash of the table with a user's own labels.
    """

    classes: tuple[str, ...]
    features: str
    encoder: str = ""
    sampling: str = ""
    objects: str = ""
    object_network: str = ""
    benchmark: str = ""
    sha256: str = ""
    split: str = ""
    videos: Mapping[str, int] = msgspec.field(default_factory=dict)
    labels_sha256: str = ""


def write_lesson(lesson: Lesson, folder: Path) -> None:
    """Writes a lesson beside the saved method that it belongs to."""
    write_text(folder / _FILE, json.dumps(msgspec.to_builtins(lesson), ensure_ascii=False, indent=1) + "\n")


def read_lesson(folder: Path) -> Lesson:
    """The lesson of the method that was saved in a folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / _FILE
    try:
        return msgspec.json.decode(read_at_most(path, _MOST_BYTES), type=Lesson)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: it is not known what this method has learned from; train it again ({error})"
        ) from error


def require_any_objects(place: Path, lesson: Lesson, objects: ObjectLists | None) -> None:
    """Refuses to go without objects where the method has learned with some.

    Raises:
        UsageError: there are none.
    """
    if lesson.objects and objects is None:
        raise UsageError(
            f"{place} has learned with the objects in videos (found by {lesson.object_network}); find those of these "
            "videos with 'gerund objects' and give them (--objects FILE)"
        )


def require_objects(place: Path, method: Any, lesson: Lesson, objects: ObjectLists | None) -> None:
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
