"""Which events came late, remembered for readers that have forgotten it.

An event is late when a run had gone beyond its logical timestamp before it arrived. Read again from
the beginning it would stand among the others, as if it had come in time; who takes something for
complete up to a timestamp, as an ERP's number is, would take it for contained.
"""

from __future__ import annotations

import dataclasses
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.release import KnownLate
from tap_newstore_fulfillment.landing.tables import fulfillment_event, late_arrival

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.landing.database import LandingDatabase
    from tap_newstore_fulfillment.landing.release import ReleasePlan

#: NewStore's promise. What a run that waits as long finds late is late for everyone.
PROMISE_MS = 900_000


class LateArrivals:
    """The notes of one landing store."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def note(self, plan: ReleasePlan, waited_ms: int) -> None:
        """Remember what has arrived below a plan's start; noting it again changes nothing.

        Args:
            plan: Of a run that has released nothing yet.
            waited_ms: Milliseconds the run waits for lower timestamps.
        """
        if not plan.finds_late_events:
            return
        event = fulfillment_event.c
        late = sa.select(event.position, sa.literal(waited_ms)).where(
            event.position > plan.start.position,
            # SQLite would go through all timestamps below the bookmark instead of the new arrivals.
            event.logical_timestamp + 0 <= plan.start.through,
            event.body.is_not(None),
        )
        insert = self._database.insert(late_arrival).from_select(["position", "waited_ms"], late)
        with self._database.writing() as connection:
            connection.execute(insert.on_conflict_do_nothing())

    def look_up(self, plan: ReleasePlan, waited_ms: int) -> ReleasePlan:
        """Give the plan with what is known to be late above its start.

        Args:
            plan: Of a run that has released nothing yet.
            waited_ms: Milliseconds the run waits for lower timestamps.
        """
        if plan.through is None:
            return plan
        event = fulfillment_event.c
        with self._database.reading() as connection:
            # What is noted while this run reads is for later ones: it must not leave out what it does not give.
            number = connection.scalar(sa.select(sa.func.max(late_arrival.c.number)))
            if number is None:
                return plan
            late = KnownLate(0, number, min(waited_ms, PROMISE_MS))
            above = [event.logical_timestamp > plan.start.through] if plan.start.through is not None else []
            within = [event.logical_timestamp >= plan.oldest] if plan.oldest is not None else []
            query = sa.select(sa.func.min(event.logical_timestamp)).where(
                *above,
                *within,
                event.logical_timestamp <= plan.through,
                is_known_late(late),
            )
            lowest = connection.scalar(query)
        return plan if lowest is None else dataclasses.replace(plan, late=dataclasses.replace(late, lowest=lowest))


def forget_pruned(connection: sa.Connection) -> None:
    """Drop the notes on events that are not sent again; the caller commits."""
    event = fulfillment_event.c
    pruned = sa.exists().where(event.position == late_arrival.c.position, event.body.is_(None))
    connection.execute(late_arrival.delete().where(pruned))


def is_known_late(late: KnownLate) -> sa.ColumnElement[bool]:
    """Say of a kept event whether a note that counts says that it came late."""
    note = late_arrival.c
    return sa.exists().where(
        note.position == fulfillment_event.c.position, note.number <= late.number, note.waited_ms >= late.waited_ms
    )
