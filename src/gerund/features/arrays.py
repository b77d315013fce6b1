"""Arrays in files that others have made, read without running anything that a file may hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from gerund.encoders.graph import Array
from gerund.encoders.weights.checkpoint import float_tensors, read_archive
from gerund.encoders.weights.legacy import MAGIC, read_legacy
from gerund.errors import UsageError
from gerund.features.tracks import FeatureError
from gerund.reading import DamageError, PickledError, open_arrays
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
    if path.suffix in (".pt", ".pth"):
        with path.open("rb") as file:
            is_legacy = file.read(len(MAGIC)) == MAGIC
        return dict(read_legacy(path) if is_legacy else _read_torch(path))
    try:
        with open_arrays(path) as content:
            return dict(content)
    except PickledError as error:
        raise FeatureError(
            f"{path}: holds pickled Python objects, which can run anything when they are read, so gerund refuses them. "
            "Where you trust the file, load it with allow_pickle=True and save its numbers as a plain array"
        ) from error
    except DamageError as error:
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
    return float_tensors(read_archive(path), path)
