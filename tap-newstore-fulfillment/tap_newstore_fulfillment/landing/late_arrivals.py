"""Which events came late, remembered for readers that start again from the beginning.

An event is late if a run had released a higher logical timestamp before it arrived. Read again from
the beginning it would appear among the others, as if it had come in time. A reader that takes data as
complete up to a timestamp, as the mapper takes an ERP's number, would then count it as contained.
"""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from tap_newstore_fulfillment.landing.release import KnownLate
from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event, late_arrival

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.landing.database import LandingDatabase
    from tap_newstore_fulfillment.landing.release import ReleasePlan

#: NewStore's promise. What is late for a run that waits this long is late for everyone.
PROMISE_MS = 900_000


class LateArrivals:
    """The late arrivals noted in one landing store."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def note(self, plan: ReleasePlan, waited_ms: int) -> None:
        """Note what has arrived below a plan's start; noting it again changes nothing.

        Args:
            plan: The plan of a run that has released nothing yet.
            waited_ms: Milliseconds the run waits for lower timestamps.
        """
        if not plan.finds_late_events:
            return
        event = fulfillment_event.c
        late = sa.select(event.position, sa.literal(waited_ms)).where(
            event.position > plan.start.position,
            # "+ 0" keeps SQLite from scanning all timestamps below the bookmark instead of the new arrivals.
            event.logical_timestamp + 0 <= plan.start.through,
            event.body.is_not(None),
        )
        insert = self._database.insert(late_arrival).from_select(["position", "waited_ms"], late)
        with self._database.writing() as connection:
            connection.execute(insert.on_conflict_do_nothing())

    def look_up(self, plan: ReleasePlan, waited_ms: int) -> ReleasePlan:
        """Return the plan with what is known to be late above its start.

        Args:
            plan: The plan of a run that has released nothing yet.
            waited_ms: Milliseconds the run waits for lower timestamps.
        """
        if plan.through is None:
            return plan
        event = fulfillment_event.c
        with self._database.reading() as connection:
            # Notes made from here on are for later runs: this one would hold such an event back and never release it.
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
        if lowest is None:
            return plan
        return msgspec.structs.replace(plan, late=msgspec.structs.replace(late, lowest=lowest))


def forget_pruned(connection: sa.Connection) -> None:
    """Drop the notes on events that cannot be sent again; the caller commits."""
    event = fulfillment_event.c
    # What was taken out may come back.
    is_pruned = sa.and_(event.body.is_(None), event.logical_timestamp > TAKEN_OUT)
    pruned = sa.exists().where(event.position == late_arrival.c.position, is_pruned)
    connection.execute(late_arrival.delete().where(pruned))


def move_notes(connection: sa.Connection, position: int, new_position: int) -> None:
    """Let the notes on an event be of the position at which it was stored again; the caller commits."""
    notes = late_arrival.update().where(late_arrival.c.position == position)
    connection.execute(notes.values(position=new_position))


def is_known_late(late: KnownLate) -> sa.ColumnElement[bool]:
    """Return a condition: the event is noted as late, in a note that counts for this run."""
    note = late_arrival.c
    return sa.exists().where(
        note.position == fulfillment_event.c.position, note.number <= late.number, note.waited_ms >= late.waited_ms
    )
