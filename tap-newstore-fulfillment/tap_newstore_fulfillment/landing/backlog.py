"""What waits in a landing store, and for how long: the figures behind an alarm on silence."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.missing import list_missing
from tap_newstore_fulfillment.landing.quarantine import Quarantine
from tap_newstore_fulfillment.landing.tables import TAKEN_OUT, fulfillment_event, reader

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.landing.database import LandingDatabase

#: A metric counts no further: it is read every few seconds, on stores that keep years.
MOST_COUNTED = 100_000


class Waiting(t.NamedTuple):
    """What a pipeline has not confirmed.

    Attributes:
        reader_id: The pipeline.
        events: How many.
        oldest_ms: Milliseconds since the oldest of them was received; None: nothing waits.
    """

    reader_id: str
    events: int
    oldest_ms: int | None


class Hole(t.NamedTuple):
    """Logical timestamps of which no event has come.

    Attributes:
        first: The first of them.
        last: The last of them.
        age_ms: Milliseconds since the first event above them came.
    """

    first: int
    last: int
    age_ms: int | None


class Backlog(t.NamedTuple):
    """How long the store has been silent, and what waits in it; ages are by the store's clock.

    Attributes:
        silence_ms: Milliseconds since the newest event was received; None: there is none.
        waiting: One entry per pipeline that has come back with a bookmark; if none has, one for the whole store.
        holes: What is missing where the sequence has proven dense, the highest first.
    """

    silence_ms: int | None
    waiting: tuple[Waiting, ...]
    holes: tuple[Hole, ...] = ()


def backlog(database: LandingDatabase) -> Backlog:
    """Return what waits.

    Raises:
        StoreUnavailableError: the store does not answer.
    """
    event = fulfillment_event.c
    newest = sa.select(event.received_at).order_by(event.position.desc()).limit(1)
    refused = Quarantine(database).holes().pairs
    with database.reading() as connection:
        now = database.now(connection)
        silence = _age(now, connection.scalar(newest))
        readers = connection.execute(sa.select(reader).order_by(reader.c.reader_id)).all()
        waiting = [
            _waiting(
                connection, now, row.reader_id, event.logical_timestamp > row.through, event.position > row.position
            )
            for row in readers
        ]
        found = list_missing(connection, refused)
        holes = tuple(Hole(row.first, row.last, _age(now, row.since)) for row in found)
        return Backlog(silence, tuple(waiting or [_waiting(connection, now, "", sa.true())]), holes)


def waiting_events(connection: sa.Connection) -> dict[str, int]:
    """Return how many events each pipeline has not confirmed, up to MOST_COUNTED; "": no pipeline has come back yet."""
    event = fulfillment_event.c
    readers = connection.execute(sa.select(reader).order_by(reader.c.reader_id)).all()
    if not readers:
        return {"": _count_some(connection, sa.true())}
    return {
        row.reader_id: _count_some(connection, event.logical_timestamp > row.through, event.position > row.position)
        for row in readers
    }


def _count_some(connection: sa.Connection, *beyond: sa.ColumnElement[bool]) -> int:
    """Count events beyond a bookmark; each part ends at MOST_COUNTED by its own index: an OR does not promise that."""
    event = fulfillment_event.c
    # The sum keeps SQLite from reading the whole index of timestamps for it.
    kept = sa.select(event.position).where(event.logical_timestamp + 0 > TAKEN_OUT).limit(MOST_COUNTED)
    parts = (sa.select(kept.where(part).subquery().c.position) for part in beyond)
    some = sa.union(*parts).limit(MOST_COUNTED).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def _waiting(connection: sa.Connection, now: int, reader_id: str, *beyond: sa.ColumnElement[bool]) -> Waiting:
    """Count the events beyond a bookmark, by logical timestamp or by arrival position."""
    query = sa.select(sa.func.count(), sa.func.min(fulfillment_event.c.received_at)).where(
        sa.or_(*beyond), fulfillment_event.c.logical_timestamp > TAKEN_OUT
    )
    count, oldest = connection.execute(query).one()
    return Waiting(reader_id, count, _age(now, oldest))


def _age(now: int, moment: int | None) -> int | None:
    return None if moment is None else max(0, now - moment)
