"""``<data>-gzsl``, ``<data>-truze-gzsl``, generalised: seen test videos and unseen ones among all classes.

Olympic Sports has no generalised protocol: its official training and test lists are not among the files that were at
hand to check one.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.protocols.card import ProtocolCard
from gerund.bench.protocols.families.random_halves import activitynet_videos
from gerund.bench.protocols.places import TRUZE, XU, pick, places, random_halves, splits_of


def _generalised(dataset: str, *, truze: bool = False) -> Benchmark:
    unseen = [pick(dataset, places()["truze"][dataset])] if truze else random_halves(dataset)
    splits = splits_of(dataset, unseen, train_list="train1", test_list="test1")
    note = (
        "Seen classes: trained on the first official training list, tested on its test list. Unseen ones: all videos. "
        "LoCATe-GAT's released code tests seen classes on videos it has trained on; this protocol does not."
    )
    if dataset == "hmdb51":
        note += (
            " Videos on neither list are not trained on: by their names, 459 videos outside the test list are cut from "
            "the same films as some on it, which the official training list is made to avoid."
        )
    elif not truze:
        note += " Splits 6, 7 and 8 of the release repeat 0, 1 and 2."
    return Benchmark("", "generalised", dataset, dataset, splits, source=TRUZE if truze else XU, note=note)


def _activitynet_generalised() -> Benchmark:
    return replace(
        activitynet_videos(), task="generalised", train_subset="training", test_subset="validation",
        note="Whole videos: trained on the training subset, tested on the validation subset; without the 13 that show "
        "two classes.",
    )  # fmt: skip


PROTOCOLS = (
    ProtocolCard("ucf101-gzsl", partial(_generalised, "ucf101")),
    ProtocolCard("ucf101-truze-gzsl", partial(_generalised, "ucf101", truze=True)),
    ProtocolCard("hmdb51-gzsl", partial(_generalised, "hmdb51")),
    ProtocolCard("hmdb51-truze-gzsl", partial(_generalised, "hmdb51", truze=True)),
    ProtocolCard("activitynet-gzsl", _activitynet_generalised),
)
