"""The method that a person names, found and made for one model: in the catalogue, in a file or in a trained folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gerund.answering import Answerer
from gerund.encoders.base import Encoder, VideoOnly, Window
from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.examples import PIXELS
from gerund.features import Sampling
from gerund.features.object_lists import ObjectLists, read_objects, require_learned_network
from gerund.features.tracks import RAW
from gerund.methods.card import MethodCard, require_takes
from gerund.methods.catalog import find_method, make_method, takes
from gerund.methods.failures import errors_while
from gerund.methods.training import saved
from gerund.methods.training.lesson import read_lesson, require_any_objects, require_objects
from gerund.own import names_file
from gerund.types import FloatArray, FrameArray
from gerund.video.memory import FrameSource

PARTS = ("texts", "descriptions", "rows", "words", "concepts")
"""What methods may be built on besides the model, by the names of their constructors' arguments."""

_BEFORE = {
    "conse": "plain ConSE over the names of Kinetics is --model i3d-minilm-plain",
    "eszsl": "the classifier rows that this once meant are --method rows-eszsl",
    "gcn": "the classifier rows that this once meant are --method rows-gcn",
    "devise": "the classifier rows that this once meant are --method rows-devise",
}
"""What `classify --method` once meant by these names."""


class NoModel(VideoOnly):
    """Stands in a model's place for a method that looks at the pictures itself and asks nobody about names."""

    name = fingerprint = PIXELS
    dim = 0

    def sample(self, video: FrameSource, *, dense: bool) -> list[Window]:
        """Refused: nothing here sees videos.

        Raises:
            UsageError: always.
        """
        raise self._no_model()

    def raw_windows(self, frames: FrameArray, *, dense: bool) -> FloatArray:
        """Refused; see `sample`."""
        raise self._no_model()

    def _no_model(self) -> UsageError:
        return UsageError("no model was loaded, for the method takes decoded frames; name one (--model)")


def needs_no_model(card: MethodCard) -> bool:
    """True for a method that is built on no model, neither to see videos nor to read names."""
    return require_takes(card.load()) == "clip" and not any(takes(card, part) for part in ("encoder", "texts"))


@dataclass(frozen=True)
class Wanted:
    """Which method is asked, as a command names it.

    Attributes:
        method: its name, or ``file.py:Class``; ``""`` with a folder.
        trained: folder of one that has learned.
        settings: by name.
        vectors: tables to build it on, by the name of the part: ``FILE`` or ``FILE@NAMES``.
        objects: file with the most likely objects of each video.
        vocabulary: of these, where the file does not say.
        text_model: the model whose texts stand for the actions; ``""`` for the one that sees the videos.
    """

    method: str = ""
    trained: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    vectors: Mapping[str, str] = field(default_factory=dict)
    objects: Path | None = None
    vocabulary: str = ""
    text_model: str = ""

    @property
    def files(self) -> list[Path]:
        """What it is read from, which no output may destroy."""
        kept = [self.trained / name for name in ("method.json", "learned.safetensors")] if self.trained else []
        tables = [Path(part) for place in self.vectors.values() for part in place.split("@")]
        own = [Path(self.method.rpartition(":")[0])] if names_file(self.method) else []
        listed = [*([self.objects] if self.objects else []), *([Path(self.vocabulary)] if self.vocabulary else [])]
        return [*kept, *tables, *own, *listed]

    def tables(self) -> dict[str, VectorTable]:
        """The tables, read.

        Raises:
            UsageError: one is not there or not what it should be.
        """
        found = {}
        for name, place in self.vectors.items():
            path, _, names = place.partition("@")
            found[name] = VectorTable.read(Path(path), Path(names) if names else None)
        return found


def build_method(
    encoder: Encoder,
    name: str,
    *,
    trained: Path | None = None,
    objects: Path | None = None,
    vocabulary: str = "",
    given: Mapping[str, Any] | None = None,
    device: str = "auto",
) -> Answerer:
    """A method for the tracks of an encoder.

    Args:
        encoder: whose tracks it is asked about, and whose texts stand for the classes.
        name: of a method, or ``file.py:Class``; may be empty with `trained`.
        trained: folder of a method that has learned.
        objects: file with the most likely objects of each video.
        vocabulary: of these, where the file does not say.
        given: settings, and parts such as ``texts`` by name.
        device: where it computes, where it has a choice.

    Raises:
        UsageError: there is no such method, it has to learn first, it does not fit the encoder, or the objects were
            found by a network that has learned nothing.
        GerundError: the folder is damaged, or the method cannot be made.
    """
    card = choose_card(name, trained)
    parts = {key: value for key, value in (given or {}).items() if key in PARTS}
    settings = {key: value for key, value in (given or {}).items() if key not in PARTS}
    parts = {"encoder": encoder, "texts": encoder, **parts}
    listed: ObjectLists | None = None
    if objects:
        listed, concepts = read_objects(objects, vocabulary)
        require_learned_network(listed, objects)
        parts.setdefault("concepts", concepts)
    with errors_while(f"making {card.name}"):
        if trained:
            if settings:
                raise UsageError(f"a trained method has its settings; leave out {', '.join(settings)}")
            return _take_up(card, trained, encoder, {**parts, "device": device}, listed)
        made = card.load()
        if not getattr(made, "training_free", False) and hasattr(made, "fit"):
            before = f"; {_BEFORE[card.name]}" if card.name in _BEFORE else ""
            raise UsageError(
                f"{card.name} has to learn first: train it ('gerund train {name}') and give its folder (--trained DIR)"
                f"{before}"
            )
        common = {"device": device} if takes(card, "device") else {}
        method = make_method(card, parts, {**common, **settings})
    return Answerer(card.name, method, own=bool(card.sha256), objects=listed)


def no_method(model: str) -> str:
    """The name of a model, if it is none of those that have become methods.

    Raises:
        UsageError: it is; the text says which.
    """
    for learner in ("eszsl", "gcn", "devise"):
        if model == f"i3d-{learner}":
            raise UsageError(f"{model} is a method now: --method rows-{learner}, with the model i3d or none")
    return model


def choose_card(name: str, trained: Path | None = None) -> MethodCard:
    """The card of a method by name, or of what a folder holds.

    Raises:
        UsageError: there is no such method; the folder holds another one, or one in a file that nobody named.
        GerundError: the folder is damaged.
    """
    if trained is None:
        return find_method(name)
    if not (trained / "method.json").is_file() and (splits := sorted(trained.glob("split-*/method.json"))):
        raise UsageError(
            f"{trained} holds a method for each split of a benchmark; give one, such as {splits[0].parent}"
        )
    kept = saved.look(trained)
    if not name:
        if kept.entry is None:
            raise UsageError(
                f"{trained} holds {kept.method}, which is not one of gerund's own methods: name its file, --method "
                "file.py:Class"
            )
        return kept.entry
    card = find_method(name)
    if kept.entry is not None and kept.entry != card:
        raise UsageError(f"{trained} holds {kept.entry.name}, not {card.name}; leave --method out")
    return card


def _take_up(
    card: MethodCard, folder: Path, encoder: Encoder, parts: Mapping[str, Any], objects: ObjectLists | None
) -> Answerer:
    """What a folder holds, if it has learned from tracks of this encoder, or from the pictures themselves.

    Raises:
        UsageError: it has not, or does not say.
    """
    lesson, made = read_lesson(folder), card.load()
    raw = lesson.features.endswith(RAW) or bool(getattr(made, "needs_raw", False))
    given = encoder.fingerprint + (RAW if raw else "")
    if lesson.features != given and require_takes(made) != "clip":
        of = f" of {lesson.encoder}" if lesson.encoder else ""
        raise UsageError(
            f"{folder} has learned from features{of} with fingerprint {lesson.features}, and the model {encoder.name} "
            f"makes {given}; give the same model (--model), with the same --precision, --engine and --device, or train "
            "it again"
        )
    require_any_objects(folder, lesson, objects)
    method = saved.load(folder, method=made, **parts)
    require_objects(folder, method, lesson, objects)
    return Answerer(
        card.name,
        method,
        own=bool(card.sha256),
        sampling=Sampling.from_key(lesson.sampling),
        raw=raw,
        objects=objects,
        learned=saved.look(folder).sha256,
    )
