"""The protocols by name, each built once from compact lists of places in the data sets' class orders.

======================================  ==========================================================================
name                                    protocol
======================================  ==========================================================================
``<data>-50-50``                        half of the classes seen, half unseen; 50 random splits, 10 of ActivityNet
``<data>-50-50x10``                     the first 10 of these splits, as LoCATe-GAT reports them
``ucf101-50-50...-ascii``               the same places in ASCII order, as LoCATe-GAT's released code reads them
``activitynet-videos-50-50``            whole untrimmed videos of one class each, 10 splits
``<data>-truze``                        TruZe: no unseen class overlaps with Kinetics-400
``<data>-full``                         all classes, nothing trained on the data set
``<data>-test``                         the same on each of the three official test lists
``<data>-halves``                       the same among ten random halves of the classes, as E2E draws them
``<data>-closed``                       no zero-shot: trained and tested on all classes, by the official lists
``kinetics600-220``, ``...-val``        trained on Kinetics-400, asked about classes that only Kinetics-600 has
``kinetics700-openset``                 400 classes seen, 300 unseen
``<data>-base-to-novel``                16 videos of each frequent class seen; both halves tested, each by itself
``<data>-gzsl``, ``<data>-truze-gzsl``  generalised: seen test videos and unseen ones among all classes
``<data>-75-25``, ``<data>-50-50``      localization on THUMOS14 and ActivityNet 1.3, 10 splits each
``...-freezad``, ``...-gap``            the same as T3AL and FreeZAD, or GAP's released code, evaluate it
======================================  ==========================================================================

Olympic Sports has no generalised protocol: its official training and test lists are not among the files that were at
hand to check one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gerund.bench.datasets.catalog import DATASETS
from gerund.bench.datasets.lists import read_class_names
from gerund.bench.protocols.benchmark import Benchmark, Split
from gerund.bench.shipped import read_json
from gerund.errors import UsageError

_TIOUS = {
    "thumos14": (0.3, 0.4, 0.5, 0.6, 0.7),
    "activitynet200": (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
}
_TRAINED_AND_TESTED = {"thumos14": ("validation", "test"), "activitynet200": ("training", "validation")}
_SHOTS = 16

_XU = "Xu, Hospedales and Gong, IJCV 2017: the splits that their data release holds"
_LOCATE = "Sarma, Singal and Sur (LoCATe-GAT), IEEE TETCI 2024, and its released split files"
_TRUZE = "Gowda et al. (TruZe), GCPR 2021"
_ER = "Chen and Huang (ER-ZSAR), ICCV 2021: its released class lists"
_E2E = "Brattoli et al. (E2E), CVPR 2020"
_VIFI = "Rasheed et al. (ViFi-CLIP), CVPR 2023; the class lists are those that FROSTER (ICLR 2024) also uses"
_PROMPT = "Ju et al. (Efficient-Prompt), ECCV 2022: its released lists"


@cache
def find_benchmark(name: str) -> Benchmark:
    """The protocol of that name.

    Raises:
        UsageError: there is none.

    Example:
        >>> benchmark = find_benchmark("ucf101-truze")
        >>> benchmark.task, [(len(split.seen), len(split.unseen)) for split in benchmark.splits]
        ('recognition', [(70, 31)])
    """
    if name not in _MAKERS:
        near = get_close_matches(name.lower(), BENCHMARKS, n=3, cutoff=0.5)
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise UsageError(f"no benchmark {name!r}{meant}; 'gerund benchmarks list' shows all {len(BENCHMARKS)}")
    return replace(_MAKERS[name](), name=name)


def read_split_files(train_list: str | Path, test_list: str | Path, *, name: str = "0") -> Split:
    """A split of one's own from two lists of classes, one a line, with or without a last line break.

    Raises:
        UsageError: a list cannot be read, is empty or names a class twice, or a class is on both, as on the stray
            ``split_10`` that THUMOS14 lists of T3AL and FreeZAD carry.
    """
    return Split(name, read_class_names(Path(train_list)), read_class_names(Path(test_list)))


def _places() -> Any:
    return read_json("protocols.json")


def _pick(dataset: str, places: Iterable[int]) -> tuple[str, ...]:
    classes = DATASETS[dataset].classes
    return tuple(classes[place] for place in places)


def _others(dataset: str, classes: Iterable[str]) -> tuple[str, ...]:
    left_out = set(classes)
    return tuple(name for name in DATASETS[dataset].classes if name not in left_out)


def _splits(
    dataset: str, unseen: Iterable[tuple[str, ...]], *, train_list: str = "", test_list: str = ""
) -> tuple[Split, ...]:
    """Splits named from 0; all other classes are seen."""
    return tuple(
        Split(str(k), _others(dataset, names), names, test_list=test_list, train_list=train_list)
        for k, names in enumerate(unseen)
    )


def _random(dataset: str, *, ascii_order: bool = False) -> list[tuple[str, ...]]:
    """Unseen classes of the random 50/50 splits."""
    classes = DATASETS[dataset].classes
    order = sorted(classes) if ascii_order else classes
    return [tuple(order[place] for place in places) for places in _places()["50-50"][dataset]]


def _half(dataset: str, *, first: int | None = None, ascii_order: bool = False) -> Benchmark:
    compat = "locate-gat-ascii" if ascii_order else ""
    note = "Places in the split files count in the order of the release's label file, which ignores case."
    if ascii_order:
        note = "LoCATe-GAT's released code takes the places as those of sorted folder names, which swaps two pairs."
    splits = _splits(dataset, _random(dataset, ascii_order=ascii_order)[:first])
    if dataset == "ucf101":
        note += " Splits 6, 7 and 8 of the release repeat 0, 1 and 2, so the spread over splits is a little too small."
    source = f"{_XU}; the first ten as in {_LOCATE}" if first else _XU
    return Benchmark("", "recognition", dataset, dataset, splits, compat=compat, source=source, note=note)


def _activitynet_videos() -> Benchmark:
    return Benchmark(
        "", "recognition", "activitynet200", "activitynet200", _splits("activitynet200", _random("activitynet200")),
        excluded=tuple(_places()["excluded"]["activitynet200"]), source=_LOCATE,
        note="Whole videos of both labelled subsets; the 13 that show two classes are left out.",
    )  # fmt: skip


def _truze(dataset: str) -> Benchmark:
    splits = _splits(dataset, [_pick(dataset, _places()["truze"][dataset])])
    note = (
        "Unseen classes do not overlap with Kinetics-400; its list has spellings of its own, read as the classes meant."
    )
    return Benchmark("", "recognition", dataset, dataset, splits, source=_TRUZE, note=note)


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


def _halves(dataset: str) -> Benchmark:
    classes = DATASETS[dataset].classes
    orders = [np.random.RandomState(seed).permutation(len(classes)) for seed in range(10)]
    halves = [tuple(classes[place] for place in order[: len(classes) // 2]) for order in orders]
    splits = tuple(Split(str(k), (), half) for k, half in enumerate(halves))
    note = "For seeds 0 to 9 the first half of a permutation of the classes; nothing is trained on this data set."
    return Benchmark("", "recognition", dataset, dataset, splits, source=_E2E, note=note)


def _kinetics600(test_subset: str) -> Benchmark:
    lists = _places()["kinetics600-220"]
    seen = DATASETS["kinetics400"].classes
    splits = tuple(
        Split(str(k), seen, _pick("kinetics600", unseen), _pick("kinetics600", validation))
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
    splits = _splits("kinetics700", [_pick("kinetics700", _places()["openset"]["kinetics700"])])
    return Benchmark(
        "", "recognition", "kinetics700", "kinetics700", splits, train_subset="training", test_subset="validation",
        source=_PROMPT, note="The released lists do not say which videos are tested; here the validation videos are.",
    )  # fmt: skip


def _base_to_novel(dataset: str, *, has_subsets: bool) -> Benchmark:
    """Three draws of the training videos, from a subset or from the first official list."""
    novel = _pick(dataset, _places()["novel"][dataset])
    train_list, test_list = ("", "") if has_subsets else ("train1", "test1")
    train_subset, test_subset = ("training", "validation") if has_subsets else ("", "")
    splits = tuple(Split(k, _others(dataset, novel), novel, test_list=test_list, train_list=train_list) for k in "123")
    return Benchmark(
        "", "base-to-novel", dataset, dataset, splits, train_subset=train_subset, test_subset=test_subset,
        shots=_SHOTS, source=_VIFI,
        note="The released lists of 16 training videos a class are not used: gerund draws its own, three times.",
    )  # fmt: skip


def _generalised(dataset: str, *, truze: bool = False) -> Benchmark:
    unseen = [_pick(dataset, _places()["truze"][dataset])] if truze else _random(dataset)
    splits = _splits(dataset, unseen, train_list="train1", test_list="test1")
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
    return Benchmark("", "generalised", dataset, dataset, splits, source=_TRUZE if truze else _XU, note=note)


def _activitynet_generalised() -> Benchmark:
    return replace(
        _activitynet_videos(), task="generalised", train_subset="training", test_subset="validation",
        note="Whole videos: trained on the training subset, tested on the validation subset; without the 13 that show "
        "two classes.",
    )  # fmt: skip


def _localization(dataset: str, ratio: str) -> Benchmark:
    unseen = [_pick(dataset, places) for places in _places()["localization"][dataset][ratio]]
    train_subset, test_subset = _TRAINED_AND_TESTED[dataset]
    note = "Only videos that hold an unseen class are tested, as everybody does; false alarms elsewhere cost nothing."
    if dataset == "thumos14":
        note += (
            " Every CliffDiving is annotated as Diving too (143 and 217 times), so a split with one of them unseen "
            "trains on its moments under the other name."
        )
    return Benchmark(
        "", "localization", dataset, dataset, _splits(dataset, unseen), train_subset=train_subset,
        test_subset=test_subset, tious=_TIOUS[dataset], source=_PROMPT, note=note,
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
    excluded = tuple(_places()["excluded"]["thumos14"])
    return replace(base, excluded=excluded, longer_than_frames=8, compat="gap", source=source, note=note)


def _makers() -> Mapping[str, Callable[[], Benchmark]]:
    makers: dict[str, Callable[[], Benchmark]] = {}
    pair = ("ucf101", "hmdb51")
    for dataset in (*pair, "olympicsports16"):
        makers[f"{dataset}-50-50"] = partial(_half, dataset)
    for dataset in pair:
        makers[f"{dataset}-50-50x10"] = partial(_half, dataset, first=10)
    makers["ucf101-50-50-ascii"] = partial(_half, "ucf101", ascii_order=True)
    makers["ucf101-50-50x10-ascii"] = partial(_half, "ucf101", first=10, ascii_order=True)
    makers["activitynet-videos-50-50"] = _activitynet_videos
    for name, family in (("truze", _truze), ("full", _full), ("test", _official_test), ("halves", _halves)):
        makers |= {f"{dataset}-{name}": partial(family, dataset) for dataset in pair}
    for dataset in ("kinetics400", "kinetics600", "kinetics700"):
        makers[f"{dataset}-full"] = partial(_full, dataset, "validation")
    for dataset in (*pair, "kinetics400"):
        makers[f"{dataset}-closed"] = partial(_closed, dataset, has_subsets=dataset not in pair)
    makers["kinetics600-220"] = partial(_kinetics600, "test")
    makers["kinetics600-220-val"] = partial(_kinetics600, "validation")
    makers["kinetics700-openset"] = _openset
    for dataset in (*pair, "kinetics400", "sthv2"):
        makers[f"{dataset}-base-to-novel"] = partial(_base_to_novel, dataset, has_subsets=dataset not in pair)
    for dataset in pair:
        makers[f"{dataset}-gzsl"] = partial(_generalised, dataset)
        makers[f"{dataset}-truze-gzsl"] = partial(_generalised, dataset, truze=True)
    makers["activitynet-gzsl"] = _activitynet_generalised
    for ratio in ("75-25", "50-50"):
        for dataset, short in (("thumos14", "thumos14"), ("activitynet200", "activitynet")):
            makers[f"{short}-{ratio}"] = partial(_localization, dataset, ratio)
            makers[f"{short}-{ratio}-freezad"] = partial(_freezad, dataset, ratio)
            makers[f"{short}-{ratio}-gap"] = partial(_gap, dataset, ratio)
    return makers


_MAKERS = _makers()

BENCHMARKS: Sequence[str] = tuple(_MAKERS)
"""Names of all protocols, related ones together."""
