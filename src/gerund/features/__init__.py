"""Tracks: made from videos, kept on disk, and read from the files that others have made."""

from __future__ import annotations

from gerund.features.extraction import Extraction, FrameProgress, extract, extract_many, nearest_keyframes
from gerund.features.opening import open_features
from gerund.features.sampling import Resampled, Sampling
from gerund.features.store import FeatureStore
from gerund.features.tracks import FeatureError, Features, TrackKind

__all__ = [
    "Extraction",
    "FeatureError",
    "FeatureStore",
    "Features",
    "FrameProgress",
    "Resampled",
    "Sampling",
    "TrackKind",
    "extract",
    "extract_many",
    "nearest_keyframes",
    "open_features",
]
