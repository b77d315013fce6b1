"""What a scan says about each video: the list that it writes, and that other commands leave bad videos out by."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from gerund.errors import UsageError, VideoError
from gerund.reading import MOST_JSON_BYTES, DamageError, parse_json, read_at_most
from gerund.record import SCHEMA, Line
from gerund.video.identity import content_id

State = Literal["ok", "corrupt", "short", "duplicate", "missing"]
STATES: tuple[State, ...] = get_args(State)
_OF_CONTENT = ("corrupt", "short")
"""What is true of a file wherever it lies; a duplicate is one only beside the file that it repeats."""


@dataclass(frozen=True)
class Verdict:
    """One line of a scan's list.

    Attributes:
        video: the file, as an absolute path; of a missing video its id.
        id: what stores of features and the lists of data sets call it.
        state: what is wrong with it, or ``"ok"``.
        reason: the same in words; None where all is well.
        content: its `content_id`; ``""`` where it could not be read, and of a missing one.
        bytes: its size.
        same_as: the file that it repeats byte by byte; None for one that repeats none.
        frames: how many it shows; None where it cannot be opened, as all that follow.
        duration_s: how long it lasts.
        fps: its frame rate, such as ``"25/1"``.
        width: of the picture as seen, in pixels.
        height: see `width`.
    """

    video: str
    id: str
    state: State
    reason: str | None = None
    content: str = ""
    bytes: int = 0
    same_as: str | None = None
    frames: int | None = None
    duration_s: float | None = None
    fps: str | None = None
    width: int | None = None
    height: int | None = None

    def to_line(self, settings: str) -> Line:
        """The line of a record, whose `error` is the reason."""
        fields = asdict(self)
        return {
            "schema": SCHEMA,
            "settings": settings,
            "content": fields.pop("content"),
            "video": fields.pop("video"),
            "error": fields.pop("reason"),
            **fields,
        }

    @classmethod
    def of_line(cls, line: Line) -> Verdict:
        """What a line says.

        Raises:
            UsageError: it is none of a scan.
        """
        try:
            values: dict[str, Any] = {name: line[name] for name in cls.__dataclass_fields__ if name != "reason"}
            found = cls(reason=line["error"], **values)
            texts, size = (found.video, found.id, found.content), found.bytes
            is_right = all(isinstance(text, str) for text in texts) and isinstance(size, int) and found.state in STATES
        except (KeyError, TypeError) as error:
            raise UsageError(f"it has no line of a scan, but one without {error}") from error
        if not is_right:
            raise UsageError("it has a line that no scan writes")
        return found


def is_verdict(line: Line) -> bool:
    """True for a line that need not be found out again: its file could be read, whatever came of that."""
    return bool(line["content"])


class KnownBad:
    """The videos that a scan found bad: those, and no others, are left out.

    Args:
        verdicts: a scan's list.

    Attributes:
        ids: of the videos; not those that a good file on the list has too.
    """

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        listed = list(verdicts)
        bad = [item for item in listed if item.state != "ok"]
        self.ids = frozenset(item.id for item in bad) - {item.id for item in listed if item.state == "ok"}
        self._places = {os.path.realpath(item.video) for item in bad if item.content}
        self._contents = {item.content for item in bad if item.state in _OF_CONTENT and item.content}
        self._sizes = {item.bytes for item in bad if item.content in self._contents}

    def has_file(self, path: Path) -> bool:
        """True for a file on the list: this very one, or where it is corrupt or short, one of the same content."""
        if os.path.realpath(path) in self._places:
            return True
        try:
            return os.stat(path).st_size in self._sizes and content_id(path) in self._contents
        except (OSError, VideoError):  # who opens it will say so
            return False

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> KnownBad:
        """A list that ``gerund data scan --json`` wrote.

        Raises:
            UsageError: it cannot be read, or is no such list.
        """
        file, found = Path(path), []
        try:
            lines = read_at_most(file, MOST_JSON_BYTES).splitlines(keepends=True)
        except (OSError, DamageError) as error:
            raise UsageError(f"cannot read the list {path}: {getattr(error, 'strerror', None) or error}") from error
        for number, raw in enumerate(lines, 1):
            if not raw.endswith(b"\n"):
                break  # a scan that was stopped while it wrote this line
            try:
                line = parse_json(raw)
                if not isinstance(line, dict) or line.get("schema") != SCHEMA:
                    raise UsageError("it is no list that 'gerund data scan --json' wrote")
                found.append(Verdict.of_line(line))
            except ValueError as error:  # bad JSON, damage and the two above
                raise UsageError(f"{path}, line {number}: {error}") from error
        return cls(found)
