"""One self-contained page: the videos themselves beside clickable timelines, in a single file without the network."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from gerund.errors import GerundError
from gerund.printing import printable
from gerund.types import Segments
from gerund.video.workers import Workers
from gerund.writing import write_text

_EMBED_BYTES = 24_000_000
"""A larger file is embedded as a preview; browsers grow slow on pages of many tens of megabytes."""


@dataclass(frozen=True)
class Located:
    """What was found in one video, or why it could not be read."""

    path: Path
    duration_s: float | None
    segments: Segments
    error: str | None = None


def write_page(target: Path, model: str, results: Sequence[Located]) -> None:
    """Writes the page; a video that browsers cannot play, or a large one, is embedded as a small H.264 preview.

    Raises:
        OSError: the page cannot be written.
    """
    with Workers() as workers:
        videos = [_entry(result, workers) for result in results]
    # "<" is escaped so that no label or file name can end the script element that holds the data
    data = json.dumps({"model": model, "videos": videos}).replace("<", "\\u003c")
    template = files("gerund").joinpath("page.html").read_text(encoding="utf-8")
    write_text(target, template.replace("__DATA__", data))


def _entry(result: Located, workers: Workers) -> dict[str, Any]:
    source, error = None, result.error
    if error is None:
        try:
            source = data_url(result.path, workers)
        except (GerundError, OSError) as problem:
            error = f"the segments were found, but no preview could be made: {problem}"
    return {
        "video": printable(str(result.path)),
        "duration_s": result.duration_s,
        "segments": result.segments.distinct().to_dicts(),
        "source": source,
        "error": error,
    }


def data_url(path: Path, workers: Workers) -> str:
    """The video as an address that holds all of its bytes, playable in a browser."""
    kind, content = workers.preview(path, most_bytes=_EMBED_BYTES)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
