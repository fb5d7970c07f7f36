"""Acknowledged events that are gone: the store went back (design rule 16).

A failover to a standby that lagged, or a restored copy, takes away what has been answered 200. NewStore
does not send it again by itself. A receiver remembers what it has acknowledged, and looks whether that
is still there; a tap has the bookmark of its last run. What either sees is noted here for an audit.
"""

from __future__ import annotations

import collections
import json
import logging
import time
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.landing.tables import fulfillment_event, loss

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.database import LandingDatabase

logger = logging.getLogger("tap-newstore-fulfillment.landing")

#: Groups remembered between two looks.
MOST_REMEMBERED = 20_000
#: Groups that may be committed at once: by the event loop, by the thread beside it, and for audits. Which of them was
#: the last in the store, and so the first to be gone, nobody can say.
MOST_AT_ONCE = 3
#: The clocks of this host and of the store may differ by so much.
CLOCKS_MS = 300_000
GONE = {
    False: "SELECT value FROM json_each(:ids) WHERE value NOT IN (SELECT event_id FROM fulfillment_event)",
    True: "SELECT value FROM json_array_elements_text(CAST(:ids AS json)) AS given (value) "
    "WHERE NOT EXISTS (SELECT FROM fulfillment_event WHERE event_id = given.value)",
}


class Acknowledged(t.NamedTuple):
    """The last event of a group that was stored in one transaction.

    Attributes:
        at: Epoch milliseconds when that was, by this host's clock.
        published_at: Epoch milliseconds when the first of the group was published; None: not known.
    """

    event_id: str
    at: int
    published_at: int | None


class Loss(t.NamedTuple):
    """A time that the store went back.

    Attributes:
        evidence: The event that was seen gone.
        since: Epoch milliseconds; what was published later may be gone.
    """

    evidence: str
    since: int


class Losses:
    """What is known to be gone from one landing store."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database
        self._remembered: collections.deque[Acknowledged] = collections.deque(maxlen=MOST_REMEMBERED)
        self._last: list[Acknowledged] = []

    def remember(self, events: Sequence[FulfillmentEvent], *, all_are_new: bool = True) -> None:
        """Remember a group that is stored: when this process looks again, it must be there.

        A group goes as it came, so one event speaks for all; but not one that an earlier group had brought.
        """
        if not all_are_new:
            for event in events:
                self.remember([event])
            return
        published = min((event.published_at for event in events if event.published_at is not None), default=None)
        published_ms = None if published is None else int(published * 1000)
        self._remembered.append(Acknowledged(events[-1].event_id, time.time_ns() // 1_000_000, published_ms))

    def look(self) -> None:
        """Look whether everything this process has stored since it last looked is there; note a loss if not.

        Whatever it has stored, nothing goes on into a file that is gone or has been replaced.

        Raises:
            StoreUnavailableError: the store does not answer; the next look makes up for it.
        """
        # Another thread appends meanwhile.
        new = [self._remembered.popleft() for _ in range(len(self._remembered))]
        remembered = [*self._last, *new]
        try:
            self._look_at_file()
            gone = self._gone(remembered) if remembered else []
            if gone:
                published = [row.published_at for row in gone if row.published_at is not None]
                self.note(gone[0].event_id, gone[0].at - CLOCKS_MS, min(published, default=None))
        except StoreUnavailableError:
            self._remembered.extendleft(reversed(new))
            raise
        self._last = [row for row in remembered if row not in gone][-MOST_AT_ONCE:]

    def note(self, evidence: str, stored_at: int, published_at: int | None = None) -> None:
        """Note that an event is gone; noting it again changes nothing.

        Args:
            evidence: The event.
            stored_at: Epoch milliseconds: it was stored then, or later.
            published_at: Epoch milliseconds: all that is known to be gone was published then or later (None: unknown).
        """
        event = fulfillment_event.c
        newest = sa.select(event.received_at).where(event.received_at < stored_at)
        with self._database.writing() as connection:
            kept = connection.scalar(newest.order_by(event.position.desc()).limit(1)) or 0
            since = kept if published_at is None else min(kept, published_at)
            row = {"evidence": evidence, "seen_at": self._database.now(connection), "since": since}
            connection.execute(self._database.insert(loss).on_conflict_do_nothing(), row)

    def open(self) -> list[Loss]:
        """Return the losses that no audit has gone back to yet, the one that reaches back furthest first."""
        query = sa.select(loss.c.evidence, loss.c.since).where(loss.c.audited_at.is_(None)).order_by(loss.c.since)
        with self._database.reading() as connection:
            return [Loss(*row) for row in connection.execute(query)]

    def close(self, found: Iterable[Loss]) -> None:
        """Note that a whole audit has gone back as far as these need."""
        evidence = [row.evidence for row in found]
        with self._database.writing() as connection:
            closed = loss.update().where(loss.c.evidence.in_(evidence), loss.c.audited_at.is_(None))
            connection.execute(closed.values(audited_at=self._database.now(connection)))

    def count(self) -> int:
        """Return how often the store was seen to have gone back."""
        with self._database.reading() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(loss)) or 0

    def _look_at_file(self) -> None:
        was_gone = self._database.is_gone
        if self._database.reopen_if_replaced():
            logger.warning("The file of the landing store was replaced by another one, which is used from now on")
        elif self._database.is_gone and not was_gone:
            logger.error("The file of the landing store is gone: answering 503 until it, or another one, is there")

    def _gone(self, remembered: Sequence[Acknowledged]) -> list[Acknowledged]:
        ids = json.dumps([row.event_id for row in remembered])
        with self._database.reading() as connection:
            gone = set(connection.scalars(sa.text(GONE[self._database.is_postgresql]), {"ids": ids}))
        return [row for row in remembered if row.event_id in gone]
