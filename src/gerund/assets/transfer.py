"""Moving bytes: resumable, verified and atomic, with every failure in words."""

from __future__ import annotations

import errno
import hashlib
import netrc
import os
import shutil
import ssl
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from gerund.errors import AssetError

DownloadProgress = Callable[[str, int, int], None]
"""Called with a label, the bytes done and the bytes in all."""

_TIMEOUT_S = 30.0
_TRIES = 3
_BLOCK_BYTES = 1 << 20
_MOST_PAGE_BYTES = 64 << 20
"""The longest page of an index that is read; the longest known has a fourth of it."""


@dataclass(frozen=True)
class Connection:
    """How to reach a server: a certificate bundle and a proxy, where they differ from the system's."""

    certificates: str | None = None
    proxy: str | None = None

    def opener(self) -> OpenerDirector:
        """Something that opens addresses with these settings.

        Raises:
            AssetError: the certificate bundle cannot be read.
        """
        handlers: list[HTTPRedirectHandler | HTTPSHandler | ProxyHandler] = [_Redirects()]
        if self.certificates:
            try:
                context = ssl.create_default_context(cafile=os.path.expanduser(self.certificates))
            except OSError as error:
                raise AssetError(
                    f"{self.certificates}: cannot read certificates ({error.strerror or error}); "
                    "'pip config list' shows where 'cert' is set"
                ) from error
            handlers.append(HTTPSHandler(context=context))
        if self.proxy:
            handlers.append(ProxyHandler({"http": self.proxy, "https": self.proxy}))
        return build_opener(*handlers)


class _Redirects(HTTPRedirectHandler):
    """Follows a redirection of HTTP, but carries no login to another server, nor out of an encrypted connection."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if after.scheme not in ("http", "https"):
            return None
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request and (before.netloc != after.netloc or after.scheme not in (before.scheme, "https")):
            request.remove_header("Authorization")
        return request


def fetch_text(url: str, connection: Connection, *, accept: str) -> tuple[str, str, str]:
    """Reads a page: its text, its content type, and the address it was finally found at.

    Raises:
        AssetError: the page cannot be had.
    """
    try:
        with connection.opener().open(_request(url, {"Accept": accept}), timeout=_TIMEOUT_S) as answer:
            content = answer.read(_MOST_PAGE_BYTES + 1)
            if len(content) > _MOST_PAGE_BYTES:
                raise ValueError(f"a page of more than {_MOST_PAGE_BYTES >> 20} MiB")
            text = content.decode(answer.headers.get_content_charset() or "utf-8")
            return text, answer.headers.get_content_type(), answer.geturl()
    except (URLError, HTTPException, OSError, ValueError, LookupError) as error:
        raise AssetError(f"{_without_login(url)}: {_plain(error)}") from error


def download(
    url: str,
    target: Path,
    *,
    sha256: str,
    size_bytes: int,
    label: str,
    connection: Connection,
    progress: DownloadProgress | None = None,
) -> None:
    """Fetches a file of known hash into `target`, which appears whole or not at all.

    What an interrupted call has fetched stays beside `target` as ``*.part`` and is continued by the next one.

    Raises:
        AssetError: no network, no space, or bytes that are not the expected ones.
    """
    part = target.with_name(target.name + ".part")
    require_space(part.parent, size_bytes - (part.stat().st_size if part.exists() else 0), label)
    for attempt in range(1, _TRIES + 1):
        try:
            _continue_download(url, part, size_bytes, label, connection, progress)
            break
        except HTTPError as error:
            if error.code == 416 and attempt < _TRIES:  # more on disk than the server has: not a beginning of this file
                part.unlink(missing_ok=True)
            elif error.code < 500 or attempt == _TRIES:
                raise AssetError(f"{label}: {_without_login(url)} answered {error.code} {error.reason}") from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise AssetError(f"{label}: no space left in {part.parent}; free some or set GERUND_CACHE") from error
            if attempt == _TRIES:
                raise AssetError(
                    f"{label}: cannot fetch {_without_login(url)} ({_plain(error)}). Check the network and run the "
                    "command again: what has arrived is kept"
                ) from error
        time.sleep(0.5 * attempt)
    found = file_sha256(part)
    if found != sha256:
        part.unlink()
        raise AssetError(
            f"{label}: what came from {_without_login(url)} has sha256 {found}, expected {sha256}; it was deleted. "
            "Try again; if it happens twice, the server serves another file"
        )
    os.replace(part, target)


def _continue_download(
    url: str, part: Path, size_bytes: int, label: str, connection: Connection, progress: DownloadProgress | None
) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have == size_bytes:
        return
    if have > size_bytes:
        part.unlink()
        have = 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    answer: HTTPResponse
    with connection.opener().open(_request(url, headers), timeout=_TIMEOUT_S) as answer:
        resumed = have > 0 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if have and answer.status == 206 and not resumed:
            part.unlink()
            raise URLError("the server sent another part of the file than the one asked for")
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(_BLOCK_BYTES):
                file.write(block)
                have += len(block)
                if progress:
                    progress(label, have, size_bytes)
                if have > size_bytes:
                    break
            file.flush()
            os.fsync(file.fileno())
    if have < size_bytes:
        raise URLError(f"the connection ended after {have} of {size_bytes} bytes")


def require_space(folder: Path, size_bytes: int, label: str) -> None:
    """Makes the folder, and says no before a download begins that cannot fit.

    Raises:
        AssetError: the folder cannot be made, or the disk has less than `size_bytes` left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(
            f"{label}: cannot create {folder}: {error.strerror or error}; set GERUND_CACHE elsewhere"
        ) from error
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise AssetError(
            f"{label}: needs {size_bytes / 1e6:.0f} MB in {folder}, which has {free / 1e6:.0f} MB free; "
            "free some space or point GERUND_CACHE elsewhere"
        )


def file_sha256(path: Path) -> str:
    """Full sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _request(url: str, headers: dict[str, str]) -> Request:
    """A request that carries the login of the address or of the user's netrc as a header."""
    parts = urlsplit(url)
    login = None
    if parts.username:
        login = unquote(parts.username), unquote(parts.password or "")
    elif parts.hostname:
        try:
            entry = netrc.netrc().authenticators(parts.hostname)
            login = (entry[0], entry[2] or "") if entry else None
        except (OSError, netrc.NetrcParseError):
            login = None
    if login:
        headers = {**headers, "Authorization": "Basic " + b64encode(":".join(login).encode()).decode()}
    return Request(_without_login(url), headers={"User-Agent": "gerund", **headers})


def _without_login(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _plain(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error or type(error).__name__)
