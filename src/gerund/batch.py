"""One command over many videos: what becomes of each, what went wrong, and how the process ends."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gerund.errors import GerundError, OutputError, UsageError, reason_of
from gerund.printing import echo, printable
from gerund.writing import drop_standard_output, stops_when_full

if TYPE_CHECKING:
    from gerund.terminal import Watcher

Outcome = tuple[Path, Any]
"""A video with what came of it: an answer, or the error that it met."""


class Batch:
    """The videos of a command, and what went wrong with them.

    Attributes:
        videos: the files that were found.
        failed: videos that were not answered, or not written down, with the reason.
        watcher: draws the progress.
        quiet: say nothing but what went wrong.
        stack: closed when the command ends, however it ends.
    """

    def __init__(self, paths: list[str], watcher: Watcher, stack: ExitStack, *, quiet: bool) -> None:
        from gerund.video.files import find_videos

        found = find_videos(paths)
        self.videos = found.files
        self.failed: list[tuple[str, str]] = []
        self.watcher = watcher
        self.quiet = quiet
        self.stack = stack
        self._problems = found.problems
        self._endings: list[Callable[[bool], Iterable[str]]] = []
        if found.num_passed_over and not quiet:
            files = "1 other file" if found.num_passed_over == 1 else f"{found.num_passed_over} other files"
            self.say(f"note: {files} in the folder skipped: no ending of a video")

    def each_video(
        self,
        ask: Callable[[list[Path]], Iterator[Outcome]],
        take: Callable[[Path, Any], None],
        fail: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        """Asks about every video and takes each answer as it comes; what goes wrong with one video costs that one.

        Args:
            ask: from files to pairs of file and answer, or error.
            take: writes an answer down and shows it.
            fail: writes a failure down.

        Raises:
            OutputError: no more can be written.
        """
        for problem in self._problems:
            self._note(problem.path, problem, fail)
        self.watcher.videos(0, len(self.videos))
        with closing(closable(ask(self.videos))) as outcomes:
            for done, (path, answer) in enumerate(outcomes, 1):
                if isinstance(answer, Exception):
                    self._note(str(path), answer, fail)
                else:
                    try:
                        with stops_when_full(path):
                            take(path, answer)
                    except (OutputError, BrokenPipeError):
                        raise
                    except Exception as error:
                        self.failed.append((str(path), f"it was answered, but could not be kept: {reason_of(error)}"))
                self.watcher.videos(done, len(self.videos))

    def _note(self, path: str, error: Exception, fail: Callable[[str, str], None]) -> None:
        self.failed.append((path, reason_of(error)))
        fail(path, reason_of(error))

    def at_end(self, action: Callable[[bool], Iterable[str]]) -> None:
        """Does this when the command ends.

        Args:
            action: told whether the command was stopped before it was through; gives what a person should know.
        """
        self._endings.append(action)

    def finish(self, *, stopped: bool) -> None:
        """Does what is done at the end, one independent of the other, and lists the videos that failed.

        Raises:
            Exception: what the first of them met that failed.
        """
        met: list[Exception] = []
        for action in self._endings:
            try:
                for remark in action(stopped):
                    if stopped or not self.quiet:
                        self.say(f"note: {remark}")
            except Exception as error:
                met.append(error)
        if self.failed:
            lines = [f"  {printable(path)}: {printable(reason)}" for path, reason in self.failed]
            self.say("\n".join([f"{len(self.failed)} not answered:", *lines]))
        if met:
            raise met[0]

    def say(self, line: str) -> None:
        """A line on standard error."""
        with self.watcher.hidden():
            self.watcher.console.print(line, markup=False, soft_wrap=True)


@contextmanager
def batch(paths: list[str], *, quiet: bool) -> Iterator[Batch]:
    """Runs one command over many videos and ends the process with the right status."""
    from gerund.terminal import Watcher

    with errors_to_exit(), ExitStack() as stack:
        run = Batch(paths, stack.enter_context(Watcher(quiet=quiet)), stack, quiet=quiet)
        stopped: BaseException | None = None
        try:
            yield run
        except UsageError:
            raise
        except (KeyboardInterrupt, Exception) as error:
            stopped = error
        try:
            run.finish(stopped=stopped is not None)
        except KeyboardInterrupt:
            run.say("stopped while the last files were being written; what is there is whole, the others are missing")
            raise typer.Exit(130) from None
        except Exception as error:
            stopped = stopped or error
        if isinstance(stopped, KeyboardInterrupt):
            run.say("stopped; what was finished is kept")
            raise typer.Exit(130)
        if isinstance(stopped, OutputError):
            run.say("stopped; what was finished is kept: make room, and give the same command again")
        if stopped is not None:
            raise stopped
        if run.failed:
            raise typer.Exit(1)


def closable(outcomes: Iterator[Outcome]) -> Generator[Outcome]:
    """The same, to be closed when they are left: what decodes ahead must not wait for a reader who is gone."""
    yield from outcomes


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
        drop_standard_output()
        raise typer.Exit(0) from None
    except (GerundError, OSError) as error:
        echo(f"gerund: {error}", err=True)
        raise typer.Exit(1) from None
