"""What is asked for: one evaluation in words, which a report keeps so that it can be asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gerund.errors import UsageError
from gerund.methods.training.learner import NOT_SETTINGS


@dataclass(frozen=True)
class Request:
    """One evaluation as it was asked for; a report keeps it, so that it can be repeated.

    Attributes:
        method: the name of a method, or ``file.py:Class``.
        benchmark: a name from `BENCHMARKS`, ``"toyworld"`` or ``"toyworld-gzsl"``.
        features: folder with features of the test videos, and of the training videos unless these have their own.
        train_features: folder with features of the training videos.
        videos: folder with the files of the data sets, for methods that take clips.
        encoder: which of a folder's encoders is meant, where it has several.
        sampling: which of a folder's samplings is meant, where it has several.
        data: folder with the official lists of the data sets.
        model: whose texts stand for the classes; ``""`` for none.
        texts: what stands for each class, as `choose_texts` takes it; ``""`` for the model's own choice.
        vectors: tables to use instead, by the name of the method's argument (``texts``, ``rows``, ``words``): ``FILE``
            or ``FILE@NAMES``.
        objects: file with the most likely objects of each video.
        objects_vocabulary: what its numbers stand for, as `find_concepts` takes it, where the file does not say.
        settings: values of the method's settings; of several the best on held-out seen classes is chosen.
        choose: what else is chosen on held-out seen classes, of `judging.PARTS`.
        paper: start from the method's published settings.
        splits: names of splits; empty for all.
        trained: folder of a method that has learned already.
        trained_on: data sets whose classes the features were trained with, for the overlap-free figures, besides what
            is known of the model.
        allow_missing: leave out videos without features.
        skip: list of a scan; the videos that it calls bad are left out, whether or not they have features.
        predictions: detection files to score instead of running the method; ``{split}`` stands for the split's name.
        truth: files with the annotations of each split, instead of the lists in `data`.
        seed: of the order of questions and of held-out classes; where given, also of methods that have one.
        device: where methods learn: ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises:
        UsageError: a setting says where a method computes or writes, which is not for a request to say; or two parts of
            the request exclude each other.
    """

    method: str
    benchmark: str
    features: str = ""
    train_features: str = ""
    encoder: str = ""
    sampling: str = ""
    data: str = ""
    model: str = ""
    texts: str = ""
    vectors: Mapping[str, str] = field(default_factory=dict)
    objects: str = ""
    objects_vocabulary: str = ""
    settings: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    choose: Sequence[str] = ()
    paper: bool = False
    splits: Sequence[str] = ()
    trained: str = ""
    trained_on: Sequence[str] = ()
    allow_missing: bool = False
    skip: str = ""
    predictions: str = ""
    truth: str = ""
    videos: str = ""
    seed: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if wrong := sorted(NOT_SETTINGS & set(self.settings)):
            raise UsageError(f"--set {wrong[0]}: {wrong[0]} is no setting of a method; it has an option of its own")
        if self.skip and self.predictions:
            raise UsageError("--skip leaves videos out of a run; files of predictions are scored as they are")
        if lacking := [name for name, values in self.settings.items() if not values]:
            raise UsageError(f"--set {lacking[0]}: expected {lacking[0]}=value")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a report."""
        return asdict(self)


def parse_settings(given: Sequence[str]) -> dict[str, list[Any]]:
    """Settings as typed, ``name=value`` or ``name=value,value``, with numbers and truth values as such.

    Example:
        >>> parse_settings(["alpha=1,2.5", "norm=true", "loss=sje"])
        {'alpha': [1, 2.5], 'norm': [True], 'loss': ['sje']}

    Raises:
        UsageError: there is no ``=``.
    """
    found: dict[str, list[Any]] = {}
    for item in given:
        name, equals, values = item.partition("=")
        if not equals or not name.strip() or not values:
            raise UsageError(f"--set {item}: expected name=value, or name=value,value to choose among")
        found[name.strip()] = [_value(value.strip()) for value in values.split(",")]
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
