"""Events that were taken out of a landing store: their positions are never given out again."""

from __future__ import annotations

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event


def take_out(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> None:
    """Take events out of the store; a redelivery of them is still a duplicate."""
    connection.execute(fulfillment_event.update().where(*where).values(body=None, logical_timestamp=TAKEN_OUT))


def give_id_back(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> None:
    """Let a redelivery of events that were taken out be stored, as new: nothing else is left of them."""
    event = fulfillment_event.c
    unused = sa.literal("taken out:") + sa.cast(event.position, sa.Text)
    taken_out = fulfillment_event.update().where(event.logical_timestamp == TAKEN_OUT, *where)
    connection.execute(taken_out.values(event_id=unused))
