"""What passes between gerund and the processes that decode: small JSON fields, and bytes behind them.

Nothing is pickled: what a decoder sends is read as data, also where a hostile file has confused it.
"""

from __future__ import annotations

import json
import os
import selectors
import struct
from dataclasses import dataclass
from typing import Any

_HEAD = struct.Struct("<II")
_MOST_FIELD_BYTES = 1 << 20
_MOST_BODY_BYTES = 1 << 30
_READ_BYTES = 1 << 20


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        kind: what it is about.
        fields: values that JSON knows.
        body: bytes that come along.
    """

    kind: str
    fields: dict[str, Any]
    body: bytes = b""


class Channel:
    """Two ends of pipes: one to read messages from, one to write them to.

    Args:
        read_fd: file descriptor of the pipe that messages come from.
        write_fd: and of the one that they go to.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd, self._write_fd = read_fd, write_fd

    def send(self, kind: str, body: bytes = b"", **fields: Any) -> None:
        """Writes one message.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        head = json.dumps({"kind": kind, **fields}).encode()
        waiting = memoryview(_HEAD.pack(len(head), len(body)) + head + body)
        while waiting:
            waiting = waiting[os.write(self._write_fd, waiting) :]

    def receive(self, *, within_s: float | None = None) -> Message:
        """Reads one message.

        Args:
            within_s: how long nothing may come before it is given up; None waits for ever.

        Raises:
            EOFError: the other end is closed.
            TimeoutError: nothing came in time.
            ValueError: what came is no message.
        """
        head_length, body_length = _HEAD.unpack(self._read(_HEAD.size, within_s))
        if head_length > _MOST_FIELD_BYTES or body_length > _MOST_BODY_BYTES:
            raise ValueError(f"a message of {head_length} and {body_length} bytes")
        fields = json.loads(self._read(head_length, within_s))
        if not isinstance(fields, dict):
            raise ValueError("a message without fields")
        return Message(str(fields.pop("kind", "")), fields, self._read(body_length, within_s))

    def _read(self, length: int, within_s: float | None) -> bytes:
        parts, left = [], length
        while left:
            if within_s is not None:
                self._wait(within_s)
            part = os.read(self._read_fd, min(left, _READ_BYTES))
            if not part:
                raise EOFError
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _wait(self, within_s: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._read_fd, selectors.EVENT_READ)
            if selector.select(within_s):
                return
            if not selector.select(1.0):  # a process that was stopped meanwhile may find that time passed without it
                raise TimeoutError
