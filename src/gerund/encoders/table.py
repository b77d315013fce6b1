"""Vectors by name: of classes, of single words such as GloVe's or word2vec's, or the rows of a classifier."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from gerund.encoders.base import TextOnly
from gerund.encoders.weights.checkpoint import read_checkpoint
from gerund.errors import AssetError, UsageError
from gerund.reading import DamageError, parse_json, read_array
from gerund.text.classes import ClassSpace
from gerund.text.names import to_words
from gerund.types import FloatArray

_NOT_WORD = re.compile(r"[^\w]+")
_SHOWN = 5


class VectorTable(TextOnly):
    """One vector for each name, be it of a class or of a word; it turns classes into vectors by their names.

    A data set's spelling, case and punctuation make no difference to a look-up, unless a name stands in the table to
    the letter. The texts of a class play no part. A method that reads texts word by word takes the rows themselves.

    Args:
        names: of the rows, ``[N]``.
        vectors: float ``[N, D]``, any norm.
        mean_of_words: a name that is not in the table is the mean of its words, where all of these are.
        name: what users call the table.

    Attributes:
        row_of: the row of each name as it is spelt.

    Raises:
        UsageError: there are not as many names as vectors, a number is not finite, or two names are the same.

    Example:
        >>> table = VectorTable(["ApplyEyeMakeup", "high jump"], np.array([[1.0, 0.0], [3.0, 4.0]]))
        >>> table.encode_classes(ClassSpace(("High-Jump", "apply eye makeup"))).tolist()
        [[3.0, 4.0], [1.0, 0.0]]
    """

    def __init__(
        self, names: Sequence[str], vectors: np.ndarray, *, mean_of_words: bool = False, name: str = "words"
    ) -> None:
        if vectors.ndim != 2 or len(vectors) != len(names):
            raise UsageError(f"a table of {len(names)} names needs as many vectors [N, D], got {vectors.shape}")
        if not np.isfinite(vectors).all():
            raise UsageError("a table's vectors must be finite numbers; this one has NaN or infinity")
        self.name = name
        self.dim = vectors.shape[1]
        self.names = tuple(names)
        self.vectors = np.ascontiguousarray(vectors, np.float32)
        self.mean_of_words = mean_of_words
        self.row_of = {name: row for row, name in enumerate(self.names)}
        if len(self.row_of) < len(names):
            lost = [name for row, name in enumerate(names) if self.row_of[name] != row]
            raise UsageError(f"{_some(lost)} stand in the table twice; keep one of each")

    @classmethod
    def read(
        cls, path: Path, names_path: Path | None = None, *, mean_of_words: bool = False, name: str = "words"
    ) -> VectorTable:
        """A table from two files.

        Args:
            path: NumPy's ``.npy`` with the vectors, or a checkpoint that has one array with a row for each name.
            names_path: a text file with one name a line, or JSON: a list of names, or of objects with a ``word``, as
                in Elaborative Rehearsal's files. By default the ``.json`` or ``.txt`` of the same name beside `path`.
            mean_of_words: see the class.
            name: what users call the table.

        Raises:
            UsageError: a file is not there or not what it should be, or they do not belong together.
        """
        beside = [path.with_suffix(suffix) for suffix in (".json", ".txt")]
        names_path = names_path or next((file for file in beside if file.exists()), beside[0])
        arrays = _read_arrays(path)
        try:
            names = _read_names(names_path)
            fitting = arrays if len(arrays) == 1 else [a for a in arrays if a.ndim == 2 and len(a) == len(names)]
            if len(fitting) != 1:
                raise UsageError(f"{len(fitting)} of {len(arrays)} arrays have {len(names)} rows, one for each name")
            return cls(names, fitting[0], mean_of_words=mean_of_words, name=name)
        except UsageError as error:
            raise UsageError(f"{path} with {names_path}: {error}") from error

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the names, the numbers and the way of looking up."""
        digest = hashlib.sha256(repr((self.names, self.vectors.shape, self.mean_of_words)).encode())
        digest.update(self.vectors.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def _rows_by_key(self) -> dict[str, list[int]]:
        """The rows of each name in whatever spelling."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.names):
            rows.setdefault(_key(name), []).append(row)
        return rows

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """The rows of the classes, float32 ``[C, D]`` of any norm.

        Raises:
            UsageError: the table has no row for some of them, or several that differ in spelling alone.
        """
        return self.encode_texts(classes.names)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """The rows of names, float32 ``[N, D]`` of any norm; see `encode_classes`."""
        found = [self._vector(name) for name in texts]
        missing = [name for name, vector in zip(texts, found, strict=True) if vector is None]
        if missing:
            words = ", nor of all of their words," if self.mean_of_words else ""
            raise UsageError(
                f"the table of {len(self.names)} vectors has none{words} for {len(missing)} of {len(texts)} classes: "
                f"{_some(missing)}; add them, or name these classes as the table does"
            )
        return np.stack([vector for vector in found if vector is not None])

    def _vector(self, name: str) -> FloatArray | None:
        row = self._row(name)
        if row is None and self.mean_of_words and (words := _key(name).split()):
            rows = [self._row(word) for word in words]
            known = [found for found in rows if found is not None]
            return np.asarray(self.vectors[known].mean(axis=0), np.float32) if len(known) == len(rows) else None
        return None if row is None else self.vectors[row]

    def _row(self, name: str) -> int | None:
        if name in self.row_of:
            return self.row_of[name]
        rows = self._rows_by_key.get(_key(name), [])
        if len(rows) > 1:
            meant = _some(self.names[row] for row in rows)
            raise UsageError(
                f"{name!r} could be {meant} of the table, which differ in spelling alone; keep one of them"
            )
        return rows[0] if rows else None


def _key(name: str) -> str:
    return _NOT_WORD.sub(" ", to_words(name).casefold()).strip()


def _read_arrays(path: Path) -> list[np.ndarray]:
    """The one array of NumPy's file, or all of a checkpoint's.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        if path.suffix != ".npy":
            return list(read_checkpoint(path).tensors.values())
        vectors = read_array(path)
    except (OSError, DamageError, AssetError) as error:
        raise UsageError(
            f"{path}: expected a NumPy file (.npy) with vectors [N, D], or a checkpoint; {error}"
        ) from error
    if vectors.dtype.kind != "f":
        raise UsageError(f"{path}: expected one array of floats [N, D]")
    return [vectors]


def _read_names(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        content = parse_json(text) if path.suffix == ".json" else [line for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise UsageError(f"expected names, one a line or as a JSON list; {error}") from error
    if isinstance(content, list):
        names = [item.get("word") if isinstance(item, dict) else item for item in content]
        if all(isinstance(name, str) for name in names):
            return [str(name).strip() for name in names]
    raise UsageError("expected a JSON list of names, or of objects with a 'word'")


def _some(names: Iterable[str]) -> str:
    listed = [repr(name) for name in names]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
