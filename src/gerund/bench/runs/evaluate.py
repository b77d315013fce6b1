"""A request carried out: a method trained, evaluated, or the segments of others scored, and a report of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gerund.bench.datasets import find_dataset, read_listing
from gerund.bench.protocols.audit import KNOWN_TOGETHER, always_together
from gerund.bench.protocols.benchmark import Split
from gerund.bench.protocols.benchmarks import find_benchmark
from gerund.bench.runs.assembly import LoadEncoder, assemble, require_one_encoder
from gerund.bench.runs.external import read_answers
from gerund.bench.runs.judging import Wanted, is_training_free
from gerund.bench.runs.learning import Say, SplitRun, train
from gerund.bench.runs.report import Report, make_report
from gerund.bench.runs.request import Request
from gerund.bench.runs.run import run
from gerund.bench.runs.schema import requested
from gerund.bench.runs.trained import keep, take_up
from gerund.encoders.catalog import encoders
from gerund.errors import GerundError, UsageError
from gerund.methods.failures import errors_while
from gerund.own import names_file


class RunStoppedError(GerundError):
    """A run that ended before its last split.

    Attributes:
        report: of the splits that were finished.
        cause: what ended it.
    """

    def __init__(self, report: Report, cause: BaseException) -> None:
        self.report, self.cause = report, cause
        super().__init__(f"stopped after {len(report.data.splits)} splits, which are kept: {_why(cause)}")


def evaluate(
    request: Request,
    *,
    load_encoder: LoadEncoder,
    answers: Path | None = None,
    command: Sequence[str] = (),
    progress: Say | None = None,
    repeating: Report | None = None,
) -> Report:
    """Runs what was asked for.

    Args:
        request: what to run on what.
        load_encoder: gives a model by its name.
        answers: where the answers are saved.
        command: what was typed, for the report.
        progress: told what is being done.
        repeating: the report that the request was read from, see `repeat`; its method's file must be the same.

    Raises:
        UsageError: something named does not exist, or does not fit together.
        GerundError: the first split fails.
        RunStoppedError: a later split failed, or the user interrupted it; it has the report of the finished ones.
    """
    if request.predictions:
        return _score_files(request, answers=answers, command=command, progress=progress)
    if request.trained and (request.settings or request.paper or request.choose):
        raise UsageError("a trained method has its settings (--trained); leave --set and --paper out, --choose too")
    for name in request.trained_on:
        find_dataset(name)
    file_sha256 = repeating.data.method.file_sha256 if repeating else ""
    found = assemble(request, load_encoder, file_sha256=file_sha256, from_report=repeating is not None)
    material, folder = found.material, Path(request.trained)

    def fitted(split: Split) -> tuple[Any, tuple[str, ...]]:
        return take_up(
            folder, found.card, found.parts, found.benchmark, split, material.test_features, material.objects
        )

    first = next((s for s in found.benchmark.splits if not request.splits or s.name in request.splits), None)
    with errors_while(f"making {found.card.name}"):  # now, and not when all is done
        probe = fitted(first)[0] if request.trained and first else found.probe()
        texts = found.texts_card(probe)
    wanted = Wanted(request.settings, tuple(request.choose))
    if not request.trained and (wanted or not is_training_free(probe)):
        require_one_encoder(material)
    done, stopped = _finished(
        run(
            found.benchmark,
            found.make,
            material,
            splits=request.splits or None,
            choices=request.settings,
            choose=request.choose,
            seed=request.seed or 0,
            allow_missing=request.allow_missing,
            fitted=fitted if request.trained else None,
            shared=found.parts.values(),
            progress=progress,
        )
    )
    features = {"train": dict(material.train_features.describe()), "test": dict(material.test_features.describe())}
    if material.objects is not None:
        features["objects"] = material.objects.describe()
    report = make_report(
        found.benchmark,
        done,
        method=found.card.name,
        trained=request.trained,
        features=features,
        texts=texts,
        trained_on=_trained_on(request, features),
        same_actions=always_together(material.test),
        request=request.to_dict(),
        predictions=answers,
        seed=request.seed or 0,
        command=command,
        file_sha256=found.card.sha256,
        stopped="" if stopped is None else _why(stopped),
    )
    if stopped is not None:
        raise RunStoppedError(report, stopped) from stopped
    return report


def repeat(report: Report, *, allow_code: bool = False, device: str = "auto", **settings: Any) -> Report:
    """Runs again what a report reports.

    Args:
        report: as read; it may come from anybody.
        allow_code: run the Python file that the report names, if it is the same to the byte.
        device: where methods learn.
        settings: of `evaluate`.

    Raises:
        UsageError: the report names a file that may not be run, or cannot be verified.
    """
    request = replace(requested(report.data), device=device)
    if names_file(request.method) and not request.predictions:
        file = Path(request.method.rpartition(":")[0]).absolute()
        if not allow_code:
            raise UsageError(
                f"the report's method is code in {file}, which running it again would run. Look at that file; "
                "--allow-code runs it, if it is still the one that the report was made with"
            )
        if not report.data.method.file_sha256:
            raise UsageError(f"the report does not say which {file} it was made with, so that cannot be verified")
    return evaluate(request, repeating=report, **settings)


def _why(cause: BaseException) -> str:
    return str(cause) or "interrupted"


def _finished(runs: Iterable[SplitRun]) -> tuple[list[SplitRun], BaseException | None]:
    """The splits that were finished, and what ended the run before its last one; nothing is kept of none."""
    done: list[SplitRun] = []
    try:
        for one in runs:
            done.append(one)
    except (GerundError, KeyboardInterrupt) as error:
        if not done:
            raise
        return done, error
    return done, None


def _trained_on(request: Request, features: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Data sets whose labels the features or the texts were learned with, as far as it is known or was said."""
    models = {request.model, *(str(of["encoder"]) for of in features.values())}
    known = [name for card in encoders() if card.name in models for name in card.trained_on]
    return list(dict.fromkeys([*request.trained_on, *known]))


def train_and_save(
    request: Request, folder: Path, *, load_encoder: LoadEncoder, progress: Say | None = None
) -> list[Path]:
    """Trains what was asked for and writes it down, a folder for each split; splits learned from alike share the work.

    A method that is trained by gradient leaves checkpoints and a log, and goes on from there when it was stopped.

    Raises:
        UsageError: something named does not exist or does not fit together, or the method does not learn.
    """
    if later := sorted(set(request.choose) - {"checkpoint"}):
        raise UsageError(f"{later[0]} is chosen when a method is evaluated, not while it is trained; leave it out here")
    found = assemble(request, load_encoder)
    if is_training_free(found.probe()):
        raise UsageError(f"{found.card.name} is training-free; evaluate it as it is")
    material = found.material
    require_one_encoder(material)
    splits = {split.name: split for split in found.benchmark.splits}
    written: list[Path] = []
    try:
        for done, method in train(
            found.benchmark,
            found.make,
            material,
            folder=folder,
            shared=found.parts.values(),
            splits=request.splits or None,
            choices=request.settings,
            choose=request.choose,
            seed=request.seed or 0,
            allow_missing=request.allow_missing,
            progress=progress,
        ):
            place = folder / f"split-{done.name}"
            keep(method, place, found.benchmark, splits[done.name], material.train_features, material.objects)
            written.append(place)
    except GerundError as error:
        if not written:
            raise
        kept = ", ".join(map(str, written))
        raise GerundError(f"stopped after {len(written)} splits, which are kept ({kept}): {error}") from error
    return written


def _score_files(request: Request, *, answers: Path | None, command: Sequence[str], progress: Say | None) -> Report:
    benchmark = find_benchmark(request.benchmark)
    listing = read_listing(benchmark.test_on, Path(request.data)) if request.data and not request.truth else None
    for name in request.trained_on:
        find_dataset(name)
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
        method=request.method,
        features={"found elsewhere": request.predictions},
        texts={"kind": "unknown"},
        trained_on=request.trained_on,
        same_actions=always_together(listing) if listing else KNOWN_TOGETHER.get(benchmark.test_on, ()),
        request=request.to_dict(),
        predictions=answers,
        seed=request.seed or 0,
        command=command,
    )
