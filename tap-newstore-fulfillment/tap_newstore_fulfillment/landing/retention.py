"""How long events are kept: at least as long as any reader needs them.

Each pipeline that reads the store has an id in its bookmark. The bookmark it comes back with is
what its target has confirmed; bodies are pruned only below all of these bookmarks.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.events import COMPLETED
from tap_newstore_fulfillment.landing.late_arrivals import forget_pruned
from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event, pruning, reader

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.landing.database import LandingDatabase
    from tap_newstore_fulfillment.landing.release import Bookmark


class Reader(t.NamedTuple):
    """A pipeline, and how far its target has confirmed.

    Attributes:
        through: Logical timestamp.
        position: Arrival position.
        seen_at: Epoch milliseconds of its last run.
    """

    reader_id: str
    through: int
    position: int
    seen_at: int


class Pruned(t.NamedTuple):
    """How far completions have been pruned.

    Attributes:
        through: The highest logical timestamp among them.
        position: The highest arrival position among them.
    """

    through: int
    position: int


class Retention:
    """The readers of a landing store, and the pruning of what they no longer need."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def note(self, confirmed: Bookmark) -> None:
        """Remember the bookmark a reader came back with; on a first run there is nothing to remember."""
        if confirmed.through is None or confirmed.reader_id is None:
            return
        insert = self._database.insert(reader)
        with self._database.writing() as connection:
            row = {
                "reader_id": confirmed.reader_id,
                "through": confirmed.through,
                "position": confirmed.position,
                "seen_at": self._database.now(connection),
            }
            keep = {name: insert.excluded[name] for name in ("through", "position", "seen_at")}
            connection.execute(insert.on_conflict_do_update(index_elements=["reader_id"], set_=keep), row)

    def readers(self) -> Sequence[Reader]:
        """Return all readers, the one furthest behind first."""
        query = sa.select(reader).order_by(reader.c.position, reader.c.reader_id)
        with self._database.reading() as connection:
            return [Reader(*row) for row in connection.execute(query)]

    def forget(self, reader_id: str) -> bool:
        """Stop keeping events for a reader that will not come back; return False if the id is unknown."""
        with self._database.writing() as connection:
            return bool(connection.execute(reader.delete().where(reader.c.reader_id == reader_id)).rowcount)

    def prune(self, keep_ms: int) -> int:
        """Empty the bodies of old events that every reader has confirmed; their ids are kept.

        Args:
            keep_ms: Milliseconds; younger events are left whole.

        Returns:
            The number of events pruned; 0 as long as nobody has read the store.
        """
        event = fulfillment_event.c
        with self._database.writing() as connection:
            if connection.scalar(sa.select(reader.c.reader_id).limit(1)) is None:
                return 0
            old = fulfillment_event.update().where(
                is_confirmed(),
                event.received_at <= self._database.now(connection) - keep_ms,
                event.body.is_not(None),
            )
            count = connection.execute(old.values(body=None)).rowcount
            self._note_pruned(connection)
            forget_pruned(connection)
            return count

    def pruned(self) -> Pruned | None:
        """Return how far completions have been pruned; None: none has."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(pruning.c.completed_through, pruning.c.completed_position)).first()
        if row is None:
            # An older version may have pruned: scan the store once.
            with self._database.writing() as connection:
                return self._note_pruned(connection)
        return None if row.completed_through is None else Pruned(*row)

    def _note_pruned(self, connection: sa.Connection) -> Pruned | None:
        event = fulfillment_event.c
        highest = sa.select(sa.func.max(event.logical_timestamp), sa.func.max(event.position)).where(
            event.body.is_(None), event.event_name == COMPLETED, event.logical_timestamp > TAKEN_OUT
        )
        through, position = connection.execute(highest).one()
        connection.execute(pruning.delete())
        row = {"id": 1, "completed_through": through, "completed_position": position}
        connection.execute(pruning.insert(), row)
        return None if through is None else Pruned(through, position)


def is_confirmed() -> sa.ColumnElement[bool]:
    """Return the condition that every reader has confirmed an event; never met if nobody has read the store."""
    event = fulfillment_event.c
    through, position = (
        sa.select(sa.func.min(column)).scalar_subquery() for column in (reader.c.through, reader.c.position)
    )
    return sa.and_(event.logical_timestamp <= through, event.position <= position)
