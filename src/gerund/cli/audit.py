"""The leakage audit of a protocol: what ``gerund benchmarks audit`` prints."""

from __future__ import annotations

import json as json_format
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerund.batch import errors_to_exit
from gerund.errors import GerundError, UsageError
from gerund.printing import echo, printable, printable_json
from gerund.writing import check_outputs, write_text

if TYPE_CHECKING:
    from gerund.bench.datasets.listing import Listing
    from gerund.bench.protocols.audit import Audit, SplitAudit
    from gerund.bench.protocols.benchmark import Benchmark
    from gerund.text.similar import Embed, Match

_KINDS = {"name": "", "words": "", "alternative": "  (in part)"}


def audit(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A protocol; see 'gerund benchmarks list'.")],
    trained_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help="What the encoder learned from: a data set such as kinetics400, or a file with one class name a line; "
            "may be repeated.",
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with the official lists of the data sets.")
    ] = None,
    near: Annotated[bool, typer.Option(help="List near names too, for a person to judge.")] = True,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Let MiniLM add near names by meaning, where its weights are here.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write everything as JSON; - for standard output, alone.")
    ] = None,
) -> None:
    """Say what may have leaked in a protocol: classes trained on under another name, and videos on both sides.

    Findings are no failure: the exit status is 0. Without --data only names are compared.

    Example: gerund benchmarks audit ucf101-full --trained-on kinetics400
    """
    from gerund.bench.protocols import audit as bench_audit
    from gerund.bench.protocols.benchmarks import find_benchmark

    with errors_to_exit():
        if data and not data.is_dir():
            raise UsageError(f"--data {data}: no such folder")
        files = [Path(spec) for spec in trained_on or ()]
        check_outputs([Path(json)] if json and json != "-" else [], files)
        benchmark = find_benchmark(name)
        sources = dict(_classes_of(spec) for spec in dict.fromkeys(trained_on or ()))
        is_cross = benchmark.train_on not in ("", benchmark.test_on)
        found = bench_audit.audit(
            benchmark,
            trained_on=sources,
            listing=_listing(benchmark.test_on, data) if data else None,
            train_listing=_listing(benchmark.train_on, data) if data and is_cross else None,
            embed=_minilm() if embeddings and near else None,
            near=near,
        )
        text = printable_json(json_format.dumps(found.to_dict(), ensure_ascii=False, indent=1))
        if json == "-":
            echo(text)
            return
        for line in _lines(benchmark, found, near=near):
            echo(printable(line))
        if json:
            write_text(Path(json), text + "\n")


def _classes_of(spec: str) -> tuple[str, tuple[str, ...]]:
    """What was trained on and its classes.

    Raises:
        UsageError: it is neither a data set nor a readable file.
    """
    from gerund.bench.datasets import DATASETS, find_dataset
    from gerund.bench.datasets.lists import read_class_names

    if spec.lower() not in DATASETS and Path(spec).is_file():
        return Path(spec).name, read_class_names(Path(spec))
    try:
        return spec.lower(), find_dataset(spec.lower()).classes
    except UsageError as error:
        raise UsageError(f"--trained-on {spec}: no file of class names, and {error}") from None


def _listing(dataset: str, root: Path) -> Listing | None:
    """The videos of a data set; None, and a note, where its lists are not there."""
    from gerund.bench.datasets import read_listing

    try:
        return read_listing(dataset, root)
    except GerundError as error:
        echo(f"note: the lists of {dataset} were not read, so videos are not compared: {error}", err=True)
        return None


def _minilm() -> Embed | None:
    from gerund.assets import find_asset, is_here, path_of

    weights, tokenizer = find_asset("minilm"), find_asset("minilm-tokenizer")
    if not (is_here(weights) and is_here(tokenizer)):
        echo(
            "note: MiniLM is not here, so names are compared by their words only; "
            "fetch it with 'gerund models get minilm minilm-tokenizer'",
            err=True,
        )
        return None
    from gerund.encoders.sentence import SentenceEncoder

    return SentenceEncoder(path_of(weights), path_of(tokenizer))


def _lines(benchmark: Benchmark, found: Audit, *, near: bool) -> Iterator[str]:
    splits = found.splits
    many = f"{len(splits)} splits" if len(splits) > 1 else "1 split"
    trained = f"trained on {benchmark.train_on}, " if any(split.num_seen for split in splits) else ""
    yield f"{found.benchmark}: {benchmark.task}, {trained}tested on {benchmark.test_on}, {many}"
    for place, source in enumerate(overlap.trained_on for overlap in splits[0].overlaps):
        if source in found.trained_on or any(split.num_seen for split in splits):
            yield ""
            yield from _overlap(splits, place, source, near=near)
    if found.together:
        yield ""
        yield from _together(found)
    yield ""
    yield from _split_table(splits, near=near)
    if any(split.videos for split in splits):
        yield ""
        yield from _videos(splits, is_timed=benchmark.task == "localization")


def _overlap(splits: Sequence[SplitAudit], place: int, source: str, *, near: bool) -> Iterator[str]:
    """Which classes share their name with one of a source, over all splits."""
    same = _union(split.overlaps[place].same for split in splits)
    num = splits[0].num_unseen if len(splits) == 1 else 0
    where = "one of the seen classes" if source == "the seen classes" else f"a class of {source}"
    shared = len({match.name for match in same})
    of = f"{shared} of {num} classes" if num else "1 class" if shared == 1 else f"{shared} classes"
    verb = "shares its" if shared == 1 else "share their"
    yield f"{of} {verb} name with {where}{_when(splits)}{':' if same else ''}"
    width = max((len(match.name) for match in same), default=0)
    for match in same:
        yield f"  {match.name:{width}} = {match.other}{_KINDS[match.kind]}"
    if near:
        settled = {match.name for match in same}
        close = _union(split.overlaps[place].near for split in splits)
        yield from _near([match for match in close if match.name not in settled], where + _when(splits))


def _near(matches: Sequence[Match], where: str) -> Iterator[str]:
    """Names that come near others, each with all of these on one line."""
    by_name: dict[str, list[str]] = {}
    for match in matches:
        mark = f" ({match.score:.2f} by meaning)" if match.kind == "meaning" else ""
        by_name.setdefault(match.name, []).append(match.other + mark)
    others_come = "1 other comes" if len(by_name) == 1 else f"{len(by_name)} others come"
    yield f"{others_come} near {where}, to be judged by eye{':' if by_name else ''}"
    width = max((len(name) for name in by_name), default=0)
    yield from (f"  {name:{width}} ~ {'; '.join(others)}" for name, others in by_name.items())


def _when(splits: Sequence[SplitAudit]) -> str:
    return " in some split" if len(splits) > 1 else ""


def _union(matches: Iterable[tuple[Match, ...]]) -> list[Match]:
    return list(dict.fromkeys(match for some in matches for match in some))


def _together(found: Audit) -> Iterator[str]:
    """Pairs that are always annotated together, with counts where they were counted, and where they are divided."""
    for label, other in found.together:
        items = [item for item in found.duplicates if (item.label, item.other) == (label, other)]
        share = "every" if all(item.together == item.total for item in items) else "nearly every"
        counts = ", ".join(f"{i.together} of {i.total}{f' in {i.subset}' if i.subset else ''}" for i in items)
        yield f"{share} {label} is also annotated {other}" + (f" ({counts})" if counts else "")
        for unseen, seen in ((label, other), (other, label)):
            names = [split.split for split in found.splits if (unseen, seen) in split.divided]
            if names:
                yield f"  {unseen} is unseen and {seen} is seen in {_named(names)}"
        if not any(split.divided for split in found.splits):
            yield "  no split has the one on the seen and the other on the unseen side"


def _named(names: Sequence[str]) -> str:
    return f"split {names[0]}" if len(names) == 1 else f"splits {', '.join(names)}"


def _split_table(splits: Sequence[SplitAudit], *, near: bool) -> Iterator[str]:
    """One line for each split: how many classes are left that nothing was trained on."""
    sources = [overlap.trained_on for overlap in splits[0].overlaps]
    rows = [["split", "unseen", *(f"in {source}" for source in sources), "divided", "overlap-free", "not even near"]]
    for split in splits:
        shared = [len({match.name for match in overlap.same}) for overlap in split.overlaps]
        counts = [split.num_unseen, *shared, len(split.divided), len(split.overlap_free), len(split.far)]
        rows.append([split.split, *map(str, counts)])
    if not near:
        rows = [row[:-1] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))


def _videos(splits: Sequence[SplitAudit], *, is_timed: bool) -> Iterator[str]:
    for split in splits:
        videos = split.videos
        if videos is None:
            continue
        if videos.problem:
            yield f"split {split.split}: {videos.problem}"
            continue
        yield f"split {split.split}: {videos.num_train} training and {videos.num_test} test videos, none on both sides"
        if videos.shared_footage:
            yield (
                f"  {videos.test_from_shared} test videos are cut from {videos.shared_footage} films or uploads that "
                "training videos are cut from too"
            )
        if videos.unseen_inside:
            fate = f": {videos.as_background} pass for background, {videos.as_seen} are trained on under a seen name"
            yield f"  {videos.unseen_inside} training videos hold segments of unseen classes{fate if is_timed else ''}"
