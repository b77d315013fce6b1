"""One limit for a whole request, whatever a server drips: addresses, handshakes, headers, `100 Continue`, bytes.

The limits that sockets have start anew with every byte that comes. Here the request is made by a thread of its own;
who asked waits as long as was said and no longer, and then hangs up, which ends the thread too.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar
from urllib.request import BaseHandler, HTTPHandler, HTTPSHandler, OpenerDirector, Request, build_opener

_Result = TypeVar("_Result")


class Line:
    """The connections of one request, which can be hung up from another thread."""

    def __init__(self) -> None:
        self._connections: list[HTTPConnection] = []
        self._sockets: list[socket.socket] = []
        self._is_over = False

    def opener(self, *handlers: BaseHandler) -> OpenerDirector:
        """Something that opens addresses over this line."""
        return build_opener(_Plain(self), _Encrypted(self), *handlers)

    def hang_up(self) -> None:
        """Ends whatever waits for the other side, now and later."""
        self._is_over = True
        for plug in [*self._sockets, *(connection.sock for connection in self._connections)]:
            with suppress(OSError, AttributeError):  # not connected yet, or not any more
                plug.shutdown(socket.SHUT_RDWR)

    def connect(self, kind: type[HTTPConnection], host: str, **settings: Any) -> HTTPConnection:
        """A connection whose socket is remembered: urllib lets go of it before the answer is read."""
        connection = kind(host, **settings)
        connect_really, line = connection.connect, self

        def connect() -> None:
            connect_really()
            line._sockets.append(connection.sock)
            if line._is_over:  # it was hung up while the address was looked for
                connection.close()
                raise TimeoutError

        connection.connect = connect  # type: ignore[method-assign]
        self._connections.append(connection)
        return connection


class _Plain(HTTPHandler):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(lambda host, **settings: self._line.connect(HTTPConnection, host, **settings), req)


class _Encrypted(HTTPSHandler):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def https_open(self, req: Request) -> HTTPResponse:
        context = ssl.create_default_context()
        return self.do_open(
            lambda host, **settings: self._line.connect(HTTPSConnection, host, context=context, **settings), req
        )


def within(seconds: float, work: Callable[[Line], _Result]) -> _Result:
    """What `work` returns or raises, if it does so in time.

    Args:
        seconds: how long it may take altogether.
        work: is given a line to make its connections over.

    Raises:
        TimeoutError: it took longer; the line was hung up, and what comes of it is not looked at.

    Example:
        >>> within(5.0, lambda line: "answer")
        'answer'
    """
    line = Line()
    done: SimpleQueue[tuple[_Result | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            done.put((work(line), None))
        except BaseException as error:
            done.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    finally:
        line.hang_up()
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
