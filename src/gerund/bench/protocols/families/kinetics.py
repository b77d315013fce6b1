"""Kinetics: trained on Kinetics-400 and asked about classes that only Kinetics-600 has; open sets of Kinetics-700.

=====================================  ==================================================================
``kinetics600-220``                    on the test videos of Kinetics-600
``kinetics600-220-val``                on its validation videos, as CLIP-era papers do
``kinetics700-openset``                400 classes seen, 300 unseen
=====================================  ==================================================================
"""

from __future__ import annotations

from functools import partial

from gerund.bench.datasets.catalog import DATASETS
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.protocols.places import PROMPT, pick, places, splits_of

_ER = "Chen and Huang (ER-ZSAR), ICCV 2021: its released class lists"


def _kinetics600(test_subset: str) -> Benchmark:
    lists = places()["kinetics600-220"]
    seen = DATASETS["kinetics400"].classes
    splits = tuple(
        Split(str(k), seen, pick("kinetics600", unseen), pick("kinetics600", validation))
        for k, (unseen, validation) in enumerate(zip(lists["unseen"], lists["validation"], strict=True))
    )
    note = "Not all 232 names that Kinetics-600 adds: twelve are old classes renamed. Trained once for all splits."
    if test_subset == "validation":
        note += (
            " CLIP-era papers test on Kinetics-600 validation videos, so their figures are not those of the original."
        )
    return Benchmark(
        "", "recognition", "kinetics400", "kinetics600", splits, train_subset="training", test_subset=test_subset,
        source=_ER, note=note,
    )  # fmt: skip


def _openset() -> Benchmark:
    splits = splits_of("kinetics700", [pick("kinetics700", places()["openset"]["kinetics700"])])
    return Benchmark(
        "", "recognition", "kinetics700", "kinetics700", splits, train_subset="training", test_subset="validation",
        source=PROMPT, note="The released lists do not say which videos are tested; here the validation videos are.",
    )  # fmt: skip


PROTOCOLS = (
    ProtocolCard("kinetics600-220", partial(_kinetics600, "test")),
    ProtocolCard("kinetics600-220-val", partial(_kinetics600, "validation")),
    ProtocolCard("kinetics700-openset", _openset),
)
