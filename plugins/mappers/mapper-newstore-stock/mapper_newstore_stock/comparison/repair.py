"""Notes in the ledger which keys the next run sends again, though their numbers have not changed.

The note is a number without a cut: to the mapper the key is one NewStore has no cut of, so its number is computed anew
at the run's mark and goes out, with whatever range the run declares (design rules 4 and 5).
"""

from __future__ import annotations

import itertools
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import LedgerError, LedgerInUseError
from mapper_newstore_stock.ledger import lock
from mapper_newstore_stock.ledger.database import open_ledger_engine, short
from mapper_newstore_stock.ledger.queries import check_schema
from mapper_newstore_stock.ledger.tables import on_hand

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from mapper_newstore_stock.comparison.causes import Line


def note(ledger_url: str, lines: Iterable[Line]) -> int:
    """Note that the next run sends keys again, all or none, and return how many were noted.

    A key that a run has sent since its line was read is left as it is.

    Raises:
        LedgerError: a run holds the ledger, or it cannot be written.
    """
    try:
        engine = open_ledger_engine(ledger_url)
        try:
            with engine.connect() as connection:
                return _note(connection, lines)
        finally:
            engine.dispose()
    except lock.LedgerHeld as held:
        raise LedgerInUseError(
            f"the ledger is in use: {held} is writing it. Nothing was noted; wait for that run"
        ) from None
    except (sa.exc.SQLAlchemyError, ImportError, OSError) as error:
        raise LedgerError(
            f"ledger_url: cannot write the ledger: {short(error)}. Nothing was noted",
            "Look at its database, and run it again",
        ) from error


def _note(connection: sa.Connection, lines: Iterable[Line]) -> int:
    release = lock.acquire(connection, lock.Holder.this_process())
    try:
        check_schema(connection)
        noted = 0
        by_cut = sorted((line.cut or 0, line.key) for line in lines)
        for (cut, node), keys in itertools.groupby(by_cut, key=lambda each: (each[0], each[1][0])):
            rest = iter(keys)
            while some := [key[1] for _, key in itertools.islice(rest, 500)]:
                row = on_hand.c
                same = (row.fulfillment_node_id == node, row.product_id.in_(some), row.sent_cut == cut)
                noted += connection.execute(on_hand.update().where(*same).values(sent_cut=None)).rowcount
        connection.commit()
        return noted
    finally:
        release()
