"""Moves a landing store to another database: all of it, with its identity and positions.

Nobody ever goes on with both (design rule 10). Nobody writes the source while it is copied. The copy is one
transaction, and the mark that takes the source out of use is committed right before it: killed earlier, the source goes
on; killed between the two, nobody goes on until the same command has been repeated.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.errors import StoreCopyError, StoreError, StoreVersionError
from tap_newstore_fulfillment.landing import moved
from tap_newstore_fulfillment.landing.connections import create_engine, short
from tap_newstore_fulfillment.landing.opening import check_file, existing_version, version_of
from tap_newstore_fulfillment.landing.tables import SCHEMA_VERSION, landing_store, metadata

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS_AT_ONCE = 5_000
#: How often the tables of a busy store are asked for; PostgreSQL ends one of two that wait for each other.
TRIES = 5
LAST = {
    False: "SELECT seq FROM sqlite_sequence WHERE name = :table",
    True: "SELECT pg_sequence_last_value(pg_get_serial_sequence(:table, :column)::regclass)",
}
GO_ON = {
    False: ("DELETE FROM sqlite_sequence WHERE name = :table", "INSERT INTO sqlite_sequence VALUES (:table, :last)"),
    True: ("SELECT setval(pg_get_serial_sequence(:table, :column), :last)",),
}


def copy(source_url: str, target_url: str) -> str:
    """Move a landing store to an empty database, and return what was done.

    Raises:
        TapError: either cannot be opened or is in use; the source is older than this program or was moved elsewhere;
            or the target has a landing store.
    """
    with _both(source_url, target_url) as (source, target):
        place = moved.place(target)
        is_marked = _is_marked(source, place)
        if is_marked and _id_of(target) == _id_of(source):
            return f"the landing store had been copied to {place} before: set landing_url to it"
        _check_target(target, place)
        rows = _copy(source, target)
        if not is_marked:
            moved.mark(source, place)
            source.commit()
        target.commit()
    return f"the landing store was copied to {place}, {rows} rows: set landing_url to it. The old one is out of use"


def take_back(source_url: str, target_url: str) -> str:
    """Bring a landing store back into use whose copy was never finished, and return what was done.

    Raises:
        TapError: it is in use, or was moved elsewhere, or its copy is there.
    """
    with _both(source_url, target_url) as (source, target):
        place = moved.place(target)
        is_marked = _is_marked(source, place)
        if _id_of(target) == _id_of(source):
            raise StoreVersionError(
                f"the copy is there: {place}. Set landing_url to it, or copy it to an empty database"
            )
        if is_marked:
            moved.unmark(source)
            source.commit()
    return "the landing store is in use again" if is_marked else "the landing store was in use: nothing to do"


@contextlib.contextmanager
def _both(source_url: str, target_url: str) -> Iterator[tuple[sa.Connection, sa.Connection]]:
    """Yield connections to both stores, each in a transaction that lets nobody else write."""
    if _is_same(source_url, target_url):
        raise StoreCopyError("--to: this is the landing store itself", "Name an empty database")
    source, target = _writing_alone(source_url, "landing_url", must_exist=True), _writing_alone(target_url, "--to")
    with source as from_there, target as to_there:
        yield from_there, to_there


def _is_same(source_url: str, target_url: str) -> bool:
    try:
        return address(source_url) == address(target_url)
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(
            f"landing_url, --to: {short(error)}", "Correct the URL it is about, or start its database"
        ) from error


@contextlib.contextmanager
def _writing_alone(url: str, setting: str, *, must_exist: bool = False) -> Iterator[sa.Connection]:
    try:
        if must_exist:
            check_file(url)
        engine = create_engine(url)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            _let_nobody_write(connection)
            yield connection
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise StoreError(
            f"{setting}: cannot open or write the landing store: {short(error)}",
            f"Correct {setting}, or start its database",
        ) from error


def _let_nobody_write(connection: sa.Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        return
    there = set(sa.inspect(connection).get_table_names())
    tables = ", ".join(name for name in metadata.tables if name in there)
    for left in reversed(range(TRIES if tables else 0)):
        try:
            connection.exec_driver_sql(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")
        except sa.exc.OperationalError:
            connection.rollback()
            if not left:
                raise
        else:
            return


def _is_marked(source: sa.Connection, place: str) -> bool:
    """Return whether a store is marked as moved to this very place.

    Raises:
        TapError: it cannot be copied.
    """
    version = version_of(source)
    if version == -SCHEMA_VERSION and moved.moved_to(source) == place:
        return True
    if existing_version(source) != SCHEMA_VERSION:
        raise StoreVersionError(
            f"landing_url: the landing store has schema version {version}, this program knows {SCHEMA_VERSION}: "
            f"newstore-event-receiver upgrade first"
        )
    return False


def _check_target(target: sa.Connection, place: str) -> None:
    """Refuse a database that holds anything of a landing store.

    Raises:
        TapError: it does.
    """
    if there := metadata.tables.keys() & set(sa.inspect(target).get_table_names()):
        raise StoreCopyError(
            f"--to: {place} is not empty, it has tables of a landing store ({', '.join(sorted(there))})",
            "Name an empty database",
        )


def _id_of(connection: sa.Connection) -> str | None:
    if version_of(connection) is None:
        return None
    return connection.scalar(sa.select(landing_store.c.store_id))


def _copy(source: sa.Connection, target: sa.Connection) -> int:
    """Copy all rows; the caller commits."""
    for store in (source, target):
        # A table may come only with who first writes to it.
        metadata.create_all(store)
    count = 0
    for table in metadata.sorted_tables:
        query = sa.select(table).order_by(*table.primary_key)
        result = source.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
        for rows in result.partitions():
            count += len(rows)
            _load(target, table, rows)
        _go_on_counting(source, target, table)
        if target.dialect.name != "sqlite":
            target.exec_driver_sql(f"ANALYZE {table.name}")
    # Of a store that is marked already.
    target.execute(landing_store.update().values(schema_version=SCHEMA_VERSION))
    return count


def _load(target: sa.Connection, table: sa.Table, rows: Sequence[sa.Row[t.Any]]) -> None:
    if target.dialect.name == "sqlite":
        target.execute(table.insert(), [row._asdict() for row in rows])
        return
    names = ", ".join(table.c.keys())
    connection: t.Any = target.connection
    try:
        with connection.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as into:
            for row in rows:
                into.write_row(tuple(row))
    except target.dialect.loaded_dbapi.Error as error:
        raise sa.exc.DBAPIError(f"COPY {table.name}", None, error) from error


def _go_on_counting(source: sa.Connection, target: sa.Connection, table: sa.Table) -> None:
    """Let positions and numbers go on where they were: none is given out twice."""
    column = table.autoincrement_column
    if column is None or isinstance(column.type, sa.Text):
        return
    names = {"table": table.name, "column": column.name}
    last = _number(source, LAST, names)
    if last:
        for statement in GO_ON[target.dialect.name != "sqlite"]:
            target.execute(_with(statement, {**names, "last": last}))


def _number(connection: sa.Connection, statements: dict[bool, str], values: dict[str, t.Any]) -> int | None:
    number: int | None = connection.scalar(_with(statements[connection.dialect.name != "sqlite"], values))
    return number


def _with(statement: str, values: dict[str, t.Any]) -> sa.TextClause:
    """Return a statement with those of the values it names."""
    return sa.text(statement).bindparams(**{name: value for name, value in values.items() if f":{name}" in statement})
