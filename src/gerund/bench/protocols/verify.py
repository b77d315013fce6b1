"""Proof that protocols are what they claim to be: their classes by themselves, their videos from a user's lists."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from gerund.bench.datasets.catalog import DATASETS, kinetics_zsl_classes
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.benchmarks import BENCHMARKS, PROTOCOLS, find_benchmark
from gerund.bench.protocols.checks import Check, documented, shipped
from gerund.bench.protocols.counting import Counting
from gerund.errors import UsageError


def verify(names: Sequence[str] = (), data: str | Path | None = None) -> list[Check]:
    """Checks protocols, and with a folder also the videos that they choose.

    Args:
        names: of benchmarks; all by default.
        data: the folder that holds the lists of the data sets.

    Returns:
        The checks of every benchmark in turn, then those of the data sets that they use.

    Raises:
        UsageError: there is no such benchmark or folder.
    """
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        find_benchmark(unknown[0])
    counting = Counting(None if data is None else Path(data))
    checks: list[Check] = []
    for name in names or BENCHMARKS:
        try:
            benchmark = find_benchmark(name)
        except UsageError as error:
            checks.append(Check(name, "splits", "failed", str(error)))
            continue
        checks += [*check_protocol(benchmark), *counting.check_benchmark(benchmark)]
    return checks + counting.check_datasets()


def check_protocol(benchmark: Benchmark) -> list[Check]:
    """Whether the classes of every split are disjoint, complete, as many as documented, and those that were frozen."""
    sizes, sha256 = _frozen(benchmark.name)
    checks = [
        _as_check(benchmark, "splits", _wrong_splits(benchmark)),
        _as_check(benchmark, "sizes", _wrong_sizes(benchmark, sizes)),
    ]
    released = documented("md5").get(benchmark.name.removesuffix("-freezad").removesuffix("-gap"))
    if released:
        checks.append(_as_check(benchmark, "md5 of the lists", _wrong_md5(benchmark, released)))
    is_frozen = sha256 == benchmark.sha256
    detail = "another protocol needs another name" if sha256 else "its card has none yet (sha256)"
    detail = "" if is_frozen else f"it is {benchmark.sha256 if not sha256 else benchmark.sha256[:12]}; {detail}"
    return [*checks, Check(benchmark.name, "hash", "ok" if is_frozen else "failed", detail)]


def _frozen(name: str) -> tuple[Sequence[int], str]:
    """Sizes and hash that a protocol was frozen with; empty where nobody has."""
    if name in shipped("frozen"):
        of = shipped("frozen")[name]
        return of["sizes"], of["sha256"]
    return (PROTOCOLS[name].sizes, PROTOCOLS[name].sha256) if name in PROTOCOLS else ((), "")


def list_md5(classes: Sequence[str]) -> str:
    """MD5 of a list file with these classes, one a line, each with a line break.

    Example:
        >>> list_md5(["BaseballPitch", "HammerThrow", "PoleVault", "SoccerPenalty", "ThrowDiscus"])[:8]
        '38919a4f'
    """
    text = "".join(f"{name}\n" for name in classes)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _as_check(benchmark: Benchmark, what: str, wrong: Iterator[str]) -> Check:
    found = list(wrong)
    return Check(benchmark.name, what, "failed" if found else "ok", "; ".join(found[:3]))


def _wrong_splits(benchmark: Benchmark) -> Iterator[str]:
    names = [split.name for split in benchmark.splits]
    if len(set(names)) != len(names):
        yield "two splits have one name"
    for split in benchmark.splits:
        for problem in _wrong_classes(benchmark, split):
            yield f"split {split.name}: {problem}"


def _wrong_classes(benchmark: Benchmark, split: Split) -> Iterator[str]:
    trained, tested = set(DATASETS[benchmark.train_on].classes), set(DATASETS[benchmark.test_on].classes)
    seen, unseen, validation = set(split.seen), set(split.unseen), set(split.validation)
    if len(seen) + len(unseen) + len(validation) != sum(map(len, (split.seen, split.unseen, split.validation))):
        yield "a class is listed twice"
    if (seen & unseen) | (seen & validation) | (unseen & validation):
        yield "its sides share a class"
    if strange := sorted((seen - trained) | ((unseen | validation) - tested)):
        yield f"{strange[0]!r} is no class of its data set"
    if benchmark.train_on != benchmark.test_on:
        complete = seen == trained and unseen | validation == set(kinetics_zsl_classes())
    else:
        complete = not seen or seen | unseen | validation == tested
    if not complete:
        yield "a class of the protocol is on no side"


def _wrong_sizes(benchmark: Benchmark, sizes: Sequence[int]) -> Iterator[str]:
    if not sizes:
        yield "no sizes are documented for it"
        return
    different = len({(frozenset(split.unseen), split.test_list) for split in benchmark.splits})
    if [len(benchmark.splits), different] != list(sizes[:2]):
        yield f"{len(benchmark.splits)} splits, {different} different ones, instead of {sizes[0]} and {sizes[1]}"
    for split in benchmark.splits:
        found = [len(split.seen), len(split.unseen), len(split.validation)]
        if found != list(sizes[2:]):
            yield f"split {split.name}: {found} seen, unseen and validation classes instead of {list(sizes[2:])}"


def _wrong_md5(benchmark: Benchmark, prefixes: Sequence[str]) -> Iterator[str]:
    for split, prefix in zip(benchmark.splits, prefixes, strict=True):
        if not list_md5(split.unseen).startswith(prefix):
            yield f"split {split.name}: its list of unseen classes is not the released one"
