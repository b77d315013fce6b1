"""Parts of a report that are the same in a terminal, in Markdown and on one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from gerund.printing import printable


@dataclass(frozen=True)
class Block:
    """Lines of text, a table, a picture. Its words may come from anybody: whatever shows it makes them harmless.

    Attributes:
        title: its heading.
        lines: one below the other.
        header: of the table; empty for none.
        rows: as many cells in each as the header has.
        picture: SVG in which every word is escaped already; only a page shows it.
        folded: a page shows it at a click.
        page_only: it is for pages alone.
    """

    title: str
    lines: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    picture: str = ""
    folded: bool = False
    page_only: bool = False


def text_of(blocks: Iterable[Block]) -> str:
    """For a terminal."""
    return "\n\n".join(_text(_clean(block)) for block in blocks if not block.page_only) + "\n"


def markdown_of(blocks: Iterable[Block]) -> str:
    """For a README or a paper's supplement."""
    return "\n\n".join(_markdown(_clean(block)) for block in blocks if not block.page_only) + "\n"


def page_of(title: str, blocks: Iterable[Block]) -> str:
    """One HTML page without scripts, and without anything from elsewhere."""
    head = f'<meta charset="utf-8"><title>{escape(printable(title))}</title>\n{_STYLE}'
    body = "\n".join(_html(_clean(block)) for block in blocks)
    return f'<!doctype html>\n<html lang="en">{head}\n{body}\n</html>\n'


def _clean(block: Block) -> Block:
    """The same without what would act on whatever shows it: a report's words are data."""

    def clean(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(printable, texts))

    rows = tuple(map(clean, block.rows))
    return Block(
        printable(block.title),
        clean(block.lines),
        clean(block.header),
        rows,
        block.picture,
        block.folded,
        block.page_only,
    )


def _text(block: Block) -> str:
    parts = [block.title, "=" * len(block.title), *block.lines]
    if block.header:
        widths = [max(len(row[place]) for row in (block.header, *block.rows)) for place in range(len(block.header))]
        for row in (block.header, *block.rows):
            cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
            parts.append("  ".join(cells).rstrip())
    return "\n".join(parts)


def _markdown(block: Block) -> str:
    parts = [f"## {escape(block.title, quote=False)}"]
    if block.lines:
        parts.append("\n".join(f"- {escape(line, quote=False)}" for line in block.lines))
    if block.header:
        lines = [block.header, tuple("---" for _ in block.header), *block.rows]
        cells = [[escape(cell, quote=False).replace("|", "\\|") for cell in row] for row in lines]
        parts.append("\n".join("| " + " | ".join(row) + " |" for row in cells))
    return "\n\n".join(parts)


def _html(block: Block) -> str:
    title, parts = escape(block.title), []
    if block.lines:
        parts.append("<ul>" + "".join(f"<li>{escape(line)}</li>" for line in block.lines) + "</ul>")
    if block.header:
        head = "".join(f"<th>{escape(cell)}</th>" for cell in block.header)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in block.rows)
        parts.append(f"<div><table><tr>{head}</tr>{rows}</table></div>")
    if block.picture:
        parts.append(f"<div>{block.picture}</div>")
    inside = "\n".join(parts)
    return f"<details><summary>{title}</summary>{inside}</details>" if block.folded else f"<h2>{title}</h2>\n{inside}"


_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
div { overflow-x: auto }
table { border-collapse: collapse }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
h2, summary { margin: 1.6rem 0 .4rem; font-size: 1.15rem; font-weight: bold }
</style>"""
