"""One self-contained page: the videos themselves beside clickable timelines, in a single file without the network."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from gerund.errors import reason_of
from gerund.printing import printable
from gerund.types import Segments
from gerund.video.numbering import numbered_pictures
from gerund.video.workers import Workers
from gerund.writing import write_text

_EMBED_BYTES = 24_000_000
"""A larger file is embedded as a preview; browsers grow slow on pages of many tens of megabytes."""

EMBED_TOTAL_BYTES = 100_000_000
"""Where a page of many videos stops to embed them: what a browser still opens at once, and a mail no longer takes."""

Embed = Literal["auto", "none", "all"]
"""Which videos a page holds: as many as fit into `EMBED_TOTAL_BYTES`, none, or all. It links to the others."""


@dataclass(frozen=True)
class Located:
    """What was found in one video, or why it could not be read.

    Attributes:
        path: the video.
        duration_s: its length; None where it could not be read.
        segments: what is shown.
        error: why it could not be read.
        note: what to know about the answer.
    """

    path: Path
    duration_s: float | None
    segments: Segments
    error: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Made:
    """What became of a page.

    Attributes:
        size_bytes: its size.
        num_embedded: how many videos it holds.
        num_linked: how many it only links to.
        problems: videos whose player could not be made, with the reason; they are linked.
    """

    size_bytes: int
    num_embedded: int
    num_linked: int
    problems: tuple[tuple[str, str], ...] = ()

    def words(self) -> str:
        """Its size and what it holds, in a line."""
        size = f"{self.size_bytes / 1e6:.1f} MB" if self.size_bytes >= 100_000 else f"{self.size_bytes / 1e3:.0f} kB"
        held = {0: "no video", 1: "1 video"}.get(self.num_embedded, f"{self.num_embedded} videos")
        keep = "it where it is" if self.num_linked == 1 else "them where they are"
        linked = f", {self.num_linked} only linked, so keep {keep}" if self.num_linked else ""
        return f"{size}; {held} embedded{linked}"


def write_page(target: Path, model: str, results: Sequence[Located], *, embed: Embed = "auto") -> Made:
    """Writes the page; a video that browsers cannot play, or a large one, is embedded as a small H.264 preview.

    Args:
        target: the file; ``-`` is standard output.
        model: the model's name.
        results: what was found, in the order of the page.
        embed: which videos the page holds. With ``"auto"`` those after the first that does not fit are linked.

    Raises:
        OSError: the page cannot be written.
    """
    entries, problems, total = [], [], 0
    full = embed == "none"
    with Workers() as workers:
        for result in results:
            source = None
            if result.error is None and not full:
                try:
                    source = data_url(result.path, workers, duration_s=result.duration_s)
                except Exception as problem:  # whatever is wrong with one preview costs that preview alone
                    reason = f"it was answered, but no preview could be made: {reason_of(problem)}"
                    problems.append((str(result.path), reason))
                else:
                    full = embed == "auto" and total + len(source) > EMBED_TOTAL_BYTES
                    source = None if full else source
                    total += len(source or "")
            entries.append(_entry(result, source, target.absolute().parent))
    # "<" is escaped so that no label or file name can end the script element that holds the data
    data = json.dumps({"model": model, "videos": entries}, allow_nan=False).replace("<", "\\u003c")
    template = files("gerund").joinpath("page.html").read_text(encoding="utf-8")
    text = template.replace("__DATA__", data)
    write_text(target, text)
    held = sum(not entry["linked"] and entry["error"] is None for entry in entries)
    return Made(len(text.encode()), held, sum(entry["linked"] for entry in entries), tuple(problems))


def _entry(result: Located, source: str | None, folder: Path) -> dict[str, Any]:
    linked = result.error is None and source is None
    return {
        "video": printable(str(result.path)),
        "duration_s": result.duration_s,
        "segments": result.segments.distinct().to_dicts(),
        "source": link_to(result.path, folder) if linked else source,
        "linked": linked,
        "note": result.note,
        "error": result.error,
    }


def link_to(path: Path, folder: Path) -> str:
    """The address of a file as a page in a folder gives it: relative, and never to be taken for one on the network.

    Example:
        >>> link_to(Path("/videos/a: 1 #.mp4"), Path("/pages"))
        './../videos/a%3A%201%20%23.mp4'
    """
    try:
        return "./" + quote(os.fsencode(os.path.relpath(path.absolute(), folder)).replace(os.sep.encode(), b"/"))
    except ValueError:  # on another drive
        return path.absolute().as_uri()


def data_url(path: Path, workers: Workers, *, duration_s: float | None = None) -> str:
    """The video as an address that holds all of its bytes, playable in a browser. Pictures last as long as said."""
    fps = len(numbered_pictures(path)) / duration_s if duration_s and os.path.isdir(path) else None
    kind, content = workers.preview(path, most_bytes=_EMBED_BYTES, fps=fps)
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
