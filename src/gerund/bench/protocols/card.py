"""How a file of `families` says which protocols it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gerund.bench.protocols.benchmark import Benchmark


@dataclass(frozen=True)
class Published:
    """One row of one benchmark that somebody else found.

    Attributes:
        benchmark: its name.
        method: with its backbone where known.
        metrics: mean and spread in percent; the spread is None where none was given.
        source: where it was read.
        mark: keys of `gerund.bench.protocols.published.MARKS`, separated by commas.
        note: how it differs from the benchmark's own protocol.
    """

    benchmark: str
    method: str
    metrics: dict[str, tuple[float, float | None]]
    source: str
    mark: str
    note: str = ""


@dataclass(frozen=True)
class ProtocolCard:
    """One protocol: what it is called, how it is made, and what is known of it.

    Every file in `families` has a tuple `PROTOCOLS` of these; a new file there is a new protocol. For those that ship
    with gerund, sizes, hash, counts and published rows lie in ``bench/data``; a file that is added brings its own.

    Attributes:
        name: ``"ucf101-50-50"``.
        make: gives the protocol; its own name may be ``""``.
        sizes: number of splits, of different ones, and of seen, unseen and validation classes in each.
        sha256: the hash that it was frozen with; `gerund benchmarks verify` fails where it has another, and says which.
        counts: documented numbers of videos, by what they count, as in ``data/counts.json``.
        published: figures of others.
    """

    name: str
    make: Callable[[], Benchmark]
    sizes: tuple[int, ...] = ()
    sha256: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict, hash=False)
    published: tuple[Published, ...] = ()
