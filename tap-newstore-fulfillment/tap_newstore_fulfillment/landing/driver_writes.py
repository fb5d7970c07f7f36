"""Writes through the driver itself: SQLAlchemy would hold the GIL, and so the event loop, up to three times as long."""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.connections import NOT_REPLICATED, UNREPLICATED, is_read_only, short

#: libpq's ExecStatusType: a command that returns no rows, and one that returns rows, succeeded.
COMMAND_OK, TUPLES_OK = 1, 2


def execute_alone(engine: sa.Engine, statement: str, parameters: tuple[t.Any, ...]) -> tuple[list[t.Any], int]:
    """Run one statement as a transaction of its own; again if the connection was lost.

    Returns:
        Its rows, and how many it has written or returned. PostgreSQL's values may be text.

    Raises:
        sqlalchemy.exc.DisconnectionError: the connection was lost, such as in a restart of the server, or leads to
            a server that takes no writes any more; or a standby may not have it.
        Errors of the driver.
    """
    try:
        return _execute_once(engine, statement, parameters)
    except sa.exc.DisconnectionError:
        return _execute_once(engine, statement, parameters)


def _execute_once(engine: sa.Engine, statement: str, parameters: tuple[t.Any, ...]) -> tuple[list[t.Any], int]:
    connection = engine.raw_connection()
    try:
        rows = _in_one_call(connection, statement, parameters) if engine.dialect.name == "postgresql" else None
        if rows is not None:
            return _replicated(connection, rows, len(rows))
        cursor = connection.cursor()
        cursor.execute(statement, parameters)
        rows = list(cursor.fetchall()) if cursor.description else []
    except t.cast("t.Any", engine.dialect.loaded_dbapi).Error as error:
        is_lost = engine.dialect.is_disconnect(error, connection.driver_connection, None)
        if not (is_lost or is_read_only(error)):
            raise
        connection.invalidate()
        # The others lead there, too.
        engine.dispose()
        raise sa.exc.DisconnectionError(short(error)) from error
    else:
        return _replicated(connection, rows, cursor.rowcount)
    finally:
        connection.close()


def _replicated(connection: t.Any, rows: list[t.Any], count: int) -> tuple[list[t.Any], int]:
    if connection.info.pop(NOT_REPLICATED, False):
        raise sa.exc.DisconnectionError(UNREPLICATED)
    return rows, count


def _in_one_call(connection: t.Any, statement: str, parameters: tuple[t.Any, ...]) -> list[t.Any] | None:
    """Let libpq run a prepared statement: the GIL is let go of once, where psycopg's cursor does it several times.

    Returns:
        The rows, all values as text; None: the statement returns no rows or failed, and psycopg, which knows why, may
        try it.
    """
    driver = connection.driver_connection
    prepared: dict[str, bytes] = connection.info.setdefault("prepared", {})
    if statement not in prepared:
        name = b"newstore_%d" % len(prepared)
        if driver.info.encoding != "utf-8" or driver.pgconn.prepare(name, _numbered(statement)).status != COMMAND_OK:
            return None
        prepared[statement] = name
    values = [None if value is None else str(value).encode() for value in parameters]
    result = driver.pgconn.exec_prepared(prepared[statement], values)
    if result.status != TUPLES_OK:
        return None
    columns = range(result.nfields)
    return [tuple(_text(result.get_value(row, column)) for column in columns) for row in range(result.ntuples)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode()


@functools.cache
def _numbered(statement: str) -> bytes:
    first, *rest = statement.split("%s")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))).encode()
