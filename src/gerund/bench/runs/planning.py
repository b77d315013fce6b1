"""A training told before it is begun: what is learned from what, in how many fits, steps and hours; nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence

from gerund.bench.datasets.listing import ListedVideo
from gerund.bench.runs.assembly import Assembly, LoadEncoder, assemble, require_one_encoder
from gerund.bench.runs.choosing import hold_out, shows
from gerund.bench.runs.judging import Wanted, is_training_free
from gerund.bench.runs.learning import Learning, Say, SplitRun, select
from gerund.bench.runs.material import examples, space
from gerund.bench.runs.request import Request
from gerund.examples import Examples
from gerund.methods.failures import errors_of, errors_while
from gerund.methods.training.dry_run import Plan, Trial, duration_in_words, size_in_words, try_out


def plan_training(request: Request, *, load_encoder: LoadEncoder, progress: Say | None = None) -> list[str]:
    """What 'gerund train' would do, a line each; nothing is written, and what is learned on the way is thrown away.

    Args:
        request: what to train on what.
        load_encoder: gives a model by its name.
        progress: told what is being done.

    Raises:
        UsageError: something named does not exist or does not fit together.
        GerundError: the method fails.
    """
    found = assemble(request, load_encoder)
    probe = found.probe()
    splits = select(found.benchmark, found.material, request.splits or None)
    lines = [
        f"plan of {found.card.name} on {found.benchmark.name}, {_counted(len(splits), 'split')}; nothing is trained"
    ]
    if is_training_free(probe):
        return [*lines, f"{found.card.name} is training-free: there is nothing to train; evaluate it as it is"]
    require_one_encoder(found.material)
    wanted = Wanted(request.settings, tuple(request.choose), seed=request.seed or 0)
    wanted.check(probe, found.benchmark)
    learning = Learning(
        found.benchmark,
        found.make,
        found.material,
        choices=request.settings,
        choose=request.choose,
        seed=request.seed or 0,
        allow_missing=request.allow_missing,
        progress=progress,
    )
    tried: Plan | Trial | None = None
    known: dict[object, str] = {}
    total_s = 0.0
    for task in splits:
        done = SplitRun(task.split.name)
        train, seen, others = learning.training(task, done, probe)
        key = (tuple(video.video for video in train), seen, others)
        if key in known:
            lines.append(f"split {done.name}: learns what split {known[key]} does")
            continue
        known[key] = done.name
        if tried is None:
            given = examples(found.benchmark, train, seen, found.material.train_features, found.material)
            tried = _try(found, given, seen + others)
            lines += [*tried.lines(), _features_line(given)]
        fits = _fits(wanted, probe, train, seen, bool(task.validation))
        seconds = sum(tried.seconds(count) for count in fits)
        total_s += seconds
        steps = f", {sum(map(tried.num_steps, fits)):,} steps" if isinstance(tried, Plan) else ""
        each = f" ({len(fits) - 1} to choose by held-out seen classes)" if len(fits) > 1 and not task.validation else ""
        gone = f", {done.missing['train']} without features" if done.missing.get("train") else ""
        lines.append(
            f"split {done.name}: {len(train):,} videos of {len(seen)} classes{gone}; {_counted(len(fits), 'fit')}{each}"
            f"{steps}, about {duration_in_words(seconds)}"
        )
    return [*lines, f"in all about {duration_in_words(total_s)}, an estimate"]


def _try(found: Assembly, given: Examples, names: tuple[str, ...]) -> Plan | Trial:
    method = found.probe()
    with errors_while("the dry run"), errors_of(method, "fit"):
        return try_out(method, given, space(names, found.material))


def _features_line(given: Examples) -> str:
    first = given.inputs[0].vectors
    size = size_in_words(len(given) * first.nbytes)
    return (
        f"features: {len(given):,} tracks; {size} if all are as long as the first, {first.shape[0]} x {first.shape[1]}"
    )


def _fits(
    wanted: Wanted, method: object, train: Sequence[ListedVideo], seen: tuple[str, ...], by_validation: bool
) -> list[int]:
    """How many videos each fit of a split learns from, the last one being the one that is kept."""
    count = len(wanted.combinations(method, after_fit=False))
    if by_validation or not wanted:
        return [len(train)] * count
    held = hold_out(seen, wanted.share, wanted.seed)
    learnt = sum(not any(shows(video, label) for label in held) for video in train)
    return [learnt] * count + [len(train)]


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
