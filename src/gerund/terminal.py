"""What people see in a terminal: tables, timelines and progress, drawn with rich."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from gerund.api import Classification
from gerund.assets import ASSETS, MODELS, ModelCard, cache_dir, find_asset, hub_folder, is_here
from gerund.errors import AssetError
from gerund.printing import printable, printable_lines
from gerund.types import Segments

_BAR_CELLS = 20
_LANE_CELLS = 48
_FEWEST_CELLS = 16
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red")


def classification_table(answer: Classification) -> Text:
    """A heading with the file and one line per action: bar, probability, name, score."""
    text = heading(answer.video, answer.duration_s)
    width = max(cell_len(item.action) for item in answer.actions)
    for rank, item in enumerate(answer.actions, 1):
        text.append(f"\n  {rank:>2}  ")
        text.append(set_cell_size(printable(item.action), width), style="bold" if rank == 1 else "")
        text.append("  ")
        text.append(_bar(item.probability), style="cyan" if rank == 1 else "bright_black")
        text.append(f"  {item.probability:6.1%}  ")
        text.append(f"score {item.score:+.3f}", style="bright_black")
    return text


def timeline(video: str, duration_s: float, segments: Segments, *, top: int) -> Text:
    """A heading, a lane per action drawn over the length of the video, and the best segments as a list."""
    text = heading(video, duration_s)
    if not len(segments):
        return text.append("\n  none of these actions stands out in this video", style="yellow")
    shown = segments.distinct().top(top)
    actions = list(dict.fromkeys(item.action for item in shown))
    width = max(cell_len(action) for action in actions)
    cells = max(_FEWEST_CELLS, min(_LANE_CELLS, Console().width - width - 12))
    for place, action in enumerate(actions):
        spans = [(item.start_s, item.end_s) for item in shown if item.action == action]
        confidence = next(item.confidence for item in shown if item.action == action)
        text.append(f"\n  {set_cell_size(action, width)}  ▕")
        text.append(_lane(spans, duration_s, cells), style=_COLOURS[place % len(_COLOURS)])
        text.append(f"▏ {confidence:4.0%}")
    end = clock(duration_s)
    text.append(f"\n  {' ' * width}   0:00{end.rjust(cells - 4)}", style="bright_black")
    for item in shown:
        text.append(f"\n  {clock(item.start_s):>8} - {clock(item.end_s):<8}  {set_cell_size(item.action, width)}  ")
        text.append(f"score {item.score:.2f}", style="bright_black")
    return text


def heading(video: str, duration_s: float) -> Text:
    """The file's name and length."""
    return (
        Text()
        .append(printable(video), style="bold")
        .append(f"  {math.floor(duration_s * 10) / 10} s", style="bright_black")
    )


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


def _bar(share: float) -> str:
    eighths = round(share * _BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR_CELLS, "·")


def _lane(spans: Sequence[tuple[float, float]], duration_s: float, count: int) -> str:
    cells = [" "] * count
    for start_s, end_s in spans:
        first = min(int(start_s / duration_s * count), count - 1)
        last = max(first + 1, round(end_s / duration_s * count))
        cells[first:last] = ["█"] * (min(last, count) - first)
    return "".join(cells)


class SafeConsole(Console):
    """A console that prints what a terminal may show of the text it is given, whoever wrote it."""

    def print(self, *objects: Any, **settings: Any) -> None:
        """Prints text with its styles; control characters in it become question marks."""
        super().print(*(_safe(item) for item in objects), **settings)


def _safe(item: Any) -> Any:
    if isinstance(item, Text):
        item = item.copy()
        item.plain = printable_lines(item.plain)  # as long as before, so every style stays where it was
        return item
    return printable_lines(item) if isinstance(item, str) else item


class Watcher:
    """Progress bars on standard error, and nothing at all where nobody watches.

    Args:
        quiet: draw no bars.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.console = SafeConsole(stderr=True, highlight=False)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[unit]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=quiet or not self.console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Watcher:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Takes the bars away while something else is printed, so that the two never share a line."""
        shown = self._bars.live.is_started
        if shown:
            self._bars.stop()
        try:
            yield
        finally:
            if shown:
                self._bars.start()

    def download(self, label: str, done: int, total: int) -> None:
        """Bytes of a file that is being fetched."""
        self._show(f"fetching {escape(printable(label))}", done, total, f"{total / 1e6:.0f} MB")

    def videos(self, done: int, total: int) -> None:
        """How many videos are finished."""
        if total > 1:
            self._show("videos", done, total, f"{done} of {total}")

    def actions(self, done: int, total: int) -> None:
        """How many actions are finished."""
        self._show("actions", done, total, f"{done} of {total}")

    def frames(self, done: int, total: int) -> None:
        """How far the present video is."""
        self._show("frames", done, total, "")

    def _show(self, label: str, done: int, total: int, unit: str) -> None:
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total, unit=unit)
        self._bars.update(self._tasks[label], completed=done, total=total, unit=unit)
        if done >= total and label != "videos":
            self._bars.remove_task(self._tasks.pop(label))


def models_list() -> Text:
    """Every model with its files: size, whether it is in the cache, source and licence."""
    text = Text()
    width = max(len(asset.name) for asset in ASSETS)
    for card in MODELS:
        text.append(card.name, style="bold").append(f"\n  {card.what}\n")
        if card.repository:
            here = is_on_disk(card)
            text.append("  here   " if here else "  not yet", style="green" if here else "yellow")
            text.append(f"  model hub: {card.repository}; {card.licence}\n", style="bright_black")
        for name in card.assets:
            asset = find_asset(name)
            text.append(f"  {name.ljust(width)}  {asset.size_bytes / 1e6:6.1f} MB  ")
            text.append("here   " if is_here(asset) else "not yet", style="green" if is_here(asset) else "yellow")
            text.append(f"  {asset.sources[0]}; {asset.licence}\n", style="bright_black")
    text.append(f"Files lie in {cache_dir()}; 'gerund models get NAME' fetches or verifies them.", style="bright_black")
    return text


def is_on_disk(card: ModelCard) -> bool:
    """True when a hub model lies in the hub's cache."""
    try:
        hub_folder(card.repository, file=card.file, fetch=False)
    except AssetError:
        return False
    return True


def show(item: Text) -> None:
    """Prints to standard output; long lines are left to the terminal, so that nothing is cut in a pipe."""
    SafeConsole(highlight=False).print(item, soft_wrap=True)
