"""Whether a method that gives probabilities means what it says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import RecognitionAnswers
from gerund.bench.runs.measuring import Measure
from gerund.metrics.calibration import brier, expected_calibration_error


def _calibration(answers: Sequence[RecognitionAnswers], benchmark: Benchmark, free: frozenset[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for answer in answers:
        if not (answer.logit_scale and len(answer.labels)):
            continue
        shifted = answer.logit_scale * (answer.scores - answer.scores.max(axis=1, keepdims=True)).astype(np.float64)
        probabilities = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        found["ECE"] = 100 * expected_calibration_error(probabilities, answer.labels)
        found["Brier"] = 100 * brier(probabilities, answer.labels)
    return found


MEASURES = (Measure(("recognition", "closed-set"), _calibration),)
