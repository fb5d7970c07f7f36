"""The report's charts as SVG. A shape's form and title tell its meaning, never colour alone."""

from __future__ import annotations

import bisect
import itertools
import math
import typing as t

from mapper_newstore_stock.events import ASSIGNED, COMPLETED, FAILED
from mapper_newstore_stock.report.markup import Markup, element, joined, scrolling

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mapper_newstore_stock.report.events import Move
    from mapper_newstore_stock.report.figures import KeyHistory, Sent, ShownCut

WIDTH, LEFT, RIGHT, TOP = 720, 64, 700, 28
#: Only a key's newest events are drawn; more could not be told apart.
SHOWN_MARKS = 300
SHOWN_TIMES = 6
#: Part of a key's chart that is after its last logical timestamp.
AHEAD = 0.06
#: A value of the horizontal axis and one of the vertical axis.
Point = tuple[float, float]


class Plane:
    """Maps values to places in a chart.

    Args:
        across: The values of the horizontal axis.
        up: The values of the vertical axis.
        bottom: Where the horizontal axis lies, in the SVG's units.
        from_zero: Start the vertical axis at 0.
    """

    def __init__(self, across: Iterable[float], up: Iterable[float], bottom: int, *, from_zero: bool = True) -> None:
        self.left, self.right = _range(across)
        low, high = _range([0, *up] if from_zero else up)
        # Leave some room above, for the name of the axis.
        self.low, self.high = low, high + (high - low) * 0.05
        self.bottom = bottom

    def x(self, value: float) -> float:
        """Return a value's place on the horizontal axis."""
        return round(LEFT + (RIGHT - LEFT) * (value - self.left) / (self.right - self.left), 1)

    def y(self, value: float) -> float:
        """Return a value's place on the vertical axis."""
        return round(self.bottom - (self.bottom - TOP) * (value - self.low) / (self.high - self.low), 1)

    def axes(self, across: str, up: str, named: Mapping[float, str] | None = None) -> Markup:
        """Draw both axes with their names, round numbers, and on the horizontal one any places named instead."""
        parts = [_label(RIGHT, self.bottom + 32, across, "end"), _label(LEFT, TOP - 14, up, "start")]
        for value in _round_numbers(self.low, self.high):
            y = self.y(value)
            parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_="grid"))
            parts.append(_label(LEFT - 6, y + 4, f"{value:.0f}", "end"))
        places = named or {value: f"{value:.0f}" for value in _round_numbers(self.left, self.right)}
        parts += [_label(self.x(value), self.bottom + 16, text, "middle") for value, text in places.items()]
        return joined(parts)


def imports_over_time(cuts: Sequence[ShownCut]) -> Markup:
    """Draw each import as a bar from its first to its last logical timestamp; one without a range as a diamond."""
    values = [value for cut in cuts for value in (cut.start, cut.end, cut.mark) if value is not None]
    if not values:
        return element(
            "p", "No import answers for a range yet: no completion has been sent to NewStore.", class_="note"
        )
    # Evenly spaced: by time, imports of one run would overlap, and a night would be as wide as a day.
    plane = Plane([-0.5, len(cuts) - 0.5], values, 240, from_zero=False)
    apart = math.ceil(len(cuts) / SHOWN_TIMES)
    times = {float(place): moment(cuts[place].started_at)[5:16] for place in range(0, len(cuts), apart)}
    drawn = [plane.axes("run of (UTC)", "logical timestamp", times)]
    for place, cut in enumerate(cuts):
        x, title = plane.x(place), element("title", _about(cut))
        kind = "sent" if cut.is_imported else "open"
        if cut.start is None or cut.end is None:
            drawn.append(_diamond(x, plane.y(cut.mark if cut.mark is not None else plane.low), title, kind))
            continue
        low, high = plane.y(cut.start), plane.y(cut.end)
        box = {"x": x - 4, "y": high - 2, "width": 8, "height": round(low - high + 4, 1)}
        drawn.append(element("rect", title, class_=f"range {kind}", **box))
    return _chart("Imports and their ranges of logical timestamps", 290, drawn)


def key_over_time(history: KeyHistory, moves: Sequence[Move] | None) -> Markup:
    """Draw a key over logical time: numbers sent, ATP, events, and changes of the ERP's row."""
    sent = sent_over_time(history)
    available = [] if moves is None else available_to_promise(history.sent, moves)
    times = [time for time, _ in (*sent, *available)] + [c.logical_timestamp for c in history.completions]
    times += [move.logical_timestamp for move in moves or ()]
    low, high = _range(times or [0])
    # Room on the right: a number sent last, or only once, is a line too.
    plane = Plane([low, high + (high - low) * AHEAD], [units for _, units in (*sent, *available)] or [0], 220)
    drawn = [plane.axes("logical timestamp", "units"), *_lanes(plane, history, moves)]
    drawn += [element("circle", cx=plane.x(x), cy=plane.y(y), r=3, class_="quantity dot") for x, y in sent]
    drawn += [_steps(plane, sent, "quantity"), _steps(plane, available, "atp")]
    if sent:
        drawn.append(_label(RIGHT, plane.y(sent[-1][1]) - 8, f"{sent[-1][1]:g} now", "end", "latest"))
    return _chart(f"{'/'.join(history.key)} over logical time", 330, drawn)


def sent_over_time(history: KeyHistory) -> list[Point]:
    """Return each number sent at its mark.

    An import without a mark came before the first completion known, or, after others, where they left off.
    """
    marks = [each.mark for each in history.sent if each.mark is not None]
    known = [*marks, *(completion.logical_timestamp for completion in history.completions)]
    reached, points = min(known, default=0), []
    for each in history.sent:
        reached = max(reached, reached if each.mark is None else each.mark)
        points.append((float(reached), float(each.quantity)))
    return points


def available_to_promise(sent: Sequence[Sent], moves: Sequence[Move]) -> list[Point]:
    """Compute ATP over logical time from the numbers sent and the events.

    ATP = number sent - units assigned and not failed - completed units beyond its mark. An import counts
    from its mark on; orders from before the first event are unknown.
    """
    known = [(each.mark, each.quantity) for each in sent if each.mark is not None]
    marks = [mark for mark, _ in known]
    times = [move.logical_timestamp for move in moves]
    # Up to each event: units assigned and not failed, and units completed.
    assigned = [0, *itertools.accumulate(_assigned(move) for move in moves)]
    completed = [0, *itertools.accumulate(move.units * (move.event_name == COMPLETED) for move in moves)]
    points = []
    for time in sorted({*marks, *times}):
        last = bisect.bisect_right(marks, time) - 1
        if last >= 0:
            # A completed unit was assigned before; it counts until a mark reaches it.
            held = assigned[bisect.bisect_right(times, time)] - completed[bisect.bisect_right(times, marks[last])]
            points.append((float(time), float(known[last][1] - held)))
    return points


def moment(iso: str) -> str:
    """Return a moment of the ledger (ISO 8601, UTC) for people, to the second."""
    return iso[:19].replace("T", " ")


def classes(title: str, names: Sequence[str], counts: Sequence[int]) -> Markup:
    """Draw counts as bars with their numbers."""
    most, step = max([*counts, 1]), 30
    drawn: list[Markup] = []
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        y = TOP + place * step
        width = round((RIGHT - 220) * count / most, 1)
        drawn.append(_label(130, y + 15, name, "end"))
        drawn.append(element("rect", x=140, y=y, width=width, height=20, class_="range sent"))
        drawn.append(_label(146 + width, y + 15, str(count), "start"))
    return _chart(title, TOP + step * len(names) + 8, drawn)


def by_day(title: str, days: Sequence[str], minutes: Sequence[float], most: float) -> Markup:
    """Draw unit-minutes as a bar for each day; `most` is the top of the axis."""
    plane = Plane([-0.5, len(days) - 0.5], [most], 160)
    apart = math.ceil(len(days) / SHOWN_TIMES)
    drawn = [plane.axes("day (UTC)", f"{title}, unit-minutes", {float(n): days[n] for n in range(0, len(days), apart)})]
    width = min(40.0, round((RIGHT - LEFT) / len(days) * 0.7, 1))
    for place, (day, value) in enumerate(zip(days, minutes, strict=True)):
        if value:
            y = plane.y(value)
            box = {"x": plane.x(place) - width / 2, "y": y, "width": width, "height": round(plane.bottom - y, 1)}
            drawn.append(element("rect", element("title", f"{day}: {value:.0f}"), class_="range sent", **box))
    return _chart(title, 205, drawn)


def _assigned(move: Move) -> int:
    return {ASSIGNED: move.units, FAILED: -move.units}.get(move.event_name, 0)


def _lanes(plane: Plane, history: KeyHistory, moves: Sequence[Move] | None) -> list[Markup]:
    """Draw two rows of marks below the chart: events, and changes of the ERP's row."""
    events, rows = 272, 302
    drawn = [_label(LEFT - 12, events + 4, "events", "end"), _label(LEFT - 12, rows + 4, "ERP", "end")]
    lateness = {c.logical_timestamp: ", late" for c in history.completions if c.is_late}
    shown = [(c.logical_timestamp, "completed", c.units) for c in history.completions]
    shown += [(m.logical_timestamp, m.event_name.rpartition(".")[2], m.units) for m in moves or ()]
    marks = sorted({(time, name.replace("items_", ""), units) for time, name, units in shown})
    for time, name, units in marks[-SHOWN_MARKS:]:
        late = lateness.get(time, "") if name == "completed" else ""
        drawn.append(_event(plane.x(time), events, name, element("title", f"{time}: {units} {name}{late}")))
    for before, after in itertools.pairwise(history.sent):
        if (before.on_hand, before.as_of) != (after.on_hand, after.as_of) and after.mark is not None:
            title = element("title", f"ERP: {before.on_hand} became {after.on_hand}, as of {after.as_of}")
            drawn.append(
                element("rect", title, x=plane.x(after.mark) - 5, y=rows - 5, width=10, height=10, class_="erp")
            )
    return drawn


def _event(x: float, y: float, name: str, title: Markup) -> Markup:
    """Draw an event: a triangle pointing down is completed, one pointing up assigned, a cross failed."""
    if name == "failed":
        return element(
            "path", title, d=f"M{x - 4} {y - 4}L{x + 4} {y + 4}M{x - 4} {y + 4}L{x + 4} {y - 4}", class_="event cross"
        )
    tip = 6 if name == "completed" else -6
    return element("path", title, d=f"M{x - 5} {y - tip / 2}H{x + 5}L{x} {y + tip}Z", class_=f"event {name}")


def _steps(plane: Plane, points: Sequence[Point], kind: str) -> Markup:
    if not points:
        return Markup("")
    path = f"M{plane.x(points[0][0])} {plane.y(points[0][1])}"
    path += "".join(f"H{plane.x(x)}V{plane.y(y)}" for x, y in points[1:])
    return element("path", d=f"{path}H{RIGHT}", class_=f"line {kind}")


def _diamond(x: float, y: float, title: Markup, kind: str) -> Markup:
    return element("path", title, d=f"M{x} {y - 6}L{x + 6} {y}L{x} {y + 6}L{x - 6} {y}Z", class_=f"range {kind}")


def _about(cut: ShownCut) -> str:
    covered = "without a range" if cut.start is None else f"range {cut.start}-{cut.end}"
    return f"import {cut.cut} of {moment(cut.started_at)}: {covered}, {cut.size} keys, {import_state(cut)}"


def import_state(cut: ShownCut) -> str:
    """Return what is known of an import, and since when."""
    if cut.report is not None:
        return f"{cut.report.outcome.replace('_', ' ')} at {moment(cut.report.at)}"
    return "confirmed" if cut.is_acknowledged else "not confirmed yet"


def _chart(title: str, height: int, drawn: Iterable[Markup]) -> Markup:
    size = {"viewBox": f"0 0 {WIDTH} {height}", "role": "img", "aria_label": title}
    return scrolling(title, element("svg", *drawn, **size))


def _label(x: float, y: float, text: str, anchor: str, kind: str | None = None) -> Markup:
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=kind)


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    low, high = min(known), max(known)
    return (low, high) if low < high else (low - 1, high + 1)


def _round_numbers(low: float, high: float) -> list[float]:
    """Return some round whole numbers within a range."""
    step = max(1.0, 10 ** math.floor(math.log10((high - low) / 2)))
    while (high - low) / step > 6:
        step *= 5 if (high - low) / (step * 2) > 6 else 2
    first = math.ceil(low / step)
    return [n * step for n in range(first, math.floor(high / step) + 1)]
