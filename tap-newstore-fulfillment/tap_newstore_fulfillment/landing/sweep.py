"""Goes through kept events and takes out what does not belong among them (design rules 15 and 18)."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import EventRejectedError, OtherEntityError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.emptied import other_tenant
from tap_newstore_fulfillment.landing.quarantine import new_row
from tap_newstore_fulfillment.landing.retention import is_confirmed
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, NO_HOLES, REFUSED, fulfillment_event, quarantine
from tap_newstore_fulfillment.landing.taken_out import take_out

logger = logging.getLogger("tap-newstore-fulfillment.landing")

ROWS_AT_ONCE = 5_000
MOVED = (
    "%d stored events do not belong here and were taken out; those refused or of another tenant are in quarantine: "
    "newstore-event-receiver quarantine list"
)


def sweep(connection: sa.Connection, ours: str | None, *where: sa.ColumnElement[bool], is_set: bool = False) -> None:
    """Bring kept events into today's form and set aside what is refused today, or belongs to another tenant.

    The caller commits.

    Args:
        connection: The store's, in a transaction.
        ours: The tenant whose events stay; None: all tenants'.
        where: Which events; without conditions, all whose bodies are kept.
        is_set: Whether the setting `tenant` says whose they are.
    """
    event, last, moved = fulfillment_event.c, 0, 0
    confirmed = sa.case((is_confirmed(), 1), else_=0).label("confirmed")
    kept = sa.select(event.position, event.received_at, event.body, confirmed).where(event.body.is_not(None), *where)
    kept = kept.order_by(event.position).limit(ROWS_AT_ONCE)
    while rows := connection.execute(kept.where(event.position > last)).all():
        moved += sum(_judge(connection, ours, row, is_set=is_set) for row in rows)
        last = rows[-1].position
    if moved:
        logger.warning(MOVED, moved)


def _judge(connection: sa.Connection, ours: str | None, kept: sa.Row[t.Any], *, is_set: bool) -> bool:
    """Look at one kept event; return whether it was taken out."""
    raw, this = kept.body.encode("utf-8", "surrogatepass"), fulfillment_event.c.position == kept.position
    kind, reason, event_id = REFUSED, "", None
    try:
        event = check_event(raw)
    except OtherEntityError:
        take_out(connection, this)
        return True
    except EventRejectedError as error:
        reason = str(error)
    else:
        if ours is None or event.tenant in (None, ours):
            if event.body != kept.body:
                connection.execute(fulfillment_event.update().where(this).values(body=event.body))
            return False
        reason = other_tenant(event.tenant, ours, is_set=is_set)
        kind, event_id = ANOTHER_TENANT, event.event_id
    row = new_row(raw, path="", reason=reason, received_at=kept.received_at, kind=kind, event_id=event_id)
    if kind == ANOTHER_TENANT and kept.confirmed:
        row["holes"] = NO_HOLES
    connection.execute(quarantine.insert(), row)
    take_out(connection, this)
    return True
