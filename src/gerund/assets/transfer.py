"""Moving bytes: resumable, verified and atomic, with every failure in words."""

from __future__ import annotations

import errno
import hashlib
import json
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
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from gerund.errors import AssetError
from gerund.reading import parse_json
from gerund.writing import write_text

DownloadProgress = Callable[[str, int, int], None]
"""Called with a label, the bytes done and the bytes in all."""

_TIMEOUT_S = 30.0
_TRIES = 3
_BLOCK_BYTES = 1 << 20
_MOST_PAGE_BYTES = 64 << 20
"""The longest page of an index that is read; the longest known has a fourth of it."""
_CACHE, _OWN_PLACE = "set GERUND_CACHE elsewhere", "name a folder elsewhere"


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
    _try_often(lambda: _continue_download(url, part, size_bytes, label, connection, progress), url, part, label)
    found = file_sha256(part)
    if found != sha256:
        part.unlink()
        raise AssetError(
            f"{label}: what came from {_without_login(url)} has sha256 {found}, expected {sha256}; it was deleted. "
            "Try again; if it happens twice, the server serves another file"
        )
    os.replace(part, target)


def download_unknown(
    url: str,
    target: Path,
    *,
    most_bytes: int,
    label: str,
    connection: Connection,
    progress: DownloadProgress | None = None,
) -> None:
    """Fetches a file of which neither size nor hash is known; it appears whole, by the server's account, or not at all.

    An interrupted call is gone on from where the server says that the file is still the same (ETag, Last-Modified);
    what it said lies beside ``*.part`` as ``*.part.json``.

    Raises:
        AssetError: no network, no space, a server that does not say how long the file is, or one that is too long.
    """
    part = target.with_name(target.name + ".part")
    require_space(part.parent, 0, label, advice=_OWN_PLACE)
    _try_often(
        lambda: _continue_unknown(url, part, most_bytes, label, connection, progress), url, part, label, _OWN_PLACE
    )
    os.replace(part, target)
    _seal_of(part).unlink(missing_ok=True)


def _try_often(go_on: Callable[[], None], url: str, part: Path, label: str, advice: str = _CACHE) -> None:
    """Begins a download, and goes on with it where that may help.

    Raises:
        AssetError: it does not.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            return go_on()
        except HTTPError as error:
            if error.code == 416 and attempt < _TRIES:  # more on disk than the server has: not a beginning of this file
                part.unlink(missing_ok=True)
            elif error.code < 500 or attempt == _TRIES:
                raise AssetError(f"{label}: {_without_login(url)} answered {error.code} {error.reason}") from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                raise AssetError(f"{label}: no space left in {part.parent}; free some or {advice}") from error
            if attempt == _TRIES:
                raise AssetError(
                    f"{label}: cannot fetch {_without_login(url)} ({_plain(error)}). Check the network and run the "
                    "command again: what has arrived is kept"
                ) from error
        time.sleep(0.5 * attempt)


def _continue_unknown(
    url: str, part: Path, most_bytes: int, label: str, connection: Connection, progress: DownloadProgress | None
) -> None:
    have, seal = _begun(part)
    if have and have == seal.get("size"):
        return
    headers = {"Range": f"bytes={have}-", "If-Range": seal["tag"]} if have else {}
    answer: HTTPResponse
    with connection.opener().open(_request(url, headers), timeout=_TIMEOUT_S) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "") == f"bytes {have}-" + (
            f"{seal.get('size', 0) - 1}/{seal.get('size')}"
        )
        if answer.status == 206 and not resumed:
            part.unlink(missing_ok=True)
            raise URLError("the server sent another part of the file than the one asked for")
        if not resumed:
            have, seal = 0, _new_seal(answer)
        if seal["size"] > most_bytes:
            raise AssetError(f"{label}: {seal['size'] / 1e9:.1f} GB; at most {most_bytes / 1e9:.1f} GB are fetched")
        require_space(part.parent, seal["size"] - have, label, advice=_OWN_PLACE)
        with part.open("ab" if resumed else "wb") as file:
            if not resumed:
                write_text(_seal_of(part), json.dumps(seal))
            while block := answer.read(_BLOCK_BYTES):
                file.write(block)
                have += len(block)
                if progress:
                    progress(label, have, seal["size"])
            file.flush()
            os.fsync(file.fileno())
    if have != seal["size"]:
        raise URLError(f"the connection ended after {have} of {seal['size']} bytes")


def _begun(part: Path) -> tuple[int, dict[str, Any]]:
    """How much of a file is there, and what the server said of it; nothing where it said too little to go on."""
    try:
        seal = parse_json(_seal_of(part).read_text())
        if isinstance(seal["tag"], str) and seal["tag"] and isinstance(seal["size"], int):
            have = part.stat().st_size
            return (have, seal) if have <= seal["size"] else (0, {})
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return 0, {}


def _new_seal(answer: HTTPResponse) -> dict[str, Any]:
    """What tells a file from its successor under the same address: its length, and a tag where the server has one."""
    length = answer.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise AssetError(f"{_without_login(answer.geturl())}: the server does not say how long the file is")
    tag = answer.headers.get("ETag", "")
    return {"size": int(length), "tag": answer.headers.get("Last-Modified", "") if tag[:1] != '"' else tag}


def _seal_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


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


def require_space(folder: Path, size_bytes: int, label: str, *, advice: str = _CACHE) -> None:
    """Makes the folder, and says no before a download begins that cannot fit.

    Raises:
        AssetError: the folder cannot be made, or the disk has less than `size_bytes` left.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AssetError(f"{label}: cannot create {folder}: {error.strerror or error}; {advice}") from error
    free = shutil.disk_usage(folder).free
    if free < size_bytes:
        raise AssetError(
            f"{label}: needs {size_bytes / 1e6:.0f} MB in {folder}, which has {free / 1e6:.0f} MB free; "
            f"free some space or {advice}"
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
