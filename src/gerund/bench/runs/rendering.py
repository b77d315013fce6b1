"""A report's content as text for a terminal, as Markdown and as one HTML page: the same blocks three times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gerund.bench.protocols.published import MARKS
from gerund.bench.runs.schema import Figure, ReportData
from gerund.printing import printable


def as_text(report: ReportData) -> str:
    """For a terminal."""
    return "\n\n".join(_text_block(block) for block in _blocks(report)) + "\n"


def as_markdown(report: ReportData) -> str:
    """For a README or a paper's supplement."""
    return "\n\n".join(_markdown_block(block) for block in _blocks(report)) + "\n"


def as_html(report: ReportData) -> str:
    """One page that needs nothing but itself."""
    title = escape(printable(_title(report)))
    body = "\n".join(_html_block(block) for block in _blocks(report))
    return f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n{_STYLE}\n{body}\n</html>\n'


@dataclass(frozen=True)
class _Block:
    """A part of a rendered report: lines of text, or a table."""

    title: str
    lines: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def _title(report: ReportData) -> str:
    return f"{report.method.name} on {report.benchmark.name}"


def _blocks(report: ReportData) -> list[_Block]:
    blocks = [
        _Block(_title(report), _heading_lines(report)),
        _results_block(report),
        _splits_block(report),
        *_published_blocks(report),
        _Block("What it rests on", _card_lines(report)),
    ]
    return [_printable(block) for block in blocks]


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


def _results_block(report: ReportData) -> _Block:
    header = ("metric (%)", "mean", "std (population)", "std (sample)", "splits")
    rows = []
    for name, of in report.summary.items():
        sample = "-" if of.sample_std is None else f"{of.sample_std:.2f}"
        population = "-" if of.num_splits == 1 else f"{of.population_std:.2f}"
        rows.append((name, f"{of.mean:.2f}", population, sample, str(of.num_splits)))
    return _Block("Results", header=header, rows=tuple(rows))


def _splits_block(report: ReportData) -> _Block:
    names = list(report.summary)
    header = ("split", *names, "train", "test", "overlap-free classes", "wall s", "cpu s")
    rows = []
    for split in report.splits:
        free = split.overlap_free
        figures = [f"{split.metrics[name]:.2f}" if name in split.metrics else "-" for name in names]
        shared = f"{free.num_classes} of {free.of}" if free.of else "not checked"
        counts = [str(split.num_train), str(split.num_test), shared]
        rows.append((split.name, *figures, *counts, f"{split.wall_s:.1f}", f"{split.cpu_s:.1f}"))
    return _Block("Splits", header=header, rows=tuple(rows))


def _published_blocks(report: ReportData) -> list[_Block]:
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
    return [_Block("Beside published figures", header=header, rows=tuple(rows))]


def _mean_and_spread(figure: Figure | None) -> tuple[float, float | None] | None:
    if figure is None:
        return None
    return figure.mean, figure.population_std if figure.num_splits > 1 else None


def _with_spread(figure: tuple[float, float | None] | None) -> str:
    if figure is None:
        return "-"
    mean, spread = figure
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


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


def _printable(block: _Block) -> _Block:
    """The same without what would act on whatever shows it: a report's words are data."""

    def clean(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(printable, texts))

    return _Block(printable(block.title), clean(block.lines), clean(block.header), tuple(map(clean, block.rows)))


def _text_block(block: _Block) -> str:
    parts = [block.title, "=" * len(block.title), *block.lines]
    if block.header:
        widths = [max(len(row[place]) for row in (block.header, *block.rows)) for place in range(len(block.header))]
        for row in (block.header, *block.rows):
            cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
            parts.append("  ".join(cells).rstrip())
    return "\n".join(parts)


def _markdown_block(block: _Block) -> str:
    parts = [f"## {escape(block.title, quote=False)}"]
    if block.lines:
        parts.append("\n".join(f"- {escape(line, quote=False)}" for line in block.lines))
    if block.header:
        lines = [block.header, tuple("---" for _ in block.header), *block.rows]
        cells = [[escape(cell, quote=False).replace("|", "\\|") for cell in row] for row in lines]
        parts.append("\n".join("| " + " | ".join(row) + " |" for row in cells))
    return "\n\n".join(parts)


def _html_block(block: _Block) -> str:
    parts = [f"<h2>{escape(block.title)}</h2>"]
    if block.lines:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in block.lines) + "</ul>")
    if block.header:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in block.header)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
        parts.append(f"<div><table><tr>{head}</tr>{rows}</table></div>")
    return "\n".join(parts)


_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
div { overflow-x: auto }
table { border-collapse: collapse }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
h2 { margin: 1.6rem 0 .4rem; font-size: 1.15rem }
</style>"""
