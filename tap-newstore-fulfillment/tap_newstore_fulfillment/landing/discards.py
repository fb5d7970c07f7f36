"""What somebody has discarded stays discarded: its identity is kept, so that it is known when it comes again."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import (
    ANOTHER_TENANT,
    DISCARDED,
    TAKEN_OUT,
    fulfillment_event,
    quarantine,
)
from tap_newstore_fulfillment.landing.taken_out import give_id_back

if t.TYPE_CHECKING:
    from collections.abc import Sequence


def discard(connection: sa.Connection, entry_id: int) -> None:
    """Drop an entry of quarantine for good, and remember it unless its event has come; the caller commits."""
    entry, event = quarantine.c, fulfillment_event.c
    this = entry.id == entry_id
    has_come = sa.exists().where(event.event_id == entry.event_id, event.logical_timestamp > TAKEN_OUT)
    connection.execute(quarantine.delete().where(this, sa.or_(entry.event_id.is_(None), has_come)))
    # It was discarded as another tenant's: it may yet be ours, if that tenant was set by mistake.
    give_id_back(connection, event.event_id.in_(sa.select(entry.event_id).where(this, entry.kind == ANOTHER_TENANT)))
    connection.execute(quarantine.update().where(this).values(kind=DISCARDED, body=b"", holes=None))


def without_discarded(connection: sa.Connection, rows: Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return those rows for quarantine that nobody has discarded."""
    entry = quarantine.c
    ids = [row["event_id"] for row in rows]
    discarded = set(
        connection.scalars(sa.select(entry.event_id).where(entry.event_id.in_(ids), entry.kind == DISCARDED))
    )
    return [row for row in rows if row["event_id"] not in discarded]
