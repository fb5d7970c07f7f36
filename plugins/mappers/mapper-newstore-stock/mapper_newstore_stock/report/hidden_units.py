"""Units hidden from sale, as pages show them: by day for each cause, and what lowers it."""

from __future__ import annotations

import datetime as dt
import typing as t

from mapper_newstore_stock.ledger.hidden import CAUSES, SHOWN_DAYS
from mapper_newstore_stock.report import charts
from mapper_newstore_stock.report.markup import Markup, element, table

if t.TYPE_CHECKING:
    from collections.abc import Sequence

MEANING = (
    "Units that were free and that NewStore did not promise, times the minutes they were not. A run finds them when a "
    "number goes up again; goods the ERP has not booked are in no number and not counted."
)


def hidden_section(rows: Sequence[tuple[str, str, float]]) -> list[Markup]:
    """Return what a page says of hidden units.

    Args:
        rows: Day, cause and unit-minutes, the newest day first; the days that have any.
    """
    if not rows:
        return [element("p", f"No unit was found hidden. {MEANING}", class_="note")]
    newest = dt.date.fromisoformat(rows[0][0])
    first = max(dt.date.fromisoformat(rows[-1][0]), newest - dt.timedelta(days=SHOWN_DAYS - 1))
    days = [(first + dt.timedelta(days=n)).isoformat() for n in range((newest - first).days + 1)]
    found = {(day, cause): minutes for day, cause, minutes in rows if day in days}
    most = max(found.values())
    causes = {cause: sum(found.get((day, cause), 0.0) for day in days) for cause in CAUSES}
    shown = {cause: total for cause, total in causes.items() if total}
    lines = [
        (cause, round(total, 1), CAUSES[cause].meaning, CAUSES[cause].lowered_by) for cause, total in shown.items()
    ]
    drawn = [
        charts.by_day(f"Hidden by {cause}", days, [found.get((day, cause), 0.0) for day in days], most)
        for cause in shown
    ]
    by_day = [(day, cause, round(minutes, 1)) for day, cause, minutes in rows if day in days]
    columns = ("cause", "unit-minutes", "these units were", "what lowers it")
    return [
        element("p", f"{MEANING} Days are UTC; all charts have the same height.", class_="note"),
        table(f"Hidden from {days[0]} to {days[-1]}, by cause", columns, lines),
        *drawn,
        element(
            "details",
            element("summary", "As a table"),
            table("Unit-minutes hidden from sale, newest first", ("day", "cause", "unit-minutes"), by_day),
        ),
    ]
