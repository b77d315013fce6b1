"""Archives from where a person says that they lie: an address, a mirror, or a folder of this machine."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from gerund.assets import DownloadProgress, is_offline
from gerund.assets.transfer import Connection, download_unknown, fetch_text
from gerund.errors import AssetError, UsageError
from gerund.reading import DamageError, read_at_most

MOST_ARCHIVE_BYTES = 64 << 30
"""The largest of these archives has 7 GB."""

_MOST_LIST_BYTES = 16 << 20
_NAME = re.compile(r"[\w][\w.+ -]{0,200}", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A file to be had.

    Attributes:
        place: an address (http, https), or a path.
        digest: its hash where that is known: ``sha256:...`` or ``md5:...``.
    """

    place: str
    digest: str = ""

    @property
    def is_address(self) -> bool:
        """True for an address, False for a path."""
        return bool(re.match(r"https?://", self.place))

    @property
    def name(self) -> str:
        """The file's name.

        Raises:
            UsageError: an address has none that could be a file's.
        """
        if not self.is_address:
            return Path(self.place).name
        name = PurePosixPath(unquote(urlsplit(self.place).path)).name
        if not _NAME.fullmatch(name):
            raise UsageError(f"{self.place} does not end in the name of a file")
        return name

    def elsewhere(self, mirror: str) -> Source:
        """The file of the same name in a mirror: the address above it, or a folder; ``""`` for none."""
        if not mirror:
            return self
        return Source(f"{mirror.rstrip('/')}/{self.name}", self.digest)


def check_place(place: str) -> None:
    """Refuses what is neither an address of the web nor there.

    Raises:
        UsageError: it is another kind of address, or no file or folder.
    """
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", place):
        if not Source(place).is_address:
            raise UsageError(f"{place}: files are fetched by http and https; give such an address, or a path")
    elif not Path(place).exists():
        raise UsageError(f"{place}: no such file or folder, and no address")


def obtain(source: Source, folder: Path, *, progress: DownloadProgress | None = None) -> Path:
    """The path of a file: below `folder`, fetched first where it is not there, or where it lies on this machine.

    Each address has a folder of its own there, for parts of several data sets have the same names.

    Raises:
        AssetError: it cannot be had, or is another than it should be; one that was fetched is then deleted.
    """
    if not source.is_address:
        path = Path(source.place)
        if not path.is_file():
            raise AssetError(f"{path}: no such file")
        _require_digest(source, path)
        return path
    path = folder / hashlib.sha256(source.place.encode()).hexdigest()[:12] / source.name
    if not path.is_file():
        _require_online(source)
        download_unknown(
            source.place,
            path,
            most_bytes=MOST_ARCHIVE_BYTES,
            label=source.name,
            connection=Connection(),
            progress=progress,
        )
    try:
        _require_digest(source, path)
    except AssetError:
        path.unlink()
        raise
    return path


def read_sources(place: str) -> list[Source]:
    """The archive that a place names, or where it is a list (``.txt``) the archives in it, one a line.

    Raises:
        UsageError: a line is neither an address nor a path that is there.
        AssetError: the list cannot be had.
    """
    check_place(place)
    given = Source(place)
    if not given.name.lower().endswith(".txt"):
        return [given]
    try:
        lines = _read_list(given).split()
    except (OSError, DamageError, UnicodeDecodeError) as error:
        raise UsageError(f"{place}: no list of archives ({error})") from error
    for line in lines:
        if given.is_address and not Source(line).is_address:  # a list from elsewhere names no files of this machine
            raise UsageError(f"{place}: expected addresses, one a line, got {line[:200]!r}")
        check_place(line)
    return [Source(line) for line in dict.fromkeys(lines)]


def _read_list(given: Source) -> str:
    if not given.is_address:
        return read_at_most(Path(given.place), _MOST_LIST_BYTES).decode()
    _require_online(given)
    return fetch_text(given.place, Connection(), accept="text/plain, */*")[0]


def _require_online(source: Source) -> None:
    if is_offline():
        raise AssetError(f"{source.place} is not here, and GERUND_OFFLINE forbids to fetch it")


def _require_digest(source: Source, path: Path) -> None:
    if not source.digest:
        return
    algorithm, _, expected = source.digest.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    if found != expected:
        raise AssetError(f"{path} has {algorithm} {found}, expected {expected}: it is another file, or damaged")
