"""Whose events a landing store keeps: logical timestamps of two tenants cannot be compared (design rule 15)."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import EventRejectedError, OtherEntityError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.emptied import (
    is_emptied,
    is_missing,
    is_of_another,
    is_whole,
    make_holes,
    other_tenant,
)
from tap_newstore_fulfillment.landing.late_arrivals import move_notes
from tap_newstore_fulfillment.landing.quarantine import set_aside_row, storable
from tap_newstore_fulfillment.landing.sweep import sweep
from tap_newstore_fulfillment.landing.tables import (
    ANOTHER_TENANT,
    DISCARDED,
    fulfillment_event,
    landing_store,
    pruning,
    quarantine,
)
from tap_newstore_fulfillment.landing.taken_out import give_id_back, put_pruned_back, take_out_pruned

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.database import LandingDatabase

    Events = Sequence[FulfillmentEvent]

logger = logging.getLogger("tap-newstore-fulfillment.landing")


#: Of how many other tenants the log speaks once, in one go.
MOST_NAMED = 10
#: Of what is set aside.
ENTRIES_AT_ONCE = 100


class Parted(t.NamedTuple):
    """Events, parted by whose they are.

    Attributes:
        tenant: Ours; None: no event has named it yet.
        ours: Those of it, and those that name none.
        others: Those of other tenants.
    """

    tenant: str | None
    ours: Sequence[FulfillmentEvent]
    others: Sequence[FulfillmentEvent]


class Tenancy:
    """The tenant of one landing store: as set, else that of the first event that names one.

    Args:
        database: The landing store.
        setting: The setting `tenant`; None or empty: the store keeps the tenant it knows.

    Attributes:
        known: The tenant; None: no event has named one yet. Another process may have changed it.
    """

    def __init__(self, database: LandingDatabase, setting: str | None) -> None:
        self._database, self._setting = database, setting
        #: Other tenants the log has named.
        self._named: set[str | None] = set()
        with database.reading() as connection:
            self.known = tenant_of(connection)
        if setting and setting != self.known:
            with database.writing() as connection:
                # Another process may have set it meanwhile.
                self.known = tenant_of(connection)
                if setting != self.known:
                    self._change(connection, setting)

    def parted(self, events: Events) -> Parted | None:
        """Return the events that are ours and those of others, as far as this process knows.

        None: it may be the first to hear of a tenant.
        """
        known = self.known
        if known is None and any(event.tenant for event in events):
            return None
        return _parted(known, events)

    def is_ours(self, event: FulfillmentEvent) -> bool:
        """Return whether an event is ours, as far as this process knows."""
        return self.known is None or event.tenant in (None, self.known)

    def split(self, connection: sa.Connection, events: Events) -> Parted:
        """Return the events that are ours and those of others. The caller commits.

        The first tenant ever named is ours from then on.
        """
        return _parted(self._learn(connection, events), events)

    def with_reasons(self, others: Events) -> list[tuple[FulfillmentEvent, str]]:
        """Return events of other tenants, each once, with the reason why it is set aside."""
        if not others:
            return []
        is_set, ours = self._setting == self.known, str(self.known)
        tenants = {event.tenant for event in others}
        reasons = {tenant: storable(other_tenant(tenant, ours, is_set=is_set)) for tenant in tenants}
        return [(event, reasons[event.tenant]) for event in {event.event_id: event for event in others}.values()]

    def say(self, aside: Sequence[tuple[FulfillmentEvent, str]]) -> None:
        """Log of each tenant, once, why its events are set aside."""
        reasons = {event.tenant: reason for event, reason in aside}
        for tenant in reasons.keys() - self._named:
            logger.warning("Set aside from now on: %s", reasons[tenant])
        self._named.update(list(reasons)[:MOST_NAMED])

    def set_aside(self, connection: sa.Connection, events: Events, received_at: int) -> int:
        """Keep events of another tenant in quarantine, each once; return the bytes added. The caller commits."""
        new = {event.event_id: (event, reason) for event, reason in self.with_reasons(events)}
        entry = quarantine.c
        these = entry.event_id.in_(list(new))
        # Now there is a body again.
        connection.execute(quarantine.delete().where(these, is_emptied()))
        # One discarded for another reason was no event then, and may be ours.
        is_discarded = sa.and_(entry.kind == DISCARDED, is_of_another())
        known = sa.select(entry.event_id).where(these, sa.or_(entry.kind == ANOTHER_TENANT, is_discarded))
        for event_id in connection.scalars(known):
            new.pop(event_id, None)
        rows = [set_aside_row(event, reason, received_at) for event, reason in new.values()]
        if rows:
            connection.execute(quarantine.insert(), rows)
            self.say(list(new.values()))
        return sum(row["bytes"] for row in rows)

    def _learn(self, connection: sa.Connection, events: Events) -> str | None:
        known = tenant_of(connection)
        if known is None and (named := next((event.tenant for event in events if event.tenant), None)):
            known = named
            connection.execute(landing_store.update().values(tenant=named))
        self.known = known
        return known

    def _change(self, connection: sa.Connection, setting: str) -> None:
        """Make the store another tenant's: set aside all others' events, and take back those of this one.

        Those of this one whose bodies are gone are holes, and stored when they come again.
        """
        if self.known is not None:
            logger.warning("This landing store was %s's; from now on it is %s's (setting tenant)", self.known, setting)
            take_out_pruned(connection, self.known)
        put_pruned_back(connection, setting)
        # Looked at anew: what was pruned of a former tenant says nothing of this one.
        connection.execute(pruning.delete())
        connection.execute(landing_store.update().values(tenant=setting))
        self.known = setting
        sweep(connection, setting, is_set=True)
        unreadable = self._take_back(connection, setting)
        if missing := make_holes(connection, setting, unreadable):
            logger.warning(
                "%d events that came while this landing store was another tenant's are gone: quarantine has emptied "
                "or cut them. No range covers them; let NewStore send them again with newstore-event-receiver audit",
                missing,
            )
        entry = quarantine.c
        is_kept = sa.or_(sa.and_(is_whole(), ~is_missing()), entry.kind == DISCARDED)
        give_id_back(connection, ~sa.exists().where(entry.event_id == fulfillment_event.c.event_id, is_kept))

    def _take_back(self, connection: sa.Connection, ours: str) -> list[int]:
        """Store the events of a tenant that were set aside; return the ids of entries that are no events today."""
        entry, last, unreadable = quarantine.c, 0, []
        others = sa.select(entry.id, entry.body).where(entry.kind == ANOTHER_TENANT, is_whole())
        # Few at once: each may have megabytes.
        others = others.order_by(entry.id).limit(ENTRIES_AT_ONCE)
        while rows := connection.execute(others.where(entry.id > last)).all():
            for row in rows:
                try:
                    event = check_event(bytes(row.body))
                except (EventRejectedError, OtherEntityError):
                    unreadable.append(row.id)
                    continue
                if event.tenant == ours:
                    put_back(connection, event, self._database.now(connection))
                    connection.execute(quarantine.delete().where(entry.id == row.id))
            last = rows[-1].id
        return unreadable


def _parted(tenant: str | None, events: Events) -> Parted:
    ours = (None, tenant)
    others = [event for event in events if event.tenant not in ours]
    return Parted(tenant, [event for event in events if event.tenant in ours] if others else events, others)


def put_back(connection: sa.Connection, event: FulfillmentEvent, received_at: int) -> None:
    """Store an event that may have been taken out; it comes as if it had arrived now. The caller commits."""
    known = fulfillment_event.c
    stored = sa.select(known.position).where(known.event_id == event.event_id)
    place = connection.scalar(stored)
    give_id_back(connection, known.event_id == event.event_id)
    values = {name: getattr(event, name) for name in ("event_id", "event_name", "logical_timestamp", "body")}
    if connection.scalar(stored) is None:
        connection.execute(fulfillment_event.insert(), {**values, "received_at": received_at})
        if place is not None:
            move_notes(connection, place, connection.scalars(stored).one())


def tenant_of(connection: sa.Connection) -> str | None:
    """Return whose store it is; None: nobody's yet."""
    return connection.scalar(sa.select(landing_store.c.tenant))
