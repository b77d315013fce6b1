"""What a report holds, field by field with its type: the one place that says what the JSON of a report looks like.

A report is data that may come from anybody. It is read with a bound on its size, every field is checked for its type,
and what does not fit is told in one line with the name of the field. Fields that a later gerund adds have a default, so
that older reports of the same format stay readable; fields that this one does not know are passed over.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from gerund.bench.runs.request import Request
from gerund.errors import UsageError
from gerund.printing import printable
from gerund.reading import read_at_most

FORMAT = 2
"""Counts up when a report of before can no longer be read."""
_MOST_BYTES = 1 << 26
_SHOWN_CHARACTERS = 60

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Row = Annotated[str, msgspec.Meta(pattern=r"^(\d{1,7}:\d{1,9}( \d{1,7}:\d{1,9})*)?$")]
"""What the videos of one class were taken for: ``place:number`` of every class that was answered, by spaces."""


class Protocol(msgspec.Struct, frozen=True):
    """The benchmark: its name, its hash, and what tells a reader what that is."""

    name: str
    task: str
    sha256: str
    train_on: str
    test_on: str
    num_splits: Count
    tious: list[float]
    compat: str
    source: str
    note: str


class MethodUsed(msgspec.Struct, frozen=True):
    """The method: what was the same on every split.

    Attributes:
        name: what a person called it.
        settings: as plain data.
        protocol: inductive, class-transductive, training-free or found elsewhere.
        compat: its switch, ``""`` for none.
        file_sha256: of the user's file that it was run from; ``""`` for gerund's own.
        remarks: what it says that a reader should know.
    """

    name: str
    settings: dict[str, Any]
    protocol: str = "inductive"
    compat: str = ""
    file_sha256: str = ""
    remarks: list[str] = msgspec.field(default_factory=list)


class OverlapFree(msgspec.Struct, frozen=True):
    """Unseen classes that share no name with a trained one; `of` is 0 where nothing was known to check against."""

    names: list[str] = msgspec.field(default_factory=list)
    num_classes: Count = 0
    of: Count = 0


class Costs(msgspec.Struct, frozen=True):
    """What a method needs; None where it is not known, as in reports of before.

    Attributes:
        num_parameters: numbers that the method has learned, without those of the encoder that it is built on.
        train_wall_s: seconds of choosing settings and fitting; next to nothing where another split's fit is shared.
        train_cpu_s: the same in seconds of CPU.
        ask_cpu_s: seconds of CPU for all test videos, from their features to scores or segments.
    """

    num_parameters: Count | None = None
    train_wall_s: Seconds | None = None
    train_cpu_s: Seconds | None = None
    ask_cpu_s: Seconds | None = None


class ExamClasses(msgspec.Struct, frozen=True):
    """How the videos of one exam were answered, class by class.

    Attributes:
        exam: its name; ``""`` where a split has one.
        num_seen: how many of the candidates, which come first, have training videos.
        accuracy: of each candidate the share of its videos that were given it, in percent; None for one without videos.
        confusion: for each candidate, in the same order, what its videos were taken for.
    """

    exam: str
    num_seen: Count
    accuracy: dict[str, Percent | None]
    confusion: list[Row]

    def __post_init__(self) -> None:
        """Refuses counts of other classes than those that are named."""
        if len(self.confusion) != len(self.accuracy) or self.num_seen > len(self.accuracy):
            raise ValueError(f"{len(self.accuracy)} classes, {len(self.confusion)} rows of answers to their videos")
        if any(given >= len(self.accuracy) for row in self.rows() for given in row):
            raise ValueError("an answer is none of the classes")

    def rows(self) -> list[dict[int, int]]:
        """For each candidate the places of the answers, with how often they were given."""
        return [{int(a): int(b) for a, b in (item.split(":") for item in row.split())} for row in self.confusion]


class SplitResult(msgspec.Struct, frozen=True):
    """One split: its figures in percent, and what they rest on.

    `classes` is empty for localization, and in reports of before.

    Attributes:
        chosen: the checkpoint, temperature and bias, as far as they were chosen.
        choice: how these and the settings were chosen; ``""`` where nothing was, or it is not known.
    """

    name: str
    metrics: dict[str, float]
    overlap_free: OverlapFree
    num_train: Count
    num_test: Count
    missing: dict[str, Count]
    settings: dict[str, Any]
    held_out: dict[str, float]
    trained_on_classes: list[str]
    batch_independent: bool | None
    wall_s: Seconds
    cpu_s: Seconds
    chosen: dict[str, float] = msgspec.field(default_factory=dict)
    choice: str = ""
    costs: Costs = msgspec.field(default_factory=Costs)
    classes: list[ExamClasses] = msgspec.field(default_factory=list)


class Figure(msgspec.Struct, frozen=True):
    """One metric over the splits that have it; `sample_std` is None where there is one."""

    mean: float
    population_std: float
    sample_std: float | None
    num_splits: Count


class PublishedRow(msgspec.Struct, frozen=True):
    """A row of somebody else's table: mean and spread of each metric, and how it is known."""

    benchmark: str
    method: str
    metrics: dict[str, tuple[float, float | None]]
    source: str
    mark: str
    note: str


class Environment(msgspec.Struct, frozen=True):
    """What a time or a rounding difference may depend on."""

    versions: dict[str, str]
    python: str
    machine: str


class SavedAnswers(msgspec.Struct, frozen=True):
    """The file of answers beside the report; both ``""`` where none was kept."""

    file: str = ""
    sha256: str = ""


class ReportData(msgspec.Struct, frozen=True):
    """All of a report.

    Attributes:
        features: what is said of the training and the test features.
        texts: what stood for the classes: ``kind``, ``fingerprint``, and the texts ``of`` each class.
        trained_on: data sets that the encoder has learned the labels of.
        same_actions: pairs of classes that are always annotated together.
        summary: every metric over the splits.
        command: what was typed.
        request: what was asked for; `requested` makes it one again.
        stopped: why there are not all splits; ``""`` where nothing went wrong.
    """

    report_format: int
    benchmark: Protocol
    method: MethodUsed
    features: dict[str, Any]
    texts: dict[str, Any]
    trained_on: list[str]
    same_actions: list[tuple[str, str]]
    seed: Count
    unit: str
    splits: list[SplitResult]
    summary: dict[str, Figure]
    published: list[PublishedRow]
    environment: Environment
    command: list[str]
    request: dict[str, Any]
    predictions: SavedAnswers
    stopped: str = ""


class _Head(msgspec.Struct):
    report_format: Any = None


def read_report(path: Path) -> ReportData:
    """A report from a file.

    Raises:
        UsageError: it is none, or damaged, or of another format; the field is named.
    """
    text = b""
    try:
        text = read_at_most(path, _MOST_BYTES)
        found = msgspec.json.decode(text, type=_Head).report_format
        if found != FORMAT:
            shown = repr(found)[:_SHOWN_CHARACTERS] if isinstance(found, int | str) else "none"
            raise UsageError(
                f"{path}: expected a report of format {FORMAT} as 'gerund evaluate --out' writes it, and its "
                f"report_format is {shown}; evaluate again if another version of gerund wrote this one"
            )
        return msgspec.json.decode(text, type=ReportData)
    except UsageError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: expected a report as 'gerund evaluate --out' writes it; {_with_line(error, text)}"
        ) from error


def requested(report: ReportData) -> Request:
    """What was asked for, so that it can be asked again.

    Raises:
        UsageError: it is not what this gerund can be asked.
    """
    strange = sorted(set(report.request) - set(Request.__dataclass_fields__))
    if strange:
        raise UsageError(
            f"the report's request has {strange[0]!r}, which this gerund does not know, so it cannot be run again"
        )
    try:
        return msgspec.convert(report.request, Request)
    except msgspec.ValidationError as error:
        raise UsageError(f"the report's request cannot be run again: {error}") from error


def _with_line(error: Exception, text: bytes) -> str:
    """What is wrong with a file; where it is no JSON, in which line."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    place = re.search(r"\(byte (\d+)\)", str(error))
    if not place:
        return str(error)
    at = int(place[1])
    line = text[text.rfind(b"\n", 0, at) + 1 : at + _SHOWN_CHARACTERS].split(b"\n")[0]
    shown = printable(line.decode("utf-8", "replace"))[:_SHOWN_CHARACTERS]
    return f"{error}, in line {text.count(chr(10).encode(), 0, at) + 1}: {shown.strip()}"
