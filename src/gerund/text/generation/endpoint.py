"""The door to a language model's server: one request in, one answer out, and a key that never comes back.

Everything that a server says passes `Key.redacted` here, so nothing above this file can log, cache or print the key.
"""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPMessage, HTTPResponse
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request

from gerund.assets import is_offline
from gerund.errors import GerundError, UsageError
from gerund.reading import parse_json
from gerund.text.generation.deadline import Line, within

_LONGEST_BYTES = 1 << 23
_BLOCK_BYTES = 1 << 16
_SECRET_CHARACTERS = 8
_LONGEST_RETRY_S = 366 * 86_400
_MASK = "[key]"
_USUAL_VARIABLE = "OPENAI_API_KEY"


class UnreachableError(GerundError):
    """No answer came.

    Attributes:
        nobody: True when nothing listens there at all, rather than something that broke off.
    """

    def __init__(self, reason: str, *, nobody: bool = False) -> None:
        super().__init__(reason)
        self.nobody = nobody


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Attributes:
        status: of HTTP.
        content: the parsed JSON, or the text where it is none.
        retry_after_s: how long the server asks to be left alone; None where it does not.
    """

    status: int
    content: Any
    retry_after_s: float | None = None


class Key:
    """A secret that can be sent and looked for, but not printed.

    Keys of fewer than eight characters, such as the ``EMPTY`` or ``x`` that local servers want for form's sake, are
    looked for as whole words and in errors only: they are no secret, and ordinary texts may hold them.

    Raises:
        UsageError: it has characters that no header can carry.

    Example:
        >>> key = Key("sk-0123456789")
        >>> key, key.redacted("wrong key: sk-0123456789", error=True)
        (Key(), 'wrong key: [key]')
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.strip()
        if not (self._secret.isascii() and self._secret.isprintable()):
            raise UsageError(
                "the key has characters that no key has, such as line ends or accents; look how it was set"
            )
        spellings = {self._secret, json.dumps(self._secret)[1:-1], quote(self._secret, safe="")}
        spellings |= {spelling.replace("/", r"\/") for spelling in spellings}
        pattern = "|".join(re.escape(spelling) for spelling in sorted(spellings, key=len, reverse=True))
        self._long = len(self._secret) >= _SECRET_CHARACTERS
        self._pattern = re.compile(pattern if self._long else rf"(?<!\w)(?:{pattern})(?!\w)")

    def __repr__(self) -> str:
        return "Key()"

    def __bool__(self) -> bool:
        return bool(self._secret)

    def headers(self) -> dict[str, str]:
        """What a request carries."""
        return {"Authorization": f"Bearer {self._secret}"} if self._secret else {}

    def redacted(self, content: Any, *, error: bool) -> Any:
        """The same text, or JSON with the texts in it, without the key.

        Args:
            content: a text, or parsed JSON.
            error: it is an error of a server, not a model's reply.
        """
        if isinstance(content, str):
            return self._pattern.sub(_MASK, content) if self._secret and (self._long or error) else content
        if isinstance(content, list):
            return [self.redacted(item, error=error) for item in content]
        if isinstance(content, dict):
            return {
                self.redacted(name, error=error): self.redacted(item, error=error) for name, item in content.items()
            }
        return content


class Endpoint:
    """A server that answers JSON with JSON.

    Args:
        base_url: such as ``http://localhost:11434/v1``; a final ``/chat/completions`` is taken off.
        key: sent as a bearer token; empty for none.
        timeout_s: the longest that one request may take.

    Raises:
        UsageError: the address is none, or holds a login; or ``GERUND_OFFLINE`` is set and it is on another machine.

    Example:
        >>> Endpoint("http://localhost:11434/v1/").base_url
        'http://localhost:11434/v1'
    """

    def __init__(self, base_url: str, *, key: str = "", timeout_s: float = 300.0) -> None:
        self.base_url = base_url.strip().rstrip("/").removesuffix("/chat/completions")
        try:
            parts = urlsplit(self.base_url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            host, parts = "", urlsplit("")
        if "@" in parts.netloc or parts.query or parts.fragment:  # not shown: it may hold a password
            raise UsageError(
                "the base URL has a login or a query; keep keys in an environment variable, not in an address"
            )
        if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[!-~]+", self.base_url):
            raise UsageError(f"the base URL must look like http://localhost:11434/v1, got {base_url!r}")
        if not timeout_s > 0:
            raise UsageError(f"a timeout must be above 0 seconds, got {timeout_s}")
        self.is_local = _is_local(host)
        if is_offline() and not self.is_local:
            raise UsageError(f"GERUND_OFFLINE forbids the network, and {self.base_url} is not on this machine")
        self._key = Key(key)
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"Endpoint({self.base_url!r})"

    def post(self, path: str, payload: Any) -> Answer:
        """Sends JSON to a path below the base URL; any status is an answer.

        Raises:
            UnreachableError: none came.
        """
        body = json.dumps(payload).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "gerund", **self._key.headers()}
        request = Request(self.base_url + path, data=body, headers=headers, method="POST")
        try:
            return within(self._timeout_s, lambda line: self._answer(request, line))
        except Exception as error:  # odd answers make http.client and urllib raise many things
            raise self._unreachable(error) from None  # the cause may quote headers

    def _answer(self, request: Request, line: Line) -> Answer:
        try:
            with self._opener(line).open(request, timeout=self._timeout_s) as answer:
                return self._read(answer.status, answer, answer.headers)
        except HTTPError as error:
            with error:
                return self._read(error.code, error, error.headers)

    def _read(self, status: int, answer: HTTPResponse | HTTPError, headers: Message) -> Answer:
        content = bytearray()
        while block := answer.read1(_BLOCK_BYTES):
            content += block
            if len(content) > _LONGEST_BYTES:
                raise ValueError(f"more than {_LONGEST_BYTES >> 20} MiB came")
        expected = headers.get("Content-Length", "")
        if expected.isdigit() and len(content) < int(expected):
            raise ValueError(f"the connection ended after {len(content)} of {expected} bytes")
        if (coding := headers.get("Content-Encoding", "identity")) not in ("identity", ""):
            raise ValueError(f"the answer is compressed ({coding!r}), which was not asked for")
        try:
            parsed = parse_json(bytes(content).decode("utf-8"))
        except ValueError:  # no JSON, or JSON as no server means it
            parsed = content.decode("utf-8", "replace")
        redacted = self._key.redacted(parsed, error=status != 200 or isinstance(parsed, str))
        return Answer(status, redacted, _seconds(headers.get("Retry-After", "")))

    def _opener(self, line: Line) -> OpenerDirector:
        handlers: list[HTTPRedirectHandler | ProxyHandler] = [_NoRedirects()]
        if self.is_local:  # a proxy knows another localhost
            handlers.append(ProxyHandler({}))
        return line.opener(*handlers)

    def _unreachable(self, error: Exception) -> UnreachableError:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            return UnreachableError(f"{self.base_url} took longer than {self._timeout_s:g} s")
        if isinstance(reason, ssl.SSLCertVerificationError):
            return UnreachableError(
                f"{self.base_url} has a certificate that this machine does not trust ({reason.verify_message}); "
                "SSL_CERT_FILE names another bundle",
                nobody=True,
            )
        nobody = isinstance(error, URLError) and not isinstance(reason, ConnectionResetError | BrokenPipeError)
        said = self._key.redacted(str(reason) or type(reason).__name__, error=True)
        return UnreachableError(f"{self.base_url} gave no answer: {said}", nobody=nobody)


class _NoRedirects(HTTPRedirectHandler):
    """A redirection would carry the key elsewhere and turn the question into a GET."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        return None


def key_for(base_url: str, variable: str | None, environment: Mapping[str, str]) -> tuple[str, str]:
    """The key for a server, and a remark for the user, which is mostly empty.

    Args:
        base_url: the server's address.
        variable: the environment variable that holds the key. None takes ``OPENAI_API_KEY`` where it is set, but sends
            it over an encrypted connection or to this machine only: nobody named it for this server.
        environment: where to look.

    Raises:
        UsageError: the variable is not set.

    Example:
        >>> key_for("http://gpu.example/v1", None, {"OPENAI_API_KEY": "sk-1"})[0], key_for("x", "K", {"K": "sk-1"})[0]
        ('', 'sk-1')
    """
    if variable is not None:
        if not environment.get(variable, "").strip():
            raise UsageError(f"--key-env {variable}: that environment variable is not set, or empty")
        return environment[variable], ""
    key = environment.get(_USUAL_VARIABLE, "")
    endpoint = Endpoint(base_url)
    if not key or endpoint.is_local or endpoint.base_url.startswith("https:"):
        return key, ""
    return "", f"{_USUAL_VARIABLE} is not sent over plain http; --key-env {_USUAL_VARIABLE} sends it all the same"


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _seconds(header: str) -> float | None:
    """What Retry-After says, as seconds or as a date; None where no one can mean it.

    Example:
        >>> _seconds("2"), _seconds("Thu, 01 Jan 1970 00:00:00 GMT"), _seconds("soon"), _seconds("9" * 400)
        (2.0, 0.0, None, None)
    """
    try:
        if re.fullmatch(r"\s*\d+(\.\d+)?\s*", header):
            seconds = float(header)
        else:
            seconds = max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, OSError):
        return None
    return seconds if seconds <= _LONGEST_RETRY_S else None
