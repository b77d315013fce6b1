"""What people name instead of a file, and gerund refuses by name: addresses and standard input."""

from __future__ import annotations

import os
import re

_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.-]*://|(concat|data|file|ftp|https?|mms|pipe|rtmps?|rtp|rtsp|srt|tcp|udp):", re.IGNORECASE
)
_STANDARD_INPUT = frozenset(("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"))


def refusal(given: str) -> str | None:
    """Why what was given cannot be the path of a video; None where it may be one. Opens nothing.

    Example:
        >>> refusal("holiday/a.mp4"), refusal("https://host/a.mp4")[:16]
        (None, 'it is an address')
    """
    if given in _STANDARD_INPUT:
        return "standard input cannot be read, for videos are sought in; write it to a file and give that"
    if _ADDRESS.match(given) and not os.path.lexists(given):
        return "it is an address, and gerund reads files alone; fetch it first, and give the file"
    return None
