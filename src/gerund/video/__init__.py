"""Pixels and time, nothing about meaning: reading, sampling, resizing."""

from gerund.video.reader import Video

__all__ = ["Video"]
