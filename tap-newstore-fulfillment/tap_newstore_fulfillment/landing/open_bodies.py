"""Refused bodies that are open: nobody has dealt with them, and their events have not come (design rule 18)."""

from __future__ import annotations

import json
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.holes import joined
from tap_newstore_fulfillment.landing.kept_bodies import is_open
from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event, quarantine


class OpenBody(t.NamedTuple):
    """An open entry of the quarantine.

    Attributes:
        event_id: The event it would have been; None: not known.
        received_at: Epoch milliseconds.
        holes: JSON: pairs of logical timestamps; None: none can be read.
        looked_at: Epoch milliseconds; None: nobody has looked at it.
    """

    event_id: str | None
    received_at: int
    holes: str | None
    looked_at: int | None


#: By the ids of the entries.
OpenBodies = dict[int, OpenBody]


class Holes(t.NamedTuple):
    """What refused bodies leave open.

    Attributes:
        pairs: Logical timestamps no range may cover, from and to.
        bodies: How many refused bodies make them.
        since: Epoch milliseconds when the oldest of them came; None: there is none.
        unread: Refused bodies whose logical timestamp cannot be read, and that nobody has looked at.
        unread_since: Epoch milliseconds when the oldest of those came; None: there is none.
    """

    pairs: list[list[int]]
    bodies: int
    since: int | None
    unread: int
    unread_since: int | None


def open_bodies(connection: sa.Connection, position: int | None = None) -> OpenBodies:
    """Return what is open, or would be without the events beyond a position."""
    # Most quarantines are empty, and SQLAlchemy takes longer to compile the query than a database to answer this one.
    if not connection.exec_driver_sql(f'SELECT 1 FROM "{quarantine.name}" LIMIT 1').first():  # noqa: S608 - our own name
        return {}
    entry = quarantine.c
    query = sa.select(entry.id, entry.event_id, entry.received_at, entry.holes, entry.looked_at)
    return {key: OpenBody(*row) for key, *row in connection.execute(query.where(is_open(position)))}


def still_open(connection: sa.Connection, before: OpenBodies, position: int | None) -> OpenBodies:
    """Return those of what was open whose events have not come up to a position, whatever became of the entries.

    One that was retried is gone, and its event lies beyond the position; so may that of one that was discarded or
    pruned, or whose file was read again.
    """
    event, ids = fulfillment_event.c, [body.event_id for body in before.values() if body.event_id]
    if not before:
        return {}
    come = sa.select(event.event_id).where(event.event_id.in_(ids), event.logical_timestamp > TAKEN_OUT)
    if position is not None:
        come = come.where(event.position <= position)
    known = set(connection.scalars(come))
    return {key: body for key, body in before.items() if body.event_id not in known}


def holes_of(bodies: OpenBodies, oldest: int | None = None) -> Holes:
    """Return what bodies leave open, but for holes below a logical timestamp."""
    pairs: list[list[int]] = []
    since: list[int] = []
    unread: list[int] = []
    for body in bodies.values():
        found = [pair for pair in json.loads(body.holes or "[]") if oldest is None or pair[1] >= oldest]
        pairs += found
        since += [body.received_at] if found else []
        unread += [body.received_at] if body.holes is None and body.looked_at is None else []
    return Holes(joined(pairs), len(since), min(since, default=None), len(unread), min(unread, default=None))
