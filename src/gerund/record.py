"""The record of a command over many videos: JSON Lines that outlive whatever ends the command, and are gone on from.

A line is appended as soon as a video is answered, whole or not at all. A line that is answered anew stays until the new
one is there, and even then only stops to count; what no longer counts is left out when the command ends, by a file that
takes the old one's place at once. So at no moment is there less on disk than was answered.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gerund.errors import OutputError, UsageError
from gerund.reading import parse_json
from gerund.writing import GrowingFile, whole_file

SCHEMA = 1
"""Of a line. Every line begins with it, which is how a record is told from other files."""

_BEGINNING = b'{"schema": '

Line = dict[str, Any]


def settings_id(**settings: Any) -> str:
    """A short hash of all that answers depend on, besides the video; equal settings, equal hash.

    Example:
        >>> settings_id(top=5) == settings_id(top=5), settings_id(top=5) == settings_id(top=6)
        (True, False)
    """
    text = json.dumps({"schema": SCHEMA, **settings}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Entry:
    """Where a line lies in the file, and what decides whether it still counts."""

    begin: int
    size: int
    video: str
    place: str
    content: str | None
    settings: str
    is_answer: bool
    counts: bool = True


class Record:
    """The lines of a file, and those that are added to it.

    Args:
        path: the file; it need not be there. Nothing is written before `begin`.
        overwrite: leave out all that it holds, whatever that is.
        is_answer: tells lines with answers from those of failures. A line that was spoilt by hand is best taken for a
            failure: its video is asked again.

    Raises:
        UsageError: it holds anything but such lines, or another process is writing it.
    """

    def __init__(
        self,
        path: Path,
        *,
        overwrite: bool = False,
        is_answer: Callable[[Line], bool] = lambda line: line["error"] is None,
    ) -> None:
        self._is_answer = is_answer
        self._path = path.resolve()  # a link stays a link
        self._shown = path
        self._entries: list[_Entry] = []
        self._by_content: defaultdict[str, list[_Entry]] = defaultdict(list)
        self._by_place: defaultdict[str, list[_Entry]] = defaultdict(list)
        self._kept = 0
        self._held: IO[bytes] | None = None
        self._file: GrowingFile | None = None
        if self._path.exists():
            self._held = self._hold()
            try:
                if not overwrite:
                    self._read(self._held)
            except UsageError:
                self.release()
                raise

    def begin(self) -> None:
        """Makes the file where there is none, and cuts off the rest of a line that was not finished.

        Raises:
            UsageError: it cannot be written, or another process is writing it.
        """
        self._file = GrowingFile(self._path, keep=self._kept)
        if self._held is None:
            self._held = self._hold()

    def find(self, video: str, content: str, settings: str) -> Line | None:
        """The answer that there is for a video, under the name that it has now; None when it has to be asked.

        Args:
            video: its path.
            content: its `content_id`; a file that was renamed, moved or copied is the same video.
            settings: what `settings_id` gave.
        """
        found = [item for item in self._by_content[content] if item.counts and item.is_answer]
        found = [item for item in found if item.settings == settings]
        if not found:
            return None
        here = os.path.abspath(video)
        entry = min(found, key=lambda item: (item.place != here, os.path.lexists(item.video)))
        with self._path.open("rb") as file:
            file.seek(entry.begin)
            line: Line = json.loads(file.read(entry.size))
        return {**line, "video": video}

    def answers(self, settings: str) -> Iterator[Line]:
        """The answers that count and were given with these settings, in the order of the file.

        Args:
            settings: what `settings_id` gave.
        """
        wanted = [item for item in self._entries if item.counts and item.is_answer and item.settings == settings]
        if wanted:
            with self._path.open("rb") as file:
                for item in wanted:
                    file.seek(item.begin)
                    yield json.loads(file.read(item.size))

    def has(self, line: Line) -> bool:
        """True when a line for this very video, with this content, settings and spelling, is there and counts."""
        return any(
            item.counts and item.is_answer and (item.video, item.settings) == (line["video"], line["settings"])
            for item in self._by_content[line["content"]]
        )

    def append(self, line: Line) -> None:
        """Adds a line, in place of those that it replaces.

        An answer replaces what there is about this file, and about files of the same content that are gone. A failure
        replaces failures of this file alone.

        Raises:
            OutputError: it cannot be written; the file is as it was.
            ValueError: a number in it is not finite.
        """
        text = encode(line)
        if self._file is None:
            raise RuntimeError("a record takes lines after begin()")
        begin = self._file.size
        self._file.append(text)
        self._add(line, begin, len(text))

    def close(self, order: Sequence[str], *, only: bool = False) -> None:
        """Leaves out the lines that no longer count and puts the others in order.

        Args:
            order: the videos of the command; lines of others come behind them, as they were.
            only: leave those out as well.

        Raises:
            OutputError: there is no room for the new file. The old one stays, with all that counts in it.
        """
        if self._file is None:
            return
        rank = {os.path.abspath(video): number for number, video in enumerate(order)}
        counting = [item for item in self._entries if item.counts and not (only and item.place not in rank)]
        ordered = sorted(counting, key=lambda item: rank.get(item.place, len(rank)))
        if ordered != self._entries:
            self._rewrite(ordered)
        self.release()

    def release(self) -> None:
        """Lets go of the file as it is."""
        if self._file:
            self._file.close()
        if self._held:
            self._held.close()
        self._file = self._held = None

    def _rewrite(self, entries: list[_Entry]) -> None:
        try:
            with self._path.open("rb") as source, whole_file(self._path) as target:
                for item in entries:
                    source.seek(item.begin)
                    target.write(source.read(item.size))
        except OSError as error:
            raise OutputError(self._shown, error) from error

    def _hold(self) -> IO[bytes]:
        """The file, held against other processes; what holds it ends with this process, however that ends."""
        try:
            file = self._path.open("rb")
        except OSError as error:
            raise UsageError(f"cannot read {self._shown}: {error.strerror}") from error
        if _is_held(file):
            file.close()
            raise UsageError(f"{self._shown} is being written by another gerund; wait for it, or name another file")
        if os.fstat(file.fileno()).st_ino != self._path.stat().st_ino:  # the other has just put it in order
            file.close()
            return self._hold()
        return file

    def _read(self, file: IO[bytes]) -> None:
        begin = file.read(len(_BEGINNING))
        if begin != _BEGINNING[: len(begin)]:
            raise self._not_ours(1)
        file.seek(0)
        for number, raw in enumerate(file, 1):
            if not raw.endswith(b"\n"):
                break  # the process that wrote it was killed, or the machine stopped
            try:
                line = parse_json(raw, parse_constant=_refuse)
                if line["schema"] > SCHEMA:
                    later = f"{self._shown}, line {number}: written by a later gerund; use that, or name another file"
                    raise UsageError(later)
                self._add(line, self._kept, len(raw))
            except UsageError:
                raise
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise self._not_ours(number) from error
            self._kept += len(raw)

    def _add(self, line: Line, begin: int, size: int) -> None:
        """Notes a line, and which of those before it count no more."""
        video, content = line["video"], line["content"]
        entry = _Entry(begin, size, video, os.path.abspath(video), content, line["settings"], self._is_answer(line))
        for item in self._by_place[entry.place]:
            if entry.is_answer or not item.is_answer:
                item.counts = False
        if content:
            if entry.is_answer and self._by_content[content] and os.path.lexists(video):
                for item in self._by_content[content]:
                    item.counts = item.counts and os.path.lexists(item.video)
            self._by_content[content].append(entry)
        self._by_place[entry.place].append(entry)
        self._entries.append(entry)

    def _not_ours(self, number: int) -> UsageError:
        return UsageError(
            f"{self._shown}, line {number}: no answer of gerund's, so it is left as it is; name another file, or give "
            "--overwrite to lose what is in it"
        )


def encode(line: Line) -> str:
    """A line as it is written, in plain ASCII.

    Raises:
        ValueError: a number in it is not finite.
    """
    return json.dumps(line, allow_nan=False) + "\n"


def _is_held(file: IO[bytes]) -> bool:
    """True when another process holds the file; else this one does from now on, where the file system can."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):  # Windows, or a file system without locks
        pass
    return False


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
