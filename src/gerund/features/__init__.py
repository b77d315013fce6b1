"""Tracks: made from videos, kept on disk, and read from the files that others have made."""

from __future__ import annotations

from gerund.features.extraction import Extraction, FrameProgress, extract, extract_many, nearest_keyframes

__all__ = ["Extraction", "FrameProgress", "extract", "extract_many", "nearest_keyframes"]
