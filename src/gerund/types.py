"""The values that everyone shares: frames, embeddings over time, and found segments."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.printing import cell, printable

FloatArray = npt.NDArray[np.float32]
FloatArray64 = npt.NDArray[np.float64]
FrameArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]

NOTHING_FOUND = "None of these actions stands out in this video."
"""The answer where there is no segment to show, in every output."""


@dataclass(frozen=True)
class Clip:
    """Decoded frames with the moments at which they are shown.

    Attributes:
        frames: uint8 ``[T, H, W, 3]``, RGB, full range.
        times_s: seconds ``[T]``.
    """

    frames: FrameArray
    times_s: FloatArray64

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise UsageError(f"frames must be uint8 [T, H, W, 3], got {self.frames.dtype} {self.frames.shape}")
        if self.times_s.shape != self.frames.shape[:1]:
            raise UsageError(f"{len(self.frames)} frames need as many times, got {self.times_s.shape}")

    def __len__(self) -> int:
        return len(self.frames)


@dataclass(frozen=True)
class Track:
    """Embeddings over time.

    Attributes:
        vectors: float32 ``[T, D]``; gerund's encoders give unit norm, features of others may have any.
        spans_s: the time each vector speaks for, half-open, seconds ``[T, 2]``.
        encoder: fingerprint of the encoder that made it.
    """

    vectors: FloatArray
    spans_s: FloatArray64
    encoder: str

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.spans_s.shape != (len(self.vectors), 2):
            raise UsageError(
                f"a track is vectors [T, D] with spans_s [T, 2], got {self.vectors.shape} and {self.spans_s.shape}"
            )

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, order=True)
class Segment:
    """One found action: half-open ``[start_s, end_s)`` in seconds.

    `score` ranks segments and is unbounded; `confidence` in [0, 1] is the probability of the action in this video.
    """

    start_s: float
    end_s: float
    action: str
    score: float
    confidence: float


class Segments:
    """Found actions in order of descending score.

    Args:
        items: segments in any order; equal scores keep theirs.

    Raises:
        UsageError: a segment ends before it starts, or a number is not finite.

    Example:
        >>> found = Segments([Segment(1.0, 2.5, "waving", 3.0, 0.9)])
        >>> print(found.to_csv("a.mp4"), end="")
        video,start_s,end_s,action,score,confidence
        a.mp4,1.000,2.500,waving,3.000000,0.900000
    """

    def __init__(self, items: Iterable[Segment] = ()) -> None:
        self._items = tuple(sorted(items, key=lambda item: -item.score))
        for item in self._items:
            if not np.isfinite([item.start_s, item.end_s, item.score, item.confidence]).all():
                raise UsageError(f"a segment needs finite numbers, got {item}")
            if item.end_s < item.start_s:
                raise UsageError(f"a segment must not end before it starts, got {item}")

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: int) -> Segment:
        return self._items[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Segments) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Segments({list(self._items)!r})"

    def top(self, count: int) -> Segments:
        """The `count` segments with the highest scores."""
        if count < 0:
            raise UsageError(f"count must not be negative, got {count}")
        return Segments(self._items[:count])

    def distinct(self) -> Segments:
        """What to show a person: segments of some score that are not mostly covered by better ones of their action.

        Localizers also propose short windows inside long segments, which help a ranking and clutter a picture.
        """
        kept: list[Segment] = []
        for item in self._items:
            same = sorted((other.start_s, other.end_s) for other in kept if other.action == item.action)
            covered_s, until_s = 0.0, item.start_s
            for start_s, end_s in same:
                covered_s += max(0.0, min(end_s, item.end_s) - max(start_s, until_s))
                until_s = max(until_s, end_s)
            if item.score != 0 and covered_s < max(0.5 * (item.end_s - item.start_s), 1e-9):
                kept.append(item)
        return Segments(kept)

    def by_time(self) -> list[Segment]:
        """The segments in order of their start."""
        return sorted(self._items, key=lambda item: (item.start_s, item.end_s))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain dicts in order of score, ready for JSON: times rounded to a millisecond."""
        return [
            {
                "start_s": round(item.start_s, 3),
                "end_s": round(item.end_s, 3),
                "action": item.action,
                "score": round(item.score, 6),
                "confidence": round(item.confidence, 6),
            }
            for item in self._items
        ]

    def to_rows(self, video: str) -> list[list[str]]:
        """The cells of a table ``video,start_s,end_s,action,score,confidence``; of no segment, a row of empty cells."""
        rows = [
            [video, f"{i.start_s:.3f}", f"{i.end_s:.3f}", i.action, f"{i.score:.6f}", f"{i.confidence:.6f}"]
            for i in self._items
        ]
        return rows or [[video, "", "", "", "", ""]]

    def to_csv(self, video: str, *, header: bool = True) -> str:
        """Comma-separated lines ``video,start_s,end_s,action,score,confidence`` in order of score.

        Without any segment there is one line, of the video and empty cells: it was looked at, and no action stands out.
        Text is guarded as `gerund.printing.cell` does it: a spreadsheet runs none of it.
        """
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        if header:
            lines.writerow(["video", "start_s", "end_s", "action", "score", "confidence"])
        lines.writerows([cell(value) for value in row] for row in self.to_rows(video))
        return text.getvalue()

    def to_vtt(self) -> str:
        """WebVTT subtitles in order of time: every segment is a cue with the action and its confidence.

        Without any segment the file is valid, shows nothing, and says so in a note.
        """
        cues = [
            f"{vtt_time(item.start_s)} --> {vtt_time(item.end_s)}\n{_vtt_escape(item.action)} ({item.confidence:.0%})"
            for item in self.by_time()
        ]
        return "\n\n".join(["WEBVTT", *(cues or [f"NOTE {NOTHING_FOUND}"])]) + "\n"


def vtt_time(seconds: float) -> str:
    """A moment as WebVTT writes it.

    Example:
        >>> vtt_time(3661.5)
        '01:01:01.500'
    """
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _vtt_escape(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
