"""Localization: mean average precision at every threshold of the protocol, and the mean of these."""

from __future__ import annotations

from collections.abc import Sequence

from gerund.bench.protocols.benchmark import Benchmark
from gerund.bench.runs.answers import LocalizationAnswers
from gerund.bench.runs.measuring import Measure
from gerund.metrics.detection import Variant, mean_average_precision
from gerund.metrics.segments import Annotations, Detections

_VARIANTS: dict[str, Variant] = {"t3al": "t3al", "gap": "gap"}
"""Whose rules of scoring segments a compat switch of a protocol means."""


def _precision(answers: Sequence[LocalizationAnswers], benchmark: Benchmark, free: frozenset[str]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for answer in answers:
        truth, detections = Annotations.of(answer.truth), Detections.of(answer.found)
        variant = _VARIANTS.get(benchmark.compat, "official")
        found = mean_average_precision(truth, detections, benchmark.tious, variant=variant, classes=answer.classes)
        figures |= {f"mAP@{tiou:g}": 100 * float(value) for tiou, value in zip(benchmark.tious, found.mAP, strict=True)}
        figures["average mAP"] = 100 * float(found.average)
        kept = [place for place, name in enumerate(found.classes) if name in free]
        if kept:
            figures["average mAP, overlap-free"] = 100 * float(found.ap[:, kept].mean())
    return figures


MEASURES = (Measure(("localization",), _precision, main="average mAP"),)
