"""Events far ahead of all others in the landing store: held back, listed in quarantine, accepted or discarded.

Such an event stays among the events, where it moves no mark (level.py decides). Its entry in quarantine
is for people: it comes and goes with what level.py says, until somebody accepts or discards the event.
"""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.discards import discard
from tap_newstore_fulfillment.landing.level import LOOKED_AT, NEAR, Arrived, far_ahead
from tap_newstore_fulfillment.landing.quarantine import new_row
from tap_newstore_fulfillment.landing.tables import ACCEPTED, FAR_AHEAD, TAKEN_OUT, fulfillment_event, quarantine
from tap_newstore_fulfillment.landing.taken_out import take_out

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.landing.database import LandingDatabase

logger = logging.getLogger("tap-newstore-fulfillment.landing")

#: More of them are no mistake of one event; people need not see them all.
MOST_LISTED = 10


class FarAhead:
    """The events of one landing store that are far ahead."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database
        self._highest: int | None = None

    def find(self, connection: sa.Connection, position: int | None, settled: sa.ColumnElement[bool]) -> list[Arrived]:
        """Return the events that are far ahead, in timestamp order.

        Args:
            connection: The store's.
            position: Consider arrivals up to this position only (None: all).
            settled: The condition that an event has settled; only such events show that a sequence goes on.
        """
        event, entry = fulfillment_event.c, quarantine.c
        here = [event.logical_timestamp > TAKEN_OUT, *([] if position is None else [event.position <= position])]
        highest = (
            sa.select(event.logical_timestamp, event.position, sa.case((settled, 1), else_=0))
            .where(*here)
            .order_by(event.logical_timestamp.desc())
            .limit(LOOKED_AT)
        )

        def is_any_accepted(positions: Sequence[int]) -> bool:
            accepted = sa.select(event.position).join(quarantine, entry.event_id == event.event_id)
            query = accepted.where(entry.kind == ACCEPTED, event.position.in_(positions)).limit(1)
            return connection.scalar(query) is not None

        def newest_up_to(logical_timestamp: int) -> int:
            # "+ 0" makes SQLite go back from the newest arrival instead of through all timestamps.
            low = sa.and_(*here, event.logical_timestamp + 0 <= logical_timestamp)
            return connection.scalar(sa.select(event.position).where(low).order_by(event.position.desc()).limit(1)) or 0

        rows = sorted(Arrived(at, place, bool(is_settled)) for at, place, is_settled in connection.execute(highest))
        return list(far_ahead(rows, is_any_accepted, newest_up_to))

    def note(self) -> list[int]:
        """List in quarantine what is far ahead now, and nothing else; return the logical timestamps."""
        event, entry = fulfillment_event.c, quarantine.c
        content = sa.select(event.event_id, event.logical_timestamp, event.received_at, event.body)
        listed = sa.select(entry.event_id).where(entry.kind == FAR_AHEAD)
        with self._database.reading() as connection:
            ahead = self.find(connection, None, sa.true())[:MOST_LISTED]
            found = connection.execute(content.where(event.position.in_([row.position for row in ahead]))).all()
            is_listed = set(connection.scalars(listed)) == {row.event_id for row in found}
        if not is_listed:
            with self._database.writing() as connection:
                gone = sa.and_(entry.kind == FAR_AHEAD, entry.event_id.not_in([row.event_id for row in found]))
                connection.execute(quarantine.delete().where(gone))
                known = set(connection.scalars(listed))
                for row in found:
                    if row.event_id not in known:
                        connection.execute(quarantine.insert(), _entry(row))
        return sorted(row.logical_timestamp for row in ahead)

    def watch(self, highest: int) -> None:
        """Look whether new arrivals are far ahead, and say so.

        Args:
            highest: The highest logical timestamp of those that are ours.
        """
        if self.is_near(highest):
            self._highest = max(highest, self._highest or highest)
            return
        ahead = self.note()
        for logical_timestamp in ahead:
            warn_of(logical_timestamp)
        # What is far ahead, or was discarded, shows no later event to be near.
        self._highest = self._highest_near(min(ahead, default=None))

    def _highest_near(self, far: int | None) -> int | None:
        """Return the highest stored logical timestamp, of those below what is far ahead."""
        at = fulfillment_event.c.logical_timestamp
        near = [at > TAKEN_OUT, *([] if far is None else [at < far])]
        with self._database.reading() as connection:
            return t.cast("int | None", connection.scalar(sa.select(sa.func.max(at)).where(*near)))

    def is_near(self, highest: int) -> bool:
        """Return whether `watch` need not look."""
        return self._highest is not None and highest <= self._highest + NEAR

    def accept(self, entry_id: int) -> None:
        """Let an event be the level from which the sequence goes on."""
        with self._database.writing() as connection:
            this = quarantine.c.id == entry_id
            connection.execute(quarantine.update().where(this).values(kind=ACCEPTED, body=b""))

    def discard(self, entry_id: int) -> None:
        """Take an event out of the store; a redelivery of it is a duplicate."""
        entry = quarantine.c
        with self._database.writing() as connection:
            event_id = connection.scalar(sa.select(entry.event_id).where(entry.id == entry_id))
            take_out(connection, fulfillment_event.c.event_id == event_id)
            discard(connection, entry_id)


def warn_of(logical_timestamp: int) -> None:
    """Log that an event is far ahead."""
    logger.warning(
        "An event of logical timestamp %d is far ahead of all others: it moves no mark and is not released until later "
        "arrivals go on from there. See newstore-event-receiver quarantine list; accept it if it is right, else "
        "discard it",
        logical_timestamp,
    )


def _entry(row: sa.Row[t.Any]) -> dict[str, t.Any]:
    reason = f"logical timestamp {row.logical_timestamp} is far ahead of all others; accept or discard it"
    body = (row.body or "").encode()
    return new_row(body, path="", reason=reason, received_at=row.received_at, kind=FAR_AHEAD, event_id=row.event_id)
