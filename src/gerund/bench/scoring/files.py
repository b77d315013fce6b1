"""Scores of prediction files: what ``gerund score-detections`` and ``gerund score-labels`` print and write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gerund.bench.scoring.predictions import (
    GroundTruth,
    known_labels,
    known_names,
    read_detections,
    read_ground_truth,
    read_labels,
    read_rankings,
    read_score_tables,
)
from gerund.errors import UsageError
from gerund.metrics.accuracy import mean_and_spread, mean_class_accuracy, per_class_accuracy, top_k
from gerund.metrics.detection import (
    ACTIVITYNET_TIOUS,
    THUMOS_TIOUS,
    TIE_RULE,
    DetectionScores,
    Unknown,
    Variant,
    ZeroLength,
    mean_average_precision,
)
from gerund.metrics.recall import RecallCurve, average_recall
from gerund.metrics.segments import Annotations, Detections

_MOST_THRESHOLDS = 1000
_THUMOS_IDS = ("video_test_", "video_validation_")
_Table = TypeVar("_Table", bound=Annotations)
_SPREAD_OVER = ("mAP", "average_mAP", "AR", "AUC")


def parse_tious(spec: str) -> tuple[float, ...]:
    """Thresholds from text, each the float nearest to its decimal; a range holds both ends.

    Raises:
        UsageError: the text says something else, a threshold is outside (0, 1], or one comes twice.

    Example:
        >>> parse_tious("0.3:0.7:0.1"), parse_tious("0.5, 0.75")
        ((0.3, 0.4, 0.5, 0.6, 0.7), (0.5, 0.75))
    """
    found: list[Decimal] = []
    for part in spec.split(","):
        try:
            numbers = [Decimal(number.strip()) for number in part.split(":")]
        except InvalidOperation:
            numbers = []
        if len(numbers) not in (1, 3) or not all(number.is_finite() for number in numbers):
            raise UsageError(f"thresholds {spec!r}: expected numbers such as 0.5,0.75 or first:last:step")
        first, last, step = numbers if len(numbers) == 3 else (numbers[0], numbers[0], Decimal(1))
        if last < first or step <= 0 or (last - first) / step >= _MOST_THRESHOLDS:
            raise UsageError(f"thresholds {part.strip()!r}: expected first:last:step from low to high")
        found += [first + place * step for place in range(int((last - first) / step) + 1)]
    if not all(0 < number <= 1 for number in found) or len(set(found)) != len(found):
        raise UsageError(f"thresholds {spec!r} must lie above 0 and not above 1, each once")
    return tuple(float(number) for number in found)


def score_detection_files(
    pairs: Sequence[tuple[Path, Path]],
    *,
    tious: Sequence[float] | None = None,
    variant: Variant = "official",
    subset: str = "",
    classes: Collection[str] | None = None,
    exclude: Collection[str] = (),
    unknown_labels: Unknown = "error",
    zero_length: ZeroLength = "released",
    recall_tious: Sequence[float] | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """A report ready for JSON, in percent and unrounded, and notes for the reader.

    Args:
        pairs: files of ground truth and of predictions; the report of several is their mean and spread, and ``pairs``
            in it holds each.
        tious: thresholds; by default 0.3:0.7:0.1 for CSV and for THUMOS14's video ids, else 0.5:0.95:0.05.
        variant: as `mean_average_precision`.
        subset: as `read_ground_truth`.
        classes: as `mean_average_precision`.
        exclude: videos left out on both sides.
        unknown_labels: as `mean_average_precision`.
        zero_length: as `mean_average_precision`.
        recall_tious: thresholds of the average recall; None for none.

    Raises:
        UsageError: a file cannot be right, or two ground truths usually have different thresholds.
    """
    files = {path: read_ground_truth(path, subset=subset) for path, _ in pairs}
    tious = _usual_tious(files.values()) if tious is None else tious
    notes: list[str] = []
    records = []
    for truth_path, found_path in pairs:
        known, found = files[truth_path], read_detections(found_path)
        num_found = len(found)
        found, remarks = _under_known_names(found, known)
        scores = mean_average_precision(
            _without(known.annotations, exclude),
            _without(found, exclude),
            tious,
            variant=variant,
            classes=classes,
            unknown_labels=unknown_labels,
            zero_length=zero_length,
        )
        if absent := sorted(set(classes or ()) - set(scores.classes)):
            remarks.append(f"nothing is annotated of {', '.join(absent)}; not in the mean")
        remarks += [f"left out: {count} {reason}" for reason, count in scores.dropped.items()]
        notes += [f"{found_path}: {remark}" for remark in remarks]
        curve = average_recall(scores.truth, scores.found, recall_tious) if recall_tious is not None else None
        head = {"truth": str(truth_path), "predictions": str(found_path), "subset": known.subset or None}
        records.append(head | {"num_predictions": num_found} | _detection_record(scores, curve))
    settings = {
        "unit": "percent",
        "variant": variant,
        "zero_length": "floored" if variant == "opentad" else zero_length,
        "tie_rule": TIE_RULE,
        "num_excluded_videos": len(exclude),
        "tiou": list(tious),
    }
    if recall_tious is not None:
        settings["recall_tiou"] = list(recall_tious)
    return settings | (records[0] if len(records) == 1 else _over_pairs(records)), notes


def score_rankings(truth_path: Path, found_path: Path, tops: Sequence[int]) -> tuple[dict[str, Any], list[str]]:
    """Top-k accuracies of ranked labels, ready for JSON, in percent and unrounded, and notes for the reader.

    ``top-k`` is a share of the answered videos; ``of_expected`` holds shares of all videos of the truth.

    Raises:
        UsageError: a file cannot be right, no video of the truth was answered, or no label is one of the truth.
    """
    truth, rankings = read_labels(truth_path), read_rankings(found_path)
    renamed = known_names(rankings, truth)
    answers = {renamed.get(video, video): ranking for video, ranking in rankings.items() if ranking}
    if len(answers) != sum(map(bool, rankings.values())):
        raise UsageError(f"{found_path}: two of its ids are one video of {truth_path}; keep one of each")
    if not answers:
        raise UsageError(f"{found_path} holds no answer; expected ranked labels of videos")
    asked = [video for video in truth if video in answers]
    if not asked:
        raise UsageError(f"{found_path} answers no video of {truth_path}: {_examples(rankings, truth)}")
    labels = sorted(set(truth.values()))
    respelt = known_labels(dict.fromkeys(label for ranking in answers.values() for label in ranking), labels)
    answers = {video: [respelt.get(label, label) for label in ranking] for video, ranking in answers.items()}
    if not any(label in set(labels) for video in asked for label in answers[video]):
        raise UsageError(f"{found_path}: no label in it is one of {truth_path}: {_examples(answers[asked[0]], labels)}")
    hits = {k: sum(truth[video] in answers[video][:k] for video in asked) for k in tops}
    names = {label: place for place, label in enumerate(dict.fromkeys([*labels, *(answers[v][0] for v in asked)]))}
    shares = per_class_accuracy(
        [names[truth[video]] for video in asked], [names[answers[video][0]] for video in asked], len(names)
    )
    report: dict[str, Any] = {f"top-{k}": 100 * hits[k] / len(asked) for k in tops}
    report |= {
        "mean class top-1": 100 * float(np.nanmean(shares)),
        "num_classes": int((~np.isnan(shares)).sum()),
        "num_answered": len(asked),
        "num_expected": len(truth),
        "num_unknown_videos": len(answers) - len(asked),
        "of_expected": {f"top-{k}": 100 * hits[k] / len(truth) for k in tops},
        "hits": {f"top-{k}": hits[k] for k in tops},
    }
    notes = [f"{len(respelt)} labels are spelt another way than in the truth; matched"] if respelt else []
    notes += [f"{len(truth) - len(asked)} of {len(truth)} videos are not answered"] if len(asked) < len(truth) else []
    if len(asked) < len(answers):
        notes.append(f"{len(answers) - len(asked)} answered videos are not in {truth_path}; left out")
    return report, [f"{found_path}: {note}" for note in notes]


def score_tables(path: Path, which: str | None, tops: Sequence[int]) -> dict[str, Any]:
    """Top-k accuracies of score matrices, ready for JSON, in percent and unrounded.

    Args:
        path: as `read_score_tables`.
        which: name of the scores, or several joined by ``+``, which are added; may be None where there is one.
        tops: the k of each top-k.

    Raises:
        UsageError: the file cannot be right, or the name is missing or wrong.
    """
    tables = read_score_tables(path)
    there = ", ".join(tables.matrices)
    if which is None and len(tables.matrices) > 1:
        raise UsageError(f"{path}: say which scores are meant, one or several added with +; there are {there}")
    names = [name.strip() for name in which.split("+")] if which is not None else list(tables.matrices)
    if missing := [name for name in names if name not in tables.matrices]:
        raise UsageError(f"{path}: no scores {missing[0]!r}; there are {there}")
    if len({tables.matrices[name].shape for name in names}) > 1:
        raise UsageError(f"{path}: {' and '.join(names)} differ in shape and cannot be added")
    scores = np.sum([tables.matrices[name] for name in names], axis=0)
    means = mean_class_accuracy(scores, tables.labels)
    return {f"top-{k}": 100 * top_k(scores, tables.labels, k) for k in tops} | {
        "mean class top-1": 100 * means.accuracy,
        "num_classes": means.num_classes,
        "num_answered": len(scores),
        "num_expected": len(scores),
        "scores": "+".join(names),
    }


def _usual_tious(files: Collection[GroundTruth]) -> tuple[float, ...]:
    usual = {
        THUMOS_TIOUS if file.form == "csv" or any(v.startswith(_THUMOS_IDS) for v in file.videos) else ACTIVITYNET_TIOUS
        for file in files
    }
    if len(usual) != 1:
        raise UsageError("the ground truths usually have different thresholds; say which are meant")
    return usual.pop()


def _under_known_names(found: Detections, known: GroundTruth) -> tuple[Detections, list[str]]:
    videos = dict.fromkeys(found.video.tolist())
    renamed = known_names(videos, known.videos)
    remarks = []
    if renamed:
        one = next(iter(renamed))
        remarks.append(f"{len(renamed)} videos are those of other ids, such as {one} for {renamed[one]}")
        names = np.array([renamed.get(video, video) for video in found.video.tolist()])
        found = Detections(names, found.start_s, found.end_s, found.label, found.score)
    respelt = known_labels(dict.fromkeys(found.label.tolist()), set(known.annotations.label.tolist()))
    if respelt:
        one = next(iter(respelt))
        remarks.append(f"{len(respelt)} labels are spelt another way, such as {one} for {respelt[one]}")
        labels = np.array([respelt.get(label, label) for label in found.label.tolist()])
        found = Detections(found.video, found.start_s, found.end_s, labels, found.score)
    if not len(found):
        remarks.append("it holds no detection, so every figure is 0")
    if videos and not set(found.video.tolist()) & known.videos:
        remarks.append(f"none of its videos is in the ground truth: {_examples(videos, known.videos)}")
    return found, remarks


def _without(table: _Table, videos: Collection[str]) -> _Table:
    gone = frozenset(videos)
    return table.rows(np.array([video not in gone for video in table.video.tolist()], dtype=np.bool_))


def _detection_record(scores: DetectionScores, curve: RecallCurve | None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "mAP": (100 * scores.mAP).tolist(),
        "average_mAP": 100 * scores.average,
        "num_videos": len(set(scores.truth.video.tolist())),
        "num_annotations": len(scores.truth),
        "num_compared": len(scores.found),
        "dropped": scores.dropped,
        "per_class_AP": dict(zip(scores.classes, (100 * scores.ap.T).tolist(), strict=True)),
    }
    if curve is not None:
        record |= {
            "proposals": curve.proposals.tolist(),
            "AR": (100 * curve.mean).tolist(),
            "AUC": 100 * curve.area,
        }
    return record


def _over_pairs(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Means of several records with both standard deviations, and the records themselves."""
    report: dict[str, Any] = {}
    for name in _SPREAD_OVER:
        if name not in records[0]:
            continue
        columns = np.array([record[name] for record in records], dtype=np.float64).T
        lines = [mean_and_spread(column) for column in np.atleast_2d(columns)]
        for suffix, values in (
            ("", [line.mean for line in lines]),
            ("_population_std", [line.population_std for line in lines]),
            ("_sample_std", [line.sample_std for line in lines]),
        ):
            report[f"{name}{suffix}"] = values if isinstance(records[0][name], list) else values[0]
    if "proposals" in records[0]:
        report["proposals"] = records[0]["proposals"]
    return report | {"num_pairs": len(records), "pairs": records}


def _examples(given: Collection[str], expected: Collection[str]) -> str:
    return f"it has {next(iter(given))!r}, the truth has {next(iter(sorted(expected)), 'nothing')!r}"
