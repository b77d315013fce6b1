"""``<data>-base-to-novel``: 16 videos of each frequent class seen; both halves tested, each by itself."""

from __future__ import annotations

from functools import partial

from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.protocols.places import others, pick, places

_SHOTS = 16
_VIFI = "Rasheed et al. (ViFi-CLIP), CVPR 2023; the class lists are those that FROSTER (ICLR 2024) also uses"


def _base_to_novel(dataset: str, *, has_subsets: bool) -> Benchmark:
    """Three draws of the training videos, from a subset or from the first official list."""
    novel = pick(dataset, places()["novel"][dataset])
    train_list, test_list = ("", "") if has_subsets else ("train1", "test1")
    train_subset, test_subset = ("training", "validation") if has_subsets else ("", "")
    splits = tuple(Split(k, others(dataset, novel), novel, test_list=test_list, train_list=train_list) for k in "123")
    return Benchmark(
        "", "base-to-novel", dataset, dataset, splits, train_subset=train_subset, test_subset=test_subset,
        shots=_SHOTS, source=_VIFI,
        note="The released lists of 16 training videos a class are not used: gerund draws its own, three times.",
    )  # fmt: skip


PROTOCOLS = (
    *(
        ProtocolCard(f"{dataset}-base-to-novel", partial(_base_to_novel, dataset, has_subsets=False))
        for dataset in ("ucf101", "hmdb51")
    ),
    *(
        ProtocolCard(f"{dataset}-base-to-novel", partial(_base_to_novel, dataset, has_subsets=True))
        for dataset in ("kinetics400", "sthv2")
    ),
)
