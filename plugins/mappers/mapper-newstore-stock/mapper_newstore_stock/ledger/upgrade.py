"""Ledgers of earlier versions, brought to this one: all steps in one transaction."""

from __future__ import annotations

import logging
import time
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger import views
from mapper_newstore_stock.ledger.database import begin_writing
from mapper_newstore_stock.ledger.past_tables import add_missing, folded, folded_booking, folded_unit, unknown_past
from mapper_newstore_stock.ledger.proof import Proof
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import (
    INDEX_OF_ABSENT,
    SCHEMA_VERSION,
    ahead_unit,
    completed_unit,
    cut_item,
    held_key,
    hidden_unit,
    late_unit,
    ledger,
    lowered_key,
    on_hand,
    source,
    standing_unit,
    unclaimed,
)

if t.TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("mapper-newstore-stock.ledger")

#: What version 4 added to tables there were before.
_ADDED_BY_4 = {
    completed_unit: ("published_at", "fulfillment_request_id", "order_id", "booked"),
    ahead_unit: ("published_at", "fulfillment_request_id", "order_id", "booked", "run"),
    folded: ("published_through",),
    on_hand: ("taken_at", "source", "absence"),
    cut_item: ("vanished",),
    unknown_past: ("some_late",),
}


class Step(t.NamedTuple):
    """The way from one version to the next.

    Attributes:
        what: What it does, in a few words.
        take: Does it.
    """

    what: str
    take: Callable[[sa.Connection], None]


def upgrade(connection: sa.Connection, version: int) -> str:
    """Bring a ledger of an earlier version to this one, in one transaction, commit it, and return what was done.

    Killed in between, the ledger is as it was. Whoever calls holds the ledger's lock.
    """
    began = time.monotonic()
    begin_writing(connection)
    for step in steps_from(version):
        step.take(connection)
    add_missing(connection)
    views.create_anew(connection)
    connection.execute(ledger.update().values(schema_version=SCHEMA_VERSION))
    connection.commit()
    way = f"from schema version {version} to {SCHEMA_VERSION} in {time.monotonic() - began:.1f} s"
    brought = f"brought {way}: {what_is_done(version)}"
    logger.info("The ledger was %s", brought)
    return f"the ledger was {brought}"


def is_older(version: int) -> bool:
    """Return whether there is a way from a version to this one."""
    return version < SCHEMA_VERSION and version in _STEPS


def steps_from(version: int) -> list[Step]:
    """Return the steps from a version to this one."""
    return [_STEPS[number] for number in range(version, SCHEMA_VERSION)]


def what_is_done(version: int) -> str:
    """Return what an upgrade from a version does, in a few words."""
    return "; ".join(step.what for step in steps_from(version))


def _from_3(connection: sa.Connection) -> None:
    inspector = sa.inspect(connection)
    for table, names in _ADDED_BY_4.items():
        # Upgrades of early programs were no one transaction on SQLite: some may be there.
        there = {column["name"] for column in inspector.get_columns(table.name)}
        for name in (name for name in names if name not in there):
            definition = sa.schema.CreateColumn(table.c[name]).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f'ALTER TABLE "{table.name}" ADD COLUMN {definition}')
    for table in (folded_booking, folded_unit, source, late_unit, standing_unit, unclaimed, held_key):
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
    connection.exec_driver_sql(INDEX_OF_ABSENT)
    kept = connection.exec_driver_sql("SELECT erp_is_current, on_hand_cursor FROM ledger").one()
    was_current, cursor = kept
    if was_current is not None:
        proof = Proof(form="current" if was_current else "column")
        values = {"name": "", "proof": msgspec.json.encode(proof).decode(), "cursor": cursor}
        connection.execute(source.insert().values(values))
    _note_late_units(connection)


def _note_late_units(connection: sa.Connection) -> None:
    """Keep the late units whose rows have not changed since: version 3 compared runs instead of rows."""
    unit, row = completed_unit.c, on_hand.c
    key = [unit[column.name] for column in late_unit.primary_key]
    stands = sa.and_(same_key(row, unit), unit.late, row.changed_run <= unit.run)
    late = sa.select(*key, row.quantity, row.as_of_logical_timestamp).where(stands)
    connection.execute(late_unit.insert().from_select(late_unit.c.keys(), late))


def _from_4(connection: sa.Connection) -> None:
    for table in (hidden_unit, lowered_key):
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))


_STEPS = {
    3: Step("forms of proof, sources, and keys that are held", _from_3),
    4: Step("units hidden from sale, by cause", _from_4),
}
