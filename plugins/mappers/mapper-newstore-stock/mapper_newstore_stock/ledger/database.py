"""Database connections, and rows into them by the thousand.

One code for SQLite and PostgreSQL; what differs between the two stands here.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

POSTGRESQL = "postgresql"
#: Rows that are held in memory while they go to a database or come from it.
BATCH_ROWS = 10_000
#: Of one statement; older SQLite takes no more.
MOST_PARAMETERS = 999
STREAMED = {"yield_per": BATCH_ROWS}
#: Pages SQLite may keep in memory, in KiB; more was not faster, because what is large comes in key order.
CACHE_KIB = 8 * 1024
#: Of a new ledger: what comes in key order is written a tenth faster than in SQLite's usual 4,096, and a row
#: here and there hardly slower.
PAGE_BYTES = 8_192
#: What a session may hold on PostgreSQL, any user's to set: with the server's usual 4 MB, half a million
#: rows are sorted on its disk, three times a run. A higher setting of the user's own stays.
ROOM = (
    "SELECT set_config(name, wanted, false)"
    " FROM (VALUES ('work_mem', '64MB'), ('temp_buffers', '64MB')) AS room (name, wanted)"
    " WHERE pg_size_bytes(current_setting(name, true)) < pg_size_bytes(wanted)"
)
#: Compiling each statement anew costs more than a run's few statements gain by it.
NO_COMPILING = "SELECT set_config('jit', 'off', false) WHERE current_setting('jit', true) = 'on'"


def open_engine(url: str) -> sa.Engine:
    """Give an engine for a URL; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, ImportError: the URL or its driver is not usable.
    """
    parsed = sa.make_url(url)
    if parsed.drivername in ("postgres", POSTGRESQL):
        parsed = parsed.set(drivername=f"{POSTGRESQL}+psycopg")
    return sa.create_engine(parsed)


def open_ledger_engine(url: str) -> sa.Engine:
    """Give an engine whose commits are on disk before they return."""
    engine = open_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", make_durable)
    else:
        sa.event.listen(engine, "connect", make_room)
    return engine


def make_durable(connection: t.Any, _record: object) -> None:
    """Set SQLite up: durable commits, bounded memory, LIKE that tells upper from lower case."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA case_sensitive_like = ON")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    # What is sorted is large, and the other core is idle by then.
    cursor.execute("PRAGMA threads = 1")
    cursor.execute("PRAGMA temp_store = FILE")
    cursor.execute(f"PRAGMA temp.cache_size = -{CACHE_KIB}")
    cursor.close()


def make_room(connection: t.Any, _record: object) -> None:
    """Set a PostgreSQL session up; a server that only speaks its protocol may know none of this."""
    for statement in (ROOM, NO_COMPILING):
        with contextlib.suppress(connection.Error), connection.cursor() as cursor:
            cursor.execute(statement)
        # Undone with its transaction otherwise; after a failure it ends the transaction.
        connection.commit()


def is_postgresql(connection: sa.Connection) -> bool:
    """Say which of the two databases a connection leads to."""
    return connection.dialect.name == POSTGRESQL


def analyze(connection: sa.Connection, *tables: sa.Table) -> None:
    """Tell PostgreSQL how many rows tables have by now; of what was just written it knows nothing yet."""
    if is_postgresql(connection):
        for table in tables:
            connection.exec_driver_sql(f'ANALYZE "{table.name}"')


@contextlib.contextmanager
def temporary_index(connection: sa.Connection, name: str, *columns: sa.Column[t.Any]) -> Iterator[None]:
    """Index columns of one temporary table for the length of a block.

    A block that fails leaves the index behind: the run ends, and the table goes with its connection.
    """
    names = ", ".join(f'"{column.name}"' for column in columns)
    connection.exec_driver_sql(f'CREATE INDEX "{name}" ON "{columns[0].table.description}" ({names})')
    yield
    connection.exec_driver_sql(f'DROP INDEX "{name}"')


def insert(connection: sa.Connection, table: sa.Table) -> t.Any:
    """Give the dialect's INSERT, which knows ON CONFLICT."""
    # Both dialects at every start would cost more than the one that is used.
    dialect = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    return dialect.insert(table)


def load(connection: sa.Connection, table: sa.Table, rows: Iterable[tuple[t.Any, ...]]) -> int:
    """Insert rows, in the order of the table's columns, and give their number.

    They go in by COPY or by the driver's own executemany, many to a statement: SQLAlchemy's
    parameters would cost more than the database.
    """
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    if is_postgresql(connection):
        return _copy(connection, f'COPY "{table.name}" ({names}) FROM STDIN', rows)
    row = f"({', '.join('?' * len(table.columns))})"
    statement = f'INSERT INTO "{table.name}" ({names}) VALUES {row}'  # noqa: S608 - our own names
    at_once = MOST_PARAMETERS // len(table.columns)
    several = statement + f", {row}" * (at_once - 1)
    count = 0
    for batch in in_batches(rows):
        count += len(batch)
        firsts = range(0, len(batch) - at_once + 1, at_once)
        if parts := [tuple(itertools.chain(*batch[first : first + at_once])) for first in firsts]:
            connection.exec_driver_sql(several, parts)
        if rest := batch[len(parts) * at_once :]:
            connection.exec_driver_sql(statement, rest)
    return count


def in_batches(rows: Iterable[tuple[t.Any, ...]]) -> Iterator[Sequence[tuple[t.Any, ...]]]:
    """Give rows in lists of at most BATCH_ROWS."""
    source = iter(rows)
    while batch := list(itertools.islice(source, BATCH_ROWS)):
        yield batch


def short(error: Exception) -> str:
    """Give the driver's own sentence, without SQL, parameters or links."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _copy(connection: sa.Connection, statement: str, rows: Iterable[tuple[t.Any, ...]]) -> int:
    # Begins SQLAlchemy's transaction, which the driver's own cursor then takes part in.
    connection.execute(sa.select(1))
    count = 0
    with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
        for row in rows:
            copy.write_row(row)
            count += 1
    return count
