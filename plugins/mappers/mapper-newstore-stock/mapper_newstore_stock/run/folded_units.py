"""Units the ledger has folded away, when the tap sends them again: they do not count a second time."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import OlderLedgerError
from mapper_newstore_stock.ledger.database import empty
from mapper_newstore_stock.ledger.past_tables import folded, folded_unit
from mapper_newstore_stock.ledger.retention import hash_units
from mapper_newstore_stock.ledger.tables import completed_unit, ledger
from mapper_newstore_stock.ledger.temporary_tables import hashed_unit

UNIT = ("fulfillment_node_id", "product_id", "logical_timestamp", "event_id")


def leave_out_folded(connection: sa.Connection, taken: sa.Table, batch: int) -> None:
    """Take units that were folded away out of those that came; the others are new, and late.

    Args:
        connection: The ledger's.
        taken: Units as the tap sent them.
        batch: Those of earlier batches count.

    Raises:
        LedgerError: an event is older than those an earlier version of the ledger has folded without a trace.
    """
    through = connection.scalar(sa.select(sa.func.max(folded.c.through)))
    if through is None:
        return
    unit = taken.c
    known = sa.exists().where(*(completed_unit.c[name] == unit[name] for name in UNIT))
    came = sa.select(*(unit[name] for name in UNIT)).distinct()
    old = came.where(unit.batch < batch, unit.logical_timestamp <= through, ~known)
    hash_units(connection, old)
    was_folded = sa.exists().where(*_same_unit(taken), folded_unit.c.hash == hashed_unit.c.hash)
    connection.execute(taken.delete().where(was_folded))
    _refuse_untraced(connection, old)
    empty(connection, hashed_unit)


def _same_unit(taken: sa.Table) -> list[sa.ColumnElement[bool]]:
    return [hashed_unit.c[name] == taken.c[name] for name in UNIT]


def _refuse_untraced(connection: sa.Connection, old: sa.Select[t.Any]) -> None:
    horizon = connection.scalar(sa.select(ledger.c.horizon))
    if horizon is None:
        return
    row = connection.execute(old.where(old.selected_columns.logical_timestamp <= horizon).limit(1)).first()
    if row:
        raise OlderLedgerError(
            f"event {row.event_id} has logical timestamp {row.logical_timestamp}, and the ledger no longer knows which "
            f"events up to {horizon} it has counted (ledger_keep_days of an earlier version): counting it again could "
            f"move stock twice. Set start_logical_timestamp of the tap to {horizon + 1} to leave such events out"
        )
