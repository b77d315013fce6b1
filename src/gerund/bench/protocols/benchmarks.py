"""The protocols by name, each built once: all that the files in `families` have, file after file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from gerund.bench.datasets.lists import read_class_names
from gerund.bench.protocols import families
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard
from gerund.discovery import modules_of
from gerund.errors import UsageError


@cache
def find_benchmark(name: str) -> Benchmark:
    """The protocol of that name.

    Raises:
        UsageError: there is none.

    Example:
        >>> benchmark = find_benchmark("ucf101-truze")
        >>> benchmark.task, [(len(split.seen), len(split.unseen)) for split in benchmark.splits]
        ('recognition', [(70, 31)])
    """
    if name not in PROTOCOLS:
        near = get_close_matches(name.lower(), BENCHMARKS, n=3, cutoff=0.5)
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise UsageError(f"no benchmark {name!r}{meant}; 'gerund benchmarks list' shows all {len(BENCHMARKS)}")
    return replace(PROTOCOLS[name].make(), name=name)


def read_split_files(train_list: str | Path, test_list: str | Path, *, name: str = "0") -> Split:
    """A split of one's own from two lists of classes, one a line, with or without a last line break.

    Raises:
        UsageError: a list cannot be read, is empty or names a class twice, or a class is on both, as on the stray
            ``split_10`` that THUMOS14 lists of T3AL and FreeZAD carry.
    """
    return Split(name, read_class_names(Path(train_list)), read_class_names(Path(test_list)))


def _cards() -> Mapping[str, ProtocolCard]:
    found: dict[str, ProtocolCard] = {}
    for module in modules_of(families):
        for card in getattr(module, "PROTOCOLS", ()):
            if card.name in found:
                raise UsageError(
                    f"two protocols are called {card.name}; the one in {module.__name__} needs another name"
                )
            found[card.name] = card
    return found


PROTOCOLS = _cards()
"""The cards of all protocols by their names."""

BENCHMARKS: Sequence[str] = tuple(PROTOCOLS)
"""Names of all protocols, related ones together."""
