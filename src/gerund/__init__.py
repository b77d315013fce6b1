"""Recognise and localise human actions in video from nothing but their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gerund.errors import AssetError, GerundError, UsageError, VideoError

if TYPE_CHECKING:
    from gerund.api import ActionScore, Classification, Model, load
    from gerund.text.classes import ClassSpace
    from gerund.types import Clip, Segment, Segments, Track
    from gerund.video.reader import Video

__version__ = "0.1.0"

__all__ = [
    "ActionScore",
    "AssetError",
    "ClassSpace",
    "Classification",
    "Clip",
    "GerundError",
    "Model",
    "Segment",
    "Segments",
    "Track",
    "UsageError",
    "Video",
    "VideoError",
    "load",
]

_HOMES = {
    "ActionScore": "gerund.api",
    "Classification": "gerund.api",
    "Model": "gerund.api",
    "load": "gerund.api",
    "ClassSpace": "gerund.text.classes",
    "Clip": "gerund.types",
    "Segment": "gerund.types",
    "Segments": "gerund.types",
    "Track": "gerund.types",
    "Video": "gerund.video.reader",
}


def __getattr__(name: str) -> Any:
    """Loads a public name on first use, so that ``import gerund`` and ``gerund --help`` stay quick."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gerund' has no attribute {name!r}")
