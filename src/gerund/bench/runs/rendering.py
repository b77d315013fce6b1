"""A report's content as text for a terminal, as Markdown and as one HTML page: the same blocks three times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from gerund.bench.protocols.published import MARKS

Content = Mapping[str, Any]


def as_text(content: Content) -> str:
    """For a terminal."""
    return "\n\n".join(_text_block(block) for block in _blocks(content)) + "\n"


def as_markdown(content: Content) -> str:
    """For a README or a paper's supplement."""
    return "\n\n".join(_markdown_block(block) for block in _blocks(content)) + "\n"


def as_html(content: Content) -> str:
    """One page that needs nothing but itself."""
    title = escape(_title(content))
    body = "\n".join(_html_block(block) for block in _blocks(content))
    return f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n{_STYLE}\n{body}\n</html>\n'


@dataclass(frozen=True)
class _Block:
    """A part of a rendered report: lines of text, or a table."""

    title: str
    lines: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def _title(content: Content) -> str:
    return f"{content['method']['name']} on {content['benchmark']['name']}"


def _blocks(content: Content) -> list[_Block]:
    return [
        _Block(_title(content), _heading_lines(content)),
        _results_block(content),
        _splits_block(content),
        *_published_blocks(content),
        _Block("What it rests on", _card_lines(content)),
    ]


def _heading_lines(content: Content) -> tuple[str, ...]:
    benchmark, method = content["benchmark"], content["method"]
    num_run = len(content["splits"])
    lines = [
        f"{benchmark['task']}; {num_run} of {benchmark['num_splits']} splits; {method.get('protocol', 'inductive')}; "
        f"protocol {benchmark['sha256'][:12]}"
    ]
    switches = [switch for switch in (benchmark["compat"], method.get("compat")) if switch]
    lines.append(f"compat: {', '.join(switches) if switches else 'none'}")
    sides = {"train": "training", "validation": "validation", "test": "test"}
    missing = {side: sum(split["missing"].get(side, 0) for split in content["splits"]) for side in sides}
    lacking = [f"{count} {sides[side]} videos" for side, count in missing.items() if count]
    if num_run < benchmark["num_splits"]:
        lacking.append(f"{benchmark['num_splits'] - num_run} splits")
    if lacking:
        lines.append(f"NOT the whole benchmark: without {' and '.join(lacking)}; not comparable with published figures")
    if any(split["batch_independent"] is False for split in content["splits"]):
        lines.append("answers depend on which videos are asked together: not a result for single videos")
    return tuple(lines)


def _results_block(content: Content) -> _Block:
    header = ("metric (%)", "mean", "std (population)", "std (sample)", "splits")
    rows = []
    for name, of in content["summary"].items():
        sample = "-" if of["sample_std"] is None else f"{of['sample_std']:.2f}"
        population = "-" if of["num_splits"] == 1 else f"{of['population_std']:.2f}"
        rows.append((name, f"{of['mean']:.2f}", population, sample, str(of["num_splits"])))
    return _Block("Results", header=header, rows=tuple(rows))


def _splits_block(content: Content) -> _Block:
    names = list(content["summary"])
    header = ("split", *names, "train", "test", "overlap-free classes", "wall s", "cpu s")
    rows = []
    for split in content["splits"]:
        free = split["overlap_free"]
        figures = [f"{split['metrics'][name]:.2f}" if name in split["metrics"] else "-" for name in names]
        shared = f"{free['num_classes']} of {free['of']}" if free else "not checked"
        counts = [str(split["num_train"]), str(split["num_test"]), shared]
        rows.append((split["name"], *figures, *counts, f"{split['wall_s']:.1f}", f"{split['cpu_s']:.1f}"))
    return _Block("Splits", header=header, rows=tuple(rows))


def _published_blocks(content: Content) -> list[_Block]:
    if not content["published"]:
        return []
    names = list(dict.fromkeys(name for row in content["published"] for name in row["metrics"]))
    header = ("published", *names, "source", "known from", "note")
    rows = []
    for row in content["published"]:
        figures = [_with_spread(row["metrics"].get(name)) for name in names]
        known = "; ".join(MARKS[mark.strip()] for mark in row["mark"].split(","))
        rows.append((row["method"], *figures, row["source"], known, row["note"]))
    ours = [
        _with_spread((content["summary"][name]["mean"], _spread_of(content["summary"][name])))
        if name in content["summary"]
        else "-"
        for name in names
    ]
    rows.insert(0, (f"this run: {content['method']['name']}", *ours, "", "", ""))
    return [_Block("Beside published figures", header=header, rows=tuple(rows))]


def _spread_of(summary: Mapping[str, Any]) -> float | None:
    return summary["population_std"] if summary["num_splits"] > 1 else None


def _with_spread(figure: Sequence[float | None] | None) -> str:
    if not figure:
        return "-"
    mean, spread = figure
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def _card_lines(content: Content) -> tuple[str, ...]:
    texts = {key: value for key, value in content["texts"].items() if key != "of"}
    chosen = [f"split {split['name']}: {split['settings']}" for split in content["splits"] if split["held_out"]]
    card = {
        "method settings": content["method"].get("settings") or "defaults",
        "chosen on held-out seen classes": "; ".join(chosen) or "nothing",
        "features": content["features"],
        "class texts": texts,
        "overlap checked against": _checked_against(content),
        "seed": content["seed"],
        "versions": content["environment"]["versions"],
        "machine": f"{content['environment']['machine']}, Python {content['environment']['python']}",
        "protocol's source": content["benchmark"]["source"],
        "protocol's note": content["benchmark"]["note"] or "-",
        "command": " ".join(content["command"]) or "-",
        "predictions": content["predictions"].get("file", "not saved"),
    }
    return tuple(f"{name}: {_plain(value)}" for name, value in card.items())


def _checked_against(content: Content) -> str:
    if not any(split["overlap_free"] for split in content["splits"]):
        return "nothing: it is not known what the features were trained on (--trained-on)"
    others = [*content["trained_on"], *(["a method trained elsewhere"] if content["request"].get("trained") else [])]
    return ", ".join(["the seen classes", *others])


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
    return str(value)


def _text_block(block: _Block) -> str:
    parts = [block.title, "=" * len(block.title), *block.lines]
    if block.header:
        widths = [max(len(row[place]) for row in (block.header, *block.rows)) for place in range(len(block.header))]
        for row in (block.header, *block.rows):
            cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
            parts.append("  ".join(cells).rstrip())
    return "\n".join(parts)


def _markdown_block(block: _Block) -> str:
    parts = [f"## {block.title}"]
    if block.lines:
        parts.append("\n".join(f"- {line}" for line in block.lines))
    if block.header:
        lines = [block.header, tuple("---" for _ in block.header), *block.rows]
        parts.append("\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines))
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
