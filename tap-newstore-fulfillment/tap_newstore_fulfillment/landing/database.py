"""The landing store's database: the same code for SQLite and PostgreSQL.

Arrival positions are assigned in commit order (design rule 2). SQLite has one writer at a time.
On PostgreSQL writers take a transaction lock first: with a sequence alone, a lower number could
commit after a higher one.
"""

from __future__ import annotations

import contextlib
import time
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.errors import (
    ConfigurationError,
    NoPrimaryError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
)
from tap_newstore_fulfillment.landing.connections import (
    NOT_REPLICATED,
    OPEN,
    STANDBY,
    UNREPLICATED,
    cannot_open,
    create_engine,
    file_of,
    is_cluster,
    is_read_only,
    make_no_file,
    short,
)
from tap_newstore_fulfillment.landing.driver_writes import execute_alone
from tap_newstore_fulfillment.landing.inserts import QUESTIONS_ON_SQLITE, STATEMENTS_ON_POSTGRESQL, WAIT_FOR_STANDBY
from tap_newstore_fulfillment.landing.loop_writes import LoopConnection
from tap_newstore_fulfillment.landing.moved import REFUSES
from tap_newstore_fulfillment.landing.opening import existing_version, looking, open_schema
from tap_newstore_fulfillment.landing.tables import SCHEMA_VERSION, landing_store
from tap_newstore_fulfillment.landing.upgrade import brought_from, is_older

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.dialects import postgresql, sqlite

    from tap_newstore_fulfillment.landing.loop_process import LoopProcess

#: An arbitrary number: writers on PostgreSQL queue on this advisory lock.
WRITER_LOCK = 0x6E657773746F7265


class LandingDatabase:
    """An open landing store.

    Args:
        url: SQLAlchemy URL; the schema is created if it does not exist.

    Attributes:
        store_id: Identity of the store; a copy restored from a backup keeps it.
        was_empty: The schema did not exist before.
        file: Which file a SQLite store is; None: it is none.
        is_gone: The file was not there at the last look: what is written to it would go with it.
        executes_alone: Connections of their own lead to the same store; not in memory.

    Raises:
        TapError: the URL cannot be opened, or another version created the schema.
        NoPrimaryError: no server of a cluster takes writes now, or the only one is a standby.
        ConfigurationError: the database's locks are none.
    """

    is_gone = False

    def __init__(self, url: str) -> None:
        try:
            self._engine = create_engine(url)
            # One round trip per statement, and nothing left to undo; the other engine needs five.
            self._alone = create_engine(
                url, isolation_level="AUTOCOMMIT", pool_pre_ping=False, pool_reset_on_return=None
            )
            # For a look at the store's health, while all others wait for a connection.
            self._aside = create_engine(url, pool_size=1)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise StoreError(cannot_open(error), OPEN) from error
        self._driver = t.cast("t.Any", self._alone.dialect.loaded_dbapi)
        self.is_postgresql = self._engine.dialect.name == "postgresql"
        try:
            self.was_empty = not sa.inspect(self._engine).has_table(landing_store.name)
            with self._begin() as connection:
                self._refuse_stubs()
                self.store_id = open_schema(connection)
            self.file = file_of(self._engine.url)
            make_no_file(self._engine, self._alone, self._aside)
            self.executes_alone = self.is_postgresql or self.file is not None
        except sa.exc.SQLAlchemyError as error:
            self.close()
            raise self._cannot_open(error) from error
        except BaseException:
            self.close()
            raise

    @classmethod
    def upgrade(cls, url: str) -> str:
        """Bring the landing store behind a URL to this version, and return what was done.

        Raises:
            TapError: there is none, or it cannot be upgraded.
        """
        with looking(url) as connection:
            version = existing_version(connection)
        began = time.monotonic()
        cls(url).close()
        if is_older(version):
            return f"the landing store was {brought_from(version, time.monotonic() - began)}"
        return f"the landing store has schema version {SCHEMA_VERSION}"

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
        self._alone.dispose()
        self._aside.dispose()

    def reopen_if_replaced(self) -> bool:
        """Let go of a SQLite file that is gone, and return whether another one has taken its place."""
        found = file_of(self._engine.url)
        self.is_gone = found is None and self.file is not None
        if found == self.file:
            return False
        self.close()
        self.file = found or self.file
        return not self.is_gone

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Yield a transaction that is durable when the block ends.

        Raises:
            StoreUnavailableError: nothing of it was kept.
            StoreRefusedError: nothing of it was kept, because the database cannot hold it.
        """
        with self._unavailable("did not take it"), self._begin() as connection:
            yield connection

    def execute_alone(self, statement: str, parameters: tuple[t.Any, ...]) -> tuple[list[t.Any], int]:
        """Run one statement as a transaction of its own; return its rows, and how many it has written or returned.

        The statement must be harmless to repeat: it runs again if the connection was lost.

        Raises:
            StoreUnavailableError: it is not certain that anything was kept.
            StoreRefusedError: nothing of it was kept, because the database cannot hold it.
        """
        with self._unavailable("did not take it"):
            return execute_alone(self._alone, statement, parameters)

    def connect_loop(self) -> LoopConnection | LoopProcess | None:
        """Return what stores groups of events for an event loop; None: there is no way to do so now."""
        with contextlib.suppress(sa.exc.SQLAlchemyError, self._driver.Error, OSError):
            if self._alone.dialect.driver == "psycopg":
                return LoopConnection(self._alone, STATEMENTS_ON_POSTGRESQL)
            if self.file is not None:
                from tap_newstore_fulfillment.landing.loop_process import LoopProcess  # noqa: PLC0415 - not for a tap

                return LoopProcess(self._alone, QUESTIONS_ON_SQLITE)
        return None

    @contextlib.contextmanager
    def reading(self, *, aside: bool = False) -> Iterator[sa.Connection]:
        """Yield a connection to read with; `aside` from all others, it is there however many wait for one.

        Raises:
            StoreUnavailableError: the store does not answer.
        """
        engine = self._aside if aside else self._engine
        with self._unavailable("cannot be read"), engine.connect() as connection:
            yield connection

    def wait_for_standby(self) -> None:
        """Return when all that can be read here is as safe as what was just written; for PostgreSQL.

        An event may be here although its commit was not waited for, such as after a restart: the event that comes
        again writes nothing, and would wait for nothing.

        Raises:
            StoreUnavailableError: it is not certain.
        """
        self.execute_alone(WAIT_FOR_STANDBY, ())

    def check_takes_writes(self, connection: sa.Connection) -> None:
        """Look whether the server a connection leads to takes writes.

        Raises:
            NoPrimaryError: it does not; another one may do by now.
        """
        if self.is_postgresql and connection.scalar(sa.text("SHOW transaction_read_only")) == "on":
            connection.invalidate()
            self.close()
            raise NoPrimaryError(
                f"the landing store: {STANDBY}", "Wait for the failover, or let landing_url name the primary"
            )

    def insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        """Return an INSERT that knows ON CONFLICT. The engine has loaded the dialect already; the other stays out."""
        if self.is_postgresql:
            from sqlalchemy.dialects import postgresql  # noqa: PLC0415

            return postgresql.insert(table)
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert(table)

    def now(self, connection: sa.Connection) -> int:
        """Return epoch milliseconds by the clock all receivers and the tap share: that of the store's host."""
        if not self.is_postgresql:
            return time.time_ns() // 1_000_000
        milliseconds = sa.func.extract("epoch", sa.func.clock_timestamp()) * 1000
        return int(connection.scalar(sa.select(sa.cast(milliseconds, sa.BigInteger))) or 0)

    def _refuse_stubs(self) -> None:
        """Refuse a database that gives another session the lock this one holds.

        Raises:
            ConfigurationError: it does.
        """
        if not self.is_postgresql:
            return
        with self._alone.connect() as other:
            if other.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(WRITER_LOCK))):
                raise ConfigurationError(
                    "landing_url: this database gives one lock to two sessions, so positions would not be in commit "
                    "order. Use PostgreSQL itself"
                )

    @contextlib.contextmanager
    def _unavailable(self, what: str) -> Iterator[None]:
        """Turn errors of the database into errors of this package."""
        if self.is_gone:
            raise StoreUnavailableError("the landing store's file is gone", "Put it back: a restart begins a new one")
        refused = (sa.exc.DataError, sa.exc.IntegrityError, self._driver.DataError, self._driver.IntegrityError)
        try:
            yield
        except (*refused, ValueError, OverflowError) as error:
            if REFUSES in str(error):
                raise StoreUnavailableError(REFUSES) from error
            raise StoreRefusedError(
                f"the landing store cannot hold it: {type(error).__name__}",
                "See what newstore-event-receiver quarantine list shows",
            ) from error
        except (sa.exc.SQLAlchemyError, self._driver.Error) as error:
            raise StoreUnavailableError(
                f"the landing store {what}: {short(error)}", "Look at the database of landing_url"
            ) from error

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            with connection.begin():
                if self.is_postgresql:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
                else:
                    # Lock now: a transaction that reads before it writes could find the store changed in between.
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                if self.is_postgresql:
                    connection.exec_driver_sql(WAIT_FOR_STANDBY)
            if connection.info.pop(NOT_REPLICATED, False):
                raise StoreUnavailableError(f"the landing store {UNREPLICATED}", "Look at the standby")

    def _cannot_open(self, error: Exception) -> StoreError:
        """Return the error that says why; of a cluster whose primary is gone, another server may take its place."""
        is_between = isinstance(error, sa.exc.OperationalError) and is_cluster(self._engine.url)
        kind = NoPrimaryError if is_between or is_read_only(error) else StoreError
        return kind(cannot_open(error, self._engine.url), OPEN)
