"""From names to things: the protocol, what it runs on, and what methods are built on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gerund.assets import hub_folder
from gerund.bench.datasets import read_listing
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.benchmarks import find_benchmark
from gerund.bench.runs.footage import VideoFolder
from gerund.bench.runs.material import Material, TrackSource, space
from gerund.bench.runs.request import Request
from gerund.bench.runs.toyworld import TOYWORLDS
from gerund.chores.verdicts import KnownBad
from gerund.encoders.base import Encoder, is_random
from gerund.encoders.catalog import encoders
from gerund.encoders.table import VectorTable
from gerund.errors import AssetError, UsageError
from gerund.features import open_features
from gerund.features.object_lists import ObjectLists, read_objects, require_learned_network
from gerund.methods.card import MethodCard
from gerund.methods.catalog import descriptions_for, find_method, make_method, takes
from gerund.own import names_file
from gerund.text.descriptions import choose_texts
from gerund.text.objects import Concepts

LoadEncoder = Callable[[str], Encoder]
"""Gives a model by its name."""


@dataclass(frozen=True)
class Assembly:
    """Everything that a request names.

    Attributes:
        request: what was asked for.
        card: the method.
        benchmark: the protocol.
        material: lists and features.
        parts: what the method is built on, by the name of its argument.
    """

    request: Request
    card: MethodCard
    benchmark: Benchmark
    material: Material
    parts: dict[str, Any]

    def make(self, **settings: Any) -> Any:
        """A new method with these settings, and the rest as requested."""
        common = {"seed": self.request.seed, "device": self.request.device}
        given = {name: value for name, value in common.items() if value is not None and takes(self.card, name)}
        return make_method(self.card, self.parts, {**given, **settings}, paper=self.request.paper)

    def probe(self) -> Any:
        """A method that is only looked at: with the first value of every setting."""
        return self.make(**{name: values[0] for name, values in self.request.settings.items()})

    def texts_card(self, method: Any) -> dict[str, Any]:
        """What stands for the classes: the choice, who encodes it, and every text."""
        source = self.parts.get("texts") or self.parts.get("encoder")
        names = (name for split in self.benchmark.splits for name in (*split.seen, *split.unseen))
        classes = space(tuple(dict.fromkeys(names)), self.material)
        texts = classes.texts
        if hasattr(method, "texts_for"):
            texts = method.texts_for(classes)
        elif source is not None and hasattr(source, "texts_of"):
            texts = source.texts_of(classes)
        table, own = self.request.vectors.get("texts"), "the method's own" if hasattr(method, "texts_for") else ""
        return {
            "kind": f"vectors of {table}" if table else self.request.texts or own or "the model's own",
            "fingerprint": getattr(source, "fingerprint", ""),
            "of": dict(zip(classes.names, map(list, texts), strict=True)),
        }


def assemble(
    request: Request, load_encoder: LoadEncoder, *, file_sha256: str = "", from_report: bool = False
) -> Assembly:
    """Finds all that a request names.

    Args:
        request: what was asked for.
        load_encoder: gives a model by its name.
        file_sha256: what the file of a method must have; ``""`` where a person named it.
        from_report: nobody typed the request, so that what it names is not fetched from the model hub.

    Raises:
        UsageError: something does not exist, or does not fit together.
    """
    card = find_method(request.method, file_sha256)
    parts: dict[str, Any] = {}
    if request.benchmark in TOYWORLDS:
        if request.videos or getattr(card.load(), "takes", "") == "clip":
            raise UsageError(f"{request.benchmark} has tracks and no videos, so nothing in it takes clips (--videos)")
        world, benchmark = TOYWORLDS[request.benchmark](request.seed or 0)
        material = Material(world.listing, world.listing, world, world)
        parts["texts"] = world
    else:
        benchmark = find_benchmark(request.benchmark)
        material = _read_material(request, benchmark, card)
    if request.objects:
        lists, parts["concepts"] = _read_objects(request)
        material = replace(material, objects=lists)
    if request.skip:
        material = replace(material, skip=KnownBad.read(request.skip).ids)
    _require_real_weights(material)
    if (card.task == "localization") != (benchmark.task == "localization"):
        raise UsageError(f"{card.name} does {card.task}, and {benchmark.name} asks for {benchmark.task}")
    return assemble_on(request, card, benchmark, material, load_encoder, parts=parts, from_report=from_report)


def assemble_on(
    request: Request,
    card: MethodCard,
    benchmark: Benchmark,
    material: Material,
    load_encoder: LoadEncoder,
    *,
    parts: dict[str, Any],
    from_report: bool = False,
) -> Assembly:
    """Finds what a method is built on, where the protocol and what it runs on are known.

    Args:
        request: what was asked for.
        card: the method.
        benchmark: the protocol.
        material: lists and features.
        load_encoder: gives a model by its name.
        parts: what is known already, by the name of the method's argument.
        from_report: nobody typed the request, so that what it names is not fetched from the model hub.

    Raises:
        UsageError: something does not exist, or does not fit together.
    """
    needs_model = takes(card, "encoder") or (takes(card, "texts") and not {"texts"} & {*parts, *request.vectors})
    if request.model or needs_model:
        name = request.model or str(material.test_features.describe()["encoder"])
        if not request.model:
            _require_texts(name)
        if from_report or not request.model:
            require_here(name)
        parts["encoder"] = load_encoder(name)
        parts.setdefault("texts", parts["encoder"])
    for name in request.settings.get("bert", ()) if from_report else ():
        require_here(str(name))
    if request.texts and takes(card, "descriptions"):
        parts["descriptions"] = descriptions_for(card, request.texts)
    for name, place in request.vectors.items():
        path, _, names = place.partition("@")
        parts[name] = VectorTable.read(Path(path), Path(names) if names else None)
    return Assembly(request, card, benchmark, material, parts)


def find_protocol(name: str, seed: int = 0) -> Benchmark:
    """A benchmark by name; the toy world's, drawn from a seed, are among them.

    Raises:
        UsageError: there is none of that name.
    """
    return TOYWORLDS[name](seed)[1] if name in TOYWORLDS else find_benchmark(name)


def require_one_encoder(material: Material) -> None:
    """Refuses to learn from features of one encoder and to be asked with those of another.

    Raises:
        UsageError: fingerprints or samplings differ.
    """
    train, test = (features.describe() for features in (material.train_features, material.test_features))
    for name in ("fingerprint", "sampling"):
        if train.get(name) != test.get(name):
            raise UsageError(
                f"training features have {name} {train.get(name)}, test features {test.get(name)}; extract both with "
                "the same encoder and sampling"
            )


def _require_real_weights(material: Material) -> None:
    """Refuses features that nobody's training stands behind: what they score is chance, whatever the figure.

    Raises:
        UsageError: their encoder's weights are random.
    """
    for features in (material.train_features, material.test_features):
        of = features.describe()
        if is_random(str(of.get("fingerprint", ""))):
            raise UsageError(
                f"these features are of {of.get('encoder')} with random weights, so no figure about them means "
                "anything; give 'gerund extract' its real weights, and evaluate those features"
            )


def _require_texts(name: str) -> None:
    """Refuses to take class texts from the encoder of the features where that is one of videos alone.

    Raises:
        UsageError: it is.
    """
    if any(card.name == name and card.kind == "video" for card in encoders()):
        raise UsageError(
            f"the features are those of {name}, which encodes videos alone: name the encoder whose texts stand for the "
            "classes (--model minilm), or give vectors of the classes (--vectors texts=FILE)"
        )


def require_here(name: str) -> None:
    """Refuses what only features or a report name: code in a file, and a model of the hub that is not here yet.

    Raises:
        UsageError: it would have to be run, or fetched.
    """
    if names_file(name):
        raise UsageError(
            f"the texts are to be those of {name}, which is code. Only a file says so, so it is not run: name it "
            f"yourself, by 'gerund evaluate --model {name}', or another model"
        )
    if "/" not in name or Path(name).exists() or name in {card.name for card in encoders()}:
        return
    try:
        hub_folder(name, fetch=False)
    except AssetError as error:
        raise UsageError(
            f"the texts are to be those of {name}, which is not on this machine. Only a file says so, so it is not "
            f"fetched: name it yourself, by 'gerund evaluate --model {name}' or 'gerund models get {name}'"
        ) from error


def open_requested(request: Request, folder: Path | None = None, *, raw: bool | None = None) -> TrackSource:
    """The features of the test videos that a request names; or those in another folder, of the same encoder.

    Args:
        request: names them.
        folder: another one.
        raw: as `open_features` takes it.

    Raises:
        UsageError: there are none, or several could be meant.
    """
    place = folder or Path(request.features)
    return open_features(place, encoder=request.encoder or None, sampling=request.sampling or None, raw=raw)


def _read_objects(request: Request) -> tuple[ObjectLists, Concepts]:
    """The objects of videos and their vocabulary.

    Raises:
        UsageError: the vocabulary is not known or another one, or the network that found them has learned nothing.
    """
    lists, concepts = read_objects(Path(request.objects), request.objects_vocabulary)
    require_learned_network(lists, Path(request.objects))
    return lists, concepts


def _read_material(request: Request, benchmark: Benchmark, card: MethodCard) -> Material:
    made = card.load()
    videos = _find_videos(request, card, made)
    if not request.features and videos is None:
        raise UsageError(f"{benchmark.name} needs --features DIR, as 'gerund extract' or 'import-features' writes it")
    if not request.data:
        raise UsageError(f"{benchmark.name} needs --data DIR, where the official lists of {benchmark.test_on} lie")
    test = read_listing(benchmark.test_on, Path(request.data))
    same = benchmark.train_on in (benchmark.test_on, "")
    train = test if same else read_listing(benchmark.train_on, Path(request.data))
    open_ = partial(open_requested, request, raw=bool(getattr(made, "needs_raw", False)))
    test_features = open_() if request.features or videos is None else videos
    train_features = open_(Path(request.train_features)) if request.train_features else test_features
    own_texts = takes(card, "descriptions")
    class_texts = partial(choose_texts, which=request.texts) if request.texts and not own_texts else None
    return Material(train, test, train_features, test_features, class_texts=class_texts, videos=videos)


def _find_videos(request: Request, card: MethodCard, made: Any) -> VideoFolder | None:
    """The files, for a method that takes clips.

    Raises:
        UsageError: it does and there are none, or it does not and there are some.
    """
    if getattr(made, "takes", "") == "clip":
        if not request.videos:
            raise UsageError(f"{card.name} takes clips; give the data set's files (--videos DIR)")
        return VideoFolder(Path(request.videos))
    if request.videos:
        raise UsageError(f"{card.name} takes features, not clips; leave --videos out")
    return None
