"""Which classes are unseen, as places in the data sets' class orders, and the splits that are made of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gerund.bench.datasets.catalog import DATASETS
from gerund.bench.protocols.benchmark import Split
from gerund.bench.shipped import read_json

XU = "Xu, Hospedales and Gong, IJCV 2017: the splits that their data release holds"
LOCATE = "Sarma, Singal and Sur (LoCATe-GAT), IEEE TETCI 2024, and its released split files"
TRUZE = "Gowda et al. (TruZe), GCPR 2021"
PROMPT = "Ju et al. (Efficient-Prompt), ECCV 2022: its released lists"
"""Where the places come from that several families share."""


def places() -> Any:
    """The content of ``protocols.json``: places by family and data set."""
    return read_json("protocols.json")


def pick(dataset: str, chosen: Iterable[int]) -> tuple[str, ...]:
    """The classes at some places."""
    classes = DATASETS[dataset].classes
    return tuple(classes[place] for place in chosen)


def others(dataset: str, classes: Iterable[str]) -> tuple[str, ...]:
    """All classes of a data set but these."""
    left_out = set(classes)
    return tuple(name for name in DATASETS[dataset].classes if name not in left_out)


def splits_of(
    dataset: str, unseen: Iterable[tuple[str, ...]], *, train_list: str = "", test_list: str = ""
) -> tuple[Split, ...]:
    """Splits named from 0; all other classes are seen."""
    return tuple(
        Split(str(k), others(dataset, names), names, test_list=test_list, train_list=train_list)
        for k, names in enumerate(unseen)
    )


def random_halves(dataset: str, *, ascii_order: bool = False) -> list[tuple[str, ...]]:
    """Unseen classes of the random 50/50 splits."""
    classes = DATASETS[dataset].classes
    order = sorted(classes) if ascii_order else classes
    return [tuple(order[place] for place in chosen) for chosen in places()["50-50"][dataset]]
