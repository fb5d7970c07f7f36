"""The figures as a picture: how the cost of a record goes with the number of records."""

from __future__ import annotations

import html
import math
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.measuring import Figure

WIDTH, HEIGHT, LEFT, TOP, LEGEND_LINE = 960, 420, 70, 50, 22
COLOURS = ("#1b6ca8", "#b5482a", "#3f7d3a", "#7b4fa3", "#8a6d1d", "#20808a", "#a83268", "#555555")
DASHES = ("", "8 4", "2 4")


def draw(figures: Sequence[Figure]) -> str:
    """Give an SVG: size against microseconds per record, both logarithmic, a line per way with several sizes."""
    lines = _lines(figures)
    points = [point for line in lines.values() for point in line]
    if not points:
        return _svg(["<text x='20' y='40'>One size only: nothing to compare.</text>"], HEIGHT)
    sizes, costs = [size for size, _ in points], [cost for _, cost in points]
    across, up = _Scale(min(sizes), max(sizes), LEFT, WIDTH - 40), _Scale(min(costs), max(costs), HEIGHT - 50, TOP)
    shapes = [f"<text x='{LEFT}' y='28' font-size='16'>Microseconds per record by number of records</text>"]
    shapes += [_tick_across(size, across(size)) for size in sorted(set(sizes))]
    shapes += [_tick_up(cost, up(cost)) for cost in _round_steps(min(costs), max(costs))]
    for number, (name, line) in enumerate(lines.items()):
        style = f"stroke='{COLOURS[number % 8]}' stroke-width='2' stroke-dasharray='{DASHES[number // 8 % 3]}'"
        path = " ".join(f"{across(size):.1f},{up(cost):.1f}" for size, cost in line)
        below = HEIGHT + number * LEGEND_LINE
        shapes.append(f"<polyline fill='none' {style} points='{path}'/>")
        shapes.append(f"<line x1='{LEFT}' x2='{LEFT + 40}' y1='{below}' y2='{below}' {style}/>")
        shapes.append(f"<text x='{LEFT + 50}' y='{below + 4}'>{html.escape(name)}</text>")
    return _svg(shapes, HEIGHT + (len(lines) + 1) * LEGEND_LINE)


class _Scale:
    """From a value to a place on the picture, by its logarithm."""

    def __init__(self, least: float, most: float, begin: float, end: float) -> None:
        self._least, self._span = math.log(least), (math.log(most) - math.log(least)) or 1.0
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        return self._begin + (math.log(value) - self._least) / self._span * (self._end - self._begin)


def _lines(figures: Sequence[Figure]) -> dict[str, list[tuple[int, float]]]:
    lines: dict[str, list[tuple[int, float]]] = {}
    for figure in figures:
        if not figure.beside and figure.size > 1 and "latency" not in figure.part:
            lines.setdefault(f"{figure.part}: {figure.what}", []).append((figure.size, 1e6 / figure.per_second))
    return {name: sorted(line) for name, line in lines.items() if len({size for size, _ in line}) > 1}


def _round_steps(least: float, most: float) -> list[float]:
    steps = [digit * 10.0**power for power in range(-2, 5) for digit in (1, 2, 5)]
    return [step for step in steps if least <= step <= most]


def _tick_across(size: int, x: float) -> str:
    return f"<text x='{x:.0f}' y='{HEIGHT - 25}' text-anchor='middle'>{size:,}</text>"


def _tick_up(cost: float, y: float) -> str:
    line = f"<line x1='{LEFT}' x2='{WIDTH - 40}' y1='{y:.0f}' y2='{y:.0f}' stroke='#dddddd'/>"
    return f"{line}<text x='{LEFT - 8}' y='{y + 4:.0f}' text-anchor='end'>{cost:g}</text>"


def _svg(shapes: Sequence[str], height: int) -> str:
    size = f"viewBox='0 0 {WIDTH} {height}' font-family='sans-serif' font-size='12'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size}>"
    background = f"<rect width='{WIDTH}' height='{height}' fill='white'/>"
    return "\n".join([head, background, *shapes, "</svg>"]) + "\n"
