"""Opens a ledger so that its database refuses every write: a page may stay open for weeks."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t
import urllib.parse
from pathlib import Path

import sqlalchemy as sa

from mapper_newstore_stock.address import address
from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger.database import JIT_OFF, open_engine, short
from mapper_newstore_stock.ledger.opening import check_file
from mapper_newstore_stock.ledger.queries import check_schema

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def read_only(ledger_url: str) -> Iterator[sa.Engine]:
    """Yield an engine whose connections only read; a user that may only SELECT is enough.

    Raises:
        LedgerError: there is no ledger, or it cannot be read.
    """
    check_file(ledger_url)
    try:
        engine = _engine(ledger_url)
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            with engine.connect() as connection:
                check_schema(connection)
            yield engine
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise LedgerError(
            f"ledger_url: cannot read the ledger: {short(error)}", "Correct it, or start its database"
        ) from error


def _engine(ledger_url: str) -> sa.Engine:
    url = address(ledger_url)
    if url.get_backend_name() == "sqlite":
        path = urllib.parse.quote(str(Path(url.database or "").resolve()))
        return sa.create_engine(
            url, creator=lambda: sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
        )
    engine = open_engine(ledger_url)
    sa.event.listen(engine, "connect", _without_jit)
    return engine.execution_options(postgresql_readonly=True)


def _without_jit(connection: t.Any, _record: object) -> None:
    with contextlib.suppress(connection.Error), connection.cursor() as cursor:
        cursor.execute(JIT_OFF)
    connection.commit()
