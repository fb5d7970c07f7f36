"""Writes through the driver itself: SQLAlchemy would hold the GIL, and so the event loop, up to three times as long."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from tap_newstore_fulfillment.landing.connections import NOT_REPLICATED, UNREPLICATED, is_read_only, short


def execute_alone(engine: sa.Engine, statement: str, parameters: tuple[t.Any, ...]) -> tuple[list[t.Any], int]:
    """Run one statement as a transaction of its own; again if the connection was lost.

    Returns:
        Its rows, and how many it has written or returned.

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
        if connection.info.pop(NOT_REPLICATED, False):
            raise sa.exc.DisconnectionError(UNREPLICATED)
        return rows, cursor.rowcount
    finally:
        connection.close()
