"""Found segments as WebVTT: a file for the one video, or a folder of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gerund.errors import UsageError
from gerund.sinks.base import Answer, Order, OutputFormat, Sink, segments_of
from gerund.writing import is_stdout, stops_when_full, write_text


class Subtitles(Sink):
    """Subtitles of the segments that stand out; a video that could not be answered gets none.

    Args:
        target: a file that ends in ``.vtt`` or ``-`` for one video; else a folder, where videos keep the places they
            have to each other.
        videos: all of the command.

    Raises:
        UsageError: one file is named for several videos.
    """

    def __init__(self, target: str, videos: Sequence[Path]) -> None:
        self._target = Path(target)
        self._is_one = is_stdout(target) or (self._target.suffix.lower() == ".vtt" and not self._target.is_dir())
        if self._is_one and len(videos) > 1:
            raise UsageError(f"subtitles in {target}: several videos need a file each; give a folder")
        self._common = os.path.commonpath([video.absolute().parent for video in videos]) if videos else ""

    def take(self, answer: Answer) -> None:
        """Writes the subtitles of one video, whole or not at all."""
        if answer["error"] is not None:
            return
        target = self._target
        if not self._is_one:
            video = Path(answer["video"]).absolute()
            target = target / os.path.relpath(video.parent, self._common) / f"{video.name}.vtt"
        with stops_when_full(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_text(target, segments_of(answer).distinct().to_vtt())


def _subtitles(order: Order) -> Sink:
    return Subtitles(order.target, order.videos)


VTT = OutputFormat((".vtt",), "subtitles", _subtitles, kinds=("segments",), check=_subtitles, takes_folder=True)
FORMATS = (VTT,)
