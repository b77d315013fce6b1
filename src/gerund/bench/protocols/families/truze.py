"""``<data>-truze``: no unseen class overlaps with Kinetics-400 (TruZe)."""

from __future__ import annotations

from functools import partial

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.protocols.places import TRUZE, pick, places, splits_of


def _truze(dataset: str) -> Benchmark:
    splits = splits_of(dataset, [pick(dataset, places()["truze"][dataset])])
    note = (
        "Unseen classes do not overlap with Kinetics-400; its list has spellings of its own, read as the classes meant."
    )
    return Benchmark("", "recognition", dataset, dataset, splits, source=TRUZE, note=note)


PROTOCOLS = tuple(ProtocolCard(f"{dataset}-truze", partial(_truze, dataset)) for dataset in ("ucf101", "hmdb51"))
