"""What is set aside: kept byte for byte with the reason, to be looked at, retried, accepted or discarded.

A refused body is more than a curiosity: a completion may be in it. The logical timestamps it names are
holes that no declared range may cover, until somebody has dealt with it or the event itself has come
(design rule 18). So an entry outlives its body.
"""

from __future__ import annotations

import json
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.discards import discard, refused_id, without_discarded
from tap_newstore_fulfillment.landing.holes import joined, timestamps_in
from tap_newstore_fulfillment.landing.kept_bodies import SizeLimit, is_open, prune
from tap_newstore_fulfillment.landing.open_bodies import Holes, OpenBodies, holes_of, open_bodies, still_open
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT, DEALT_WITH, DISCARDED, REFUSED, quarantine

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.database import LandingDatabase


LONGEST_REASON = 2_000
#: The most the receiver reads of a body. Of what is longer, and is no event, only the beginning is kept, to recognise
#: it by. An event may be longer as it is stored: bytes that are no text become three each.
LONGEST_BODY = 10 * 2**20
KEPT_OF_A_LONG_BODY = 1_000


class Entry(t.NamedTuple):
    """An entry of the quarantine, without its body.

    Attributes:
        received_at: Epoch milliseconds.
        path: The endpoint it was posted to, or the export file; empty: neither is known.
        line: Its number in the export file, from 1.
        reason: Why it is here.
        size: Bytes, as it was received.
        kind: One of the kinds in tables.py.
        holes: Pairs of logical timestamps no range covers because of it.
    """

    id: int
    received_at: int
    path: str
    line: int | None
    reason: str
    size: int
    kind: str
    holes: list[list[int]]


class KeptLines(t.NamedTuple):
    """The refused lines of export files.

    Attributes:
        last: The id of the last entry of the quarantine.
        paths: Of the files.
    """

    last: int
    paths: frozenset[str]


class Quarantine:
    """The quarantine of a landing store.

    Args:
        database: Where it is.
        max_mb: The most its bodies may take together; beyond it the oldest are emptied. None: no limit.

    Attributes:
        limit: That limit.
    """

    def __init__(self, database: LandingDatabase, max_mb: int | None = None) -> None:
        self._database = database
        self.limit = SizeLimit(max_mb)

    def add(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Keep a refused body.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        self.add_rows([new_row(body, path=path, reason=reason, received_at=received_at)])

    def add_rows(self, rows: Sequence[dict[str, t.Any]]) -> None:
        """Keep rows made by `new_row`, in one transaction, except what somebody has discarded.

        Raises:
            StoreUnavailableError: none of them was kept.
        """
        with self._database.writing() as connection:
            if new := without_discarded(connection, rows):
                connection.execute(quarantine.insert(), new)
            self.limit.keep(connection, sum(len(row["body"]) for row in rows))

    def lines(self) -> KeptLines:
        """Return which export files have refused lines here."""
        entry = quarantine.c
        with self._database.reading() as connection:
            last = connection.scalar(sa.select(sa.func.max(entry.id))) or 0
            paths = connection.scalars(sa.select(entry.path).where(_are_lines(), entry.id <= last).distinct())
            return KeptLines(last, frozenset(paths))

    def rename_lines(self, paths: Mapping[str, str]) -> KeptLines:
        """Give the refused lines of export files other paths; return which have refused lines then."""
        renamed = quarantine.update().where(_are_lines(), quarantine.c.path == sa.bindparam("of"))
        with self._database.writing() as connection:
            rows = [{"of": path, "to": new} for path, new in paths.items()]
            connection.execute(renamed.values(path=sa.bindparam("to")), rows)
        return self.lines()

    def forget_lines(self, connection: sa.Connection, paths: Sequence[str], last: int) -> None:
        """Drop the refused lines of export files that have been read again; the caller commits.

        Args:
            connection: The store's, in a transaction.
            paths: Of the files.
            last: The id of the last entry there was before they were read.
        """
        earlier = sa.and_(_are_lines(), quarantine.c.id <= last, quarantine.c.path == sa.bindparam("of"))
        connection.execute(quarantine.delete().where(earlier), [{"of": path} for path in paths])

    def list(self, *, after: int = 0, limit: int = 100) -> Sequence[Entry]:
        """Return the oldest entries whose id is greater than `after`, of what nobody has accepted or discarded."""
        entry = quarantine.c
        holes = sa.case((is_open(), entry.holes)).label("holes")
        size = entry.bytes.label("size")
        query = (
            sa.select(entry.id, entry.received_at, entry.path, entry.line, entry.reason, size, entry.kind, holes)
            .where(entry.id > after, entry.kind.not_in(DEALT_WITH))
            .order_by(entry.id)
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Entry(**{**row._asdict(), "holes": json.loads(row.holes or "[]")}) for row in rows]

    def find(self, entry_id: int) -> tuple[Entry, bytes] | None:
        """Return one entry and its body, empty if it was pruned; None if there is none with this id."""
        rows = self.list(after=entry_id - 1, limit=1)
        if not rows or rows[0].id != entry_id:
            return None
        with self._database.reading() as connection:
            body = connection.scalar(sa.select(quarantine.c.body).where(quarantine.c.id == entry_id))
        return rows[0], bytes(body or b"")

    def count(self) -> int:
        """Return the number of entries."""
        return sum(self.count_by_kind().values())

    def count_by_kind(self) -> dict[str, int]:
        """Return the number of entries of each kind there is."""
        query = sa.select(quarantine.c.kind, sa.func.count()).group_by(quarantine.c.kind)
        with self._database.reading() as connection:
            return {kind: count for kind, count in connection.execute(query) if kind not in DEALT_WITH}

    def oldest_at(self) -> float | None:
        """Return when the oldest entry that waits for somebody came, epoch seconds; None: there is none."""
        query = sa.select(sa.func.min(quarantine.c.received_at)).where(quarantine.c.kind.not_in(DEALT_WITH))
        with self._database.reading() as connection:
            return None if (oldest := connection.scalar(query)) is None else oldest / 1000

    def remove(self, entry_id: int) -> None:
        """Drop an entry, and with it its holes; it does not come again, but for its event."""
        with self._database.writing() as connection:
            discard(connection, entry_id)

    def note_look(self, entry_id: int) -> None:
        """Note that somebody has looked at an entry: runs no longer warn of it."""
        with self._database.writing() as connection:
            entry = quarantine.update().where(quarantine.c.id == entry_id)
            connection.execute(entry.values(looked_at=self._database.now(connection)))

    def open_bodies(self) -> OpenBodies:
        """Return what is open now, for `holes` to be told before a plan is made."""
        with self._database.reading() as connection:
            return open_bodies(connection)

    def holes(
        self, oldest: int | None = None, *, position: int | None = None, before: OpenBodies | None = None
    ) -> Holes:
        """Return what is open.

        Args:
            oldest: Leave out holes below this logical timestamp (None: leave out none).
            position: What came later has not come (None: all has).
            before: What was open earlier, and is open still unless its event has come.
        """
        with self._database.reading() as connection:
            found = open_bodies(connection, position)
            others = {key: body for key, body in (before or {}).items() if key not in found}
            found |= still_open(connection, others, position)
        return holes_of(found, oldest)

    def prune(self, keep_ms: int) -> int:
        """Empty old bodies, and the oldest beyond the limit of size; drop the entries that say nothing more.

        Args:
            keep_ms: Milliseconds; younger bodies stay, unless the limit is passed.

        Returns:
            The number of bodies emptied or dropped.
        """
        with self._database.writing() as connection:
            count = prune(connection, self._database.now(connection) - keep_ms)
            return count + self.limit.empty_oldest(connection)


def new_row(
    body: bytes,
    *,
    path: str,
    reason: str,
    received_at: int,
    kind: str = REFUSED,
    event_id: str | None = None,
    line: int | None = None,
) -> dict[str, t.Any]:
    """Return the row of a body; one that was refused says which event it would have been, and makes holes."""
    holes: list[list[int]] = []
    if kind == REFUSED:
        holes = joined([at, at] for at in timestamps_in(body))
        event_id = event_id or refused_id(body, path, line)
    # Another tenant's event is nowhere else, and may yet be ours.
    is_cut = kind != ANOTHER_TENANT and len(body) > LONGEST_BODY
    return {
        "received_at": received_at,
        "path": storable(path),
        "reason": storable(reason),
        "body": body[:KEPT_OF_A_LONG_BODY] if is_cut else body,
        "kind": kind,
        "event_id": event_id,
        "holes": json.dumps(holes) if holes else None,
        "bytes": len(body),
        "line": line,
    }


def set_aside_row(event: FulfillmentEvent, reason: str, received_at: int) -> dict[str, t.Any]:
    """Return the row of an event of another tenant."""
    body = event.body.encode()
    return new_row(body, path="", reason=reason, received_at=received_at, kind=ANOTHER_TENANT, event_id=event.event_id)


def _are_lines() -> sa.ColumnElement[bool]:
    return sa.and_(quarantine.c.line.is_not(None), quarantine.c.kind != DISCARDED)


def storable(text: str) -> str:
    """Return a text in a form any database stores: it may quote the body, which may hold anything."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:LONGEST_REASON]
