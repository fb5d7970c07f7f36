"""Database connections, and bulk loading.

The same code serves SQLite and PostgreSQL; what differs between the two is here.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.drivers import missing_driver
from mapper_newstore_stock.ledger.primary import POSTGRESQL, STANDBY, is_read_only, presence, writable

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Rows held in memory on their way to or from a database.
BATCH_ROWS = 10_000
#: Rows that are read and written at once where they are done with by then: so many stay near the processor.
NEAR_ROWS = 1_000
#: Parameters of one statement; older SQLite takes no more.
MOST_PARAMETERS = 999
STREAMED = {"yield_per": BATCH_ROWS}
#: Pages SQLite may keep in memory, in KiB. More was no faster, because large writes come in key order.
CACHE_KIB = 8 * 1024
#: Page size of a new ledger. Writes in key order are a tenth faster than with SQLite's usual 4,096, and
#: scattered ones hardly slower.
PAGE_BYTES = 8_192
#: Memory of a PostgreSQL session, which any user may set. With the server's usual 4 MB, half a million
#: rows are sorted on disk, three times a run. A higher setting of the user's own stays.
SESSION_MEMORY = (
    "SELECT set_config(name, wanted, false)"
    " FROM (VALUES ('work_mem', '64MB'), ('temp_buffers', '64MB')) AS memory (name, wanted)"
    " WHERE pg_size_bytes(current_setting(name, true)) < pg_size_bytes(wanted)"
)
#: A role or database may say less: then a crash or a failover would take away cuts that NewStore has.
DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
)
#: A run has few statements: compiling each costs more than it gains.
JIT_OFF = "SELECT set_config('jit', 'off', false) WHERE current_setting('jit', true) = 'on'"
#: It asks of each key once. To keep what was found for a key gains nothing, and keeps the planner from hashing.
MEMOIZE_OFF = "SELECT set_config('enable_memoize', 'off', false) WHERE current_setting('enable_memoize', true) = 'on'"
#: What is streamed is read to its end. For a tenth of it, as PostgreSQL supposes, other plans are good.
WHOLE_STREAMS = "SELECT set_config('cursor_tuple_fraction', '1', false)"


def open_engine(url: str) -> sa.Engine:
    """Return an engine for a URL; `postgresql://` and `postgres://` mean psycopg 3.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, ImportError: the URL or its driver is not usable.
    """
    return _engine(address(url))


def open_ledger_engine(url: str) -> sa.Engine:
    """Return an engine whose commits are on disk before they return."""
    engine = _engine(writable(address(url)))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", set_up_sqlite)
    else:
        sa.event.listen(engine, "connect", set_up_postgresql)
    return engine


def _engine(url: sa.URL) -> sa.Engine:
    return sa.create_engine(url, connect_args=presence(url))


def set_up_sqlite(connection: t.Any, _record: object) -> None:
    """Make commits durable, memory bounded and LIKE case-sensitive."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 10000")
    cursor.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA case_sensitive_like = ON")
    cursor.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    # Sorts are large, and a second core is idle by then.
    cursor.execute("PRAGMA threads = 1")
    cursor.execute("PRAGMA temp_store = FILE")
    cursor.execute(f"PRAGMA temp.cache_size = -{CACHE_KIB}")
    cursor.close()


def set_up_postgresql(connection: t.Any, _record: object) -> None:
    """Give a session its memory, plans and durable commits; what only speaks the protocol may not know them."""
    for statement in (SESSION_MEMORY, DURABLE, JIT_OFF, MEMOIZE_OFF, WHOLE_STREAMS):
        with contextlib.suppress(connection.Error), connection.cursor() as cursor:
            cursor.execute(statement)
        # A setting is undone with its transaction; after a failure this ends the failed one.
        connection.commit()


def is_postgresql(connection: sa.Connection) -> bool:
    """Return whether a connection leads to PostgreSQL, not SQLite."""
    return connection.dialect.name == POSTGRESQL


def begin_writing(connection: sa.Connection) -> None:
    """Begin a transaction that changes of the schema belong to; on SQLite they would be committed one by one."""
    connection.rollback()
    if not is_postgresql(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def begin_writing_rows(connection: sa.Connection) -> None:
    """Let the transaction write tables it has read before; until here it has written temporary ones only.

    SQLite refuses that at once, without waiting for a lock, where another program has committed since the transaction
    first read: the landing store may be in the same file. PostgreSQL does not.
    """
    if not is_postgresql(connection):
        connection.commit()
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def undone_if_it_fails(connection: sa.Connection) -> contextlib.AbstractContextManager[object]:
    """Return a block after whose failure the transaction goes on; PostgreSQL would end it.

    On SQLite what the block wrote stays.
    """
    return connection.begin_nested() if is_postgresql(connection) else contextlib.nullcontext()


def analyze(connection: sa.Connection, *tables: sa.Table) -> None:
    """Tell PostgreSQL how many rows tables have: it knows nothing yet of what was just written."""
    if is_postgresql(connection):
        for table in tables:
            connection.exec_driver_sql(f'ANALYZE "{table.name}"')


def has_any(connection: sa.Connection, query: sa.Select[t.Any]) -> bool:
    """Return whether a query finds anything."""
    return connection.execute(query.limit(1)).first() is not None


def has_rows(connection: sa.Connection, *tables: sa.Table) -> bool:
    """Return whether any of some tables has a row.

    A run with nothing to do asks this instead of statements that would find nothing: SQLAlchemy takes longer to
    compile one of those than a database to carry it out.
    """
    queries = (f'SELECT 1 FROM "{table.name}" LIMIT 1' for table in tables)  # noqa: S608 - our own names
    return any(connection.exec_driver_sql(query).first() for query in queries)


def empty(connection: sa.Connection, *tables: sa.Table) -> None:
    """Delete all rows of temporary tables; nothing is compiled for it."""
    for table in tables:
        connection.exec_driver_sql(f'DELETE FROM "{table.name}"')  # noqa: S608 - our own names


@contextlib.contextmanager
def temporary_index(connection: sa.Connection, name: str, *columns: sa.Column[t.Any]) -> Iterator[None]:
    """Index columns of one temporary table for the length of a block.

    A block that fails leaves it behind, until the next one of its name or the end of the connection.
    """
    names = ", ".join(f'"{column.name}"' for column in columns)
    connection.exec_driver_sql(f'DROP INDEX IF EXISTS "{name}"')
    connection.exec_driver_sql(f'CREATE INDEX "{name}" ON "{columns[0].table.description}" ({names})')
    yield
    connection.exec_driver_sql(f'DROP INDEX "{name}"')


def insert(connection: sa.Connection, table: sa.Table) -> t.Any:
    """Return the dialect's INSERT, which has ON CONFLICT."""
    # Importing both dialects would slow every start.
    dialect = importlib.import_module(f"sqlalchemy.dialects.{connection.dialect.name}")
    return dialect.insert(table)


def load(connection: sa.Connection, table: sa.Table, rows: Iterable[tuple[t.Any, ...]]) -> int:
    """Insert rows whose values are in the order of the table's columns, and return how many there were.

    They go in by COPY, or by the driver's own executemany with many rows to a statement: SQLAlchemy's
    parameter handling would cost more than the database.
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


def streamed(connection: sa.Connection, query: sa.Select[t.Any]) -> Iterator[Sequence[t.Any]]:
    """Yield the rows of a query in lists; its columns are numbers and texts, and its values are literals.

    Nothing may be committed meanwhile: on PostgreSQL that would close the cursor. On SQLite they come as the driver's
    own tuples: SQLAlchemy takes as long to wrap a row as SQLite to find it.
    """
    if is_postgresql(connection):
        yield from connection.execute(query, execution_options=STREAMED).partitions()
        return
    statement = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    cursor = connection.connection.cursor()
    try:
        cursor.execute(statement)
        while rows := cursor.fetchmany(NEAR_ROWS):
            yield rows
    finally:
        cursor.close()


def in_batches(rows: Iterable[tuple[t.Any, ...]]) -> Iterator[Sequence[tuple[t.Any, ...]]]:
    """Yield rows in lists of at most BATCH_ROWS."""
    source = iter(rows)
    while batch := list(itertools.islice(source, BATCH_ROWS)):
        yield batch


def short(error: Exception) -> str:
    """Return the driver's own message, without SQL, parameters or links."""
    if is_read_only(error):
        return STANDBY
    if isinstance(error, ImportError):
        return missing_driver(error)
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _copy(connection: sa.Connection, statement: str, rows: Iterable[tuple[t.Any, ...]]) -> int:
    # Begin SQLAlchemy's transaction; the driver's own cursor then takes part in it.
    connection.execute(sa.select(1))
    count = 0
    try:
        with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)
                count += 1
    except connection.dialect.loaded_dbapi.Error as error:
        # SQLAlchemy has not seen it, and would use the connection again.
        if connection.dialect.is_disconnect(error, connection.connection.driver_connection, None):
            connection.invalidate(error)
        raise sa.exc.DBAPIError(statement, None, error) from error
    return count
