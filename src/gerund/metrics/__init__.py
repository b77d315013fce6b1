"""Measures of answers: pure functions on arrays."""

from gerund.metrics.accuracy import (
    confusion,
    harmonic_mean,
    mean_and_spread,
    mean_class_accuracy,
    per_class_accuracy,
    top_k,
)
from gerund.metrics.calibration import brier, expected_calibration_error
from gerund.metrics.detection import mean_average_precision
from gerund.metrics.generalised import ausuc, seen_unseen_accuracy
from gerund.metrics.recall import average_recall
from gerund.metrics.segments import Annotations, Detections, temporal_overlap

__all__ = [
    "Annotations",
    "Detections",
    "ausuc",
    "average_recall",
    "brier",
    "confusion",
    "expected_calibration_error",
    "harmonic_mean",
    "mean_and_spread",
    "mean_average_precision",
    "mean_class_accuracy",
    "per_class_accuracy",
    "seen_unseen_accuracy",
    "temporal_overlap",
    "top_k",
]
