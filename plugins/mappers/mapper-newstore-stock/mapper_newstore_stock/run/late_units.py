"""Units that came late: the ERP's row may not contain them before it changes (form `column`).

A row says up to which timestamp it contains every completion. Of one that came later than promised it could not
know, so the unit is subtracted until the row is another one than it was then: not when it comes back unchanged
after a run without it, nor when it changes and changes back.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import has_any, has_rows, insert
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import completed_unit, is_present, late_unit, on_hand

UNIT = ("fulfillment_node_id", "product_id", "logical_timestamp", "event_id")


def note_late(connection: sa.Connection, units: sa.Select[t.Any], late: sa.ColumnElement[bool]) -> None:
    """Note the late ones among units, before they become completed units.

    Args:
        connection: The ledger's; the caller commits.
        units: Selects the columns of a unit.
        late: The condition for those that came late.
    """
    unit = units.selected_columns
    same = [completed_unit.c[name] == unit[name] for name in UNIT]
    came = units.with_only_columns(*(unit[name] for name in UNIT)).where(late, ~sa.exists().where(*same))
    connection.execute(insert(connection, late_unit).from_select(UNIT, came).on_conflict_do_nothing())


def note_rows(connection: sa.Connection) -> None:
    """Note beside which row each late unit stands, once the row has been read."""
    row, late = on_hand.c, late_unit.c
    is_new = sa.select(late.event_id).where(late.quantity.is_(None))
    if not (has_rows(connection, late_unit) and has_any(connection, is_new)):
        return
    waiting = sa.and_(same_key(late, row), late.quantity.is_(None), is_present)
    values = {"quantity": row.quantity, "as_of_logical_timestamp": row.as_of_logical_timestamp}
    connection.execute(late_unit.update().where(waiting).values(values))
