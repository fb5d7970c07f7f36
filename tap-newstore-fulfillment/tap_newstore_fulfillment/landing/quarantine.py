"""Bodies that were answered 400: kept byte for byte, to be shown and retried."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.tables import quarantine

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.landing.database import LandingDatabase


LONGEST_REASON = 2_000


class Rejected(t.NamedTuple):
    """A body in quarantine, without the body.

    Attributes:
        received_at: Epoch milliseconds.
        path: The endpoint it was posted to.
        reason: What was wrong with it.
        size: Bytes.
    """

    id: int
    received_at: int
    path: str
    reason: str
    size: int


class Quarantine:
    """The quarantine of a landing store."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def add(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Keep a body.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        with self._database.writing() as connection:
            row = {"received_at": received_at, "path": path, "reason": _storable(reason), "body": body}
            connection.execute(quarantine.insert(), row)

    def list(self, *, after: int = 0, limit: int = 100) -> Sequence[Rejected]:
        """Return the oldest entries whose id is greater than `after`."""
        shown = quarantine.c
        query = (
            sa.select(shown.id, shown.received_at, shown.path, shown.reason, sa.func.length(shown.body))
            .where(shown.id > after)
            .order_by(shown.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [Rejected(*row) for row in connection.execute(query)]

    def find(self, rejected_id: int) -> tuple[Rejected, bytes] | None:
        """Return one entry and its body; None if there is none with this id."""
        rows = self.list(after=rejected_id - 1, limit=1)
        if not rows or rows[0].id != rejected_id:
            return None
        with self._database.reading() as connection:
            body = connection.scalar(sa.select(quarantine.c.body).where(quarantine.c.id == rejected_id))
        return rows[0], bytes(body or b"")

    def count(self) -> int:
        """Return the number of bodies in quarantine."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(quarantine)) or 0

    def remove(self, rejected_id: int) -> None:
        """Drop a body that has become an event."""
        with self._database.writing() as connection:
            connection.execute(quarantine.delete().where(quarantine.c.id == rejected_id))


def _storable(reason: str) -> str:
    """Return the reason in a form any database stores: it may quote the body, which may hold anything."""
    return reason.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:LONGEST_REASON]
