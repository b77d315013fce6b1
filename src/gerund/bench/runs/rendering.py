"""A report's content as text for a terminal, as Markdown and as one HTML page: the same blocks three times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gerund.bench.protocols.published import MARKS
from gerund.bench.runs.blocks import Block, markdown_of, page_of, text_of
from gerund.bench.runs.classes import Confusion, confusions
from gerund.bench.runs.costs import Total
from gerund.bench.runs.pictures import matrix
from gerund.bench.runs.schema import Figure, ReportData

_ENDS = 5
_MISTAKES = 10
_MATRIX_LINES = (
    "rows: what was shown; columns: what it was taken for; the darker, the larger the share of the row; blue is right",
)


def as_text(report: ReportData) -> str:
    """For a terminal."""
    return text_of(_blocks(report))


def as_markdown(report: ReportData) -> str:
    """For a README or a paper's supplement."""
    return markdown_of(_blocks(report))


def as_html(report: ReportData) -> str:
    """One page that needs nothing but itself."""
    return page_of(_title(report), _blocks(report))


def _title(report: ReportData) -> str:
    return f"{report.method.name} on {report.benchmark.name}"


def _blocks(report: ReportData) -> list[Block]:
    blocks = [
        Block(_title(report), _heading_lines(report)),
        _results_block(report),
        _splits_block(report),
        *_published_blocks(report),
        *(block for one in confusions(report.splits) for block in _class_blocks(one)),
        Block("What it rests on", _card_lines(report)),
    ]
    return blocks


def _heading_lines(report: ReportData) -> tuple[str, ...]:
    benchmark, method, splits = report.benchmark, report.method, report.splits
    lines = [
        f"{benchmark.task}; {len(splits)} of {benchmark.num_splits} splits; {method.protocol}; "
        f"protocol {benchmark.sha256[:12]}"
    ]
    if benchmark.task == "closed-set":
        lines.append("closed-set: tested on the classes that were trained on; not a zero-shot result")
    lines.append(f"compat: {', '.join(filter(None, [benchmark.compat, method.compat])) or 'none'}")
    sides = {"train": "training", "validation": "validation", "test": "test"}
    lines += [f"note: {remark}" for remark in method.remarks]
    missing = {side: sum(split.missing.get(side, 0) for split in splits) for side in sides}
    lacking = [f"{count} {sides[side]} videos" for side, count in missing.items() if count]
    if len(splits) < benchmark.num_splits:
        lacking.append(f"{benchmark.num_splits - len(splits)} splits")
    if lacking:
        lines.append(f"NOT the whole benchmark: without {' and '.join(lacking)}; not comparable with published figures")
    if report.stopped:
        lines.append(f"stopped: {report.stopped}")
    if any(split.batch_independent is False for split in splits):
        lines.append("answers depend on which videos are asked together: not a result for single videos")
    return tuple(lines)


def _results_block(report: ReportData) -> Block:
    header = ("metric (%)", "mean", "std (population)", "std (sample)", "splits")
    rows = []
    for name, of in report.summary.items():
        sample = "-" if of.sample_std is None else f"{of.sample_std:.2f}"
        population = "-" if of.num_splits == 1 else f"{of.population_std:.2f}"
        rows.append((name, f"{of.mean:.2f}", population, sample, str(of.num_splits)))
    return Block("Results", header=header, rows=tuple(rows))


def _splits_block(report: ReportData) -> Block:
    names = list(report.summary)
    header = ("split", *names, "train", "test", "overlap-free classes", "wall s", "cpu s")
    rows = []
    for split in report.splits:
        free = split.overlap_free
        figures = [f"{split.metrics[name]:.2f}" if name in split.metrics else "-" for name in names]
        shared = f"{free.num_classes} of {free.of}" if free.of else "not checked"
        counts = [str(split.num_train), str(split.num_test), shared]
        rows.append((split.name, *figures, *counts, f"{split.wall_s:.1f}", f"{split.cpu_s:.1f}"))
    return Block("Splits", header=header, rows=tuple(rows))


def _published_blocks(report: ReportData) -> list[Block]:
    if not report.published:
        return []
    names = list(dict.fromkeys(name for row in report.published for name in row.metrics))
    header = ("published", *names, "source", "known from", "note")
    rows = []
    for row in report.published:
        figures = [_with_spread(row.metrics.get(name)) for name in names]
        marks = [mark.strip() for mark in row.mark.split(",")]
        known = "; ".join(MARKS.get(mark, mark) for mark in marks)
        rows.append((row.method, *figures, row.source, known, row.note))
    ours = [_with_spread(_mean_and_spread(report.summary.get(name))) for name in names]
    rows.insert(0, (f"this run: {report.method.name}", *ours, "", "", ""))
    return [Block("Beside published figures", header=header, rows=tuple(rows))]


def _mean_and_spread(figure: Figure | None) -> tuple[float, float | None] | None:
    if figure is None:
        return None
    return figure.mean, figure.population_std if figure.num_splits > 1 else None


def _with_spread(figure: tuple[float, float | None] | None) -> str:
    if figure is None:
        return "-"
    mean, spread = figure
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def _class_blocks(found: Confusion) -> list[Block]:
    """The worst and best classes and the most frequent mistakes; on a page also all classes, and a picture."""
    where = f" ({found.exam})" if found.exam else ""
    header = ("class", "videos", "right (%)", "most often taken for (videos)")
    rows = tuple(
        (name, str(found.totals[name]), f"{share:.1f}", found.taken_for(name) or "-") for name, share in found.ranked
    )
    few = rows if len(rows) <= 2 * _ENDS else (*rows[:_ENDS], ("...", "", "", ""), *rows[-_ENDS:])
    mistakes = tuple((one.true, one.given, str(one.count), str(one.of)) for one in found.mistakes(_MISTAKES))
    shown = ("shown", "taken for", "videos", "of")
    lines = [f"{len(rows)} classes with videos, worst first, over {found.num_splits} splits", *_crossings(found)]
    return [
        Block(f"Classes{where}", tuple(lines), header, few),
        Block(f"Confusions{where}", () if mistakes else ("none",), shown if mistakes else (), mistakes),
        Block(f"Confusion matrix{where}", _MATRIX_LINES, picture=matrix(found), page_only=True),
        Block(f"All classes{where}", (), header, rows, folded=True, page_only=True),
    ]


def _crossings(found: Confusion) -> list[str]:
    seen, to_unseen, unseen, to_seen = found.crossings
    if not (seen and unseen):
        return []
    return [
        f"of {unseen} videos of unseen classes {100 * to_seen / unseen:.1f} % were taken for a seen one; "
        f"of {seen} videos of seen classes {100 * to_unseen / seen:.1f} % for an unseen one"
    ]


def _card_lines(report: ReportData) -> tuple[str, ...]:
    texts = {key: value for key, value in report.texts.items() if key != "of"}
    splits = [split for split in report.splits if split.held_out or split.chosen]
    chosen = [f"split {split.name}: {split.settings | split.chosen}" for split in splits]
    how = dict.fromkeys(split.choice for split in report.splits if split.choice)
    card = {
        "method settings": report.method.settings or "defaults",
        **({"method's file": f"sha256 {report.method.file_sha256}"} if report.method.file_sha256 else {}),
        "chosen on held-out seen classes": "; ".join(chosen) or "nothing",
        **({"choice": "; ".join(how)} if how else {}),
        "features": report.features,
        **({"videos left out as bad": skip} if (skip := report.request.get("skip")) else {}),
        "class texts": texts,
        "overlap checked against": _checked_against(report),
        "costs": Total.of(report.splits).words(),
        "seed": report.seed,
        "versions": report.environment.versions,
        "machine": f"{report.environment.machine}, Python {report.environment.python}",
        "protocol's source": report.benchmark.source,
        "protocol's note": report.benchmark.note or "-",
        "command": " ".join(report.command) or "-",
        "predictions": report.predictions.file or "not saved",
    }
    return tuple(f"{name}: {_plain(value)}" for name, value in card.items())


def _checked_against(report: ReportData) -> str:
    if report.benchmark.task == "closed-set":
        return "nothing: no class is unseen"
    if not any(split.overlap_free.of for split in report.splits):
        return "nothing: it is not known what the features were trained on (--trained-on)"
    others = [*report.trained_on, *(["a method trained elsewhere"] if report.request.get("trained") else [])]
    return ", ".join(["the seen classes", *others])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value)
