"""One command over many videos: where its answers go, what went wrong, and how the process ends."""

from __future__ import annotations

import csv
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from gerund.errors import GerundError, UnreadableWarning, UsageError, VideoError
from gerund.printing import cell, echo, printable
from gerund.writing import check_outputs

if TYPE_CHECKING:
    from rich.text import Text

    from gerund.api import Model
    from gerund.terminal import Watcher
    from gerund.text.classes import ClassSpace

_UNFAMILIAR_SHOWN = 5
_LONGEST_PATH = 4096


@dataclass(frozen=True)
class Outputs:
    """What a command is asked to write; `json` may be ``"-"`` for standard output, `vtt` a file or a folder."""

    json: str | None = None
    csv: Path | None = None
    vtt: Path | None = None
    html: Path | None = None

    def files(self) -> list[Path]:
        """All of them that are files or folders."""
        text = [Path(self.json)] if self.json and self.json != "-" else []
        return text + [path for path in (self.csv, self.vtt, self.html) if path]


class Batch:
    """One command over many videos: where its answers go, and what went wrong."""

    def __init__(self, paths: list[str], outputs: Outputs, watcher: Watcher, stack: ExitStack, *, quiet: bool) -> None:
        from gerund.video.files import find_videos

        self.watcher = watcher
        self.failed: list[tuple[str, str]] = []
        self.classes: ClassSpace
        self.videos, self._problems = find_videos(paths)
        self._outputs = outputs
        self._stack = stack
        self._quiet = quiet
        self._json: TextIO | None = None
        self._csv: TextIO | None = None
        self._endings: list[Callable[[], None]] = []

    def load(self, model: str, actions: str, *, texts: str = "", **settings: Any) -> Model:
        """Checks all that can be wrong with a command, cheapest first, loads the model, and only then opens outputs.

        Raises:
            UsageError: the actions, an output or a setting cannot be right; nothing was written or emptied.
        """
        from gerund.api import load
        from gerund.text.classes import ClassSpace

        self.classes = ClassSpace.parse(actions)
        if texts:
            from gerund.text.descriptions import choose_texts

            self.classes = choose_texts(self.classes, texts)
        self._check_outputs(Path(spec) for spec in (actions, texts) if spec and len(spec) < _LONGEST_PATH)
        loaded = load(model, progress=self.watcher.download, **settings)
        self._unread = loaded.require_readable(self.classes)
        warnings.simplefilter("ignore", UnreadableWarning)  # said as a note, once
        if self._outputs.json == "-":
            self._json = sys.stdout
        elif self._outputs.json:
            self._json = self._stack.enter_context(_open_output(Path(self._outputs.json)))
        if self._outputs.csv:
            self._csv = self._stack.enter_context(_open_output(self._outputs.csv))
        if not self._quiet:
            self._note_the_model(loaded)
        return loaded

    def _note_the_model(self, loaded: Model) -> None:
        if len(self.classes) == 1:
            self.say("note: with one action its probability is 100 % whatever is shown; name others to choose from")
        if self.classes.as_given:
            bare = sum(texts == (name,) for name, texts in zip(self.classes.names, self.classes.texts, strict=True))
            if 0 < bare < len(self.classes):
                self.say(f"note: {bare} of {len(self.classes)} actions have no text but their name")
        if self._unread:
            named = ", ".join(self._unread[:_UNFAMILIAR_SHOWN])
            self.say(f"note: {loaded.name} cannot read {len(self._unread)} of the names (script not known): {named}")
        strange = loaded.unfamiliar(self.classes)
        if strange:
            names = ", ".join(strange[:_UNFAMILIAR_SHOWN])
            more = f" and {len(strange) - _UNFAMILIAR_SHOWN} more" if len(strange) > _UNFAMILIAR_SHOWN else ""
            self.say(f"note: unlike anything {loaded.name} was trained on, so a guess at best: {names}{more}")
        for remark in loaded.remarks():
            self.say(f"note: {remark}")

    def _check_outputs(self, inputs: Iterable[Path]) -> None:
        vtt = self._outputs.vtt
        others = [path for path in self._outputs.files() if path != vtt]
        check_outputs([*others, vtt], [*self.videos, *inputs], folders=bool(vtt and vtt.is_dir()))
        for path in others:
            if path.is_dir():
                raise UsageError(f"cannot write {path}: it is a folder")
        if vtt and vtt.suffix.lower() == ".vtt" and len(self.videos) > 1:
            raise UsageError(f"--vtt {vtt}: one file for several videos; give a folder")

    def each_video(
        self,
        ask: Callable[[list[Path]], Iterator[tuple[Any, Any]]],
        take: Callable[[Any], Text],
        fail: Callable[[str, str], None],
    ) -> None:
        """Asks about every video and takes each answer as it comes; a failure is noted and the next one goes on.

        Args:
            ask: from files to pairs of file and answer, or error.
            take: writes an answer down and returns what to show.
            fail: writes a failure down.
        """
        from gerund.terminal import show

        def note(path: str, error: Exception) -> None:
            reason = error.reason if isinstance(error, VideoError) else str(error) or type(error).__name__
            self.failed.append((path, reason))
            fail(path, reason)

        for problem in self._problems:
            note(problem.path, problem)
        self.watcher.videos(0, len(self.videos))
        for done, (path, answer) in enumerate(ask(self.videos), 1):
            if isinstance(answer, UsageError):
                raise answer
            if isinstance(answer, Exception):
                note(str(path), answer)
            else:
                try:
                    text = take(answer)
                except OSError as error:
                    self.failed.append((str(path), f"it was answered, but could not be written down: {error}"))
                else:
                    if not self._quiet and self._json is not sys.stdout:
                        with self.watcher.hidden():
                            show(text.append("\n") if len(self.videos) > 1 else text)
            self.watcher.videos(done, len(self.videos))

    def note_time_error(self, video: str, time_error_s: float) -> None:
        """Tells how far off approximate frames were."""
        if time_error_s and not self._quiet:
            self.say(f"note: {video}: frames up to {time_error_s:.2f} s beside those asked for")

    def at_end(self, action: Callable[[], None]) -> None:
        """Does this when the last video is done, or after Ctrl-C."""
        self._endings.append(action)

    def finish(self) -> None:
        """Lists the videos that failed and writes what is written at the end."""
        if self.failed:
            lines = [f"  {printable(path)}: {printable(reason)}" for path, reason in self.failed]
            self.say("\n".join([f"{len(self.failed)} not answered:", *lines]))
        for action in self._endings:
            action()

    def json_line(self, record: dict[str, Any]) -> None:
        """One line of JSON, on disk before the next video begins."""
        if self._json:
            with self.watcher.hidden():
                self._json.write(json.dumps(record) + "\n")
                self._json.flush()

    def csv_row(self, row: list[Any]) -> None:
        """One row of the table."""
        if self._csv:
            csv.writer(self._csv, lineterminator="\n").writerow([cell(value) for value in row])
            self._csv.flush()

    def csv_text(self, text: str) -> None:
        """Rows that are text already."""
        if self._csv:
            self._csv.write(text)
            self._csv.flush()

    def write_vtt(self, video: Path, text: str) -> None:
        """Subtitles to the file, or into the folder, where videos keep the places they have to each other."""
        target = self._outputs.vtt
        if target is None:
            return
        if target.suffix.lower() != ".vtt":
            common = os.path.commonpath([item.absolute().parent for item in self.videos])
            target = target / os.path.relpath(video.absolute().parent, common) / f"{video.name}.vtt"
            target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def say(self, line: str) -> None:
        """A line on standard error."""
        with self.watcher.hidden():
            self.watcher.console.print(line, markup=False, soft_wrap=True)


@contextmanager
def batch(paths: list[str], outputs: Outputs, *, quiet: bool) -> Iterator[Batch]:
    """Runs one command over many videos and ends the process with the right status."""
    from gerund.terminal import Watcher

    with errors_to_exit(), ExitStack() as stack:
        run = Batch(paths, outputs, stack.enter_context(Watcher(quiet=quiet)), stack, quiet=quiet)
        try:
            try:
                yield run
            except KeyboardInterrupt:
                run.finish()
                run.say("stopped; what was finished is kept")
                raise typer.Exit(130) from None
            run.finish()
        except KeyboardInterrupt:
            run.say("stopped while the page was being written; the page is missing, the other files are complete")
            raise typer.Exit(130) from None
        if run.failed:
            raise typer.Exit(1)


def _open_output(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def errors_to_exit() -> Iterator[None]:
    """Turns errors into one line and an exit status; a reader that went away, as ``head`` does, ends quietly."""
    try:
        yield
    except UsageError as error:
        echo(f"gerund: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        echo("gerund: stopped; what was finished before is kept", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except (GerundError, OSError) as error:
        echo(f"gerund: {error}", err=True)
        raise typer.Exit(1) from None
