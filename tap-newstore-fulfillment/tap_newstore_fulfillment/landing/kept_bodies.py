"""How long quarantine keeps bodies: within an age and a size, but for events that are nowhere else."""

from __future__ import annotations

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, REFUSED, TAKEN_OUT, fulfillment_event, quarantine

BYTES_PER_MB = 2**20
#: How much this process may add before it looks whether the limit is passed.
MB_BETWEEN_LOOKS = 1
#: And how large a part of a high limit: a look goes through all bodies, and the receiver waits for it.
LOOKS_IN_A_LIMIT = 20


class SizeLimit:
    """The most that the bodies of a quarantine may take together.

    Args:
        max_mb: Megabytes; None: no limit.
    """

    def __init__(self, max_mb: int | None) -> None:
        self._max_bytes = None if max_mb is None else max_mb * BYTES_PER_MB
        self._added = 0

    def may_be_passed(self, added: int) -> bool:
        """Note that bodies were added; return whether they are so many by now that `keep` has something to do.

        Args:
            added: Their bytes.
        """
        self._added += added
        if self._max_bytes is None:
            return False
        return self._added > max(MB_BETWEEN_LOOKS * BYTES_PER_MB, self._max_bytes // LOOKS_IN_A_LIMIT)

    def keep(self, connection: sa.Connection, added: int) -> None:
        """Empty the oldest bodies beyond the limit, now and then; the caller commits.

        Args:
            connection: The store's, in a transaction.
            added: The bytes of bodies that were added in it.
        """
        if self.may_be_passed(added):
            self._added = 0
            self.empty_oldest(connection)

    def empty_oldest(self, connection: sa.Connection) -> int:
        """Empty the oldest bodies beyond the limit, and return their number; the caller commits."""
        return 0 if self._max_bytes is None else _empty_oldest(connection, self._max_bytes)


def is_open(position: int | None = None) -> sa.ColumnElement[bool]:
    """Return the condition that an entry was refused, and its event has not come since, up to a position if given."""
    event = fulfillment_event.c
    has_come = sa.exists().where(event.event_id == quarantine.c.event_id, event.logical_timestamp > TAKEN_OUT)
    if position is not None:
        has_come = has_come.where(event.position <= position)
    return sa.and_(quarantine.c.kind == REFUSED, ~has_come)


def prune(connection: sa.Connection, received_by: int) -> int:
    """Empty old bodies, and drop the entries that say nothing more; the caller commits.

    Args:
        connection: The store's, in a transaction.
        received_by: Epoch milliseconds; what came later stays.

    Returns:
        The number of bodies emptied or dropped.
    """
    entry = quarantine.c
    is_old = entry.received_at <= received_by
    is_seen = sa.and_(entry.holes.is_(None), entry.looked_at.is_not(None))
    is_done = sa.and_(entry.kind == REFUSED, sa.or_(is_seen, ~is_open()))
    done = sa.or_(sa.and_(entry.kind == ANOTHER_TENANT, ~_is_nowhere_else()), is_done)
    dropped = connection.execute(quarantine.delete().where(is_old, done)).rowcount
    old = sa.and_(is_old, entry.kind == REFUSED, sa.func.length(entry.body) > 0)
    return dropped + connection.execute(quarantine.update().where(old).values(body=b"")).rowcount


def _empty_oldest(connection: sa.Connection, max_bytes: int) -> int:
    entry = quarantine.c
    size = sa.func.length(entry.body)
    if (connection.scalar(sa.select(sa.func.sum(size))) or 0) <= max_bytes:
        return 0
    newer = sa.func.sum(size).over(order_by=entry.id.desc()).label("newer")
    kept = sa.select(entry.id, newer).where(size > 0, ~_is_nowhere_else()).subquery()
    beyond = sa.select(kept.c.id).where(kept.c.newer > max_bytes)
    return connection.execute(quarantine.update().where(entry.id.in_(beyond)).values(body=b"")).rowcount


def _is_nowhere_else() -> sa.ColumnElement[bool]:
    """Return the condition that an entry is an event that was taken out before every pipeline had confirmed it.

    It was answered 200 and stored, so nobody sends it again by himself; it comes back when the tenant is set right.
    """
    entry, event = quarantine.c, fulfillment_event.c
    was_taken_out = sa.exists().where(event.event_id == entry.event_id, event.logical_timestamp == TAKEN_OUT)
    return sa.and_(entry.kind == ANOTHER_TENANT, entry.holes.is_(None), was_taken_out)
