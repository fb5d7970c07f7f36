"""Ledgers of earlier versions, brought to this one: each step adds what is new, in one transaction."""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger import views
from mapper_newstore_stock.ledger.past_tables import folded, folded_booking, folded_unit, unknown_past
from mapper_newstore_stock.ledger.proof import Proof
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import (
    SCHEMA_VERSION,
    ahead_unit,
    completed_unit,
    cut_item,
    held_key,
    late_unit,
    ledger,
    on_hand,
    source,
    standing_unit,
    unclaimed,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: What version 4 added to tables there were before.
_ADDED_BY_4 = {
    completed_unit: ("published_at", "fulfillment_request_id", "order_id", "booked"),
    ahead_unit: ("published_at", "fulfillment_request_id", "order_id", "booked", "run"),
    folded: ("published_through",),
    on_hand: ("taken_at", "source", "absence"),
    cut_item: ("vanished",),
    unknown_past: ("some_late",),
}


def upgrade(connection: sa.Connection, version: int) -> int:
    """Bring a ledger as far as there are steps, and return its version then; the caller commits.

    Killed in between, the ledger is as it was.
    """
    while version in _STEPS:
        _STEPS[version](connection)
        version += 1
        connection.execute(ledger.update().values(schema_version=version))
    return version


def is_older(version: int) -> bool:
    """Return whether there is a way from a version to this one."""
    return version < SCHEMA_VERSION and version in _STEPS


def _from_3(connection: sa.Connection) -> None:
    for table, names in _ADDED_BY_4.items():
        for name in names:
            definition = sa.schema.CreateColumn(table.c[name]).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f'ALTER TABLE "{table.name}" ADD COLUMN {definition}')
    for table in (folded_booking, folded_unit, source, late_unit, standing_unit, unclaimed, held_key):
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
    for index in on_hand.indexes:
        connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))
    kept = connection.exec_driver_sql("SELECT erp_is_current, on_hand_cursor FROM ledger").one()
    was_current, cursor = kept
    if was_current is not None:
        proof = Proof(form="current" if was_current else "column")
        values = {"name": "", "proof": msgspec.json.encode(proof).decode(), "cursor": cursor}
        connection.execute(source.insert().values(values))
    _note_late_units(connection)
    views.create_anew(connection)


def _note_late_units(connection: sa.Connection) -> None:
    """Keep the late units whose rows have not changed since: version 3 compared runs instead of rows."""
    unit, row = completed_unit.c, on_hand.c
    key = [unit[column.name] for column in late_unit.primary_key]
    stands = sa.and_(same_key(row, unit), unit.late, row.changed_run <= unit.run)
    late = sa.select(*key, row.quantity, row.as_of_logical_timestamp).where(stands)
    connection.execute(late_unit.insert().from_select(late_unit.c.keys(), late))


_STEPS: dict[int, Callable[[sa.Connection], None]] = {3: _from_3}
