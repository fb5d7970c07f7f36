"""The landing store: every event the receiver has acknowledged, kept durably.

One code for SQLite and PostgreSQL. Arrival positions are given in commit order (design
rule 2): SQLite has one writer at a time, PostgreSQL writers take a transaction lock
first, because a sequence alone lets a lower number commit after a higher one.
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tap_newstore_fulfillment.errors import StoreUnavailableError, TapError
from tap_newstore_fulfillment.release import Bookmark, ReleasePlan

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent

SCHEMA_VERSION = 1
#: Any fixed number of our own: writers on PostgreSQL queue on this advisory lock.
WRITER_LOCK = 0x6E657773746F7265
STREAMED = {"yield_per": 5_000}
INSERT_ROWS = 500

metadata = sa.MetaData()
position_type = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

#: One row: the schema's version, and an identity that a bookmark can be compared with.
landing_store = sa.Table(
    "landing_store",
    metadata,
    sa.Column("store_id", sa.Text, primary_key=True),
    sa.Column("schema_version", sa.Integer, nullable=False),
)

#: One row per event, whatever it is; `body` is the text as NewStore sent it.
fulfillment_event = sa.Table(
    "fulfillment_event",
    metadata,
    sa.Column("position", position_type, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("event_name", sa.Text, nullable=False),
    sa.Column("logical_timestamp", sa.BigInteger, nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False, comment="epoch milliseconds, receiver's clock"),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("fulfillment_event_by_timestamp", "logical_timestamp", "position"),
    sqlite_autoincrement=True,
)

#: Bodies answered 400, byte for byte, with what was wrong.
quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", position_type, primary_key=True, autoincrement=True),
    sa.Column("received_at", sa.BigInteger, nullable=False, comment="epoch milliseconds"),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)


class Arrival(t.NamedTuple):
    """A kept event as the tap reads it back."""

    position: int
    logical_timestamp: int
    received_at: int
    body: str


class LandingStore:
    """Keeps events and gives them back in timestamp order.

    Args:
        url: SQLAlchemy URL; the schema is created when it is not there yet.

    Raises:
        TapError: the URL cannot be opened, or another version made the schema.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(url)
            if self._engine.dialect.name == "sqlite":
                sa.event.listen(self._engine, "connect", _make_durable)
            self.was_empty = not sa.inspect(self._engine).has_table(landing_store.name)
            self.store_id = self._open_schema()
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise TapError(f"landing_url: cannot open the landing store: {_short(error)}") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def add(self, events: Sequence[FulfillmentEvent], received_at: int) -> int:
        """Keep events in one transaction; those already kept stay as they are.

        Args:
            events: Checked events, in the order they arrived.
            received_at: Epoch milliseconds.

        Returns:
            How many were new. When this returns, all of them are durable.

        Raises:
            StoreUnavailableError: nothing was kept.
        """
        rows = [
            {
                "event_id": event.event_id,
                "event_name": event.event_name,
                "logical_timestamp": event.logical_timestamp,
                "received_at": received_at,
                "body": event.body,
            }
            for event in events
        ]
        new = 0
        with self._writing() as connection:
            for first in range(0, len(rows), INSERT_ROWS):
                part = rows[first : first + INSERT_ROWS]
                new += connection.execute(self._insert_new(), part).rowcount
        return new

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        """Keep a refused body in quarantine.

        Raises:
            StoreUnavailableError: it was not kept.
        """
        with self._writing() as connection:
            row = {"received_at": received_at, "path": path, "reason": reason, "body": body}
            connection.execute(quarantine.insert(), row)

    def transaction(self) -> contextlib.AbstractContextManager[sa.Connection]:
        """Open a transaction for tables that stand beside the events; one at a time on each database.

        Raises:
            StoreUnavailableError: nothing of it was kept.
        """
        return self._writing()

    def check(self) -> None:
        """Raise StoreUnavailableError unless the store answers."""
        with self._reading() as connection:
            connection.execute(sa.select(landing_store.c.store_id))

    def plan_release(self, start: Bookmark, received_until: int, oldest: int | None) -> ReleasePlan:
        """Decide what one run of the tap releases (design rules 1 and 2).

        Args:
            start: Where the last run ended.
            received_until: Epoch milliseconds; what was received later is not settled.
            oldest: Ignore events with a lower logical timestamp (None: ignore none).
        """
        event = fulfillment_event.c
        settled = (
            sa.select(event.logical_timestamp)
            .where(event.received_at <= received_until)
            .order_by(event.logical_timestamp.desc())
            .limit(1)
        )
        with self._reading() as connection:
            position = connection.scalar(sa.select(sa.func.max(event.position))) or 0
            mark = connection.scalar(settled.where(event.position <= position))
        return ReleasePlan.make(start, mark=mark, position=position, store_id=self.store_id, oldest=oldest)

    def released(self, plan: ReleasePlan) -> Iterator[Arrival]:
        """Give the events of a plan in timestamp order: late ones first, then the settled ones."""
        event = fulfillment_event.c
        query = (
            sa.select(event.position, event.logical_timestamp, event.received_at, event.body)
            .where(event.position <= plan.position)
            .order_by(event.logical_timestamp, event.position)
        )
        if plan.oldest is not None:
            query = query.where(event.logical_timestamp >= plan.oldest)
        if plan.start.through is not None:
            late = query.where(event.logical_timestamp <= plan.start.through)
            yield from self._read(late.where(event.position > plan.start.position))
            query = query.where(event.logical_timestamp > plan.start.through)
        if plan.through is not None:
            yield from self._read(query.where(event.logical_timestamp <= plan.through))

    def _read(self, query: sa.Select[tuple[int, int, int, str]]) -> Iterator[Arrival]:
        with self._reading() as connection:
            for row in connection.execute(query, execution_options=STREAMED):
                yield Arrival(*row)

    def _insert_new(self) -> postgresql.Insert | sqlite.Insert:
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        insert: postgresql.Insert | sqlite.Insert = dialect.insert(fulfillment_event)
        return insert.on_conflict_do_nothing(index_elements=["event_id"])

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                if self._engine.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailableError(f"the landing store did not take it: {_short(error)}") from error

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailableError(f"the landing store cannot be read: {_short(error)}") from error

    def _open_schema(self) -> str:
        with self._engine.begin() as connection:
            metadata.create_all(connection)
            row = connection.execute(sa.select(landing_store)).first()
            if row is None:
                row_id = str(uuid.uuid4())
                connection.execute(landing_store.insert(), {"store_id": row_id, "schema_version": SCHEMA_VERSION})
                return row_id
        if row.schema_version != SCHEMA_VERSION:
            raise TapError(
                f"landing_url: the landing store has schema version {row.schema_version}, this program "
                f"knows {SCHEMA_VERSION}; use the version of tap-newstore-fulfillment that made it"
            )
        return str(row.store_id)


def _make_durable(connection: t.Any, _record: object) -> None:
    """Readers beside the writer; a commit is on disk before it returns."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _short(error: Exception) -> str:
    """Give the driver's own sentence, without SQL, parameters or links."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
