"""The landing store: every event the receiver has acknowledged, stored durably."""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import time
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import StoreRefusedError, StoreUnavailableError
from tap_newstore_fulfillment.landing.added import Added
from tap_newstore_fulfillment.landing.audits import AuditFigures, Audits
from tap_newstore_fulfillment.landing.clock import StoreClock
from tap_newstore_fulfillment.landing.database import WRITER_LOCK, LandingDatabase
from tap_newstore_fulfillment.landing.inserts import (
    INSERT_ON_POSTGRESQL,
    INSERT_ON_SQLITE,
    NEWEST_ON_SQLITE,
    Inserted,
    as_json,
)
from tap_newstore_fulfillment.landing.loop_adds import LoopAdds
from tap_newstore_fulfillment.landing.moved import REFUSES
from tap_newstore_fulfillment.landing.quarantine import Quarantine
from tap_newstore_fulfillment.landing.releases import Arrival, Releases
from tap_newstore_fulfillment.landing.retention import Retention
from tap_newstore_fulfillment.landing.tables import landing_store
from tap_newstore_fulfillment.landing.tenancy import Tenancy, put_back

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.loop_adds import OnOutcome

__all__ = ["Added", "Arrival", "LandingStore"]

logger = logging.getLogger("tap-newstore-fulfillment.landing")


class LandingStore(Releases):
    """Stores events and reads them back in timestamp order.

    Args:
        url: SQLAlchemy URL; the schema is created if it does not exist.
        tenant: Whose events it keeps (setting `tenant`); None: those of the first tenant an event names.
        quarantine_max_mb: The most the bodies in quarantine may take; None: no limit.

    Attributes:
        quarantine: What is set aside: bodies that are no events, events of others.
        retention: How far each reader is, and what may be pruned.
        clock: Decides which events have settled, even if the clock is set.
        late_arrivals: Which events came late.
        far_ahead: Which events are far ahead of all others.
        losses: Which acknowledged events are known to be gone.
        audits: What NewStore delivered again, compared with what was known.

    Raises:
        TapError: the URL cannot be opened, or another version created the schema.
    """

    def __init__(self, url: str, *, tenant: str | None = None, quarantine_max_mb: int | None = None) -> None:
        super().__init__(LandingDatabase(url))
        self.was_empty = self._database.was_empty
        self.quarantine = Quarantine(self._database, quarantine_max_mb)
        self.retention = Retention(self._database)
        self.clock = StoreClock(self._database)
        self.audits = Audits(self._database)
        self._tenancy = Tenancy(self._database, tenant)
        self._loop_adds = LoopAdds(self._database, self._tenancy, self)

    @property
    def tenant(self) -> str | None:
        """Whose events it keeps, as far as this process knows; None: no event has named one yet."""
        return self._tenancy.known

    def close(self) -> None:
        """Close all connections."""
        self._loop_adds.close()
        self._database.close()

    def add(self, events: Sequence[FulfillmentEvent], received_at: int | None = None) -> Added:
        """Store events in one transaction; those already stored stay as they are.

        Events of another tenant, and what the database cannot hold, are set aside in quarantine.

        Args:
            events: Checked events, in the order they arrived.
            received_at: Epoch milliseconds; None: now, by the store's clock.

        Returns:
            The number of new events, by event name. When this returns, all events are durable.

        Raises:
            StoreUnavailableError: nothing was stored.
        """
        if not events:
            return Added()
        try:
            added = self._add(events, received_at)
        except StoreRefusedError as error:
            return self._add_what_can_be(events, received_at, str(error))
        self.look_after(events, added)
        self._loop_adds.open_if_wanted()
        return added

    def in_loop(self) -> Callable[[Sequence[FulfillmentEvent], OnOutcome], None] | None:
        """Return what begins to store events for an event loop, without a thread; None: `add` has to, for now.

        What it is given is called in the event loop when the events are durable, with what was new; or with what a
        thread has to do instead. It takes one group at a time.
        """
        return self._loop_adds.begin if self._loop_adds.is_ready() else None

    def add_audited(self, deliveries: Sequence[tuple[str, FulfillmentEvent]]) -> Added:
        """Store events that came for audits like any other, and note which of them were known before.

        Args:
            deliveries: The audit's integration, and a checked event.

        Raises:
            StoreUnavailableError: nothing was stored.
        """
        events = [event for _, event in deliveries]
        try:
            with self._database.writing() as connection:
                _, ours, others = self._tenancy.split(connection, events)
                known = self.audits.known(connection, ours) | self.audits.known_of_others(connection, others)
                added = self._store(connection, events, self._database.now(connection))
                self.audits.note(connection, deliveries, known)
        except StoreRefusedError:
            return self.add(events)
        self.look_after(events, added)
        return added

    def is_ours(self, event: FulfillmentEvent) -> bool:
        """Return whether an event belongs to this store's tenant."""
        return self._tenancy.is_ours(event)

    def put_back(self, event: FulfillmentEvent) -> Added:
        """Store an event that was set aside, or taken out; it arrives now.

        Raises:
            StoreUnavailableError: it was not stored.
        """
        with self._database.writing() as connection:
            if self._tenancy.split(connection, [event]).ours:
                put_back(connection, event, self._database.now(connection))
                return Added([event.event_name])
        return self.add([event])

    def _add(self, events: Sequence[FulfillmentEvent], received_at: int | None) -> Added:
        plain = self._add_plainly(events, received_at)
        if plain is not None:
            return plain
        with self._database.writing() as connection:
            moment = self._database.now(connection) if received_at is None else received_at
            return self._store(connection, events, moment)

    def _add_plainly(self, events: Sequence[FulfillmentEvent], received_at: int | None) -> Added | None:
        """Store events that are all ours, as far as this process knows; None: it knew too little to do so."""
        parted = self._tenancy.parted(events)
        if not self._database.executes_alone or parted is None or parted.others:
            return None
        group, tenant = as_json(events), parted.tenant
        if self._database.is_postgresql:
            rows, _ = self._database.execute_alone(INSERT_ON_POSTGRESQL, (WRITER_LOCK, received_at, tenant, group))
            inserted = Inserted.from_rows(rows, tenant)
            if not inserted.is_for_tenant:
                return None
            added = Added(inserted.new)
            if added.total() < len(events):
                self._database.wait_for_standby()
            return added
        _, stored = self._database.execute_alone(INSERT_ON_SQLITE, (received_at, tenant, group))
        if stored == len(events):
            return Added(event.event_name for event in events)
        if not stored:
            # All are known, or the store's tenant is another one.
            return None
        names, _ = self._database.execute_alone(NEWEST_ON_SQLITE, (group, stored))
        return Added(row[0] for row in names)

    def _store(self, connection: sa.Connection, events: Sequence[FulfillmentEvent], moment: int) -> Added:
        _, ours, others = self._tenancy.split(connection, events)
        if others:
            self.quarantine.limit.keep(connection, self._tenancy.set_aside(connection, others, moment))
        new = self._insert(connection, ours, moment) if ours else {}
        return Added(new, [event.event_name for event in others])

    def look_after(self, events: Sequence[FulfillmentEvent], added: Added) -> None:
        """Do what stored events call for."""
        if not (ours := [event for event in events if self.is_ours(event)]):
            return
        self.losses.remember(ours, all_are_new=added.total() == len(ours))
        with contextlib.suppress(StoreUnavailableError):
            self.far_ahead.watch(max(event.logical_timestamp for event in ours))

    def _insert(self, connection: sa.Connection, events: Sequence[FulfillmentEvent], moment: int) -> Mapping[str, int]:
        """Return how many events were new, by event name."""
        group, tenant = as_json(events), self._tenancy.known
        if self._database.is_postgresql:
            rows = connection.exec_driver_sql(INSERT_ON_POSTGRESQL, (WRITER_LOCK, moment, tenant, group))
            return Inserted.from_rows(rows.all(), tenant).new
        inserted = connection.exec_driver_sql(
            INSERT_ON_SQLITE, (moment, tenant, group), execution_options={"preserve_rowcount": True}
        )
        names = connection.exec_driver_sql(NEWEST_ON_SQLITE, (group, inserted.rowcount)).scalars()
        return collections.Counter(names)

    def _add_what_can_be(self, events: Sequence[FulfillmentEvent], received_at: int | None, reason: str) -> Added:
        """Store the events one by one around those the database cannot hold, which go to quarantine."""
        if len(events) > 1:
            half = len(events) // 2
            parts = self.add(events[:half], received_at), self.add(events[half:], received_at)
            return Added(
                itertools.chain.from_iterable(part.elements() for part in parts),
                itertools.chain.from_iterable(part.set_aside.elements() for part in parts),
            )
        (event,) = events
        logger.error("Event %s was set aside: %s", event.event_id, reason)
        self.quarantine.add(event.body.encode(), path="", reason=reason, received_at=time.time_ns() // 1_000_000)
        return Added(set_aside=[event.event_name])

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body in quarantine.

        Raises:
            StoreUnavailableError: it was not stored.
        """
        self.quarantine.add(body, path=path, reason=reason, received_at=received_at)

    def add_rejected_once(self, audit: str, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Store a refused body that came for an audit, unless it is in quarantine.

        Raises:
            StoreUnavailableError: it was not stored.
        """
        self.audits.add_refused(audit, body, path=path, reason=reason, received_at=received_at)

    def set_aside(self) -> dict[str, float]:
        """Return how much waits for somebody: entries of quarantine by kind, holes, and bodies nobody can date.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        self.far_ahead.note()
        holes = self.quarantine.holes()
        return {
            **self.quarantine.count_by_kind(),
            "holes": holes.bodies,
            "without a logical timestamp": holes.unread,
        }

    def audit_figures(self) -> AuditFigures:
        """Return what audits have found, and how often the store went back.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        return self.audits.figures(self.losses.count())

    def transaction(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """Open a transaction for tables that live beside the events; each database runs one at a time.

        Raises:
            StoreUnavailableError: nothing of it was stored.
        """
        return self._database.writing()

    def check(self) -> None:
        """Raise StoreUnavailableError unless the store answers, takes writes, and was not moved."""
        with self._database.reading(aside=True) as connection:
            if (connection.scalar(sa.select(landing_store.c.schema_version)) or 0) < 0:
                raise StoreUnavailableError(REFUSES)
            self._database.check_takes_writes(connection)
