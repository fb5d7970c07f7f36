"""What a database says of changes that are still under way; asked before its rows are read.

A transaction that is open while a list is read may commit later what it wrote, with a lower value of
`on_hand_updated_column` than the highest one read. On PostgreSQL everyone may see which transactions are open, though
not what they do; SQL Server names the lowest rowversion that may still be written. The other databases do not say it,
or not to everyone.
"""

from __future__ import annotations

import contextlib
import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Iterator

#: Transactions of sessions on this database. One that has written nothing yet counts: it may have taken its time. A
#: commit is visible before its transaction leaves this list.
OPEN_ON_POSTGRESQL = """
SELECT held.virtualtransaction
FROM pg_locks AS held JOIN pg_stat_activity AS session ON session.pid = held.pid
WHERE held.locktype = 'virtualxid' AND held.mode = 'ExclusiveLock' AND held.granted
  AND session.datname = current_database() AND session.pid <> pg_backend_pid()
"""
#: Prepared ones have left their session, and with it the name they were seen under.
PREPARED_ON_POSTGRESQL = "SELECT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())"
#: On a standby only its own transactions can be seen, and nobody writes there.
IS_STANDBY = "SELECT pg_is_in_recovery()"


class UnderWay(t.NamedTuple):
    """What may still be committed.

    Attributes:
        open: The transactions that are open; None: the database does not say it.
        is_prepared: Some are prepared, and nobody can tell when they began.
        lowest_rowversion: The lowest one that may still be written; None: the database does not say it.
    """

    open: frozenset[str] | None = None
    is_prepared: bool = False
    lowest_rowversion: int | None = None


def changes_under_way(connection: sa.Connection) -> UnderWay:
    """Ask a database what is under way.

    Args:
        connection: In autocommit, so that a question nobody answers there harms nothing.
    """
    found = UnderWay()
    with contextlib.suppress(sa.exc.SQLAlchemyError):
        if connection.dialect.name == "postgresql":
            found = _on_postgresql(connection)
        elif connection.dialect.name == "mssql":
            found = UnderWay(lowest_rowversion=rowversion(connection.scalar(lowest_rowversion())))
    return found


def lowest_rowversion() -> sa.Select[t.Any]:
    """Return the question for the lowest rowversion that a transaction of SQL Server may still write."""
    return sa.select(sa.func.MIN_ACTIVE_ROWVERSION(type_=sa.LargeBinary))


def rowversion(value: bytes) -> int:
    """Return a rowversion as the number it is."""
    return int.from_bytes(value, "big")


def _on_postgresql(connection: sa.Connection) -> UnderWay:
    if connection.exec_driver_sql(IS_STANDBY).scalar_one():
        return UnderWay()
    # In this order: one that is prepared in between is then in the list, or found as prepared.
    names: Iterator[str] = connection.exec_driver_sql(OPEN_ON_POSTGRESQL).scalars()
    return UnderWay(frozenset(names), bool(connection.exec_driver_sql(PREPARED_ON_POSTGRESQL).scalar_one()))
