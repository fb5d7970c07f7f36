"""One writer per ledger (design rule 10).

The lock belongs to the process and goes with it, so a killed holder blocks nobody.
"""

from __future__ import annotations

import contextlib
import typing as t

import filelock
import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: Any fixed number of our own: PostgreSQL's session lock on the ledger's database.
LEDGER_LOCK = 0x6E73746F636B


def acquire(connection: sa.Connection) -> Callable[[], None] | None:
    """Take the lock of the ledger behind a connection.

    Returns:
        A function that releases it, or None when another process holds it.
    """
    url = connection.engine.url
    if connection.dialect.name == "postgresql":
        taken = connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LEDGER_LOCK)))
        # The session, that is the connection, holds it until it closes.
        return _nothing if taken else None
    if not url.database or url.database == ":memory:":
        return _nothing
    lock = filelock.FileLock(f"{url.database}.lock", timeout=0)
    with contextlib.suppress(filelock.Timeout):
        lock.acquire()
        return lock.release
    return None


def _nothing() -> None:
    return None
