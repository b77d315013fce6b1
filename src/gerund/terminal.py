"""What people see in a terminal besides answers: progress, lists, and a console that nobody else steers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from gerund.assets import ASSETS, cache_dir, find_asset, hub_folder, is_here
from gerund.encoders.card import EncoderCard
from gerund.errors import AssetError
from gerund.printing import printable, printable_lines


class SafeConsole(Console):
    """A console that prints what a terminal may show of the text it is given, whoever wrote it, and nothing else."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False)  # a file may be called data:x:

    def print(self, *objects: Any, **settings: Any) -> None:
        """Prints text with its styles; control characters in it become question marks."""
        super().print(*(_safe(item) for item in objects), **settings)

    def on_broken_pipe(self) -> None:
        """Leaves it to the command, which has files to finish, that nobody reads any more."""
        raise BrokenPipeError


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
        self.console = SafeConsole(stderr=True)
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


def models_list(cards: Iterable[EncoderCard]) -> Text:
    """Every model with its files: size, whether it is in the cache, source and licence; the default one first."""
    text = Text()
    width = max(len(asset.name) for asset in ASSETS)
    for card in sorted(cards, key=lambda card: (not card.what.startswith("default"), _KINDS.index(card.kind))):
        text.append(card.name, style="bold").append(f"  {card.kind}, {_length(card)}\n  {card.what}\n")
        if card.repository:
            here = is_on_disk(card)
            text.append("  here   " if here else "  not yet", style="green" if here else "yellow")
            text.append(f"  model hub: {card.repository}; {card.licence}\n", style="bright_black")
        if card.needs_file:
            text.append("  a file or folder of yours", style="yellow")
            text.append(f"  {card.published}; {card.licence}\n", style="bright_black")
        for name in card.assets:
            asset = find_asset(name)
            text.append(f"  {name.ljust(width)}  {asset.size_bytes / 1e6:6.1f} MB  ")
            text.append("here   " if is_here(asset) else "not yet", style="green" if is_here(asset) else "yellow")
            text.append(f"  {asset.sources[0]}; {asset.licence}\n", style="bright_black")
    text.append(
        "video+text: can be asked about actions. video: features to train a method on. text: class texts.\n"
        f"Files lie in {cache_dir()}; 'gerund models get NAME' fetches or verifies them, 'show NAME' says more.",
        style="bright_black",
    )
    return text


_KINDS = ("video+text", "video", "text")


def model_card(card: EncoderCard) -> Text:
    """All that is known of one model, a line for each thing."""
    assets = [find_asset(name) for name in card.assets]
    licences = dict.fromkeys(filter(None, [card.licence, *(of.licence for of in assets)]))
    facts = {
        "what": card.what,
        "kind": card.kind,
        "space": card.space,
        "dimension": _length(card),
        "needs": _needs(card),
        "licence": "; ".join(licences) or "not said",
        "trained on": ", ".join(card.trained_on) or "none of gerund's data sets",
        "here": _state(card),
        "random": "can be tried with --random-weights" if card.drawable else "no: nothing without what it learned",
    }
    text = Text(card.name, style="bold")
    width = max(map(len, facts))
    for name, fact in facts.items():
        text.append(f"\n  {name.ljust(width)}  ", style="not bold").append(fact, style="not bold")
    return text


def _length(card: EncoderCard) -> str:
    return f"{card.dim} numbers" if card.dim else "as many numbers as its weights say"


def _needs(card: EncoderCard) -> str:
    found = [f"the extra hub; {card.repository} of the model hub"] if card.repository else []
    found += [f"{name}, {find_asset(name).size_bytes / 1e6:.1f} MB" for name in card.assets]
    found += [f"a file or folder of yours: {card.published}"] if card.needs_file else []
    return "; ".join(found) or "nothing"


def _state(card: EncoderCard) -> str:
    if card.needs_file:
        return "give its file or folder in place of the name"
    files = all(is_here(find_asset(name)) for name in card.assets)
    return "yes" if files and (not card.repository or is_on_disk(card)) else f"not yet: gerund models get {card.name}"


def is_on_disk(card: EncoderCard) -> bool:
    """True when a hub model lies in the hub's cache."""
    try:
        hub_folder(card.repository, file=card.file, fetch=False)
    except AssetError:
        return False
    return True


def show(item: Text) -> None:
    """Prints to standard output; long lines are left to the terminal, so that nothing is cut in a pipe."""
    SafeConsole().print(item, soft_wrap=True)
