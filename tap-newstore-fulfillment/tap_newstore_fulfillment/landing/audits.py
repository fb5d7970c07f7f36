"""Audits: what NewStore delivers again, compared id by id with what was known (design rule 16).

A delivery that belongs to an audit is stored like any other, and in the same transaction it is noted
whether its event was known before. So what live deliveries and other audits do meanwhile changes
nothing: of two that bring an event, one finds it unknown.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import NotKnownError, TapError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.emptied import is_missing
from tap_newstore_fulfillment.landing.quarantine import new_row
from tap_newstore_fulfillment.landing.releases import Arrival
from tap_newstore_fulfillment.landing.tables import (
    ANOTHER_TENANT,
    DISCARDED,
    TAKEN_OUT,
    audit,
    audited_event,
    fulfillment_event,
    quarantine,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.database import LandingDatabase

    #: The audit's integration, and what came for it.
    Delivery = tuple[str, FulfillmentEvent]

#: An audit whose process has not said for this long that it is alive was killed.
DEAD_AFTER_MS = 30_000
DAY_MS = 24 * 3600 * 1000
ROWS_AT_ONCE = 2_000
#: The newest event is among so many of the last that were published in time, and these among so many of all.
NEWEST, LOOKED_AT = 50, 100_000


class Period(t.NamedTuple):
    """When events were published, in epoch milliseconds."""

    starts_at: int
    ends_at: int


class Unended(t.NamedTuple):
    """An audit that has not ended.

    Attributes:
        beat_at: Epoch milliseconds when its process last said that it is alive.
        is_dead: That was too long ago.
    """

    integration_id: str
    beat_at: int
    is_dead: bool


class AuditFigures(t.NamedTuple):
    """What audits have found in one landing store.

    Attributes:
        lost: How many events were not known when NewStore delivered them again.
        ended_at: Epoch milliseconds when the last whole audit ended; None: there was none.
        went_back: How often the store was seen to have gone back.
    """

    lost: int
    ended_at: int | None
    went_back: int


class Audits:
    """The audits of one landing store."""

    def __init__(self, database: LandingDatabase) -> None:
        self._database = database

    def begin(self, integration_id: str, period: Period) -> None:
        """Note an audit before NewStore is asked, so that what is left of it is known as ours."""
        last = sa.select(sa.func.max(fulfillment_event.c.position))
        with self._database.writing() as connection:
            now, position = self._database.now(connection), connection.scalar(last) or 0
            values = {"integration_id": integration_id, "beat_at": now, "position": position, **period._asdict()}
            connection.execute(audit.insert(), values)

    def beat(self, integration_id: str) -> None:
        """Note that an audit's process is alive.

        Raises:
            TapError: nothing is known of this audit: the store has gone back.
        """
        with self._database.writing() as connection:
            beat = audit.update().where(audit.c.integration_id == integration_id, audit.c.ended_at.is_(None))
            if not connection.execute(beat.values(beat_at=self._database.now(connection))).rowcount:
                raise NotKnownError(
                    "the landing store knows nothing of this audit any more: it has gone back meanwhile",
                    "Audit again",
                )

    def unended(self) -> list[Unended]:
        """Return the audits that run or were killed."""
        query = sa.select(audit.c.integration_id, audit.c.beat_at).where(audit.c.ended_at.is_(None))
        with self._database.reading() as connection:
            alive = self._database.now(connection) - DEAD_AFTER_MS
            return [Unended(name, beat_at, beat_at < alive) for name, beat_at in connection.execute(query)]

    def end(self, integration_id: str, *, is_whole: bool) -> None:
        """Note the end of an audit, and forget its single events."""
        note = audited_event.c
        lost = sa.select(sa.func.count()).where(note.integration_id == integration_id, note.was_known == 0)
        this = sa.and_(audit.c.integration_id == integration_id, audit.c.ended_at.is_(None))
        with self._database.writing() as connection:
            values = {"ended_at": self._database.now(connection), "is_whole": int(is_whole)}
            connection.execute(audit.update().where(this).values(values))
            # What is being noted for it is committed by now, and nothing more will be.
            this_one = audit.update().where(audit.c.integration_id == integration_id, audit.c.lost.is_(None))
            connection.execute(this_one.values(lost=connection.scalar(lost)))
            connection.execute(audited_event.delete().where(note.integration_id == integration_id))

    def audited_through(self) -> int | None:
        """Return up to when whole audits have compared, in epoch milliseconds of publication; None: there is none."""
        query = sa.select(sa.func.max(audit.c.ends_at)).where(audit.c.is_whole == 1)
        with self._database.reading() as connection:
            return t.cast("int | None", connection.scalar(query))

    def newest_published(self, before: int) -> int | None:
        """Return when the newest of the last stored events was published, in epoch milliseconds; None: not known.

        Args:
            before: Leave out what was published from then on, in epoch milliseconds.
        """
        event = fulfillment_event.c
        last = sa.select(event.body).where(event.body.is_not(None)).order_by(event.position.desc()).limit(LOOKED_AT)
        with self._database.reading() as connection:
            bodies = connection.scalars(last, execution_options={"yield_per": NEWEST})
            published = (_published_ms(body) for body in bodies)
            found = (at for at in published if at is not None and at < before)
            return max(itertools.islice(found, NEWEST), default=None)

    def figures(self, went_back: int) -> AuditFigures:
        """Return what audits have found."""
        whole = sa.func.max(sa.case((audit.c.is_whole == 1, audit.c.ended_at)))
        with self._database.reading() as connection:
            lost, ended_at = connection.execute(sa.select(sa.func.sum(audit.c.lost), whole)).one()
        return AuditFigures(int(lost or 0), ended_at, went_back)

    def known(self, connection: sa.Connection, events: Sequence[FulfillmentEvent]) -> set[str]:
        """Return the ids of those of our events that are stored or were refused.

        What was set aside as another tenant's is not known: it is stored only now.
        """
        stored, entry = fulfillment_event.c.event_id, quarantine.c
        ids = [event.event_id for event in events]
        aside = entry.event_id.in_(ids), entry.kind.not_in((ANOTHER_TENANT, DISCARDED)), ~is_missing()
        rows = sa.union(sa.select(stored).where(stored.in_(ids)), sa.select(entry.event_id).where(*aside))
        return set(connection.scalars(rows))

    def known_of_others(self, connection: sa.Connection, events: Sequence[FulfillmentEvent]) -> set[str]:
        """Return the ids of those events of other tenants that were set aside."""
        aside = quarantine.c.event_id
        return set(connection.scalars(sa.select(aside).where(aside.in_([event.event_id for event in events]))))

    def note(self, connection: sa.Connection, deliveries: Sequence[Delivery], known: set[str]) -> None:
        """Note what came for audits that run; the caller commits.

        Args:
            connection: The store's.
            deliveries: What came, and for which audit.
            known: The ids of what was known before.
        """
        rows = [
            {
                "integration_id": integration_id,
                "event_id": event.event_id,
                "logical_timestamp": event.logical_timestamp,
                "was_known": int(event.event_id in known),
            }
            for integration_id, event in deliveries
        ]
        self._insert(connection, rows)

    def add_refused(self, integration_id: str, body: bytes, *, path: str, reason: str, received_at: int) -> bool:
        """Keep a refused body in quarantine unless it is there, or was discarded; return whether it was new."""
        row = new_row(body, path=path, reason=reason, received_at=received_at)
        entry = quarantine.c
        # An earlier version gave a body that names no event no identity.
        same = sa.or_(entry.event_id == row["event_id"], sa.and_(entry.event_id.is_(None), entry.body == row["body"]))
        named = row["event_id"] or f"refused:{hashlib.sha256(body).hexdigest()}"
        note = {"integration_id": integration_id, "event_id": named, "logical_timestamp": None}
        with self._database.writing() as connection:
            # What may have been cut has no identity, and is never known.
            is_known = bool(row["event_id"]) and connection.scalar(sa.select(entry.id).where(same).limit(1)) is not None
            if not is_known:
                connection.execute(quarantine.insert(), row)
            self._insert(connection, [{**note, "was_known": int(is_known)}])
        return not is_known

    def delivered(self, integration_id: str) -> int:
        """Return how many events have come for an audit."""
        query = sa.select(sa.func.count()).where(audited_event.c.integration_id == integration_id)
        with self._database.reading() as connection:
            return connection.scalar(query) or 0

    def lost(self, integration_id: str) -> Iterator[Sequence[Arrival]]:
        """Yield what came for an audit and was not known, in timestamp order; of a refused body there is no text."""
        note, event = audited_event.c, fulfillment_event.c
        at = sa.func.coalesce(note.logical_timestamp, 0)
        query = (
            sa.select(note.event_id, sa.func.coalesce(event.event_name, ""), at, event.received_at, event.body)
            .select_from(audited_event.outerjoin(fulfillment_event, event.event_id == note.event_id))
            .where(note.integration_id == integration_id, note.was_known == 0)
            .order_by(at, note.number)
        )
        with self._database.reading() as connection:
            result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
            for rows in result.partitions():
                yield [Arrival(*row) for row in rows]

    def missing(self, integration_id: str) -> list[str]:
        """Return the ids of known events that were published in an audit's period and did not come again."""
        with self._database.reading() as connection:
            this = connection.execute(sa.select(audit).where(audit.c.integration_id == integration_id)).first()
            if this is None:
                return []
            rows = connection.execute(_not_delivered(connection, this), execution_options={"yield_per": ROWS_AT_ONCE})
            within = range(this.starts_at, this.ends_at)
            return [row.event_id for row in rows if _published_ms(row.body) in within]

    def _insert(self, connection: sa.Connection, rows: Sequence[dict[str, t.Any]]) -> None:
        """Note events for audits that run, each event once; what was lost counts for one that has ended, too."""
        ids = {row["integration_id"] for row in rows}
        running = sa.select(audit.c.integration_id).where(audit.c.integration_id.in_(ids), audit.c.ended_at.is_(None))
        # None of them ends before this is committed.
        known = set(connection.scalars(running.with_for_update(read=True)))
        if kept := [row for row in rows if row["integration_id"] in known]:
            connection.execute(self._database.insert(audited_event).on_conflict_do_nothing(), kept)
        lost = {(row["integration_id"], row["event_id"]) for row in rows if not row["was_known"]}
        for name, count in collections.Counter(name for name, _ in lost if name not in known).items():
            ended = audit.update().where(audit.c.integration_id == name, audit.c.ended_at.is_not(None))
            connection.execute(ended.values(lost=audit.c.lost + count))


def _not_delivered(connection: sa.Connection, this: sa.Row[t.Any]) -> sa.Select[t.Any]:
    """Select what had been stored around an audit's period when it began, and has not come again."""
    event, note = fulfillment_event.c, audited_event.c
    # From the newest back: positions grow with the time of receipt, but for clocks that were set.
    before = sa.select(event.position).where(event.received_at < this.starts_at - DAY_MS)
    first = connection.scalar(before.order_by(event.position.desc()).limit(1)) or 0
    came = sa.exists().where(note.integration_id == this.integration_id, note.event_id == event.event_id)
    return sa.select(event.event_id, event.body).where(
        event.position > first,
        event.position <= this.position,
        event.logical_timestamp > TAKEN_OUT,
        event.body.is_not(None),
        ~came,
    )


def _published_ms(body: str) -> int | None:
    with contextlib.suppress(TapError):
        published = check_event(body.encode("utf-8", "surrogatepass")).published_at
        return None if published is None else int(published * 1000)
    return None
