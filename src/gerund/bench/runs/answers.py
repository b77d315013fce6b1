"""What a method answered, with what was true: all that is needed to compute every figure, now or later."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from gerund.errors import UsageError, in_words
from gerund.reading import open_arrays
from gerund.types import FloatArray, IntArray, kind_of
from gerund.writing import whole_file


@dataclass(frozen=True)
class RecognitionAnswers:
    """Scores of the videos of one exam.

    Attributes:
        split: name of the split.
        paper: name of the exam; ``""`` where there is one.
        videos: ids, ``[N]``.
        labels: true classes as places in `classes`, int64 ``[N]``.
        classes: the candidates, ``[C]``.
        is_seen: which of them have training videos, bool ``[C]``.
        scores: float32 ``[N, C]``.
        logit_scale: factor that makes them logits, where the method says that their softmax is a probability, or where
            a temperature was chosen; else 0.
        bias: what is to be taken from the scores of seen classes, chosen on held-out seen classes; None where none was.
    """

    split: str
    paper: str
    videos: tuple[str, ...]
    labels: IntArray
    classes: tuple[str, ...]
    is_seen: npt.NDArray[np.bool_]
    scores: FloatArray
    logit_scale: float = 0.0
    bias: float | None = None

    @property
    def num_videos(self) -> int:
        """How many videos were asked about."""
        return len(self.videos)


@dataclass(frozen=True)
class LocalizationAnswers:
    """Segments found in the videos of one exam.

    Attributes:
        split: name of the split.
        paper: name of the exam; ``""`` where there is one.
        classes: the candidates.
        truth: ``(video, start_s, end_s, label)``.
        found: ``(video, start_s, end_s, label, score)`` in the order in which they were answered.
    """

    split: str
    paper: str
    classes: tuple[str, ...]
    truth: tuple[tuple[str, float, float, str], ...]
    found: tuple[tuple[str, float, float, str, float], ...]

    @property
    def num_videos(self) -> int:
        """How many videos hold an action that was asked about."""
        return len({video for video, *_ in self.truth})


Answers = RecognitionAnswers | LocalizationAnswers


def save_answers(answers: Sequence[Answers], path: Path) -> None:
    """Writes answers to one ``.npz`` file that needs no pickle to be read."""
    arrays: dict[str, Any] = {}
    heads = []
    for number, answer in enumerate(answers):
        head: dict[str, Any] = {"split": answer.split, "paper": answer.paper, "classes": answer.classes}
        if isinstance(answer, RecognitionAnswers):
            head |= {"kind": "recognition", "videos": answer.videos, "logit_scale": answer.logit_scale}
            head |= {} if answer.bias is None else {"bias": answer.bias}
            arrays |= {f"{number}/{name}": getattr(answer, name) for name in ("labels", "is_seen", "scores")}
        else:
            head |= {"kind": "localization", "truth": answer.truth, "found": answer.found}
        heads.append(head)
    text = json.dumps(heads, ensure_ascii=False).encode()
    with whole_file(path) as file:
        np.savez_compressed(file, heads=np.frombuffer(text, np.uint8), **arrays)


def load_answers(path: Path) -> list[Answers]:
    """Reads what `save_answers` wrote.

    Raises:
        UsageError: the file is something else, or what it says does not go together.
    """
    try:
        with open_arrays(path) as arrays:
            heads = msgspec.json.decode(_array(arrays, "heads", np.uint8, None).tobytes(), type=list[_Head])
            return [_load(head, number, arrays) for number, head in enumerate(heads)]
    except Exception as error:  # a damaged file fails in as many ways as the format has parts
        raise UsageError(f"{path}: expected the answers that a report was made from; {in_words(error)}") from error


class _RecognitionHead(msgspec.Struct, tag_field="kind", tag="recognition"):
    split: str
    paper: str
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    logit_scale: float
    bias: float | None = None


class _LocalizationHead(msgspec.Struct, tag_field="kind", tag="localization"):
    split: str
    paper: str
    classes: tuple[str, ...]
    truth: tuple[tuple[str, float, float, str], ...]
    found: tuple[tuple[str, float, float, str, float], ...]


_Head = _RecognitionHead | _LocalizationHead


def _load(head: _Head, number: int, arrays: Mapping[str, npt.NDArray[Any]]) -> Answers:
    if isinstance(head, _LocalizationHead):
        return LocalizationAnswers(head.split, head.paper, head.classes, head.truth, head.found)
    videos, classes = len(head.videos), len(head.classes)
    scores = _array(arrays, f"{number}/scores", np.float32, (videos, classes))
    labels = _array(arrays, f"{number}/labels", np.int64, (videos,))
    is_seen = _array(arrays, f"{number}/is_seen", np.bool_, (classes,))
    if not np.isfinite(scores).all() or (videos and not 0 <= labels.min() <= labels.max() < classes):
        raise ValueError(f"the scores of split {head.split} are not finite, or a label is none of its classes")
    if head.logit_scale < 0:
        raise ValueError(f"the logit scale of split {head.split} is {head.logit_scale}")
    return RecognitionAnswers(
        head.split, head.paper, head.videos, labels, head.classes, is_seen, scores, head.logit_scale, head.bias
    )


def _array(
    arrays: Mapping[str, npt.NDArray[Any]], name: str, dtype: type[np.generic], shape: tuple[int, ...] | None
) -> npt.NDArray[Any]:
    """An array of the file, of a known type and shape; without a shape, one of a single axis.

    Raises:
        ValueError: it is of another type or shape.
    """
    found = arrays[name]
    if found.dtype != dtype or (found.ndim != 1 if shape is None else found.shape != shape):
        wanted = "[N]" if shape is None else list(shape)
        raise ValueError(f"{name} is {kind_of(found)}, expected {dtype.__name__} {wanted}")
    return found
