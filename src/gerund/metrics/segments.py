"""Segments as columns: what was annotated, what was found, and how much two of them overlap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError
from gerund.types import FloatArray64, IntArray

BoolArray = npt.NDArray[np.bool_]
TextArray = npt.NDArray[np.str_]

ZeroByZero = Literal["released", "guarded", "floored"]

_LEAST_UNION_S = 1e-8


@dataclass(frozen=True, eq=False)
class Annotations:
    """Annotated segments, one row each, in the order of their file.

    Anything that NumPy takes as a column will do; it is kept as an array.

    Attributes:
        video: ids, ``[M]``.
        start_s: seconds, ``[M]``.
        end_s: seconds, ``[M]``, not before the start; segments without length are allowed.
        label: names of classes, ``[M]``.

    Raises:
        UsageError: columns differ in length, a number is not finite, or a segment ends before it starts.

    Example:
        >>> truth = Annotations.of([("v1", 0, 10, "run"), ("v2", 5, 15, "jump")])
        >>> truth.rows(truth.label == "jump").start_s.tolist()
        [5.0]
    """

    video: TextArray
    start_s: FloatArray64
    end_s: FloatArray64
    label: TextArray

    def __post_init__(self) -> None:
        count = len(self.video)
        for field in fields(self):
            is_text = field.name in ("video", "label")
            column = np.asarray(getattr(self, field.name), dtype=np.str_ if is_text else np.float64)
            if column.shape != (count,):
                raise UsageError(f"{count} segments need a {field.name} each, got shape {column.shape}")
            object.__setattr__(self, field.name, column)
            if not is_text and not np.isfinite(column).all():
                row = int(np.flatnonzero(~np.isfinite(column))[0])
                raise UsageError(f"{field.name} is {column[row]} in row {row}, video {self.video[row]}; give a number")
        if (self.end_s < self.start_s).any():
            row = int(np.flatnonzero(self.end_s < self.start_s)[0])
            raise UsageError(
                f"row {row}, video {self.video[row]}, ends at {self.end_s[row]} s before it starts at "
                f"{self.start_s[row]} s"
            )

    def __len__(self) -> int:
        return len(self.video)

    @classmethod
    def of(cls, rows: Iterable[tuple[Any, ...]]) -> Self:
        """From rows with one value a column, in the order of the attributes.

        Raises:
            UsageError: a row has more or fewer values, or as the class.
        """
        kept = list(rows)
        names = [field.name for field in fields(cls)]
        if any(len(row) != len(names) for row in kept):
            raise UsageError(f"every row must hold {', '.join(names)}")
        return cls(*([row[place] for row in kept] for place in range(len(names))))  # type: ignore[arg-type]

    def rows(self, which: BoolArray | IntArray) -> Self:
        """Some of the rows, by flags or by places."""
        return type(self)(*(getattr(self, field.name)[which] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Detections(Annotations):
    """Found segments: annotations with a score.

    Attributes:
        score: finite, higher is surer, ``[M]``.
    """

    score: FloatArray64


def codes_of(names: TextArray, table: dict[str, int]) -> IntArray:
    """A number for each name: its place in `table`, which takes up new names as they appear.

    Example:
        >>> table = {"b": 0}
        >>> codes_of(np.array(["a", "b", "a"]), table).tolist(), table
        ([1, 0, 1], {'b': 0, 'a': 1})
    """
    return np.fromiter((table.setdefault(name, len(table)) for name in names.tolist()), np.int64, len(names))


def rows_of_each(codes: IntArray, rows: IntArray, num_codes: int) -> list[IntArray]:
    """The rows of every code below `num_codes`, in the order in which they come.

    Example:
        >>> [rows.tolist() for rows in rows_of_each(np.array([1, 0, 1, 7]), np.array([10, 11, 12, 13]), 3)]
        [[11], [10, 12], []]
    """
    grouped = np.argsort(codes, kind="stable")
    edges = np.searchsorted(codes[grouped], np.arange(num_codes + 1))
    return [rows[grouped[a:b]] for a, b in pairwise(edges)]


def temporal_overlap(
    start_a_s: npt.ArrayLike,
    end_a_s: npt.ArrayLike,
    start_b_s: npt.ArrayLike,
    end_b_s: npt.ArrayLike,
    *,
    zero_by_zero: ZeroByZero = "released",
) -> FloatArray64:
    """What two segments share, by what they cover together, 0..1; arguments are broadcast against each other.

    Args:
        start_a_s: where one starts, seconds.
        end_a_s: where it ends, seconds.
        start_b_s: where the other starts, seconds.
        end_b_s: where it ends, seconds.
        zero_by_zero: for two segments without length. ``"released"``: NaN, wherever they lie. ``"guarded"``: 1 at the
            same moment, else 0. ``"floored"``: 0, since what they cover together is taken as at least 1e-8 s.

    Example:
        >>> temporal_overlap([0, 4], [10, 14], 1, 11).round(4).tolist()
        [0.8182, 0.5385]
    """
    start_a, end_a = np.asarray(start_a_s, np.float64), np.asarray(end_a_s, np.float64)
    start_b, end_b = np.asarray(start_b_s, np.float64), np.asarray(end_b_s, np.float64)
    shared = np.maximum(np.minimum(end_a, end_b) - np.maximum(start_a, start_b), 0.0)
    union = (end_a - start_a) + (end_b - start_b) - shared
    if zero_by_zero == "floored":
        return np.asarray(shared / np.maximum(union, _LEAST_UNION_S))
    empty = union == 0
    overlap: FloatArray64 = np.divide(shared, union, out=np.full(union.shape, np.nan), where=~empty)
    if zero_by_zero == "guarded":
        overlap[empty] = np.broadcast_to(start_a == start_b, union.shape)[empty]
    return overlap
