"""Arrays in files that others have made, read without running anything that a file may hold."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from gerund.encoders.graph import Array
from gerund.encoders.weights.checkpoint import TensorUnpickler, damage_in_words, float_tensors
from gerund.encoders.weights.legacy import MAGIC, read_legacy
from gerund.errors import UsageError
from gerund.features.tracks import FeatureError
from gerund.types import FloatArray

ARRAY_SUFFIXES = (".npy", ".npz", ".pt", ".pth")
"""Endings of the files that `read_arrays` reads."""


def read_arrays(path: Path) -> dict[str, Array]:
    """Every array in a file, by its name; the one of a file that holds just one array has the name ``""``.

    Args:
        path: a ``.npy`` or ``.npz`` file, or one that PyTorch wrote (``.pt``, ``.pth``), of which only floating-point
            tensors are taken, as float32.

    Raises:
        UsageError: there is no such file.
        FeatureError: it is damaged, of another type, or holds pickled Python objects.
        AssetError: it is a PyTorch file that is damaged, or asks for anything but tensors in dicts.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file")
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if path.suffix in (".pt", ".pth"):
        return dict(read_legacy(path) if start == MAGIC else _read_torch(path))
    if start[:6] != b"\x93NUMPY" and start[:2] != b"PK":
        if start[:1] == b"\x80":
            raise _pickled(path)
        raise FeatureError(f"{path}: no .npy or .npz file; save it with numpy.save")
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"": content}
        with content:
            return {name: content[name] for name in content.files}
    except OSError:
        raise
    except Exception as error:  # whatever a damaged file makes of numpy and zipfile
        if "allow_pickle" in str(error):
            raise _pickled(path) from error
        raise FeatureError(f"{path}: damaged, or cut off ({error}); get it again") from error


def pick(arrays: Mapping[str, Array], path: Path, *, key: str | None = None, ndim: int = 2) -> FloatArray:
    """The one array that is meant, as float32.

    Args:
        arrays: what a file holds.
        path: the file, for messages.
        key: the array's name; None takes the only one of floating-point numbers with so many axes.
        ndim: how many axes it has.

    Raises:
        UsageError: there is none of that name, or several could be meant.
        FeatureError: it is of another shape or type, empty, or holds numbers that are none.
    """
    named = ", ".join(f"{name or 'one array'} {array.dtype}{list(array.shape)}" for name, array in arrays.items())
    if key is None:
        fitting = [name for name, array in arrays.items() if array.ndim == ndim and array.dtype.kind == "f"]
        if len(fitting) > 1:
            raise UsageError(f"{path}: which array is meant? Name one of {', '.join(fitting)} (key)")
        if not fitting:
            raise FeatureError(
                f"{path}: expected an array of floating-point numbers with {ndim} axes; it holds {named}"
            )
        key = fitting[0]
    if key not in arrays:
        raise UsageError(f"{path}: no array {key!r}; it holds {named}")
    array = arrays[key]
    if array.ndim != ndim or array.dtype.kind != "f":
        raise FeatureError(f"{path}: expected floating-point numbers with {ndim} axes; it holds {named}")
    if not array.size:
        raise FeatureError(f"{path}: an empty array; make the file again, or leave it out")
    if not np.isfinite(array).all():
        raise FeatureError(f"{path}: some numbers are infinite or none at all; make the file again")
    return np.asarray(array, np.float32)


def read_text_features(path: Path, key: str | None = None) -> FloatArray:
    """Text features of classes ``[C, N, D]``: N texts for each of C classes.

    The values are those of the file, whose rows need not have length 1.

    Args:
        path: a tensor that PyTorch saved, or an array that numpy saved.
        key: the array's name, where the file holds several.

    Raises:
        UsageError: there is no such file, or several arrays could be meant.
        FeatureError: the array is of another shape, or is none of numbers.
        AssetError: a PyTorch file is damaged, or holds anything but tensors in dicts.

    Source: STDD's released code saves CLIP's text features in this form, not of unit length, ordered by template and
    then by prompt, and brings them to length 1 when it loads them.
    """
    return pick(read_arrays(path), path, key=key, ndim=3)


def _read_torch(path: Path) -> dict[str, FloatArray]:
    """The tensors of a zip archive that PyTorch wrote; one that was saved alone has the name ``""``."""
    with damage_in_words(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        pickled = next((name for name in names if PurePosixPath(name).parts[1:] == ("data.pkl",)), None)
        if pickled is None:
            raise FeatureError(f"{path}: a zip file, but not one that PyTorch wrote (no data.pkl in it)")
        root = PurePosixPath(pickled).parts[0]
        if f"{root}/byteorder" in names and archive.read(f"{root}/byteorder") != b"little":
            raise FeatureError(f"{path}: its numbers are big-endian; save it again on another machine")
        with archive.open(pickled) as file:
            tree = TensorUnpickler(file, archive, root).load()
    return float_tensors({"": tree} if isinstance(tree, np.ndarray) else tree, path)


def _pickled(path: Path) -> FeatureError:
    return FeatureError(
        f"{path}: holds pickled Python objects, which can run anything when they are read, so gerund refuses them. "
        "Where you trust the file, load it with allow_pickle=True and save its numbers as a plain array"
    )
