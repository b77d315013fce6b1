"""Weight files as plain arrays, without torch and without running anything that a file may hold.

Three kinds are read: safetensors, whole or in shards; PyTorch's zip archives of tensors in dicts; and TorchScript
archives such as OpenAI's CLIP files, of which only the tensors are taken. The pickles inside the last two are followed
step by step by a reader that knows a handful of names and refuses the rest.
"""

from __future__ import annotations

import hashlib
import io
import reprlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gerund.encoders.graph import Array
from gerund.encoders.weights.pickled import Module, Steps
from gerund.errors import AssetError
from gerund.reading import DamageError, Members, damage, open_members, parse_json
from gerund.types import FloatArray

_IN_A_FOLDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "open_clip_pytorch_model.bin",
)
_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
_SAFETENSORS_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
STORAGE_TYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "<u1",
}
_NESTED = ("state_dict", "model_state_dict", "model", "weights")
"""Where training scripts keep the tensors beside epoch numbers and optimisers."""

_MOST_ENTRIES = 100_000
_LONGEST_NAME = 500
_DEEPEST = 64
_SPARE_BYTES = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """The floating-point tensors of a model and the files they came from.

    Attributes:
        tensors: float32 arrays by the names that the files use. Those of float32 safetensors are read when touched.
        files: every file that was read.
        seed: of tensors that were drawn and not read; None for real ones.
    """

    tensors: dict[str, FloatArray]
    files: tuple[Path, ...]
    seed: int | None = None

    @property
    def source(self) -> str:
        """Where the tensors are from, for messages."""
        return "random weights" if self.seed is not None else str(self.files[0])

    @cached_property
    def sha256(self) -> str:
        """One digest over the content of all files; of tensors that were drawn their seed."""
        if self.seed is not None:
            return f"drawn from {self.seed}"
        digest = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads the weights in a file or a folder.

    Args:
        path: a weight file, the index of a sharded one, or a folder that holds one of them under its usual name or as
            the only weight file in it.

    Raises:
        AssetError: there are no weights, the file is damaged or of another kind, or its pickle asks for anything but
            tensors in dicts.
    """
    file = weight_file(path)
    if file.suffix != ".json":
        return Checkpoint(_read_file(file), (file,))
    try:
        names = sorted(set(parse_json(file.read_text(encoding="utf-8"))["weight_map"].values()))
        if not names or any(PurePosixPath(name).name != name for name in names):
            raise ValueError("it does not list files of its own folder")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AssetError(f"{file}: expected the index of a sharded checkpoint; {error}") from error
    shards = tuple(file.parent / name for name in names)
    for shard in shards:
        if not shard.is_file():
            raise AssetError(f"{file}: the shard {shard.name} is missing; download the whole checkpoint")
    tensors: dict[str, FloatArray] = {}
    for shard in shards:
        tensors.update(_read_file(shard))
    return Checkpoint(tensors, (file, *shards))


def weight_file(path: Path) -> Path:
    """The weight file that `read_checkpoint` reads.

    Raises:
        AssetError: there is none, or no way to tell which of several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise AssetError(f"{path}: no such file or folder; give a weight file or a folder with one")
    for name in _IN_A_FOLDER:
        if (path / name).is_file():
            return path / name
    found = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        raise AssetError(f"{path}: holds {', '.join(file.name for file in found)}; name the one to read")
    raise AssetError(f"{path}: holds no weights; expected {_IN_A_FOLDER[0]}, a sharded index, or one .pt file")


def _read_file(path: Path) -> dict[str, FloatArray]:
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if path.suffix == ".safetensors" or start[8:] == b"{":
            return _read_safetensors(path)
        if zipfile.is_zipfile(path):
            return _read_archive(path)
    except OSError as error:
        raise AssetError(f"{path}: cannot be read; {error}") from error
    raise AssetError(
        f"{path}: neither safetensors nor a PyTorch zip archive (files saved before PyTorch 1.6 are not read); save it "
        "as safetensors"
    )


def _read_safetensors(path: Path) -> dict[str, FloatArray]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass  # checks that the header is sound and that every tensor lies inside the file
    except SafetensorError as error:
        raise AssetError(f"{path}: damaged, or not safetensors ({error}); download it again") from error
    with damage_in_words(path):
        return _mapped(path)


def _mapped(path: Path) -> dict[str, FloatArray]:
    data = np.memmap(path, np.uint8, "r")
    begin = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = parse_json(data[8:begin].tobytes())
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] in _SAFETENSORS_TYPES:
            first, last = entry["data_offsets"]
            raw = data[begin + first : begin + last].view(_SAFETENSORS_TYPES[entry["dtype"]])
            tensors[name] = _to_float32(raw.reshape(entry["shape"]))
    return tensors


def _to_float32(array: Array) -> FloatArray:
    """Any width of floating point as float32; 16-bit whole numbers are the upper halves of float32 (bfloat16)."""
    if array.dtype == np.uint16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(array, np.float32)


def _read_archive(path: Path) -> dict[str, FloatArray]:
    return float_tensors(read_archive(path), path)


def read_archive(path: Path) -> Any:
    """What a zip archive that PyTorch wrote holds: an array, or arrays in dicts and modules.

    Raises:
        AssetError: it is none, is damaged, or its pickle asks for anything but tensors in dicts.
    """
    with damage_in_words(path), open_members(path) as members:
        pickles = [name for name in members.names if PurePosixPath(name).parts[1:] == ("data.pkl",)]
        if len(pickles) != 1:
            raise AssetError(f"{path}: a zip file, but not one that PyTorch wrote (no data.pkl in it)")
        root = PurePosixPath(pickles[0]).parts[0]
        order = f"{root}/byteorder"
        if order in members.names and members.read(order) != b"little":
            raise DamageError("its numbers are big-endian; save it again on another machine")
        return _ArchiveStorages(members, root).tree(pickles[0], path.stat().st_size)


@contextmanager
def damage_in_words(path: Path) -> Iterator[None]:
    """Turns whatever a damaged or hostile file makes of its reader into an AssetError that names the file."""
    try:
        with damage():
            yield
    except DamageError as error:
        raise AssetError(f"{path}: not a file of plain tensors; {error}") from error
    except OSError as error:
        raise AssetError(f"{path}: cannot be read; {error.strerror or error}") from error


def float_tensors(tree: Any, path: Path) -> dict[str, FloatArray]:
    """The floating-point tensors of what was read, float32, by the names in the part that holds the model.

    Raises:
        AssetError: there is none, or they are far more than the file's numbers.
    """
    for key in _NESTED:
        if isinstance(tree, Mapping) and isinstance(tree.get(key), Mapping | Module):
            tree = tree[key]
    with damage_in_words(path):
        leaves = {"": tree} if isinstance(tree, np.ndarray) else dict(_leaves(tree, [_MOST_ENTRIES]))
        floats = {name: value for name, value in leaves.items() if value.dtype.kind == "f" or value.dtype == np.uint16}
        made = 4 * sum(value.size for value in floats.values())
        if made > _SPARE_BYTES + 8 * path.stat().st_size:  # tensors may share their numbers, or repeat them
            raise DamageError(f"its tensors would take {made >> 20} MiB, many times the file")
        if floats:
            return {name: _to_float32(value) for name, value in floats.items()}
    raise AssetError(f"{path}: holds no tensors")


def _leaves(tree: Any, left: list[int], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Array]]:
    """Tensors in dicts and modules, under dotted names; `left` counts down, for parts may be shared by many."""
    items = tree.state if isinstance(tree, Module) else tree
    if isinstance(items, Mapping):
        if depth > _DEEPEST:
            raise DamageError(f"modules nested deeper than {_DEEPEST} levels")
        for key, value in items.items():
            left[0] -= 1
            if left[0] < 0 or len(prefix) > _LONGEST_NAME:
                raise DamageError("more names, or longer ones, than any model has")
            if isinstance(value, np.ndarray):
                yield f"{prefix}{key}", value
            elif isinstance(value, Mapping | Module):
                yield from _leaves(value, left, f"{prefix}{key}.", depth + 1)


class _ArchiveStorages:
    """The storages of one archive, each read once."""

    def __init__(self, members: Members, root: str) -> None:
        self._members = members
        self._root = root
        self._storages: dict[str, Array] = {}

    def tree(self, pickled: str, size_bytes: int) -> Any:
        """What the pickle holds."""
        content = self._members.read(pickled)
        return Steps(io.BytesIO(content), size_bytes, find_name, self._storage).load()

    def _storage(self, identity: Any) -> Array:
        """The numbers of one storage, ``[numel]``."""
        storage, key, count = storage_identity(identity, 5)
        if key not in self._storages:
            name, dtype = f"{self._root}/data/{key}", np.dtype(STORAGE_TYPES[storage])
            if not self._members.is_stored(name) or self._members.size_of(name) != count * dtype.itemsize:
                raise DamageError(f"storage {key} should hold {count} numbers of type {storage}")
            self._storages[key] = np.frombuffer(self._members.read(name), dtype)
        return self._storages[key]


def storage_identity(identity: Any, length: int) -> tuple[str, str, int]:
    """Type, key and count of a storage that a pickle refers to.

    Raises:
        DamageError: it refers to something else.
    """
    if isinstance(identity, tuple) and len(identity) == length:
        kind, storage, key, _, count = identity[:5]
        named = kind == "storage" and isinstance(storage, str) and isinstance(key, str)
        if named and storage in STORAGE_TYPES and type(count) is int and count >= 0:
            return storage, key, count
    raise DamageError(f"unknown storage {reprlib.repr(identity)}")


def rebuild_tensor(storage: Array, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Array:
    """A tensor as a view of its storage.

    Raises:
        DamageError: it reaches beyond the storage.
    """
    numbers = [offset, *shape, *strides]
    if len(shape) != len(strides) or not all(type(number) is int and number >= 0 for number in numbers):
        asked = reprlib.repr((shape, strides, offset))
        raise DamageError(f"a tensor of shape, with strides and from a place that cannot be: {asked}")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    if last >= len(storage):
        raise DamageError(f"a tensor of shape {reprlib.repr(shape)} reaches beyond its {len(storage)} numbers")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)


def find_name(module: str, name: str) -> Any:
    """What a name in a pickle stands for, where it is on the allow-list.

    Raises:
        DamageError: it is not.
    """
    if (module, name) in _FUNCTIONS:
        return _FUNCTIONS[module, name]
    if module == "torch" and name in STORAGE_TYPES:
        return name
    if module == "__torch__" or module.startswith("__torch__."):
        return Module
    asked = reprlib.repr(f"{module}.{name}")[1:-1]
    raise DamageError(
        f"its pickle asks for {asked}, which is not on the allow-list; save the state dict as safetensors"
    )


def _first(value: Any, *_: Any) -> Any:
    return value


def _size(numbers: Any = ()) -> tuple[int, ...]:
    if not all(type(number) is int for number in numbers):
        raise DamageError("a size that is none of numbers")
    return tuple(numbers)


def _ordered(pairs: Any = ()) -> dict[str, Any]:
    """A dict in order; Python 2 wrote its items as a list of pairs."""
    if not isinstance(pairs, list | tuple) or not all(len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise DamageError("a dict of something else than names")
    return {pair[0]: pair[1] for pair in pairs}


_FUNCTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch", "Size"): _size,
    ("collections", "OrderedDict"): _ordered,
    **{("torch.jit._pickle", f"build_{kind}list"): _first for kind in ("int", "double", "bool", "tensor")},
    ("torch.jit._pickle", "restore_type_tag"): _first,
}
"""What a pickle may call, and what is called in its place."""
