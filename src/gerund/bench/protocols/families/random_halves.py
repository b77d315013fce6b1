"""Half of the classes seen, half unseen, drawn at random.

===============================  ==============================================================================
``<data>-50-50``                 50 random splits
``<data>-50-50x10``              the first 10 of these, as LoCATe-GAT reports them
``ucf101-50-50...-ascii``        the same places in ASCII order, as LoCATe-GAT's released code reads them
``activitynet-videos-50-50``     whole untrimmed videos of one class each, 10 splits
===============================  ==============================================================================
"""

from __future__ import annotations

from functools import partial

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.protocols.places import LOCATE, XU, places, random_halves, splits_of


def _half(dataset: str, *, first: int | None = None, ascii_order: bool = False) -> Benchmark:
    compat = "locate-gat-ascii" if ascii_order else ""
    note = "Places in the split files count in the order of the release's label file, which ignores case."
    if ascii_order:
        note = "LoCATe-GAT's released code takes the places as those of sorted folder names, which swaps two pairs."
    splits = splits_of(dataset, random_halves(dataset, ascii_order=ascii_order)[:first])
    if dataset == "ucf101":
        note += " Splits 6, 7 and 8 of the release repeat 0, 1 and 2, so the spread over splits is a little too small."
    source = f"{XU}; the first ten as in {LOCATE}" if first else XU
    return Benchmark("", "recognition", dataset, dataset, splits, compat=compat, source=source, note=note)


def activitynet_videos() -> Benchmark:
    """Recognition of whole videos; `generalised` asks more of them."""
    return Benchmark(
        "", "recognition", "activitynet200", "activitynet200",
        splits_of("activitynet200", random_halves("activitynet200")),
        excluded=tuple(places()["excluded"]["activitynet200"]), source=LOCATE,
        note="Whole videos of both labelled subsets; the 13 that show two classes are left out.",
    )  # fmt: skip


PROTOCOLS = (
    ProtocolCard("ucf101-50-50", partial(_half, "ucf101")),
    ProtocolCard("hmdb51-50-50", partial(_half, "hmdb51")),
    ProtocolCard("olympicsports16-50-50", partial(_half, "olympicsports16")),
    ProtocolCard("ucf101-50-50x10", partial(_half, "ucf101", first=10)),
    ProtocolCard("hmdb51-50-50x10", partial(_half, "hmdb51", first=10)),
    ProtocolCard("ucf101-50-50-ascii", partial(_half, "ucf101", ascii_order=True)),
    ProtocolCard("ucf101-50-50x10-ascii", partial(_half, "ucf101", first=10, ascii_order=True)),
    ProtocolCard("activitynet-videos-50-50", activitynet_videos),
)
