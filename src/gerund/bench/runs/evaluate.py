"""From names to a report: finds the protocol, the lists, the features and the method, and runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gerund.assets import MODELS
from gerund.bench.datasets import find_dataset, read_listing
from gerund.bench.datasets.listing import Listing
from gerund.bench.protocols.audit import KNOWN_TOGETHER, always_together
from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.benchmarks import find_benchmark
from gerund.bench.runs.external import read_answers
from gerund.bench.runs.learning import Progress, train
from gerund.bench.runs.material import Features, Material, space
from gerund.bench.runs.report import Report, make_report
from gerund.bench.runs.run import run
from gerund.bench.runs.toyworld import TOYWORLDS
from gerund.encoders.base import Encoder
from gerund.encoders.table import VectorTable
from gerund.errors import UsageError
from gerund.features import open_features
from gerund.features.importers import read_objects
from gerund.methods.catalog import MethodCard, find_method, make_method, settings_of, takes
from gerund.methods.saved import load as load_method
from gerund.methods.saved import save as save_method
from gerund.text.descriptions import choose_texts


@dataclass(frozen=True)
class Request:
    """One evaluation as it was asked for; a report keeps it, so that it can be repeated.

    Attributes:
        method: a name from `METHODS`, or ``file.py:Class``.
        benchmark: a name from `BENCHMARKS`, ``"toyworld"`` or ``"toyworld-gzsl"``.
        features: folder with features of the test videos, and of the training videos unless these have their own.
        train_features: folder with features of the training videos.
        encoder: which of a folder's encoders is meant, where it has several.
        sampling: which of a folder's samplings is meant, where it has several.
        data: folder with the official lists of the data sets.
        model: whose texts stand for the classes; ``""`` for none.
        texts: what stands for each class, as `choose_texts` takes it; ``""`` for the model's own choice.
        vectors: tables to use instead, by the name of the method's argument (``texts``, ``rows``): ``FILE`` or
            ``FILE@NAMES``.
        objects: file with the most likely objects of each video.
        settings: values of the method's settings; of several the best on held-out seen classes is chosen.
        paper: start from the method's published settings.
        splits: names of splits; empty for all.
        trained: folder of a method that has learned already.
        trained_on: data sets whose classes the features were trained with, for the overlap-free figures, besides what
            is known of the model.
        allow_missing: leave out videos without features.
        predictions: detection files to score instead of running the method; ``{split}`` stands for the split's name.
        truth: files with the annotations of each split, instead of the lists in `data`.
        seed: of the order of questions and of held-out classes; unless it is 0, also of methods that have one.
    """

    method: str
    benchmark: str
    features: str = ""
    train_features: str = ""
    encoder: str = ""
    sampling: str = ""
    data: str = ""
    model: str = ""
    texts: str = ""
    vectors: Mapping[str, str] = field(default_factory=dict)
    objects: str = ""
    settings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    paper: bool = False
    splits: Sequence[str] = ()
    trained: str = ""
    trained_on: Sequence[str] = ()
    allow_missing: bool = False
    predictions: str = ""
    truth: str = ""
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a report."""
        return asdict(self)


def evaluate(
    request: Request,
    *,
    load_encoder: Callable[[str], Encoder],
    answers: Path | None = None,
    command: Sequence[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Runs what was asked for.

    Args:
        request: what to run on what.
        load_encoder: gives a model by its name.
        answers: where the answers are saved.
        command: what was typed, for the report.
        progress: told what is being done.

    Raises:
        UsageError: something named does not exist, or does not fit together.
    """
    if request.predictions:
        return _score_files(request, answers=answers, command=command, progress=progress)
    card = find_method(request.method)
    benchmark, material, parts = _assemble(request, load_encoder)
    if (card.task == "localization") != (benchmark.task == "localization"):
        raise UsageError(f"{card.name} does {card.task}, and {benchmark.name} asks for {benchmark.task}")
    make = _maker(card, request, parts)
    probe = make(**{name: values[0] for name, values in request.settings.items()})
    done = list(
        run(
            benchmark,
            make,
            material,
            splits=request.splits or None,
            choices=request.settings,
            seed=request.seed,
            allow_missing=request.allow_missing,
            fitted=_loader(Path(request.trained), parts) if request.trained else None,
            progress=progress,
        )
    )
    features = {"train": dict(material.train_features.describe()), "test": dict(material.test_features.describe())}
    models = {request.model, *(str(of["encoder"]) for of in features.values())}
    trained_on = [*request.trained_on, *(name for card in MODELS if card.name in models for name in card.trained_on)]
    return make_report(
        benchmark,
        done,
        method={
            "name": card.name,
            "settings": settings_of(probe),
            "protocol": _protocol(probe, request),
            "compat": getattr(probe, "compat", None) or "",
        },
        features=features,
        texts=_texts_card(request, parts, benchmark, material),
        trained_on={name: find_dataset(name).classes for name in dict.fromkeys(trained_on)},
        same_actions=always_together(material.test),
        request=request.to_dict(),
        predictions=answers,
        seed=request.seed,
        command=command,
    )


def train_and_save(
    request: Request, folder: Path, *, load_encoder: Callable[[str], Encoder], progress: Progress | None = None
) -> list[Path]:
    """Trains what was asked for and writes it down, a folder for each split; splits learned from alike share the work.

    A method that is trained by gradient leaves checkpoints and a log, and goes on from there when it was stopped.

    Raises:
        UsageError: something named does not exist or does not fit together, or the method does not learn.
    """
    card = find_method(request.method)
    benchmark, material, parts = _assemble(request, load_encoder)
    probe = _maker(card, request, parts)(**{name: values[0] for name, values in request.settings.items()})
    if getattr(probe, "training_free", False):
        raise UsageError(f"{card.name} is training-free; evaluate it as it is")
    written = []
    for done, method in train(
        benchmark,
        _maker(card, request, parts),
        material,
        folder=folder,
        splits=request.splits or None,
        choices=request.settings,
        seed=request.seed,
        allow_missing=request.allow_missing,
        progress=progress,
    ):
        place = folder / f"split-{done.name}"
        save_method(method, place)
        written.append(place)
    return written


def _score_files(
    request: Request, *, answers: Path | None, command: Sequence[str], progress: Progress | None
) -> Report:
    benchmark = find_benchmark(request.benchmark)
    listing = read_listing(benchmark.test_on, Path(request.data)) if request.data and not request.truth else None
    runs = read_answers(
        benchmark,
        request.predictions,
        truth=request.truth,
        listing=listing,
        splits=request.splits,
        progress=progress,
    )
    return make_report(
        benchmark,
        runs,
        method={"name": request.method, "settings": {}, "protocol": "found elsewhere", "compat": ""},
        features={"found elsewhere": request.predictions},
        texts={"kind": "unknown"},
        trained_on={name: find_dataset(name).classes for name in request.trained_on},
        same_actions=always_together(listing) if listing else KNOWN_TOGETHER.get(benchmark.test_on, ()),
        request=request.to_dict(),
        predictions=answers,
        seed=request.seed,
        command=command,
    )


def find_protocol(name: str) -> Benchmark:
    """A benchmark by name; the toy world's are among them.

    Raises:
        UsageError: there is none of that name.
    """
    return TOYWORLDS[name](0)[1] if name in TOYWORLDS else find_benchmark(name)


def _protocol(method: Any, request: Request) -> str:
    if getattr(method, "training_free", False):
        return "training-free"
    learned = "class-transductive" if getattr(method, "class_names_at_fit", False) else "inductive"
    return f"{learned}, trained elsewhere ({request.trained})" if request.trained else learned


def _assemble(request: Request, load_encoder: Callable[[str], Encoder]) -> tuple[Benchmark, Material, dict[str, Any]]:
    """The protocol, what it runs on, and what methods are built on."""
    parts: dict[str, Any] = {}
    if request.benchmark in TOYWORLDS:
        world, benchmark = TOYWORLDS[request.benchmark](request.seed)
        material = Material(world.listing, world.listing, world, world)
        parts["texts"] = world
    else:
        benchmark = find_benchmark(request.benchmark)
        material = _read_material(request, benchmark)
    model = request.model
    if not model and not parts and "texts" not in request.vectors:
        model = str(material.test_features.describe()["encoder"])
    if model:
        parts["encoder"] = load_encoder(model)
        parts.setdefault("texts", parts["encoder"])
    for name, place in request.vectors.items():
        path, _, names = place.partition("@")
        parts[name] = VectorTable.read(Path(path), Path(names) if names else None)
    return benchmark, material, parts


def _read_material(request: Request, benchmark: Benchmark) -> Material:
    if not request.features:
        raise UsageError(f"{benchmark.name} needs --features DIR, as 'gerund extract' or 'import-features' writes it")
    if not request.data:
        raise UsageError(f"{benchmark.name} needs --data DIR, where the official lists of {benchmark.test_on} lie")
    test: Listing = read_listing(benchmark.test_on, Path(request.data))
    same = benchmark.train_on in (benchmark.test_on, "")
    train = test if same else read_listing(benchmark.train_on, Path(request.data))
    open_ = partial(open_features, encoder=request.encoder or None, sampling=request.sampling or None)
    test_features: Features = open_(Path(request.features))
    train_features: Features = open_(Path(request.train_features)) if request.train_features else test_features
    objects = read_objects(Path(request.objects)) if request.objects else None
    class_texts = partial(choose_texts, which=request.texts) if request.texts else None
    return Material(train, test, train_features, test_features, objects, class_texts)


def _maker(card: MethodCard, request: Request, parts: dict[str, Any]) -> Callable[..., Any]:
    seeded = {"seed": request.seed} if request.seed and takes(card, "seed") else {}
    return lambda **settings: make_method(card, parts, {**seeded, **settings}, paper=request.paper)


def _loader(folder: Path, parts: Mapping[str, Any]) -> Callable[[str], Any]:
    """Gives the method that was trained for a split; one folder for all splits serves each of them."""

    def load(split: str) -> Any:
        own = folder / f"split-{split}"
        return load_method(own if own.is_dir() else folder, **parts)

    return load


def _texts_card(request: Request, parts: Mapping[str, Any], benchmark: Benchmark, material: Material) -> dict[str, Any]:
    """What stood for the classes: the choice, who encoded it, and every text."""
    source = parts.get("texts") or parts.get("encoder")
    names = tuple(dict.fromkeys(name for split in benchmark.splits for name in (*split.seen, *split.unseen)))
    classes = space(names, material)
    texts = source.texts_of(classes) if source is not None and hasattr(source, "texts_of") else classes.texts
    table = request.vectors.get("texts")
    kind = f"vectors of {table}" if table else request.texts or "the model's own"
    return {
        "kind": kind,
        "fingerprint": getattr(source, "fingerprint", ""),
        "of": dict(zip(classes.names, map(list, texts), strict=True)),
    }


def parse_settings(given: Sequence[str]) -> dict[str, list[Any]]:
    """Settings as typed, ``name=value`` or ``name=value,value``, with numbers and truth values as such.

    Example:
        >>> parse_settings(["alpha=1,2.5", "norm=true", "loss=sje"])
        {'alpha': [1, 2.5], 'norm': [True], 'loss': ['sje']}

    Raises:
        UsageError: there is no ``=``.
    """
    found: dict[str, list[Any]] = {}
    for item in given:
        name, equals, values = item.partition("=")
        if not equals or not name.strip() or not values:
            raise UsageError(f"--set {item}: expected name=value, or name=value,value to choose among")
        found[name.strip()] = [_value(value.strip()) for value in values.split(",")]
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
