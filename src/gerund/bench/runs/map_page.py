"""The map of a report's embeddings as SVG, and as one page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from gerund.bench.runs.blocks import Block, page_of
from gerund.bench.runs.mapping import EmbeddingMap, Point
from gerund.bench.runs.pictures import svg, word

_SIDE_PX, _EDGE_PX, _HEAD_PX = 860.0, 70.0, 34.0
_TURN = 137.508
"""Degrees from one class's colour to the next: the golden angle, so that neighbours differ."""
_LONGEST = 200


def map_picture(found: EmbeddingMap, *, alone: bool = False) -> str:
    """Dots of one colour a class, stars and names for its texts; whatever is pointed at says what it is.

    Args:
        found: the map.
        alone: for a file of its own, not for a page.
    """
    colours = {
        label: place * _TURN % 360
        for place, label in enumerate(_labels(point for _, points in found.panels for point in points))
    }
    parts = []
    for number, (title, points) in enumerate(found.panels):
        top = number * (_SIDE_PX + _HEAD_PX)
        parts.append(f'<text x="10" y="{top + 22:.0f}" font-size="15">{word(title, 80)}</text>')
        ordered = sorted(points, key=lambda point: point.is_text)  # stars lie on top
        parts += [_drawn(point, colours[point.label], top + _HEAD_PX) for point in ordered]
        if not any(point.is_text for point in points):
            parts += [_name(label, *_middle(points, label), top + _HEAD_PX) for label in _labels(points)]
    height = len(found.panels) * (_SIDE_PX + _HEAD_PX)
    drawn = f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}'
    return svg(_SIDE_PX, height, drawn, alone=alone)


def map_page(found: EmbeddingMap) -> str:
    """One page without scripts, and without anything from elsewhere."""
    return page_of(f"Map of {found.title}", [Block(f"Map of {found.title}", found.notes, picture=map_picture(found))])


def _labels(points: Iterable[Point]) -> list[str]:
    return list(dict.fromkeys(point.label for point in points))


def _middle(points: Sequence[Point], label: str) -> tuple[float, float]:
    own = [point for point in points if point.label == label]
    return median(point.x for point in own), median(point.y for point in own)


def _at(x: float, y: float, top: float) -> tuple[float, float]:
    room = _SIDE_PX - 2 * _EDGE_PX
    return _EDGE_PX + room * x, top + _EDGE_PX + room * y


def _name(label: str, x: float, y: float, top: float) -> str:
    """The name of a class beside a place, to the side where there is room."""
    x_px, y_px = _at(x, y, top)
    side = f'x="{x_px + 10:.1f}"' if x < 0.7 else f'x="{x_px - 10:.1f}" text-anchor="end"'
    return f'<text {side} y="{y_px + 4:.1f}" font-size="12">{word(label)}</text>'


def _drawn(point: Point, hue: float, top: float) -> str:
    x, y = _at(point.x, point.y, top)
    said, colour = f"<title>{word(point.said, _LONGEST)}</title>", f"hsl({hue:.0f},70%,42%)"
    if point.is_text:
        star = f'<path d="M{x:.1f} {y - 9:.1f}l2.6 6.4h6.8l-5.4 4.4 2 6.6-6-4-6 4 2-6.6-5.4-4.4h6.8z"'
        name = _name(point.label, point.x, point.y, top)
        return f'<g>{said}{star} fill="{colour}" stroke="black"/>{name}</g>'
    fill = f'fill="{colour}"' if point.is_right else f'fill="none" stroke="{colour}" stroke-width="1.5"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {fill}>{said}</circle>'
