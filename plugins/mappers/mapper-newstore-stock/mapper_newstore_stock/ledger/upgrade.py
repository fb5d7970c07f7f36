"""Ledgers of earlier versions, brought to this one: each step adds what is new, in one transaction."""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.proof import Proof
from mapper_newstore_stock.ledger.tables import (
    SCHEMA_VERSION,
    ahead_unit,
    completed_unit,
    folded,
    folded_booking,
    ledger,
    on_hand,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: What version 4 added to tables there were before.
_ADDED_BY_4 = {
    completed_unit: ("published_at", "fulfillment_request_id", "order_id", "booked"),
    ahead_unit: ("published_at", "fulfillment_request_id", "order_id", "booked"),
    folded: ("published_through",),
    on_hand: ("taken_at",),
    ledger: ("proof",),
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
    connection.execute(sa.schema.CreateTable(folded_booking, if_not_exists=True))
    was_current = connection.exec_driver_sql("SELECT erp_is_current FROM ledger").scalar()
    if was_current is not None:
        proof = Proof(form="current" if was_current else "column")
        connection.execute(ledger.update().values(proof=msgspec.json.encode(proof).decode()))


_STEPS: dict[int, Callable[[sa.Connection], None]] = {3: _from_3}
