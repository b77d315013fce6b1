"""All classes unseen: nothing is trained on the data set.

==================  =========================================================================
``<data>-full``     all classes and videos
``<data>-test``     the same on each of the three official test lists
``<data>-halves``   the same among ten random halves of the classes, as E2E draws them
==================  =========================================================================
"""

from __future__ import annotations

from functools import partial

import numpy as np

from gerund.bench.datasets.catalog import DATASETS
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard

_E2E = "Brattoli et al. (E2E), CVPR 2020"


def _full(dataset: str, test_subset: str = "") -> Benchmark:
    splits = (Split("0", (), DATASETS[dataset].classes),)
    note = (
        "All classes are candidates; nothing is trained on this data set, but its classes may have been seen elsewhere."
    )
    return Benchmark(
        "", "recognition", dataset, dataset, splits, test_subset=test_subset,
        source="customary for models trained elsewhere", note=note,
    )  # fmt: skip


def _official_test(dataset: str) -> Benchmark:
    splits = tuple(Split(k, (), DATASETS[dataset].classes, test_list=f"test{k}") for k in "123")
    note = (
        "All classes are candidates. The HMDB51 lists of some CLIP-era releases lack one video of the third test list."
    )
    return Benchmark("", "recognition", dataset, dataset, splits, source="the data set's official splits", note=note)


def _halves(dataset: str) -> Benchmark:
    classes = DATASETS[dataset].classes
    orders = [np.random.RandomState(seed).permutation(len(classes)) for seed in range(10)]
    halves = [tuple(classes[place] for place in order[: len(classes) // 2]) for order in orders]
    splits = tuple(Split(str(k), (), half) for k, half in enumerate(halves))
    note = "For seeds 0 to 9 the first half of a permutation of the classes; nothing is trained on this data set."
    return Benchmark("", "recognition", dataset, dataset, splits, source=_E2E, note=note)


PROTOCOLS = (
    *(ProtocolCard(f"{dataset}-full", partial(_full, dataset)) for dataset in ("ucf101", "hmdb51")),
    *(ProtocolCard(f"{dataset}-test", partial(_official_test, dataset)) for dataset in ("ucf101", "hmdb51")),
    *(ProtocolCard(f"{dataset}-halves", partial(_halves, dataset)) for dataset in ("ucf101", "hmdb51")),
    *(
        ProtocolCard(f"{dataset}-full", partial(_full, dataset, "validation"))
        for dataset in ("kinetics400", "kinetics600", "kinetics700")
    ),
)
