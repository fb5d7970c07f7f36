"""Units hidden from sale, by day and cause, and what lowers each cause; run/hidden_units says what counts as hidden."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import hidden_unit, run

SETTLING, UNPROVEN, CLOCK_SKEW, HELD, IMPORT_WAIT = "settling", "unproven", "clock_skew", "held", "import_wait"
SHOWN_DAYS = 30


class Cause(t.NamedTuple):
    """Why units were hidden.

    Attributes:
        meaning: What happened to them.
        lowered_by: What to set or change so that fewer are.
    """

    meaning: str
    lowered_by: str


CAUSES: dict[str, Cause] = {
    SETTLING: Cause(
        "left out of the ERP's number before the tap had released their event",
        "settle_seconds and emit_unreleased of the tap; more frequent runs",
    ),
    UNPROVEN: Cause(
        "subtracted twice: in the ERP's number, and not proven to be",
        "on_hand_as_of: a form that proves each unit (booked), or evidence as new as the numbers",
    ),
    CLOCK_SKEW: Cause(
        "completed less than the skew before the ERP's number was taken",
        "clock_skew_seconds; numbers taken more often",
    ),
    HELD: Cause(
        "sent as 0, or gained by the ERP, while their row was not there or could not be used",
        "the rows that newstore-stock-ledger held names; vanished_rows",
    ),
    IMPORT_WAIT: Cause(
        "in the ERP's number, and not yet in an import that has ended",
        "more frequent runs; the imports that failed or take long",
    ),
}


def hidden_by(cause: str) -> str:
    """Return what run summaries call the unit-minutes of a cause."""
    return f"hidden_{cause}"


def hidden_units(connection: sa.Connection, days: int = SHOWN_DAYS) -> list[tuple[str, str, float]]:
    """Return day, cause and unit-minutes of the last days on which any were hidden, the newest first."""
    each = hidden_unit.c
    last = sa.select(each.day).distinct().order_by(each.day.desc()).limit(days)
    minutes = sa.func.sum(each.unit_minutes)
    query = sa.select(each.day, each.cause, minutes).where(each.day.in_(last)).group_by(each.day, each.cause)
    rows = connection.execute(query.order_by(each.day.desc(), each.cause))
    return [(day, cause, float(found)) for day, cause, found in rows if found]


def hidden_lately(connection: sa.Connection) -> dict[str, float]:
    """Return by cause the unit-minutes that the runs of the 24 hours up to the last run found."""
    started: str | None = connection.scalar(sa.select(run.c.started_at).order_by(run.c.run.desc()).limit(1))
    found = dict.fromkeys(CAUSES, 0.0)
    if started is not None:
        since = (dt.datetime.fromisoformat(started) - dt.timedelta(days=1)).isoformat(timespec="seconds")
        minutes = sa.select(hidden_unit.c.cause, sa.func.sum(hidden_unit.c.unit_minutes))
        of_runs = minutes.join(run, run.c.run == hidden_unit.c.run).where(run.c.started_at > since)
        found |= {cause: float(units) for cause, units in connection.execute(of_runs.group_by(hidden_unit.c.cause))}
    return found
