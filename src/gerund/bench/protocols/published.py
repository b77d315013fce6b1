"""Figures that others published, each with where it was read and how far that can be trusted.

Only figures that were read in a table are here; what was merely recalled is left out. Rows of one benchmark still
differ in backbone, prompts, frames and training data, so they are beside ours for orientation, not as a ranking.
"""

from __future__ import annotations

import json
from functools import cache

from gerund.bench.protocols.benchmarks import PROTOCOLS
from gerund.bench.protocols.card import Published
from gerund.bench.shipped import read_text

MARKS = {
    "F": "figure or README of the method's own repository",
    "T": "table in another project's README",
    "S": "secondary table or note",
    "X": "computed anew from released predictions",
}
"""How a figure is known."""


@cache
def _all() -> tuple[Published, ...]:
    rows = [json.loads(line) for line in read_text("published.jsonl").splitlines()]
    return tuple(Published(**{**row, "metrics": {k: tuple(v) for k, v in row["metrics"].items()}}) for row in rows)


def published(benchmark: str) -> list[Published]:
    """The rows of a benchmark, best first by their last metric; empty where none is known.

    Example:
        >>> row = next(row for row in published("ucf101-full") if row.method.startswith("frozen CLIP"))
        >>> row.metrics["top-1"], row.mark
        ((74.2, None), 'S')
    """
    own = PROTOCOLS[benchmark].published if benchmark in PROTOCOLS else ()
    rows = [row for row in (*_all(), *own) if row.benchmark == benchmark]
    return sorted(rows, key=lambda row: -list(row.metrics.values())[-1][0])
