"""Installed programs of others: found, run without a shell, watched and ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gerund.errors import GerundError, UsageError

_LOOK_S = 0.1
_WATCH_S = 1.0
_LAST_WORDS_S = 2.0
_PIECE_BYTES = 1 << 16
_MOST_SAID_BYTES = 64 << 20
_SHOWN_CHARACTERS = 300


class ProgramError(GerundError):
    """A program that could not do what it was asked for."""


def find_programs(names: Sequence[str], *, purpose: str, install: str) -> list[tuple[str, str]]:
    """Those of some programs that are installed: their names and paths.

    Args:
        names: programs that will do, the best first.
        purpose: what one is needed for.
        install: how to get one.

    Raises:
        UsageError: none is.
    """
    found = [(name, os.path.abspath(path)) for name in names if (path := shutil.which(name))]
    if not found:
        raise UsageError(f"{purpose} needs {' or '.join(names)}, and none is installed (on PATH): {install}")
    return found


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Attributes:
        code: its exit status; 0 when all went well.
        said: what it printed, to both streams.
    """

    code: int
    said: str

    @property
    def last_words(self) -> str:
        """The end of what it printed, on one line."""
        return " ".join(self.said.split())[-_SHOWN_CHARACTERS:]


class Programs:
    """Runs programs, from several threads if need be, and ends them all when it is told to stop."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends what runs; nothing is started from now on."""
        self._stopped.set()

    def pause(self, seconds: float) -> None:
        """Waits, unless all is to stop."""
        self._stopped.wait(seconds)

    def run(
        self, command: Sequence[str], *, folder: Path, within_s: float, watch: Callable[[], str | None] | None = None
    ) -> Ended:
        """Runs a program to its end.

        Args:
            command: its path and its arguments; there is no shell to read anything else into them.
            folder: where it works.
            within_s: how long it may take.
            watch: asked every second; a reason ends the program.

        Raises:
            ProgramError: it cannot be started, takes too long, says too much, or is ended.
        """
        name, said = Path(command[0]).name, bytearray()
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches gerund alone, which then ends the program and its children
            )
        except OSError as error:
            raise ProgramError(f"{name} cannot be started: {error.strerror or error}") from error
        listener = threading.Thread(target=_listen, args=(process, said), daemon=True)
        listener.start()
        try:
            why = self._wait(process, said, within_s, watch)
        finally:
            with suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)  # also what it started and left behind
            process.wait()
            listener.join(_LAST_WORDS_S)  # who left the session can hold the pipe for ever
            if process.stdout and not listener.is_alive():
                process.stdout.close()
        if why:
            raise ProgramError(f"{name} was ended: {why}")
        return Ended(process.returncode, said.decode(errors="replace"))

    def _wait(
        self, process: subprocess.Popen[bytes], said: bytearray, within_s: float, watch: Callable[[], str | None] | None
    ) -> str | None:
        """Waits for its end; gives the reason where it must be ended."""
        begin_s = watched_s = time.monotonic()
        while process.poll() is None:
            if self._stopped.wait(_LOOK_S):
                return "the command was stopped"
            now_s = time.monotonic()
            if now_s - begin_s > within_s:
                return f"it took more than {within_s:.0f} s"
            if len(said) >= _MOST_SAID_BYTES:
                return f"it printed more than {_MOST_SAID_BYTES >> 20} MiB"
            if watch and now_s - watched_s >= _WATCH_S:
                watched_s = now_s
                if why := watch():
                    return why
        return watch() if watch else None


def _listen(process: subprocess.Popen[bytes], said: bytearray) -> None:
    assert process.stdout
    while piece := os.read(process.stdout.fileno(), _PIECE_BYTES):
        if len(said) < _MOST_SAID_BYTES:
            said += piece
