"""Files of others, read with bounds: nothing is allocated because a file says so, only because it is there.

A header that promises more than the file holds, an archive that unfolds without end and JSON that is nested without
end are damage, told before they cost memory. Whatever a damaged file makes of a library ends as one `DamageError`.
"""

from __future__ import annotations

import errno
import io
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from gerund.errors import GerundError, reason_of

MOST_JSON_BYTES = 256 << 20
"""The longest JSON; the largest files of results that are known have a tenth of it."""

MOST_JSON_DEPTH = 64
"""Lists in lists in objects; no format that gerund reads needs a fifth of it."""

MOST_UNFOLDED_BYTES = 256 << 20
"""What the compressed members of one archive may unfold to; more only where the file has at least a 16th of it."""

_PIECE_BYTES = 1 << 20
_HEADER_BYTES = 1 << 16
_NUMPY, _ZIP = b"\x93NUMPY", b"PK"
_WAYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class DamageError(GerundError, ValueError):
    """A file that is not what it should be, or promises what it does not hold; the text says how, without its name."""


class PickledError(DamageError):
    """Arrays of Python objects, which could run anything when they are read."""


@contextmanager
def damage() -> Iterator[None]:
    """Turns whatever a damaged or hostile file makes of its reader into a DamageError."""
    try:
        yield
    except GerundError:
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # a place before the file's beginning is the file's own doing
            raise
        raise DamageError(reason_of(error)) from error
    except Exception as error:  # zlib, struct, zipfile, numpy, memory, recursion, ...: the list is never complete
        raise DamageError(reason_of(error)) from error


def parse_json(text: str | bytes, **settings: Any) -> Any:
    """What JSON says, as `json.loads`.

    Raises:
        DamageError: it is too long, too deep, or has a number that no one can mean.
        json.JSONDecodeError: it is no JSON.
    """
    if len(text) > MOST_JSON_BYTES:
        raise DamageError(f"{len(text) >> 20} MiB of JSON; at most {MOST_JSON_BYTES >> 20} MiB are read")
    try:
        content = json.loads(text, **settings)
    except (json.JSONDecodeError, GerundError):  # the latter from a hook of the caller's
        raise
    except RecursionError as error:
        raise DamageError(_too_deep()) from error
    except (ValueError, MemoryError) as error:  # bytes that are no text, and numbers of thousands of digits
        raise DamageError(reason_of(error)) from error
    check_depth(content)
    return content


def check_depth(content: Any) -> None:
    """Refuses JSON that was read but is nested so deep that comparing, printing or writing it would fail.

    Raises:
        DamageError: it is nested deeper than `MOST_JSON_DEPTH`.
    """
    level = [content] if isinstance(content, (list, dict)) else []
    for _ in range(MOST_JSON_DEPTH):
        items = (child for item in level for child in (item.values() if isinstance(item, dict) else item))
        level = [child for child in items if isinstance(child, (list, dict))]
        if not level:
            return
    raise DamageError(_too_deep())


def read_at_most(path: Path, most_bytes: int) -> bytes:
    """The bytes of a file.

    Raises:
        DamageError: it is larger.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise DamageError(f"it is larger than {most_bytes >> 20} MiB")
    return content


def parse_yaml(text: str) -> Any:
    """What YAML says, plain values alone; references from one place to another, which can multiply, are refused.

    Raises:
        DamageError: it is too long, too deep, refers to itself, or is no YAML.
    """
    import yaml

    class Plain(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise DamageError("YAML with references (*name); write out what they stand for")
            return super().compose_node(parent, index)

    if len(text) > MOST_JSON_BYTES:
        raise DamageError(f"{len(text) >> 20} MiB of YAML; at most {MOST_JSON_BYTES >> 20} MiB are read")
    with damage():
        return yaml.load(text, Plain)


class Members:
    """The members of a zip archive, each read whole and never beyond what the archive may unfold to.

    Args:
        archive: an open archive.
        size_bytes: of the file that it is.
    """

    def __init__(self, archive: zipfile.ZipFile, size_bytes: int) -> None:
        self._archive = archive
        self._size_bytes = size_bytes
        self._left_bytes = max(MOST_UNFOLDED_BYTES, 16 * size_bytes)
        self.names = [info.filename for info in archive.infolist() if not info.is_dir()]

    def size_of(self, name: str) -> int:
        """How many bytes a member has by its own account."""
        return self._archive.getinfo(name).file_size

    def is_stored(self, name: str) -> bool:
        """True for a member that is not compressed."""
        return self._archive.getinfo(name).compress_type == zipfile.ZIP_STORED

    def read(self, name: str, most_bytes: int | None = None) -> bytearray:
        """A member's bytes.

        Raises:
            DamageError: it is larger than the bound, than the file, or than it says; or damaged, or encrypted.
        """
        with damage():
            info = self._archive.getinfo(name)
            if info.compress_type not in _WAYS or info.flag_bits & 1:
                raise DamageError(f"{name} is encrypted, or compressed in an unusual way; only deflate is read")
            stored = info.compress_type == zipfile.ZIP_STORED
            most = self._left_bytes if most_bytes is None else min(most_bytes, self._left_bytes)
            if info.compress_size > self._size_bytes or (stored and info.file_size != info.compress_size):
                raise DamageError(f"{name} says that it has {info.file_size} bytes, which the file does not hold")
            if info.file_size > most:
                raise DamageError(f"{name} unfolds to {info.file_size} bytes; at most {most} are read")
            content = bytearray(info.file_size)
            view, done = memoryview(content), 0
            with self._archive.open(info) as stream:
                while piece := stream.read(_PIECE_BYTES):
                    if done + len(piece) > len(content):
                        raise DamageError(f"{name} is longer than the {info.file_size} bytes that it says")
                    view[done : done + len(piece)] = piece
                    done += len(piece)
            if done < len(content):
                raise DamageError(f"{name} ends after {done} of {info.file_size} bytes")
            self._left_bytes -= done
            return content


@contextmanager
def open_members(source: Path | IO[bytes]) -> Iterator[Members]:
    """The members of a zip archive.

    Raises:
        DamageError: it is none, or damaged.
        OSError: it cannot be read.
    """
    with _opened(source) as file, damage(), zipfile.ZipFile(file) as archive:
        yield Members(archive, _size(file))


class Arrays(Mapping[str, npt.NDArray[Any]]):
    """The arrays of a ``.npz`` file by their names, each read when it is asked for."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._names = {name.removesuffix(".npy"): name for name in members.names}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        content = self._members.read(self._names[name])
        with damage():
            return _array(content)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@contextmanager
def open_arrays(source: Path | IO[bytes]) -> Iterator[Mapping[str, npt.NDArray[Any]]]:
    """The arrays that NumPy saved in a ``.npy`` or ``.npz`` file; the one of a ``.npy`` file has the name ``""``.

    Raises:
        DamageError: it is neither, or damaged, or promises more than it holds.
        PickledError: an array holds Python objects.
        OSError: it cannot be read.
    """
    with _opened(source) as file:
        start = file.read(len(_NUMPY))
        file.seek(0)
        if start == _NUMPY:
            with damage():
                alone = _array_of_file(file)
            yield {"": alone}
        elif start.startswith(_ZIP):
            with open_members(file) as members:
                yield Arrays(members)
        elif start[:1] == b"\x80":
            raise PickledError("it is a pickle")
        else:
            raise DamageError("it is no .npy or .npz file; save it with numpy.save")


def read_array(path: Path) -> npt.NDArray[Any]:
    """The one array of a ``.npy`` file.

    Raises:
        DamageError: as `open_arrays`, or the file holds several.
        OSError: it cannot be read.
    """
    with open_arrays(path) as arrays:
        if list(arrays) != [""]:
            raise DamageError(f"it holds {len(arrays)} arrays, one is expected")
        return arrays[""]


def _array(content: bytearray) -> npt.NDArray[Any]:
    head = io.BytesIO(bytes(content[:_HEADER_BYTES]))
    shape, by_columns, dtype = _header(head, len(content))
    count = math.prod(shape)
    flat = np.frombuffer(content, dtype, count, head.tell()) if count else np.zeros(0, dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def _array_of_file(file: IO[bytes]) -> npt.NDArray[Any]:
    head = io.BytesIO(file.read(_HEADER_BYTES))
    shape, by_columns, dtype = _header(head, _size(file))
    file.seek(head.tell())
    flat = np.fromfile(file, dtype, math.prod(shape))
    return flat.reshape(shape, order="F" if by_columns else "C")


def _header(head: io.BytesIO, size_bytes: int) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type that NumPy's header tells, when the bytes for them are there."""
    from numpy.lib import format as npy

    version = npy.read_magic(head)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_columns, dtype = read(head)
    if dtype.hasobject:
        raise PickledError("an array in it holds Python objects")
    count, there = math.prod(shape), size_bytes - head.tell()
    if min(shape, default=0) < 0 or (count and not dtype.itemsize) or count * dtype.itemsize > there:
        raise DamageError(f"an array of type {dtype} and shape {list(shape)} does not fit into its {there} bytes")
    return shape, by_columns, dtype


@contextmanager
def _opened(source: Path | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        yield source


def _size(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


def _too_deep() -> str:
    return f"JSON nested deeper than {MOST_JSON_DEPTH} levels"
