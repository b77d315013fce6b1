"""How long it takes to score detections: files that are there, and random ones as large as a full ActivityNet run.

    python benchmarks/detection_speed.py ../shared/data [--runs 7]

Times are medians of several runs in one process, of the measure alone and of reading the files before it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gerund.bench.scoring.predictions import read_detections, read_ground_truth
from gerund.metrics.detection import ACTIVITYNET_TIOUS, THUMOS_TIOUS, mean_average_precision
from gerund.metrics.recall import average_recall
from gerund.metrics.segments import Annotations, Detections

PROPOSALS = 100
"""Segments a video, each of them with two labels: the video's own and a random one."""


def random_detections(truth: Annotations, seed: int) -> Detections:
    """Segments around the annotated ones and between, with scores that know a little and are sometimes equal."""
    rng = np.random.default_rng(seed)
    labels = np.unique(truth.label)
    rows = []
    for video in np.unique(truth.video):
        mine = truth.rows(truth.video == video)
        length = mine.end_s.max() * 1.2 + 1
        spans = np.sort(rng.uniform(0, length, (PROPOSALS, 2)), axis=1)
        near = rng.integers(0, len(mine), PROPOSALS // 4)
        jitter = rng.normal(0, 0.1, (len(near), 2)) * (mine.end_s - mine.start_s)[near, None]
        spans[: len(near)] = np.sort(np.stack([mine.start_s, mine.end_s], axis=1)[near] + jitter, axis=1)
        for label in (mine.label[0], rng.choice(labels)):
            scores = rng.random(PROPOSALS).round(3).tolist()
            rows += [
                (str(video), start, end, str(label), score)
                for (start, end), score in zip(spans.tolist(), scores, strict=True)
            ]
    return Detections.of(rows)


def median_s(action: Callable[[], object], runs: int) -> float:
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def report(name: str, truth: Annotations, found: Detections, tious: tuple[float, ...], runs: int) -> None:
    scores = mean_average_precision(truth, found, tious)
    precision_s = median_s(lambda: mean_average_precision(truth, found, tious), runs)
    recall_s = median_s(lambda: average_recall(truth, found), runs)
    print(
        f"| {name} | {len(scores.classes)} x {len(tious)} | {len(truth)} | {len(found)} | {100 * scores.average:.2f} | "
        f"{1000 * precision_s:.1f} | {1000 * recall_s:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with annotations/ and predictions/")
    parser.add_argument("--runs", type=int, default=7)
    settings = parser.parse_args()
    runs = settings.runs
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, NumPy {np.__version__}; medians of {runs} runs\n")
    print("| files | classes x tIoU | annotations | detections | mAP (%) | mAP, ms | AR@AN, ms |")
    print("|---|---|---|---|---|---|---|")

    freezad = settings.data / "predictions" / "freezad_thumos14"
    truth = read_ground_truth(freezad / "gt_75_0.csv").annotations
    report("FreeZAD, 75/25 split 0", truth, read_detections(freezad / "predict_75_0.csv"), THUMOS_TIOUS, runs)
    thumos = read_ground_truth(settings.data / "annotations" / "thumos14_tsp.json", subset="test").annotations
    report("THUMOS14 test, random", thumos, random_detections(thumos, 0), THUMOS_TIOUS, runs)
    path = settings.data / "annotations" / "activitynet13_train_val_from_tsp.json"
    sample = settings.data / "predictions" / "activitynet" / "sample_detection_prediction.json"
    truth = read_ground_truth(path, subset="validation").annotations
    report("ActivityNet's sample", truth, read_detections(sample), ACTIVITYNET_TIOUS, runs)
    found = random_detections(truth, 0)
    report("ActivityNet validation, random", truth, found, ACTIVITYNET_TIOUS, runs)

    results: dict[str, list[dict[str, object]]] = {}
    columns = (found.video.tolist(), found.start_s.tolist(), found.end_s.tolist(), found.label.tolist())
    for video, start, end, label, score in zip(*columns, found.score.tolist(), strict=True):
        results.setdefault(video, []).append({"segment": [start, end], "label": label, "score": score})
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        file.write_text(json.dumps({"results": results}))
        size_mb = file.stat().st_size / 1e6
        print(f"\nreading ActivityNet's ground truth: {median_s(lambda: read_ground_truth(path), runs):.2f} s")
        json_s = median_s(lambda: read_detections(file), 3)
        print(f"reading {len(found)} detections, {size_mb:.0f} MB of JSON: {json_s:.2f} s")


if __name__ == "__main__":
    main()
