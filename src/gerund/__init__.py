"""Recognise and localise human actions in video from nothing but their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gerund.errors import AssetError, GerundError, UnreadableWarning, UsageError, VideoError
from gerund.version import __version__

if TYPE_CHECKING:
    from gerund.answers import ActionScore, Classification, Location
    from gerund.api import Model, load
    from gerund.examples import Examples, Inputs
    from gerund.features import FeatureStore, open_features
    from gerund.text.classes import ClassSpace
    from gerund.text.descriptions import Descriptions, choose_texts
    from gerund.types import Clip, Segment, Segments, Track
    from gerund.video.limits import Limits
    from gerund.video.memory import MemoryVideo
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
    "Limits",
    "Location",
    "MemoryVideo",
    "Model",
    "Segment",
    "Segments",
    "Track",
    "UnreadableWarning",
    "UsageError",
    "Video",
    "VideoError",
    "__version__",
    "choose_texts",
    "load",
    "open_features",
]

_HOMES = {
    "ActionScore": "gerund.answers",
    "Classification": "gerund.answers",
    "Location": "gerund.answers",
    "Model": "gerund.api",
    "load": "gerund.api",
    "Examples": "gerund.examples",
    "Inputs": "gerund.examples",
    "Limits": "gerund.video.limits",
    "FeatureStore": "gerund.features",
    "open_features": "gerund.features",
    "Descriptions": "gerund.text.descriptions",
    "choose_texts": "gerund.text.descriptions",
    "ClassSpace": "gerund.text.classes",
    "Clip": "gerund.types",
    "Segment": "gerund.types",
    "Segments": "gerund.types",
    "Track": "gerund.types",
    "MemoryVideo": "gerund.video.memory",
    "Video": "gerund.video.reader",
}


def __getattr__(name: str) -> Any:
    """Loads a public name on first use, so that ``import gerund`` and ``gerund --help`` stay quick."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'gerund' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is, whether it was loaded yet or not."""
    return sorted({name for name in globals() if name.startswith("__")} | set(__all__))
