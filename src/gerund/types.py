"""The values that everyone shares: frames, embeddings over time, and found segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.printing import csv_text, printable

_SEGMENTS_SHOWN = 3

FloatArray = npt.NDArray[np.float32]
FloatArray64 = npt.NDArray[np.float64]
FrameArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]

NOTHING_FOUND = "None of these actions stands out in this video."
"""The answer where there is no segment to show, in every output."""


@dataclass(frozen=True, eq=False, repr=False)
class Clip:
    """Decoded frames with the moments at which they are shown.

    Two clips are equal when their arrays are. A clip has no hash.

    Attributes:
        frames: uint8 ``[T, H, W, 3]``, RGB, full range.
        times_s: seconds ``[T]``, finite.

    Raises:
        UsageError: the arrays are of another shape or type, or a moment is not finite.

    Example:
        >>> Clip(np.zeros((2, 4, 6, 3), np.uint8), np.array([0.0, 0.5]))
        Clip(2 frames of 6 x 4 pixels, 0.00 to 0.50 s)
    """

    frames: FrameArray
    times_s: FloatArray64

    def __post_init__(self) -> None:
        require_frames(self.frames)
        if not isinstance(self.times_s, np.ndarray) or self.times_s.shape != self.frames.shape[:1]:
            raise UsageError(f"{len(self.frames)} frames need as many times, got {kind_of(self.times_s)}")
        if self.times_s.dtype.kind not in "fiu" or not np.isfinite(self.times_s).all():
            raise UsageError("the times of a clip must be finite numbers of seconds")

    __hash__ = None  # type: ignore[assignment]  # arrays can change

    def __len__(self) -> int:
        return len(self.frames)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Clip):
            return NotImplemented
        return np.array_equal(self.times_s, other.times_s) and np.array_equal(self.frames, other.frames)

    def __repr__(self) -> str:
        count, height, width = self.frames.shape[:3]
        when = f", {self.times_s.min():.2f} to {self.times_s.max():.2f} s" if count else ""
        return f"Clip({count} frame{'s' * (count != 1)} of {width} x {height} pixels{when})"


@dataclass(frozen=True, eq=False, repr=False)
class Track:
    """Embeddings over time.

    Two tracks are equal when all they hold is, but for the name of the video. A track has no hash.

    Attributes:
        vectors: floats ``[T, D]``, finite; gerund's encoders give unit norm, features of others may have any.
        spans_s: the time each vector speaks for, half-open, seconds ``[T, 2]``. The end of a track's only span may be
            infinite: one vector for a whole video of unknown length, as others' features have it.
        encoder: fingerprint of the encoder that made it.
        dense: the whole video in time order, which finding moments takes; False for the few windows that tell what it
            shows; None where it is not known, as in features of others.
        duration_s: of the video; None where it is not known.
        video: the name of the video, for answers; empty where it is not known.

    Raises:
        UsageError: the arrays are of another shape or type, a number is not finite, or a span ends before it starts.

    Example:
        >>> Track(np.ones((1, 2), np.float32), np.array([[0.0, 2.0]]), "1f5a", dense=True)
        Track(1 vector of 2 numbers, 0.00 to 2.00 s, dense, encoder '1f5a')
    """

    vectors: FloatArray
    spans_s: FloatArray64
    encoder: str
    dense: bool | None = None
    duration_s: float | None = None
    video: str = ""

    def __post_init__(self) -> None:
        given = self.vectors, self.spans_s
        if not all(isinstance(array, np.ndarray) for array in given) or (
            self.vectors.ndim != 2 or self.spans_s.shape != (len(self.vectors), 2)
        ):
            raise UsageError(
                f"a track is vectors [T, D] with spans_s [T, 2], got {kind_of(given[0])} and {kind_of(given[1])}"
            )
        if any(array.dtype.kind not in "fiu" for array in given):
            raise UsageError(f"a track's arrays hold real numbers, got {given[0].dtype} and {given[1].dtype}")
        if not np.isfinite(self.vectors).all():
            raise UsageError("the vectors of a track must be finite numbers; these have NaN or infinity")
        starts_s, ends_s = self.spans_s[:, 0], self.spans_s[:, 1]
        whole = len(self) == 1 and bool(np.isposinf(ends_s[0]))  # a whole video of unknown length
        if not np.isfinite(starts_s).all() or not (whole or np.isfinite(ends_s).all()):
            raise UsageError("the spans of a track must be finite numbers of seconds; these have NaN or infinity")
        if (ends_s < starts_s).any():
            place = int(np.flatnonzero(ends_s < starts_s)[0])
            raise UsageError(f"a span must not end before it starts, got {self.spans_s[place].tolist()} at {place}")
        if self.duration_s is not None and not 0 <= self.duration_s < np.inf:
            raise UsageError(f"a video lasts a finite number of seconds, got {self.duration_s}")

    __hash__ = None  # type: ignore[assignment]  # arrays can change

    def __len__(self) -> int:
        return len(self.vectors)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Track):
            return NotImplemented
        return (
            (self.encoder, self.dense, self.duration_s) == (other.encoder, other.dense, other.duration_s)
            and np.array_equal(self.spans_s, other.spans_s)
            and np.array_equal(self.vectors, other.vectors)
        )

    def __repr__(self) -> str:
        count, size = self.vectors.shape
        when = f", {self.spans_s[0, 0]:.2f} to {self.spans_s[-1, 1]:.2f} s" if count else ""
        dense = {True: ", dense", False: ", not dense", None: ""}[self.dense]
        of = f" of {self.video!r}" if self.video else ""
        return f"Track({count} vector{'s' * (count != 1)} of {size} numbers{of}{when}{dense}, encoder {self.encoder!r})"


def require_frames(frames: object) -> None:
    """Refuses what is not an array of pictures.

    Raises:
        UsageError: it is not uint8 ``[T, H, W, 3]``; the message says what to do where that can be guessed.
    """
    if isinstance(frames, np.ndarray) and frames.ndim == 4 and frames.shape[3] == 3 and frames.dtype == np.uint8:
        return
    advice = ""
    if isinstance(frames, np.ndarray) and frames.ndim == 3 and frames.shape[2] == 3:
        advice = "; this is one picture, np.stack puts several together"
    elif isinstance(frames, np.ndarray) and frames.ndim == 4 and frames.shape[1] == 3 != frames.shape[3]:
        advice = "; np.moveaxis(frames, 1, -1) moves the colours to the end"
    elif isinstance(frames, np.ndarray) and frames.ndim == 4 and frames.shape[3] == 3:
        advice = "; bring the colours to whole numbers from 0 to 255"
    raise UsageError(f"frames must be uint8 [T, H, W, 3], got {kind_of(frames)}{advice}")


def kind_of(value: object) -> str:
    """What a value is, for messages: an array by its type and shape, anything else by the name of its type.

    Example:
        >>> kind_of(np.zeros((2, 3))), kind_of(b"x"), kind_of(None)
        ('float64 [2, 3]', 'bytes', 'None')
    """
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return "None" if value is None else type(value).__name__


@dataclass(frozen=True, order=True)
class Segment:
    """One found action: half-open ``[start_s, end_s)`` in seconds.

    `score` ranks segments and is unbounded; `confidence` in [0, 1] is the probability of the action in this video, None
    where the method says none.
    """

    start_s: float
    end_s: float
    action: str
    score: float
    confidence: float | None


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
            sure = 0.0 if item.confidence is None else item.confidence
            if not np.isfinite([item.start_s, item.end_s, item.score, sure]).all():
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
        if not self._items:
            return "Segments(none)"
        shown = [f"{s.action!r} {s.start_s:.2f} to {s.end_s:.2f} s" for s in self._items[:_SEGMENTS_SHOWN]]
        more = [f"{len(self) - len(shown)} more"] if len(self) > len(shown) else []
        return f"Segments({len(self)}: {', '.join(shown + more)})"

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        if not self._items:
            return "<p>none of the actions stands out</p>"
        rows = [
            [f"{s.start_s:.2f}", f"{s.end_s:.2f}", s.action, f"{s.score:.3f}", share_of(s.confidence)] for s in self
        ]
        return html_table(["start_s", "end_s", "action", "score", "confidence"], rows)

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
                "confidence": None if item.confidence is None else round(item.confidence, 6),
            }
            for item in self._items
        ]

    def to_rows(self, video: str) -> list[list[str]]:
        """The cells of a table ``video,start_s,end_s,action,score,confidence``; of no segment, a row of empty cells."""
        rows = [
            [video, f"{i.start_s:.3f}", f"{i.end_s:.3f}", i.action, f"{i.score:.6f}", number_of(i.confidence)]
            for i in self._items
        ]
        return rows or [[video, "", "", "", "", ""]]

    def to_csv(self, video: str, *, header: bool = True) -> str:
        """Comma-separated lines ``video,start_s,end_s,action,score,confidence`` in order of score.

        Without any segment there is one line, of the video and empty cells: it was looked at, and no action stands out.
        Text is guarded as `gerund.printing.cell` does it: a spreadsheet runs none of it.
        """
        head = [["video", "start_s", "end_s", "action", "score", "confidence"]] if header else []
        return csv_text([*head, *self.to_rows(video)])

    def to_vtt(self) -> str:
        """WebVTT subtitles in order of time: every segment is a cue with the action and its confidence, if it has one.

        Without any segment the file is valid, shows nothing, and says so in a note.
        """
        cues = [
            f"{vtt_time(item.start_s)} --> {vtt_time(item.end_s)}\n{_vtt_escape(item.action)}"
            + (f" ({share_of(item.confidence)})" if item.confidence is not None else "")
            for item in self.by_time()
        ]
        return "\n\n".join(["WEBVTT", *(cues or [f"NOTE {NOTHING_FOUND}"])]) + "\n"


def share_of(probability: float | None, digits: int = 0) -> str:
    """A probability for people, empty where there is none.

    Example:
        >>> share_of(0.981), share_of(0.981, 1), share_of(None)
        ('98%', '98.1%', '')
    """
    return "" if probability is None else f"{probability:.{digits}%}"


def number_of(probability: float | None) -> str:
    """A probability for a table in a file, empty where there is none."""
    return "" if probability is None else f"{probability:.6f}"


def html_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table for notebooks; every cell is escaped.

    Example:
        >>> html_table(["a"], [["<b>"]])
        '<table><tr><th>a</th></tr><tr><td>&lt;b&gt;</td></tr></table>'
    """
    lines = [f"<tr>{''.join(f'<th>{escape(text)}</th>' for text in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


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
