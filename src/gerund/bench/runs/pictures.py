"""Pictures of reports as SVG, which a page holds as it is: a confusion matrix, and means with their spread.

Every word in them is escaped; they have no scripts, and refer to nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gerund.bench.runs.classes import Confusion
from gerund.printing import printable

_MOST_NAMED = 60
"""Beyond, names would be smaller than can be read, so the picture has none and the table has all."""
_SIDE_PX, _CELL_PX = 720, 26
_LETTER_PX, _LABEL_LETTERS = 6.6, 30
_LEVELS = 8
_RIGHT, _WRONG = "#1f5fa8", "#c8401e"


def word(text: str, most: int = _LABEL_LETTERS) -> str:
    """A name of anybody's as it may stand in a picture: printable, short, escaped.

    Example:
        >>> word("a<b"), word("x" * 40, most=5)
        ('a&lt;b', 'xxxx…')
    """
    shown = printable(text)
    return escape(shown if len(shown) <= most else shown[: most - 1] + "…")


def svg(width: float, height: float, content: str, *, alone: bool = False) -> str:
    """A picture of that size in pixels, for a page, or alone in a file, where it has to name its language."""
    language = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    return (
        f'<svg{language} width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="system-ui, sans-serif" font-size="11">{content}</svg>'
    )


def matrix(found: Confusion) -> str:
    """What was shown (rows) against what it was taken for (columns), from a few classes to many hundred.

    A cell's shade grows with the root of its share of the row, so that few mistakes are seen too. Up to 60 classes have
    their names beside, and cells that say their numbers when they are pointed at.
    """
    names = list(dict.fromkeys([*found.totals, *(given for _, given in found.counts)]))
    places = {name: place for place, name in enumerate(names)}
    cell = min(_CELL_PX, _SIDE_PX / max(1, len(names)))
    side, named = cell * len(names), len(names) <= _MOST_NAMED
    margin = 14 + _LETTER_PX * max((min(len(name), _LABEL_LETTERS) for name in names), default=0) if named else 4
    shades: dict[tuple[str, int], list[str]] = defaultdict(list)
    for (true, given), count in sorted(found.counts.items()):
        if not count:
            continue
        level = max(1 if named else _LEVELS // 2, math.ceil(_LEVELS * math.sqrt(count / found.totals[true])))
        row, column = places[true], places[given]
        said = f"{word(true)} taken for {word(given)}: {count} of {found.totals[true]}"
        shape = f'<rect x="{column}" y="{row}" width="1" height="1"><title>{said}</title></rect>'
        shades[_RIGHT if true == given else _WRONG, level].append(shape if named else f"M{column} {row}h1v1h-1z")
    cells = "".join(
        f'<g fill="{colour}" fill-opacity="{level / _LEVELS:.3f}">'
        + ("".join(shapes) if named else f'<path d="{"".join(shapes)}"/>')
        + "</g>"
        for (colour, level), shapes in sorted(shades.items())
    )
    frame = f'<rect width="{len(names)}" height="{len(names)}" fill="#f7f7f7"/>'
    drawn = f'<g transform="translate({margin:.1f} {margin:.1f}) scale({cell:.4f})">{frame}{cells}</g>'
    return svg(margin + side + 4, margin + side + 4, drawn + (_names(names, margin, cell) if named else ""))


def _names(names: Sequence[str], margin: float, cell: float) -> str:
    beside = []
    for place, name in enumerate(names):
        at = margin + (place + 0.5) * cell
        beside.append(f'<text x="{margin - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{word(name)}</text>')
        beside.append(f'<text transform="translate({at + 4:.1f} {margin - 6:.1f}) rotate(-90)">{word(name)}</text>')
    return "".join(beside)


@dataclass(frozen=True)
class Dot:
    """One line of a picture of means.

    Attributes:
        label: whose.
        mean: in percent.
        spread: deviation to both sides; 0 for none.
    """

    label: str
    mean: float
    spread: float


def dots(of: str, lines: Sequence[Dot]) -> str:
    """Means with their spread, a line each, from 0 to the next ten above the largest; nothing where there is none."""
    if not lines:
        return ""
    top = min(100.0, 10 * math.ceil(max(min(one.mean + one.spread, 100.0) for one in lines) / 10 + 1e-9)) or 10.0
    left, width, step = 14 + _LETTER_PX * max(min(len(one.label), 44) for one in lines), 460.0, 24
    height = step * len(lines) + 34

    def at(value: float) -> float:
        return left + width * min(max(value, 0.0), top) / top

    ticks = [top * part / 5 for part in range(6)]
    parts = [
        f'<path d="M{at(tick):.1f} 4V{height - 30}" stroke="#ddd"/>'
        f'<text x="{at(tick):.1f}" y="{height - 16}" text-anchor="middle" fill="#666">{tick:g}</text>'
        for tick in ticks
    ]
    for number, one in enumerate(lines):
        y = 16 + step * number
        ends = at(one.mean - one.spread), at(one.mean + one.spread)
        parts.append(
            f'<text x="{left - 8:.1f}" y="{y + 4}" text-anchor="end">{word(one.label, 44)}</text>'
            f'<path d="M{ends[0]:.1f} {y}H{ends[1]:.1f}" stroke="{_RIGHT}" stroke-width="2"/>'
            f'<circle cx="{at(one.mean):.1f}" cy="{y}" r="4" fill="{_RIGHT}"/>'
            f'<text x="{left + width + 12:.1f}" y="{y + 4}">{one.mean:.2f}</text>'
        )
    parts.append(f'<text x="{left + width / 2:.1f}" y="{height - 2}" text-anchor="middle">{word(of, 60)} (%)</text>')
    return svg(left + width + 70, height + 4, "".join(parts))
