"""Reports side by side: methods down, protocols across, and whatever is not alike said beside the figures.

A protocol is its hash. Two reports that give one name to two hashes stand in two columns. A method is all that its
answers rest on: what differs in settings, features, texts or seed stands in another row, so that one row never mixes
two things.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gerund.bench.runs.blocks import Block, markdown_of, page_of, text_of
from gerund.bench.runs.costs import Total
from gerund.bench.runs.measuring import main_figure
from gerund.bench.runs.pictures import Dot, dots
from gerund.bench.runs.schema import Figure, ReportData

_TITLE = "Reports side by side"
_HASH = 12
_Column = tuple[str, str, str]
"""Name, task and hash of a protocol."""


@dataclass(frozen=True)
class NamedReport:
    """A report and the file that it was read from."""

    file: str
    data: ReportData


@dataclass
class _Row:
    """One method with all that its answers rest on, and its reports by protocol."""

    aspects: dict[str, str]
    settings: dict[str, str]
    reports: dict[_Column, NamedReport] = field(default_factory=dict)
    label: str = ""


class SideBySide:
    """Several reports as one table.

    Args:
        reports: in the order of rows and columns.
        known_hash: gives the hash of a protocol by its name and seed; ``""`` where this gerund has none of that name.
    """

    def __init__(self, reports: Sequence[NamedReport], known_hash: Callable[[str, int], str]) -> None:
        self._reports, self._known_hash = reports, known_hash
        self._columns = list(dict.fromkeys(_column(one.data) for one in reports))
        self._rows: list[_Row] = []
        for one in reports:
            self._place(one)
        self._name_rows()

    def to_text(self) -> str:
        """For a terminal."""
        return text_of(self._blocks())

    def to_markdown(self) -> str:
        """For a README or a paper's supplement."""
        return markdown_of(self._blocks())

    def to_html(self) -> str:
        """One page that needs nothing but itself, with a picture of each protocol."""
        return page_of(_TITLE, self._blocks())

    def _place(self, one: NamedReport) -> None:
        """Puts a report into the row of its method; a second one of the same method and protocol has its own row."""
        column, aspects = _column(one.data), _aspects(one.data)
        settings = {name: _shown(value) for name, value in one.data.method.settings.items()}
        for row in self._rows:
            if row.aspects == aspects and row.settings == settings and column not in row.reports:
                row.reports[column] = one
                return
        self._rows.append(_Row(aspects, settings, {column: one}))

    def _name_rows(self) -> None:
        """Rows of one method's name are told apart by what differs, and where nothing does, by their files."""
        for row in self._rows:
            name = row.aspects["method"]
            others = [other for other in self._rows if other.aspects["method"] == name and other is not row]
            kept = [*(other.settings for other in others), row.settings]
            keys = [key for key in row.settings if any(of.get(key) != row.settings[key] for of in kept)]
            told = [f"{key} {row.settings[key]}" for key in keys]
            hidden = ("chosen", "seed", "trained on", "its file")
            told += [
                f"{of} {row.aspects[of]}" for of in hidden if any(o.aspects[of] != row.aspects[of] for o in others)
            ]
            row.label = f"{name} ({', '.join(told)})" if told else name
        labels = [(row.label, *row.aspects.values()) for row in self._rows]
        for row, label in zip(self._rows, labels, strict=True):
            if labels.count(label) > 1:
                row.label += f" [{', '.join(one.file for one in row.reports.values())}]"

    def _blocks(self) -> list[Block]:
        return [
            self._table(),
            *(self._protocol(column) for column in self._columns),
            self._basis(),
        ]

    def _table(self) -> Block:
        seen = ("kind", "compat", "encoder", "class texts")
        header = ("method", *seen, "parameters", "train s", "CPU ms/video", *map(self._head, self._columns))
        rows = []
        for row in self._rows:
            costs = [Total.of(one.data.splits).cells() for one in row.reports.values()]
            spent = [" | ".join(dict.fromkeys(cells)) for cells in zip(*costs, strict=True)]
            figures = [self._cell(row, column) for column in self._columns]
            rows.append((row.label, *(row.aspects[of] for of in seen), *spent, *figures))
        return Block(_TITLE, tuple(self._notes()), header, tuple(rows))

    def _notes(self) -> list[str]:
        notes = [f"reports: {len(self._reports)}; methods: {len(self._rows)}; protocols: {len(self._columns)}"]
        by_name: dict[str, list[str]] = {}
        for name, _, sha256 in self._columns:
            by_name.setdefault(name, []).append(sha256[:_HASH])
        notes += [
            f"NOT the same protocol: {name} stands for {len(found)} different ones ({', '.join(found)}); each has a "
            "column of its own"
            for name, found in by_name.items()
            if len(found) > 1
        ]
        notes += [
            f"{name} [{sha256[:_HASH]}] tests the classes that were trained on; not a zero-shot result"
            for name, task, sha256 in self._columns
            if task == "closed-set"
        ]
        notes += [said for column in self._columns if (said := self._strange(column))]
        notes += [f"not alike on {column[0]}: {said}" for column in self._columns if (said := self._unlike(column))]
        cells = [self._cell(row, column) for row in self._rows for column in self._columns]
        if any("*" in cell for cell in cells):
            notes.append("* not the whole benchmark: splits or videos are missing, or the run was stopped")
        if any("+" in cell for cell in cells):
            notes.append("+ answers depend on which videos are asked together: not a result for single videos")
        notes.append("mean ± population deviation over splits (how many); training time is that of all splits together")
        notes.append(
            "parameters are what the method learned, and CPU is from features to answers: no encoder is in them"
        )
        return notes

    def _strange(self, column: _Column) -> str:
        """What there is to say of a hash that is not the one of this gerund's protocol."""
        name, _, sha256 = column
        seed = next(one.data.seed for one in self._reports if _column(one.data) == column)
        known = self._known_hash(name, seed)
        if known == sha256:
            return ""
        if not known:
            return f"{name} [{sha256[:_HASH]}] is no protocol that this gerund knows"
        return f"{name} [{sha256[:_HASH]}] is not what this gerund calls so, which is [{known[:_HASH]}]"

    def _unlike(self, column: _Column) -> str:
        """In which respects the reports of one protocol differ, besides the method."""
        here = [row for row in self._rows if column in row.reports]
        found = []
        for of in ("kind", "compat", "encoder", "class texts", "trained on", "seed", "its file"):
            values = list(dict.fromkeys(row.aspects[of] for row in here))
            if len(values) > 1:
                found.append(f"{of} ({'; '.join(values)})")
        if len({_digest(row.reports[column].data.texts.get("of")) for row in here}) > 1:
            found.append("the texts of single classes")
        splits = list(dict.fromkeys(_splits(row.reports[column].data) for row in here))
        return "; ".join([*found, *([f"splits ({'; '.join(splits)})"] if len(splits) > 1 else [])])

    def _head(self, column: _Column) -> str:
        return f"{column[0]} [{column[2][:_HASH]}] {main_figure(column[1])}".strip()

    def _cell(self, row: _Row, column: _Column) -> str:
        if column not in row.reports:
            return "-"
        data = row.reports[column].data
        marks = ("*" if _is_part(data) else "") + ("+" if _depends(data) else "")
        return _figure(data.summary.get(main_figure(column[1]))) + marks

    def _protocol(self, column: _Column) -> Block:
        """All figures on one protocol, and a picture of the main one."""
        here = [(row, row.reports[column].data) for row in self._rows if column in row.reports]
        names = list(dict.fromkeys(name for _, data in here for name in data.summary))
        header = ("method", *names, "splits", "videos missing", "parameters", "train s", "CPU ms/video")
        rows = []
        for row, data in here:
            figures = [_figure(data.summary.get(name)) for name in names]
            lost = str(sum(sum(split.missing.values()) for split in data.splits))
            rows.append((row.label, *figures, _splits(data), lost, *Total.of(data.splits).cells()))
        main = main_figure(column[1])
        lines = [Dot(row.label, of.mean, of.population_std) for row, data in here if (of := data.summary.get(main))]
        first = here[0][1].benchmark
        said = (f"{first.task}; sha256 {first.sha256}; compat {first.compat or 'none'}; {first.source}",)
        return Block(f"{column[0]} [{column[2][:_HASH]}]", said, header, tuple(rows), picture=dots(main, lines))

    def _basis(self) -> Block:
        """What every report rests on, by its file."""
        lines = []
        for one in self._reports:
            benchmark, method = one.data.benchmark, one.data.method
            said = {"protocol": f"{benchmark.name} [{benchmark.sha256[:_HASH]}]", **_aspects(one.data)}
            said |= {"settings": _shown(method.settings), "machine": one.data.environment.machine}
            lines.append(f"{one.file}: " + "; ".join(f"{name} {value}" for name, value in said.items()))
        return Block("What they rest on", tuple(lines))


def _column(data: ReportData) -> _Column:
    return data.benchmark.name, data.benchmark.task, data.benchmark.sha256


def _aspects(data: ReportData) -> dict[str, str]:
    """What must be alike for two reports to be of one method, in words."""
    return {
        "method": data.method.name,
        "kind": data.method.protocol,
        "compat": data.method.compat or "none",
        "encoder": _features(data.features),
        "class texts": _texts(data.texts),
        "trained on": ", ".join(data.trained_on) or "nothing known",
        "seed": str(data.seed),
        "chosen": ", ".join(sorted({name for split in data.splits if split.held_out for name in split.settings}))
        or "-",
        "its file": data.method.file_sha256[:_HASH] or "-",
    }


def _features(features: Mapping[str, Any]) -> str:
    """Encoder, fingerprint and sampling; of training and of test videos where these are not the same."""
    said = {side: _source(of) for side, of in features.items()}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{side}: {of}" for side, of in said.items()) or "-"


def _source(of: Any) -> str:
    if not isinstance(of, Mapping):
        return "found elsewhere"
    return f"{of.get('encoder', '-')} {str(of.get('fingerprint', ''))[:_HASH]} {of.get('sampling', '')}".strip()


def _texts(texts: Mapping[str, Any]) -> str:
    """The choice of texts, and the fingerprint of what encodes them."""
    return ", ".join(filter(None, [str(texts.get("kind", "-")), str(texts.get("fingerprint", ""))[:_HASH]]))


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _figure(of: Figure | None) -> str:
    if of is None:
        return "-"
    spread = f" ± {of.population_std:.2f}" if of.num_splits > 1 else ""
    return f"{of.mean:.2f}{spread} ({of.num_splits})"


def _splits(data: ReportData) -> str:
    return f"{len(data.splits)} of {data.benchmark.num_splits}"


def _is_part(data: ReportData) -> bool:
    lost = any(count for split in data.splits for count in split.missing.values())
    return lost or bool(data.stopped) or len(data.splits) < data.benchmark.num_splits


def _depends(data: ReportData) -> bool:
    return any(split.batch_independent is False for split in data.splits)
