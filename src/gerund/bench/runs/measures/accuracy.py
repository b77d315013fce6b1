"""Conventional recognition: how often the right class comes first, among the first five, and in the mean of classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import RecognitionAnswers
from gerund.bench.runs.measuring import Measure
from gerund.metrics.accuracy import mean_class_accuracy, top_k


def _accuracy(answers: Sequence[RecognitionAnswers], benchmark: Benchmark, free: frozenset[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for answer in answers:
        scores, labels = answer.scores, answer.labels
        if not len(labels):
            continue
        found |= {"top-1": 100 * top_k(scores, labels, 1), "top-5": 100 * top_k(scores, labels, 5)}
        found["mean class top-1"] = 100 * mean_class_accuracy(scores, labels).accuracy
        kept = np.isin(labels, [place for place, name in enumerate(answer.classes) if name in free])
        if kept.any():
            found["top-1, overlap-free"] = 100 * top_k(scores[kept], labels[kept], 1)
    return found


MEASURES = (Measure(("recognition", "closed-set"), _accuracy, main="top-1"),)
