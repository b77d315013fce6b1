"""Generalised recognition: seen and unseen accuracy among all classes, their harmonic mean, and the exact curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import RecognitionAnswers
from gerund.bench.runs.measuring import Measure
from gerund.metrics.generalised import ausuc, seen_unseen_accuracy


def _generalised(answers: Sequence[RecognitionAnswers], benchmark: Benchmark, free: frozenset[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for answer in answers:
        scores, labels, is_seen = answer.scores, answer.labels, answer.is_seen
        plain = seen_unseen_accuracy(scores, labels, is_seen)
        curve = ausuc(scores, labels, is_seen)
        found |= {
            "seen": 100 * plain.seen,
            "unseen": 100 * plain.unseen,
            "H": 100 * plain.harmonic,
            "AUSUC": 100 * curve.area,
            "H at the best bias (an oracle)": 100 * curve.oracle_harmonic,
        }
        if answer.bias is not None:
            stacked = seen_unseen_accuracy(scores, labels, is_seen, bias=answer.bias)
            found["seen, calibrated"], found["unseen, calibrated"] = 100 * stacked.seen, 100 * stacked.unseen
            found["H, calibrated"] = 100 * stacked.harmonic
        kept = np.isin(labels, [place for place, name in enumerate(answer.classes) if name in free]) | is_seen[labels]
        if not is_seen[labels[kept]].all():
            alone = seen_unseen_accuracy(scores[kept], labels[kept], is_seen)
            found["unseen, overlap-free"] = 100 * alone.unseen
            found["H, overlap-free"] = 100 * alone.harmonic
    return found


MEASURES = (Measure(("generalised",), _generalised, main="H"),)
