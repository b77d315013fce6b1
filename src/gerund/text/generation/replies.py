"""Replies kept on disk, so that a run that was stopped goes on and one that is repeated costs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gerund.errors import UsageError
from gerund.reading import parse_json
from gerund.text.generation.client import Reply
from gerund.writing import write_text


@dataclass(frozen=True)
class Kept:
    """A reply and the day it was given, as year-month-day."""

    reply: Reply
    date: str


class Replies:
    """A folder with one JSON file for each question, named by the sha256 of all that decides the reply.

    Args:
        folder: of the files.
        make: make the folder where it is not there.

    Raises:
        UsageError: it cannot be made.
    """

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        self.folder = folder
        try:
            if make:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot make the folder {folder} for replies: {error.strerror or error}") from error

    def find(self, identity: Mapping[str, Any]) -> Kept | None:
        """The reply to a question, as far as it was kept; a damaged file counts for nothing, and is written anew."""
        try:
            content = parse_json(self._path(identity).read_text(encoding="utf-8"))
            reply = Reply(**content["reply"])
            date = content["date"]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        return Kept(reply, date) if isinstance(reply.text, str) and isinstance(date, str) else None

    def keep(self, identity: Mapping[str, Any], reply: Reply) -> Kept:
        """Writes a reply down, with its question and today's date; the file appears whole or not at all."""
        kept = Kept(reply, datetime.now(UTC).date().isoformat())
        content = {"date": kept.date, "reply": asdict(reply), "question": identity}
        write_text(self._path(identity), json.dumps(content, indent=1))
        return kept

    def _path(self, identity: Mapping[str, Any]) -> Path:
        return self.folder / f"{sha256_of(identity)}.json"


def sha256_of(content: Any) -> str:
    """Hash of JSON, whatever the order of its members.

    Example:
        >>> sha256_of({"a": 1, "b": 2}) == sha256_of({"b": 2, "a": 1})
        True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
