"""The landing store: every event the receiver has acknowledged, stored durably."""

from __future__ import annotations

import collections
import logging
import typing as t

import msgspec
import sqlalchemy as sa

from tap_newstore_fulfillment.landing.clock import StoreClock
from tap_newstore_fulfillment.landing.database import WRITER_LOCK, LandingDatabase
from tap_newstore_fulfillment.landing.late_arrivals import LateArrivals, is_known_late
from tap_newstore_fulfillment.landing.quarantine import Quarantine
from tap_newstore_fulfillment.landing.release import Bookmark, ReleasePlan
from tap_newstore_fulfillment.landing.retention import Retention
from tap_newstore_fulfillment.landing.settling import Settled
from tap_newstore_fulfillment.landing.tables import fulfillment_event, landing_store

if t.TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterator, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent

logger = logging.getLogger("tap-newstore-fulfillment.landing")

ROWS_AT_ONCE = 2_000
RESTORED = (
    "The landing store has been restored from an older copy since the last run: all of it is read again. Events "
    "stored after that copy are gone; let NewStore send them again with newstore-event-receiver replay"
)
# A whole group goes in as one JSON text, in one statement that the database executes alone. For every
# row passed in or out, this thread would have to wait for the GIL, which the busy event loop holds.
INSERT_ON_SQLITE = """
INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), ?,
  json_extract(value, '$[3]')
FROM json_each(?) WHERE true ORDER BY key
ON CONFLICT (event_id) DO NOTHING
"""
# The sort needs all of its input, and so the lock, before the first position is assigned.
INSERT_ON_POSTGRESQL = """
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(%s::bigint))
INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
SELECT event ->> 0, event ->> 1, (event ->> 2)::bigint,
  coalesce(%s::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), event ->> 3
FROM locked, json_array_elements(%s::json) WITH ORDINALITY AS events (event, number) ORDER BY number
ON CONFLICT (event_id) DO NOTHING RETURNING event_name
"""
_encode = msgspec.json.Encoder().encode


class Arrival(t.NamedTuple):
    """A stored event as the tap reads it back.

    Attributes:
        received_at: Epoch milliseconds.
        body: As NewStore sent it.
    """

    event_id: str
    event_name: str
    logical_timestamp: int
    received_at: int
    body: str


class LandingStore:
    """Stores events and reads them back in timestamp order.

    Args:
        url: SQLAlchemy URL; the schema is created if it does not exist.

    Attributes:
        quarantine: Bodies that are not events.
        retention: How far each reader is, and what may be pruned.
        clock: Decides which events have settled, even if the clock is set.
        late_arrivals: Which events came late.

    Raises:
        TapError: the URL cannot be opened, or another version created the schema.
    """

    def __init__(self, url: str) -> None:
        self._database = LandingDatabase(url)
        self.was_empty = self._database.was_empty
        self.store_id = self._database.store_id
        self.quarantine = Quarantine(self._database)
        self.retention = Retention(self._database)
        self.clock = StoreClock(self._database)
        self.late_arrivals = LateArrivals(self._database)

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def add(self, events: Sequence[FulfillmentEvent], received_at: int | None = None) -> collections.Counter[str]:
        """Store events in one transaction; those already stored stay as they are.

        Args:
            events: Checked events, in the order they arrived.
            received_at: Epoch milliseconds; None: now, by the store's clock.

        Returns:
            The number of new events, by event name. When this returns, all events are durable.

        Raises:
            StoreUnavailableError: nothing was stored.
        """
        text = _encode([(event.event_id, event.event_name, event.logical_timestamp, event.body) for event in events])
        if self._database.is_postgresql:
            rows = self._database.execute_alone(INSERT_ON_POSTGRESQL, (WRITER_LOCK, received_at, text.decode()))
            return collections.Counter(row[0] for row in rows)
        with self._database.writing() as connection:
            moment = self._database.now(connection) if received_at is None else received_at
            inserted = connection.exec_driver_sql(
                INSERT_ON_SQLITE, (moment, text.decode()), execution_options={"preserve_rowcount": True}
            )
            if inserted.rowcount == len(events):
                return collections.Counter(event.event_name for event in events)
            # The events this transaction added have the highest positions.
            newest = sa.select(fulfillment_event.c.event_name).order_by(fulfillment_event.c.position.desc())
            return collections.Counter(connection.scalars(newest.limit(inserted.rowcount)))

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body in quarantine.

        Raises:
            StoreUnavailableError: it was not stored.
        """
        self.quarantine.add(body, path=path, reason=reason, received_at=received_at)

    def transaction(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """Open a transaction for tables that live beside the events; each database runs one at a time.

        Raises:
            StoreUnavailableError: nothing of it was stored.
        """
        return self._database.writing()

    def check(self) -> None:
        """Raise StoreUnavailableError unless the store answers."""
        with self._database.reading() as connection:
            connection.execute(sa.select(landing_store.c.store_id))

    def plan_release(
        self,
        start: Bookmark,
        *,
        settle_ms: int = 0,
        oldest: int | None = None,
        now: int | None = None,
        settled: Settled | None = None,
    ) -> ReleasePlan:
        """Decide what one run of the tap releases (design rules 1 and 2), and note which of it came late.

        Args:
            start: Where the last run ended.
            settle_ms: Milliseconds an event waits; what was received more recently has not settled.
            oldest: Ignore events with a lower logical timestamp (None: ignore none).
            now: Epoch milliseconds; None: now, by the store's clock.
            settled: What `clock` says for `settle_ms`; without it the wall clock is trusted.
        """
        event = fulfillment_event.c
        with self._database.reading() as connection:
            # Read the clock before the position: what is received in between must not count as settled.
            if settled is None:
                moment = self._database.now(connection) if now is None else now
                settled = Settled.by_wall(moment - settle_ms)
            position = connection.scalar(sa.select(sa.func.max(event.position))) or 0
            by_wall = sa.and_(event.received_at <= settled.received_at, event.position <= settled.within)
            query = (
                sa.select(event.logical_timestamp)
                .where(sa.or_(event.position <= settled.position, by_wall), event.position <= position)
                .order_by(event.logical_timestamp.desc())
            )
            mark = connection.scalar(query.limit(1))
            if start.is_ahead_of_store(self.store_id, position, _arrival_at(connection, start.position)):
                logger.warning(RESTORED)
                start = start.without_position(self.store_id)
            arrival = _arrival_at(connection, position)
        plan = ReleasePlan.make(
            start, mark=mark, position=position, store_id=self.store_id, oldest=oldest, arrival=arrival
        )
        self.late_arrivals.note(plan, settle_ms)
        return self.late_arrivals.look_up(plan, settle_ms)

    def released(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield all events of a plan, in batches."""
        yield from self.released_first(plan)
        yield from self.released_last(plan)

    def released_first(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield the late events below the start, then the settled ones, each in timestamp order."""
        event, query = fulfillment_event.c, _arrivals(plan)
        if plan.start.through is not None:
            late = query.where(event.logical_timestamp <= plan.start.through)
            yield from self._read(late.where(event.position > plan.start.position))
            query = query.where(event.logical_timestamp > plan.start.through)
        if plan.late:
            query = query.where(~is_known_late(plan.late))
        if plan.through is not None:
            yield from self._read(query.where(event.logical_timestamp <= plan.through))

    def released_last(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield the events above the start that are known to have come late, in timestamp order."""
        if plan.late:
            event, query = fulfillment_event.c, _arrivals(plan).where(is_known_late(plan.late))
            yield from self._read(query.where(event.logical_timestamp.between(plan.late.lowest, plan.through)))

    def unreleased(self, plan: ReleasePlan) -> Iterator[Sequence[Arrival]]:
        """Yield what waits above the release mark, in timestamp order, in batches."""
        query = _arrivals(plan)
        if plan.through is not None:
            query = query.where(fulfillment_event.c.logical_timestamp > plan.through)
        yield from self._read(query)

    def _read(self, query: sa.Select[t.Any]) -> Iterator[Sequence[Arrival]]:
        with self._database.reading() as connection:
            result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
            for rows in result.partitions():
                yield t.cast("Sequence[Arrival]", rows)


def _arrival_at(connection: sa.Connection, position: int) -> str | None:
    """Return the event at a position and when it came: in a restored store it would come again at another time."""
    event = fulfillment_event.c
    row = connection.execute(sa.select(event.event_id, event.received_at).where(event.position == position)).first()
    return f"{row.event_id}@{row.received_at}" if row else None


def _arrivals(plan: ReleasePlan) -> sa.Select[t.Any]:
    event = fulfillment_event.c
    query = (
        sa.select(event.event_id, event.event_name, event.logical_timestamp, event.received_at, event.body)
        .where(event.position <= plan.position, event.body.is_not(None))
        .order_by(event.logical_timestamp, event.position)
    )
    return query if plan.oldest is None else query.where(event.logical_timestamp >= plan.oldest)
