"""Which video a file or folder is: told by its content, so that a new name or place makes it no other video."""

from __future__ import annotations

import hashlib
import os
import stat
from fractions import Fraction
from pathlib import Path

from gerund.errors import VideoError
from gerund.video.numbering import numbered_pictures, rate_of

_WHOLE_BYTES = 1 << 20
_END_BYTES = 1 << 18
_BLOCK_BYTES = 1 << 16
_BLOCKS = 8
_PICTURES = 10


def content_id(path: str | os.PathLike[str], *, fps: Fraction | None = None) -> str:
    """What names a video by its content: 32 hexadecimal digits, cheap for a file of any size.

    It is the beginning of a SHA-256 over the size of the file and, of a file of at most 1 MiB, all of it; of a larger
    one its first and its last 256 KiB and eight blocks of 64 KiB that lie evenly between them. So at most 1 MiB is
    read. Containers keep the sizes and places of all frames at their beginning or end, so another encoding, another
    cut or a file that broke off differs there. What does not show is a change in place, elsewhere, that keeps the size.

    Of a folder of numbered pictures it is the same over their number, their rate, the size of each in their order, and
    ten of them that lie evenly between the first and the last, each as above. Their names do not matter.

    Args:
        path: the file or folder.
        fps: pictures a second of a folder; None for what it says itself.

    Raises:
        VideoError: it is no plain file and no folder of pictures, or cannot be read. A pipe is never opened.
    """
    if os.path.isdir(path):
        return _content_of_pictures(Path(path), fps or rate_of(Path(path)))
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise VideoError(path, "it is no plain file")
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256(f"gerund content 1: {size} bytes\n".encode())
            for begin, count in _samples(size):
                file.seek(begin)
                digest.update(file.read(count))
    except OSError as error:
        raise VideoError(path, f"it cannot be read ({error.strerror or error})") from error
    return digest.hexdigest()[:32]


def _content_of_pictures(folder: Path, fps: Fraction) -> str:
    files = numbered_pictures(folder)
    digest = hashlib.sha256(f"gerund pictures 1: {len(files)} at {fps}\n".encode())
    try:
        digest.update(repr([file.stat().st_size for file in files]).encode())
    except OSError as error:
        raise VideoError(folder, f"it cannot be read ({error.strerror or error})") from error
    last = len(files) - 1
    for place in sorted({last * number // (_PICTURES - 1) for number in range(_PICTURES)}):
        digest.update(content_id(files[place]).encode())
    return digest.hexdigest()[:32]


def _samples(size: int) -> list[tuple[int, int]]:
    """Where to read how much, in order: see `content_id`."""
    if size <= _WHOLE_BYTES:
        return [(0, size)]
    room = size - 2 * _END_BYTES - _BLOCK_BYTES
    blocks = [(_END_BYTES + room * place // (_BLOCKS + 1), _BLOCK_BYTES) for place in range(1, _BLOCKS + 1)]
    return [(0, _END_BYTES), *blocks, (size - _END_BYTES, _END_BYTES)]
