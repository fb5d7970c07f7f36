"""Events that were taken out of a landing store: their positions are never given out again."""

from __future__ import annotations

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event, timestamp_of

#: Stands between the name of a pruned event and the former tenant it was taken out with; neither can hold it.
OF = "\n"
#: Begins the id of a row whose own was given back; its position and its own id follow.
PLACE = "taken out:"


def take_out(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> None:
    """Take events out of the store; a redelivery of them is still a duplicate."""
    connection.execute(fulfillment_event.update().where(*where).values(body=None, logical_timestamp=TAKEN_OUT))


def give_id_back(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> None:
    """Let a redelivery of events that were taken out be stored, as new: nothing else is left of them at their places.

    The row goes on to say which event stood there: a bookmark that names it is of this store.
    """
    event = fulfillment_event.c
    unused = sa.literal(PLACE) + sa.cast(event.position, sa.Text) + ":" + event.event_id
    is_of_nobody = sa.func.replace(event.event_name, OF, "") == event.event_name
    taken_out = fulfillment_event.update().where(
        event.logical_timestamp == TAKEN_OUT, is_of_nobody, ~event.event_id.startswith(PLACE), *where
    )
    connection.execute(taken_out.values(event_id=unused))


def event_that_stood(position: int, event_id: str) -> str:
    """Return the event that was stored at a position, whatever became of it since."""
    return event_id.removeprefix(f"{PLACE}{position}:")


def take_out_pruned(connection: sa.Connection, tenant: str) -> None:
    """Let the pruned events of a former tenant move no mark; a redelivery of them is still a duplicate."""
    event = fulfillment_event.c
    pruned = fulfillment_event.update().where(event.body.is_(None), event.logical_timestamp > TAKEN_OUT)
    connection.execute(pruned.values(event_name=event.event_name + f"{OF}{tenant}", logical_timestamp=TAKEN_OUT))


def put_pruned_back(connection: sa.Connection, tenant: str) -> None:
    """Undo `take_out_pruned`: the tenant is the store's again."""
    event, whose = fulfillment_event.c, f"{OF}{tenant}"
    length = sa.func.length(event.event_name) - len(whose)
    is_theirs = sa.func.substr(event.event_name, length + 1) == whose
    taken_out = fulfillment_event.update().where(event.logical_timestamp == TAKEN_OUT, is_theirs)
    at = sa.cast(timestamp_of(event.event_id), sa.BigInteger)
    connection.execute(taken_out.values(event_name=sa.func.substr(event.event_name, 1, length), logical_timestamp=at))
