"""Answers as text for a terminal: tables of actions and timelines, as wide as there is room."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from gerund.answers import Classification
from gerund.printing import printable
from gerund.types import NOTHING_FOUND, Segments, share_of

_BAR_CELLS = 20
_FEWEST_BAR_CELLS = 8
_LANE_CELLS = 48
_FEWEST_LANE_CELLS = 10
_FEWEST_NAME_CELLS = 8
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


@dataclass(frozen=True)
class Marks:
    """What bars and lanes are drawn with.

    Attributes:
        full: a whole cell.
        parts: a cell that is filled from the left by eighths, beginning with none.
        empty: a cell of a bar that is not filled.
        gap: a cell of a lane that is not filled.
        left: the left end of a lane.
        right: its right end.
        dots: what stands for the part of a name that was left out.
    """

    full: str
    parts: str
    empty: str
    gap: str
    left: str
    right: str
    dots: str


_BLOCKS = Marks("█", " ▏▎▍▌▋▊▉", "·", " ", "▕", "▏", "…")
_ASCII = Marks("#", "-" * 4 + "#" * 4, "-", "-", "|", "|", "...")


@dataclass(frozen=True)
class Surface:
    """What standard output can show.

    Attributes:
        columns: its width; without limit where it is no terminal, for nothing is cut in a pipe.
        marks: what it can draw with.
        encoding: what it is written in.
    """

    columns: int
    marks: Marks
    encoding: str = "utf-8"

    @classmethod
    def here(cls) -> Surface:
        """That of this process."""
        console = Console()
        columns = console.width if console.is_terminal or "COLUMNS" in os.environ else sys.maxsize
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            "".join(vars(_BLOCKS).values()).encode(encoding)
        except UnicodeEncodeError:
            return cls(columns, _ASCII, encoding)
        except LookupError:
            return cls(columns, _ASCII, "ascii")
        return cls(columns, _BLOCKS, encoding)

    def written(self, text: str) -> str:
        """Text as it comes out: letters that cannot be written are escapes, which take more cells."""
        return printable(text).encode(self.encoding, "backslashreplace").decode(self.encoding)

    def shorten(self, text: str, cells: int) -> str:
        """Text of at most so many cells; of a longer one the beginning and the mark of what was left out."""
        if cell_len(text) <= cells:
            return text
        dots = self.marks.dots[: max(0, cells)]
        return set_cell_size(text, cells - len(dots)).rstrip() + dots

    def column(self, names: Iterable[str], cells: int) -> dict[str, str]:
        """Names as a column shows them: all of one width, at most so many cells."""
        short = {name: self.shorten(self.written(name), max(cells, _FEWEST_NAME_CELLS)) for name in names}
        width = max(map(cell_len, short.values()))
        return {name: set_cell_size(text, width) for name, text in short.items()}


def classification_table(answer: Classification) -> Text:
    """A heading with the file and one line per action: name, bar, probability, score.

    In a narrow terminal the bars grow short, then the scores are left out, then long names are shortened. Where the
    method says no probabilities there are ranks, names and scores alone.
    """
    surface = Surface.here()
    text = heading(answer.video, answer.duration_s, answer.method)
    if any(item.probability is None for item in answer.actions):
        return text.append_text(_ranks(answer, surface))
    longest = max(cell_len(surface.written(item.action)) for item in answer.actions)
    room = surface.columns - len("  10  name    100.0%") + len("name")
    score = "  score +0.000"
    with_score = room - len(score) - longest >= _FEWEST_BAR_CELLS
    room -= len(score) if with_score else 0
    bar = max(_FEWEST_BAR_CELLS, min(_BAR_CELLS, room - longest))
    names = surface.column((item.action for item in answer.actions), room - bar)
    for rank, item in enumerate(answer.actions, 1):
        text.append(f"\n  {rank:>2}  ")
        text.append(names[item.action], style="bold" if rank == 1 else "")
        text.append("  ")
        share = item.probability or 0.0
        text.append(_bar(share, bar, surface.marks), style="cyan" if rank == 1 else "bright_black")
        text.append(f"  {share:6.1%}")
        if with_score:
            text.append(f"  score {item.score:+.3f}", style="bright_black")
    return text


def _ranks(answer: Classification, surface: Surface) -> Text:
    """A line per action: rank, name, score."""
    text = Text()
    scores = [f"{item.score:+.3f}" for item in answer.actions]
    room = surface.columns - len("  10    score ") - max(map(len, scores))
    names = surface.column((item.action for item in answer.actions), room)
    for rank, (item, score) in enumerate(zip(answer.actions, scores, strict=True), 1):
        text.append(f"\n  {rank:>2}  ")
        text.append(names[item.action], style="bold" if rank == 1 else "")
        text.append(f"  score {score}", style="bright_black")
    return text


def timeline(video: str, duration_s: float, segments: Segments, *, top: int, method: str = "") -> Text:
    """A heading, a lane per action drawn over the length of the video, and the best segments as a list.

    In a narrow terminal the lanes grow short, then the scores are left out, then long names are shortened.
    """
    surface = Surface.here()
    text = heading(video, duration_s, method)
    shown = segments.distinct().top(top)
    if not len(shown):
        return text.append(f"\n  {NOTHING_FOUND}", style="yellow")
    actions = list(dict.fromkeys(item.action for item in shown))
    beside = len("  name  ||  100%") - len("name")
    names = surface.column(actions, surface.columns - max(beside + _FEWEST_LANE_CELLS, len("  00:00.0 - 00:00.0     ")))
    width = cell_len(names[actions[0]])
    cells = max(_FEWEST_LANE_CELLS, min(_LANE_CELLS, surface.columns - width - beside))
    marks = surface.marks
    for place, action in enumerate(actions):
        spans = [(item.start_s, item.end_s) for item in shown if item.action == action]
        confidence = next(item.confidence for item in shown if item.action == action)
        text.append(f"\n  {names[action]}  {marks.left}")
        text.append(_lane(spans, duration_s, cells, marks), style=_COLOURS[place % len(_COLOURS)])
        text.append(f"{marks.right} {share_of(confidence):>4}".rstrip())
    end = clock(duration_s)
    text.append(f"\n  {' ' * width}   0:00{end.rjust(cells - 4)}", style="bright_black")
    scores = [f"  score {item.score:.2f}" for item in shown]
    with_scores = len("  00:00:00.0 - 00:00.0    ") + width + max(map(len, scores)) <= surface.columns
    for item, score in zip(shown, scores, strict=True):
        text.append(f"\n  {clock(item.start_s):>8} - {clock(item.end_s):<8}  {names[item.action].rstrip()}")
        if with_scores:
            text.append(" " * (width - cell_len(names[item.action].rstrip())) + score, style="bright_black")
    return text


def heading(video: str, duration_s: float, method: str = "") -> Text:
    """The file's name and length, and which method answered."""
    surface = Surface.here()
    length = f"  {math.floor(duration_s * 10) / 10} s"
    room = surface.columns - _FEWEST_NAME_CELLS - len(length) - 2
    length += f"  {surface.shorten(surface.written(method), max(_FEWEST_NAME_CELLS, room))}" if method else ""
    name = surface.written(video)
    most = surface.columns - cell_len(length)
    if cell_len(name) > most:  # the end of a path tells most
        dots = surface.marks.dots
        name = dots + set_cell_size(name[::-1], max(_FEWEST_NAME_CELLS, most - len(dots)))[::-1]
    return Text().append(name, style="bold").append(length, style="bright_black")


def clock(seconds: float) -> str:
    """A moment as people write it.

    Example:
        >>> clock(83.25), clock(3671.0)
        ('1:23.2', '1:01:11.0')
    """
    tenths = int(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    if minutes < 60:
        return f"{minutes}:{rest / 10:04.1f}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest / 10:04.1f}"


def _bar(share: float, cells: int, marks: Marks) -> str:
    full, rest = divmod(round(share * cells * 8), 8)
    return (marks.full * full + (marks.parts[rest] if rest else "")).ljust(cells, marks.empty)


def _lane(spans: Sequence[tuple[float, float]], duration_s: float, count: int, marks: Marks) -> str:
    cells = [marks.gap] * count
    for start_s, end_s in spans:
        first = min(int(start_s / duration_s * count), count - 1)
        last = max(first + 1, round(end_s / duration_s * count))
        cells[first:last] = [marks.full] * (min(last, count) - first)
    return "".join(cells)
