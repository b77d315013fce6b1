"""One command over many videos: where its answers go, what went wrong, and how the process ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from gerund.errors import AssetError, GerundError, UsageError

if TYPE_CHECKING:
    from rich.text import Text

    from gerund.api import Model
    from gerund.terminal import Watcher

_UNFAMILIAR_SHOWN = 5


class Batch:
    """One command over many videos: where its answers go, and what went wrong."""

    def __init__(self, watcher: Watcher, quiet: bool) -> None:
        self.watcher = watcher
        self.failed: list[tuple[str, str]] = []
        self.json: TextIO | None = None
        self.csv: TextIO | None = None
        self.classes: Any = None
        self._quiet = quiet
        self._endings: list[Callable[[], None]] = []

    def load(self, model: str, actions: str, **settings: Any) -> Model:
        """Reads the actions first, so that a typing error costs nothing, then the model."""
        from gerund.api import load
        from gerund.text.classes import ClassSpace

        self.classes = ClassSpace.parse(actions)
        loaded = load(model, progress=self.watcher.download, **settings)
        strange = loaded.unfamiliar(self.classes)
        if strange and not self._quiet:
            names = ", ".join(strange[:_UNFAMILIAR_SHOWN])
            more = f" and {len(strange) - _UNFAMILIAR_SHOWN} more" if len(strange) > _UNFAMILIAR_SHOWN else ""
            self.say(f"note: unlike any of the 400 actions behind {loaded.name}, so a guess at best: {names}{more}")
        for remark in [] if self._quiet else loaded.remarks():
            self.say(f"note: {remark}")
        return loaded

    def each_video(
        self,
        paths: list[str],
        ask: Callable[[list[Path]], Iterator[tuple[Any, Any]]],
        take: Callable[[Any], Text],
        fail: Callable[[str, str], None],
    ) -> None:
        """Asks about every video and takes each answer as it comes; a failure is noted and the next one goes on.

        Args:
            paths: what the user named.
            ask: from files to pairs of file and answer, or error.
            take: writes an answer down and returns what to show.
            fail: writes a failure down.
        """
        from gerund.terminal import show
        from gerund.video.files import find_videos

        found, problems = find_videos(paths)
        for problem in problems:
            self._note(problem.path, problem, fail)
        self.watcher.videos(0, len(found))
        for done, (path, answer) in enumerate(ask(found), 1):
            try:
                if isinstance(answer, Exception):
                    raise answer
                text = take(answer)
                if not self._quiet and self.json is not sys.stdout:
                    show(text.append("\n") if len(found) > 1 else text)
            except UsageError:
                raise
            except Exception as error:  # whatever breaks one video is that video's failure
                self._note(str(path), error, fail)
            self.watcher.videos(done, len(found))

    def _note(self, path: str, error: Exception, fail: Callable[[str, str], None]) -> None:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        self.failed.append((path, reason))
        fail(path, reason)

    def note_time_error(self, video: str, time_error_s: float) -> None:
        """Tells how far off approximate frames were."""
        if time_error_s and not self._quiet:
            self.say(f"note: {video}: frames up to {time_error_s:.2f} s beside those asked for")

    def at_end(self, action: Callable[[], None]) -> None:
        """Does this when the last video is done, or after Ctrl-C."""
        self._endings.append(action)

    def finish(self) -> None:
        """Writes what is written at the end and lists the videos that failed."""
        for action in self._endings:
            action()
        if self.failed:
            from gerund.terminal import printable

            self.say(f"{len(self.failed)} not answered:")
            for path, reason in self.failed:
                self.say(f"  {printable(path)}: {reason}")

    def json_line(self, record: dict[str, Any]) -> None:
        """One line of JSON, on disk before the next video begins."""
        if self.json:
            import json

            self.json.write(json.dumps(record) + "\n")
            self.json.flush()

    def csv_row(self, row: list[Any]) -> None:
        """One row of the table."""
        if self.csv:
            import csv

            csv.writer(self.csv, lineterminator="\n").writerow(row)
            self.csv.flush()

    def csv_text(self, text: str) -> None:
        """Rows that are text already."""
        if self.csv:
            self.csv.write(text)
            self.csv.flush()

    def require_vtt_target(self, vtt: Path | None, paths: list[str]) -> None:
        """Several videos need a folder for their subtitles."""
        from gerund.video.files import find_videos

        if vtt and vtt.suffix.lower() == ".vtt" and len(find_videos(paths)[0]) > 1:
            raise UsageError(f"--vtt {vtt}: one file for several videos; give a folder")

    def write_vtt(self, target: Path, video: Path, text: str) -> None:
        """Subtitles to the file, or into the folder under the video's name."""
        if target.suffix.lower() != ".vtt":
            target.mkdir(parents=True, exist_ok=True)
            target = target / f"{video.name}.vtt"
        target.write_text(text, encoding="utf-8")

    def say(self, line: str) -> None:
        """A line on standard error."""
        self.watcher.console.print(line, markup=False, soft_wrap=True)


@contextmanager
def batch(json: str | None, csv: Path | None, quiet: bool, *others: Path | None) -> Iterator[Batch]:
    """Opens the outputs, runs, and ends the process with the right status."""
    from gerund.terminal import Watcher

    with errors_to_exit(), ExitStack() as stack:
        watcher = stack.enter_context(Watcher(quiet=quiet))
        run = Batch(watcher, quiet)
        for other in others:
            if other and not other.absolute().parent.is_dir():
                raise UsageError(f"cannot write {other}: the folder {other.parent} does not exist")
        if json == "-":
            run.json = sys.stdout
        elif json:
            run.json = stack.enter_context(_open_output(Path(json)))
        if csv:
            run.csv = stack.enter_context(_open_output(csv))
        try:
            yield run
        except KeyboardInterrupt:
            run.finish()
            run.say("stopped; what was finished is kept")
            raise typer.Exit(130) from None
        run.finish()
        if run.failed:
            raise typer.Exit(1)


def _open_output(path: Path) -> TextIO:
    try:
        return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


@contextmanager
def errors_to_exit() -> Iterator[None]:
    """Turns errors into one line and an exit status."""
    try:
        yield
    except UsageError as error:
        typer.echo(f"gerund: {error}", err=True)
        raise typer.Exit(2) from None
    except (AssetError, GerundError, OSError) as error:
        typer.echo(f"gerund: {error}", err=True)
        raise typer.Exit(1) from None
