"""Class vectors from a table: word vectors such as GloVe's or word2vec's, or the rows of a classifier."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from gerund.encoders.base import TextOnly
from gerund.errors import UsageError
from gerund.reading import DamageError, parse_json, read_array
from gerund.text.classes import ClassSpace
from gerund.text.names import to_words
from gerund.types import FloatArray

_NOT_WORD = re.compile(r"[^\w]+")
_SHOWN = 5


class VectorTable(TextOnly):
    """One vector for each name; it turns classes into vectors by looking up their names.

    A data set's spelling, case and punctuation make no difference to a look-up. The texts of a class play no part.

    Args:
        names: of the rows, ``[N]``.
        vectors: float ``[N, D]``, any norm.
        mean_of_words: a name that is not in the table is the mean of its words, where all of these are.
        name: what users call the table.

    Raises:
        UsageError: there are not as many names as vectors, a number is not finite, or two names are the same but for
            their spelling.

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
        self._row_of = {_key(name): row for row, name in enumerate(names)}
        if len(self._row_of) < len(names):
            lost = [name for row, name in enumerate(names) if self._row_of[_key(name)] != row]
            raise UsageError(f"{_some(lost)} stand in the table twice, maybe in another spelling; keep one of each")

    @classmethod
    def read(
        cls, path: Path, names_path: Path | None = None, *, mean_of_words: bool = False, name: str = "words"
    ) -> VectorTable:
        """A table from two files.

        Args:
            path: NumPy's ``.npy`` with the vectors.
            names_path: a text file with one name a line, or JSON: a list of names, or of objects with a ``word``, as
                in Elaborative Rehearsal's files. By default the ``.json`` or ``.txt`` of the same name beside `path`.
            mean_of_words: see the class.
            name: what users call the table.

        Raises:
            UsageError: a file is not there or not what it should be, or they do not belong together.
        """
        beside = [path.with_suffix(suffix) for suffix in (".json", ".txt")]
        names_path = names_path or next((file for file in beside if file.exists()), beside[0])
        try:
            vectors = read_array(path)
        except (OSError, DamageError) as error:
            raise UsageError(f"{path}: expected a NumPy file (.npy) with vectors [N, D]; {error}") from error
        if vectors.dtype.kind != "f":
            raise UsageError(f"{path}: expected one array of floats [N, D]")
        try:
            return cls(_read_names(names_path), vectors, mean_of_words=mean_of_words, name=name)
        except UsageError as error:
            raise UsageError(f"{path} with {names_path}: {error}") from error

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the names, the numbers and the way of looking up."""
        digest = hashlib.sha256(repr((self.names, self.vectors.shape, self.mean_of_words)).encode())
        digest.update(self.vectors.tobytes())
        return digest.hexdigest()[:16]

    def encode_classes(self, classes: ClassSpace) -> FloatArray:
        """The rows of the classes, float32 ``[C, D]`` of any norm.

        Raises:
            UsageError: the table has no row for some of them.
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
        key = _key(name)
        if key in self._row_of:
            return np.asarray(self.vectors[self._row_of[key]], np.float32)
        rows = [self._row_of.get(word) for word in key.split()]
        if self.mean_of_words and rows and None not in rows:
            return np.asarray(self.vectors[[row for row in rows if row is not None]].mean(axis=0), np.float32)
        return None


def _key(name: str) -> str:
    return _NOT_WORD.sub(" ", to_words(name).casefold()).strip()


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
