"""Opens a ledger for reading: nothing is written, and a run may be going on."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

import sqlalchemy as sa

from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger import queries
from mapper_newstore_stock.ledger.database import open_engine, short

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def reading(ledger_url: str) -> Iterator[sa.Connection]:
    """Connect to a ledger.

    Raises:
        LedgerError: there is none, or it cannot be read.
    """
    try:
        engine = open_engine(ledger_url)
        path = engine.url.database if engine.dialect.name == "sqlite" else None
        if path and not Path(path).exists():
            raise LedgerError(f"ledger_url: there is no file {path}", "Correct it; a run of the mapper makes the file")
        with contextlib.ExitStack() as stack:
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
            queries.check_schema(connection)
            yield connection
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise LedgerError(
            f"ledger_url: cannot read the ledger: {short(error)}", "Correct it, or start its database"
        ) from error
