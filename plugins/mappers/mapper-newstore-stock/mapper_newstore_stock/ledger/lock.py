"""One writer per ledger (design rule 10).

The lock belongs to the process or its database session and ends with it, so a killed holder blocks
nobody.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import functools
import hashlib
import os
import socket
import typing as t
from pathlib import Path

import filelock
import sqlalchemy as sa

from mapper_newstore_stock.errors import ConfigurationError, LedgerInUseError
from mapper_newstore_stock.ledger.database import is_postgresql
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNKNOWN = "another run"
#: Who only looks whether a file is locked shares its lock for an instant: a run waits that long, and no longer.
LOOK_SECONDS = 1.0
#: PostgreSQL truncates longer application names.
APPLICATION_NAME_LENGTH = 63


class Holder(Value, frozen=True):
    """Who holds a ledger."""

    host: str
    process: int
    started_at: str

    @classmethod
    def this_process(cls) -> Holder:
        """Return this process, holding from now on."""
        return cls(socket.gethostname(), os.getpid(), dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds"))

    def __str__(self) -> str:
        return f"process {self.process} on host {self.host}, since {self.started_at}"


class LedgerHeld(Exception):  # noqa: N818 - a state, not an error; one caller reports it
    """Another run holds the ledger; the text says which."""


@contextlib.contextmanager
def holding(connection: sa.Connection, me: Holder | None = None) -> Iterator[None]:
    """Hold the lock of the ledger behind a connection while the block runs; what it has not committed is undone.

    Raises:
        LedgerError: another process or session has it.
        ConfigurationError: the database's locks are none.
    """
    try:
        release = acquire(connection, me or Holder.this_process())
    except LedgerHeld as held:
        raise LedgerInUseError(
            f"the ledger is in use: {held} is writing it. Wait for that run to end; one ledger has one writer"
        ) from None
    try:
        yield
    finally:
        # Before the lock goes: another run may begin at once.
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            connection.rollback()
        release()


def acquire(connection: sa.Connection, me: Holder) -> Callable[[], None]:
    """Take the lock of the ledger behind a connection.

    Returns:
        A function that releases it.

    Raises:
        LedgerHeld: another process or session has it.
        ConfigurationError: the database's locks are none.
    """
    if is_postgresql(connection):
        return _lock_schema(connection, me)
    database = connection.engine.url.database
    if not database or database == ":memory:":
        return _nothing
    # Resolved: a link to a ledger is the same ledger.
    return _lock_file(Path(f"{Path(database).resolve()}.lock"), me)


def _lock_file(path: Path, me: Holder) -> Callable[[], None]:
    lock = filelock.FileLock(path, timeout=LOOK_SECONDS)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise LedgerHeld(path.read_text(encoding="utf-8").strip() or UNKNOWN) from None
    # Where others may write, somebody could have put a link there since.
    opened = os.open(path, os.O_WRONLY | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(f"{me}\n")
    return lock.release


def holder(connection: sa.Connection) -> str:
    """Return who holds the ledger behind a connection, and take nothing; empty: nobody does."""
    if is_postgresql(connection):
        return _session_with(connection, _schema_key(connection)) or ""
    path = Path(f"{Path(connection.engine.url.database or '').resolve()}.lock")
    try:
        with path.open("rb") as file:
            # Shared and at once let go of: what is asked is only whether it can be had.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return path.read_text(encoding="utf-8").strip() or UNKNOWN
    except FileNotFoundError:
        pass
    return ""


def _schema_key(connection: sa.Connection) -> int:
    """Return the number of the lock of the schema the tables are in: a database may hold several ledgers."""
    schema = connection.scalar(sa.text("SELECT current_schema()"))
    digest = hashlib.sha256(f"mapper-newstore-stock ledger in {schema}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _lock_schema(connection: sa.Connection, me: Holder) -> Callable[[], None]:
    key = _schema_key(connection)
    name = f"newstore-stock {me.process}@{me.host}"[:APPLICATION_NAME_LENGTH]
    connection.execute(sa.text("SELECT set_config('application_name', :name, false)"), {"name": name})
    taken = connection.scalar(sa.select(sa.func.pg_try_advisory_lock(sa.literal(key, sa.BigInteger))))
    holder = None if taken else _session_with(connection, key)
    connection.commit()
    if not taken:
        raise LedgerHeld(holder or UNKNOWN)
    _refuse_stubs(connection, key)
    return functools.partial(_unlock_schema, connection, key)


def _refuse_stubs(connection: sa.Connection, key: int) -> None:
    """Refuse a database that gives another session the lock this one holds.

    Raises:
        ConfigurationError: it does.
    """
    with connection.engine.connect() as other:
        if other.scalar(sa.select(sa.func.pg_try_advisory_lock(sa.literal(key, sa.BigInteger)))):
            raise ConfigurationError(
                "ledger_url: this database gives one lock to two sessions, so two runs could write the ledger at once. "
                "Use PostgreSQL itself, and not through a pooler that shares sessions (pgbouncer: pool_mode session)"
            )


def _unlock_schema(connection: sa.Connection, key: int) -> None:
    """Unlock at once: the server ends a closed session only a moment later. It ends a dead one by itself."""
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        connection.execute(sa.select(sa.func.pg_advisory_unlock(sa.literal(key, sa.BigInteger))))
        connection.commit()


def _session_with(connection: sa.Connection, key: int) -> str | None:
    unsigned = key % 2**64
    query = sa.text(
        "SELECT application_name, backend_start FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid = :high AND objid = :low"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    row = connection.execute(query, {"high": unsigned >> 32, "low": unsigned & 0xFFFFFFFF}).first()
    if row is None or not row.application_name:
        return None
    process, _, host = row.application_name.removeprefix("newstore-stock ").partition("@")
    if not process.isdigit() or row.backend_start is None:
        return str(row.application_name)
    started_at = row.backend_start.astimezone(dt.UTC).isoformat(timespec="seconds")
    return str(Holder(host, int(process), started_at))


def _nothing() -> None:
    return None
