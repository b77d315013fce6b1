"""Base to novel: how often the right class comes first in each of the two exams, and the harmonic mean of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import RecognitionAnswers
from gerund.bench.runs.measuring import Measure
from gerund.metrics.accuracy import harmonic_mean, top_k


def _base_to_novel(
    answers: Sequence[RecognitionAnswers], benchmark: Benchmark, free: frozenset[str]
) -> dict[str, float]:
    found: dict[str, float] = {}
    apart: dict[str, float] = {}
    for answer in answers:
        scores, labels = answer.scores, answer.labels
        if not len(labels):
            continue
        found[answer.paper] = 100 * top_k(scores, labels, 1)
        kept = np.isin(labels, [place for place, name in enumerate(answer.classes) if name in free])
        if answer.paper == "novel" and kept.any():
            apart["novel, overlap-free"] = 100 * top_k(scores[kept], labels[kept], 1)
    if {"base", "novel"} <= set(found):
        found = {"base": found["base"], "novel": found["novel"], "H": harmonic_mean(found["base"], found["novel"])}
    return found | apart


MEASURES = (Measure(("base-to-novel",), _base_to_novel, main="H"),)
