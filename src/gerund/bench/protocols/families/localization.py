"""Localization on THUMOS14 and ActivityNet 1.3, 10 splits each.

===================================  ==============================================================
``<data>-75-25``, ``<data>-50-50``   segments of the unseen classes
``...-freezad``, ``...-gap``         the same as T3AL and FreeZAD, or GAP's released code, evaluate it
===================================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.protocols.places import PROMPT, pick, places, splits_of

_TIOUS = {
    "thumos14": (0.3, 0.4, 0.5, 0.6, 0.7),
    "activitynet200": (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
}
_TRAINED_AND_TESTED = {"thumos14": ("validation", "test"), "activitynet200": ("training", "validation")}


def _localization(dataset: str, ratio: str) -> Benchmark:
    unseen = [pick(dataset, chosen) for chosen in places()["localization"][dataset][ratio]]
    train_subset, test_subset = _TRAINED_AND_TESTED[dataset]
    note = "Only videos that hold an unseen class are tested, as everybody does; false alarms elsewhere cost nothing."
    if dataset == "thumos14":
        note += (
            " Every CliffDiving is annotated as Diving too (143 and 217 times), so a split with one of them unseen "
            "trains on its moments under the other name."
        )
    return Benchmark(
        "", "localization", dataset, dataset, splits_of(dataset, unseen), train_subset=train_subset,
        test_subset=test_subset, tious=_TIOUS[dataset], source=PROMPT, note=note,
    )  # fmt: skip


def _freezad(dataset: str, ratio: str) -> Benchmark:
    """Nothing is trained, and all annotated videos are tested."""
    base = _localization(dataset, ratio)
    splits = tuple(Split(split.name, (), split.unseen) for split in base.splits)
    note = "Tests all annotated videos, trains on none, and rounds the AP of each class before the mean."
    tious = base.tious
    if dataset == "thumos14":
        note += " Actions annotated after the end of their video are left out."
    else:
        tious = (0.5, 0.75, 0.95)
        note += " The average is that of three thresholds, not ten."
    return replace(
        base,
        splits=splits,
        train_subset="",
        test_subset="",
        tious=tious,
        inside_video=dataset == "thumos14",
        compat="t3al",
        source="released evaluation of Liberatori et al. (T3AL, CVPR 2024) and of FreeZAD",
        note=note,
    )


def _gap(dataset: str, ratio: str) -> Benchmark:
    base = _localization(dataset, ratio)
    source = "released code of GAP (ICPR 2024, arXiv 2408.13777)"
    if dataset == "activitynet200":
        note = "Actions of at most one second are left out before evaluation."
        return replace(base, longer_than_s=1.0, compat="gap", source=source, note=note)
    note = "Actions of at most 8 frames are left out before evaluation, and five test videos."
    excluded = tuple(places()["excluded"]["thumos14"])
    return replace(base, excluded=excluded, longer_than_frames=8, compat="gap", source=source, note=note)


def _cards() -> Iterator[ProtocolCard]:
    for ratio in ("75-25", "50-50"):
        for dataset, short in (("thumos14", "thumos14"), ("activitynet200", "activitynet")):
            yield ProtocolCard(f"{short}-{ratio}", partial(_localization, dataset, ratio))
            yield ProtocolCard(f"{short}-{ratio}-freezad", partial(_freezad, dataset, ratio))
            yield ProtocolCard(f"{short}-{ratio}-gap", partial(_gap, dataset, ratio))


PROTOCOLS = tuple(_cards())
