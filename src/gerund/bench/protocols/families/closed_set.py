"""``<data>-closed``, no zero-shot: trained and tested on all classes, by the official lists."""

from __future__ import annotations

from functools import partial

from gerund.bench.datasets.catalog import DATASETS
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard


def _closed(dataset: str, *, has_subsets: bool) -> Benchmark:
    classes = DATASETS[dataset].classes
    note = "Closed-set: every class that is tested is trained on, so this says nothing about unseen actions."
    if has_subsets:
        splits: tuple[Split, ...] = (Split("0", classes, ()),)
        train_subset, test_subset = "training", "validation"
    else:
        splits = tuple(Split(k, classes, (), test_list=f"test{k}", train_list=f"train{k}") for k in "123")
        train_subset = test_subset = ""
    return Benchmark(
        "", "closed-set", dataset, dataset, splits, train_subset=train_subset, test_subset=test_subset,
        source="the data set's official training and test lists", note=note,
    )  # fmt: skip


PROTOCOLS = (
    ProtocolCard("ucf101-closed", partial(_closed, "ucf101", has_subsets=False)),
    ProtocolCard("hmdb51-closed", partial(_closed, "hmdb51", has_subsets=False)),
    ProtocolCard("kinetics400-closed", partial(_closed, "kinetics400", has_subsets=True)),
)
