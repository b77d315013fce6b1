"""Recognise and localise human actions in video from nothing but their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gerund.errors import AssetError, GerundError, UsageError, VideoError
from gerund.version import __version__

if TYPE_CHECKING:
    from gerund.api import ActionScore, Classification, Model, load
    from gerund.examples import Examples, Inputs
    from gerund.features import FeatureStore, open_features
    from gerund.text.classes import ClassSpace
    from gerund.text.descriptions import Descriptions, choose_texts
    from gerund.types import Clip, Segment, Segments, Track
    from gerund.video.reader import Video

__all__ = [
    "ActionScore",
    "AssetError",
    "ClassSpace",
    "Classification",
    "Clip",
    "Descriptions",
    "Examples",
    "FeatureStore",
    "GerundError",
    "Inputs",
    "Model",
    "Segment",
    "Segments",
    "Track",
    "UsageError",
    "Video",
    "VideoError",
    "__version__",
    "choose_texts",
    "load",
    "open_features",
]

_HOMES = {
    "ActionScore": "gerund.api",
    "Classification": "gerund.api",
    "Model": "gerund.api",
    "load": "gerund.api",
    "Examples": "gerund.examples",
    "Inputs": "gerund.examples",
    "FeatureStore": "gerund.features",
    "open_features": "gerund.features",
    "Descriptions": "gerund.text.descriptions",
    "choose_texts": "gerund.text.descriptions",
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
