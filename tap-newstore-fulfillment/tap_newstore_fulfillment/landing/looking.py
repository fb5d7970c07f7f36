"""A landing store that is looked at: nothing is made, brought up or changed, and whatever would be is undone."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.errors import StoreError, StoreUnavailableError
from tap_newstore_fulfillment.landing.connections import OPEN, cannot_open, create_engine
from tap_newstore_fulfillment.landing.database import WRITER_LOCK, LandingDatabase
from tap_newstore_fulfillment.landing.tables import fulfillment_event, landing_store

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_newstore_fulfillment.landing.release import ReleasePlan

HOLDER = sa.text(
    "SELECT pid, application_name, client_addr FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = :high AND objid = :low"
    " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def is_missing(url: str) -> bool:
    """Return whether a store is a file that is not there yet.

    Raises:
        TapError: it is no URL.
    """
    try:
        parsed = address(url)
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(cannot_open(error), OPEN) from error
    return parsed.get_backend_name() == "sqlite" and not pathlib.Path(parsed.database or "").exists()


class SeenDatabase(LandingDatabase):
    """An existing landing store of any version, to read. What a transaction writes is undone at its end.

    Args:
        url: SQLAlchemy URL; a file must be there.

    Attributes:
        version: Of its schema; None: there is no store in this database.
        tenant: Whose events it keeps; None: of nobody yet, or the version does not say.

    Raises:
        TapError: it cannot be opened.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = self._alone = self._aside = create_engine(url)
        except (sa.exc.SQLAlchemyError, ImportError) as error:
            raise StoreError(cannot_open(error), OPEN) from error
        self._driver = t.cast("t.Any", self._engine.dialect.loaded_dbapi)
        self.is_postgresql = self._engine.dialect.name == "postgresql"
        self.store_id, self.version, self.tenant = "", None, None
        try:
            with self._engine.connect() as connection:
                self._read_identity(connection)
        except sa.exc.SQLAlchemyError as error:
            self.close()
            raise self._cannot_open(error) from error

    def check_can_write(self) -> None:
        """Begin to write, and leave it at that.

        Raises:
            StoreUnavailableError: the store takes no writes, or somebody holds it; says who.
        """
        try:
            with self.reading() as connection:
                self.check_takes_writes(connection)
            with self.writing():
                pass
        except StoreUnavailableError as error:
            raise StoreUnavailableError(f"{error}{self._holder()}") from error

    @contextlib.contextmanager
    def _begin(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection, connection.begin() as transaction:
            if self.is_postgresql:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            transaction.rollback()

    def _read_identity(self, connection: sa.Connection) -> None:
        inspector = sa.inspect(connection)
        if inspector.has_table(landing_store.name):
            names = {column["name"] for column in inspector.get_columns(landing_store.name)}
            known = [column for column in landing_store.c if column.name in names]
            row = connection.execute(sa.select(*known)).first()
            if row:
                self.store_id, self.version = row.store_id, row.schema_version
                self.tenant = getattr(row, "tenant", None)

    def _holder(self) -> str:
        """Return who holds the lock of those who write, to follow an error; empty: nobody, or it cannot be told."""
        if not self.is_postgresql:
            return ""
        with contextlib.suppress(StoreUnavailableError), self.reading() as connection:
            place = {"high": WRITER_LOCK >> 32, "low": WRITER_LOCK & 0xFFFFFFFF}
            if row := connection.execute(HOLDER, place).first():
                where = f" on {row.client_addr}" if row.client_addr else ""
                return f"; session {row.pid} ({row.application_name or 'without a name'}){where} holds it"
        return ""


def count(database: LandingDatabase, plan: ReleasePlan) -> tuple[int, int]:
    """Return how many events a plan releases, and how many have to settle first."""
    event = fulfillment_event.c
    query = sa.select(sa.func.count()).where(event.position <= plan.position, event.body.is_not(None))
    if plan.oldest is not None:
        query = query.where(event.logical_timestamp >= plan.oldest)
    if plan.start.through is not None:
        new = sa.or_(event.logical_timestamp > plan.start.through, event.position > plan.start.position)
        query = query.where(new)
    with database.reading() as connection:
        everything = connection.scalar(query) or 0
        if plan.through is None:
            return 0, everything
        released = connection.scalar(query.where(event.logical_timestamp <= plan.through)) or 0
    return released, everything - released
