"""Writes through the driver itself: SQLAlchemy would hold the GIL, and so the event loop, up to three times as long."""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.connections import NOT_REPLICATED, UNREPLICATED, is_read_only, short

if t.TYPE_CHECKING:
    from collections.abc import Iterator


def execute_alone(engine: sa.Engine, statement: str, parameters: tuple[t.Any, ...]) -> list[t.Any]:
    """Run one statement as a transaction of its own and return its rows; again if the connection was lost.

    Raises:
        sqlalchemy.exc.DisconnectionError: the connection was lost, such as in a restart of the server, or leads to
            a server that takes no writes any more; or a standby may not have it.
        Errors of the driver.
    """
    try:
        return _execute_once(engine, statement, parameters)
    except sa.exc.DisconnectionError:
        return _execute_once(engine, statement, parameters)


@contextlib.contextmanager
def immediate_transaction(engine: sa.Engine) -> Iterator[t.Any]:
    """Yield a cursor in a transaction of SQLite that is the only writer from its begin, and ends with the block."""
    with contextlib.closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor
            connection.commit()
        except BaseException:
            connection.rollback()
            raise


def _execute_once(engine: sa.Engine, statement: str, parameters: tuple[t.Any, ...]) -> list[t.Any]:
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute(statement, parameters)
        rows = list(cursor.fetchall())
    except t.cast("t.Any", engine.dialect.loaded_dbapi).Error as error:
        is_lost = engine.dialect.is_disconnect(error, connection.driver_connection, None)
        if not (is_lost or is_read_only(error)):
            raise
        connection.invalidate()
        # The others lead there, too.
        engine.dispose()
        raise sa.exc.DisconnectionError(short(error)) from error
    else:
        if connection.info.pop(NOT_REPLICATED, False):
            raise sa.exc.DisconnectionError(UNREPLICATED)
        return rows
    finally:
        connection.close()
