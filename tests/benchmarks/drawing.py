"""Draws the figures: cost per record over the number of records."""

from __future__ import annotations

import html
import math
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tests.benchmarks.measuring import Figure

#: Size of a panel in pixels; two panels are side by side.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, LEGEND_LINE = 520, 230, 50, 40, 40, 18
HEAD = 40
COLOURS = ("#1b6ca8", "#b5482a", "#3f7d3a", "#7b4fa3", "#8a6d1d")

#: Size and microseconds per record of one variant, for each of its sizes.
Line = list[tuple[int, float]]


def draw(figures: Sequence[Figure]) -> str:
    """Return an SVG with one panel per part: microseconds per record over size, both logarithmic, on one scale."""
    panels = _panels(figures)
    points = [point for lines in panels.values() for line in lines.values() for point in line]
    if not points:
        return _svg(["<text x='20' y='25'>One size only: nothing to compare.</text>"], HEAD)
    sizes, costs = sorted({size for size, _ in points}), [cost for _, cost in points]
    across, up = _Scale(sizes[0], sizes[-1], LEFT, WIDTH - RIGHT), _Scale(min(costs), max(costs), HEIGHT, TOP)
    grid = [_tick_across(size, across(size)) for size in (sizes[0], sizes[-1])]
    grid += [_tick_up(cost, up(cost)) for cost in _round_steps(min(costs), max(costs))]
    shapes = ["<text x='20' y='25' font-size='16'>Microseconds per record, by number of records</text>"]
    below = HEAD
    for row in _in_pairs(panels.items()):
        for column, (part, lines) in enumerate(row):
            shapes.append(f"<g transform='translate({column * WIDTH} {below})'>")
            shapes += [f"<text x='{LEFT}' y='24' font-weight='bold'>{html.escape(part)}</text>", *grid]
            shapes += _drawn(lines, across, up)
            shapes.append("</g>")
        below += HEIGHT + (2 + max(len(lines) for _, lines in row)) * LEGEND_LINE
    return _svg(shapes, below)


class _Scale:
    """Maps a value to a position in a panel, logarithmically."""

    def __init__(self, least: float, most: float, begin: float, end: float) -> None:
        self._least, self._span = math.log(least), (math.log(most) - math.log(least)) or 1.0
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        return self._begin + (math.log(value) - self._least) / self._span * (self._end - self._begin)


def _panels(figures: Sequence[Figure]) -> dict[str, dict[str, Line]]:
    """Return, by part, the variants measured at several sizes."""
    panels: dict[str, dict[str, Line]] = {}
    for figure in figures:
        if not figure.beside and figure.size > 1 and "latency" not in figure.part:
            point = (figure.size, 1e6 / figure.per_second)
            panels.setdefault(figure.part, {}).setdefault(figure.what, []).append(point)
    several = {
        part: {what: sorted(line) for what, line in ways.items() if len(dict(line)) > 1}
        for part, ways in panels.items()
    }
    return {part: ways for part, ways in several.items() if ways}


def _in_pairs(panels: Iterable[tuple[str, dict[str, Line]]]) -> Iterator[list[tuple[str, dict[str, Line]]]]:
    left = list(panels)
    while left:
        yield left[:2]
        del left[:2]


def _drawn(lines: Mapping[str, Line], across: _Scale, up: _Scale) -> Iterator[str]:
    for number, (what, line) in enumerate(lines.items()):
        style = f"stroke='{COLOURS[number % len(COLOURS)]}' stroke-width='2'"
        path = " ".join(f"{across(size):.1f},{up(cost):.1f}" for size, cost in line)
        below = HEIGHT + (2 + number) * LEGEND_LINE
        yield f"<polyline fill='none' {style} points='{path}'/>"
        yield f"<line x1='{LEFT}' x2='{LEFT + 30}' y1='{below}' y2='{below}' {style}/>"
        yield f"<text x='{LEFT + 40}' y='{below + 4}'>{html.escape(what)}</text>"


def _round_steps(least: float, most: float) -> list[float]:
    steps = [digit * 10.0**power for power in range(-2, 5) for digit in (1, 2, 5)]
    return [step for step in steps if least <= step <= most]


def _tick_across(size: int, x: float) -> str:
    return f"<text x='{x:.0f}' y='{HEIGHT + 16}' text-anchor='middle'>{size:,}</text>"


def _tick_up(cost: float, y: float) -> str:
    line = f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y:.0f}' y2='{y:.0f}' stroke='#dddddd'/>"
    return f"{line}<text x='{LEFT - 8}' y='{y + 4:.0f}' text-anchor='end'>{cost:g}</text>"


def _svg(shapes: Sequence[str], height: int) -> str:
    size = f"viewBox='0 0 {2 * WIDTH} {height}' font-family='sans-serif' font-size='12'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size}>"
    background = f"<rect width='{2 * WIDTH}' height='{height}' fill='white'/>"
    return "\n".join([head, background, *shapes, "</svg>"]) + "\n"
