"""Answers from the ledger, for people: why a number is what it is, and what it was.

Each answer is a `Table`. Nothing is written, so a run may be going on.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import LedgerVersionError, NotKnownError
from mapper_newstore_stock.ledger.opening import existing_version
from mapper_newstore_stock.ledger.past_tables import folded
from mapper_newstore_stock.ledger.proof import Proof, Proofs, last_proofs
from mapper_newstore_stock.ledger.quantities import not_negative, same_key
from mapper_newstore_stock.ledger.tables import (
    SCHEMA_VERSION,
    ahead_unit,
    completed_unit,
    cut,
    cut_item,
    held_key,
    on_hand,
    run,
)

if t.TYPE_CHECKING:
    from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows, their column names, and a sentence that sums them up."""

    columns: tuple[str, ...]
    rows: Iterable[tuple[t.Any, ...]]
    says: str = ""
    #: The columns a table for people has; none: all.
    for_people: tuple[str, ...] = ()


def check_schema(connection: sa.Connection) -> None:
    """Check that there is a ledger this program can read.

    Raises:
        LedgerError: there is none, or it has another version.
    """
    version = existing_version(connection)
    if version != SCHEMA_VERSION:
        raise LedgerVersionError(
            f"the ledger has schema version {version}, this program knows {SCHEMA_VERSION}; a run of the mapper "
            f"upgrades it, or newstore-stock-ledger upgrade"
        )


def explain(connection: sa.Connection, node: str, product: str) -> Table:
    """Return how the number last sent for a key came about.

    Raises:
        LedgerError: the ledger does not know the key.
    """
    row = connection.execute(
        sa.select(on_hand).where(on_hand.c.fulfillment_node_id == node, on_hand.c.product_id == product)
    ).first()
    if row is None:
        return _explain_without_row(connection, node, product)
    proof = last_proofs(connection).get(row.source, Proof())
    sent = connection.execute(
        sa.select(cut_item, cut.c.mark, run.c.started_at)
        .join(cut, cut.c.cut == cut_item.c.cut)
        .join(run, run.c.run == cut.c.run)
        .where(
            cut_item.c.cut == row.sent_cut,
            cut_item.c.fulfillment_node_id == node,
            cut_item.c.product_id == product,
        )
    ).first()
    contains = _CONTAINS[proof.form] or _or_none(row.as_of_logical_timestamp, "no completion")
    steps: list[tuple[t.Any, ...]] = [("ERP row", None, None, row.quantity, None, f"contains {contains}")]
    steps += _completions(connection, node, product, proof)
    steps += _units_ahead(connection, node, product, None if sent is None else sent.mark, proof)
    if sent is None:
        return Table(_STEPS, steps, f"{node}/{product} has not been sent by a cut the ledger still keeps")
    steps.append(("sent", None, sent.mark, row.sent_quantity, row.sent_cut, f"by the run of {sent.started_at}"))
    says = (
        f"{node}/{product} is {row.sent_quantity}: {sent.on_hand} on hand - {sent.completed} completed since"
        f" + {sent.added_back} added back, at mark {sent.mark}, in cut {row.sent_cut}"
    )
    return Table(_STEPS, steps, says)


def _explain_without_row(connection: sa.Connection, node: str, product: str) -> Table:
    """Return what holds back a key of which the ERP has never had a row.

    Raises:
        LedgerError: the ledger does not know the key.
    """
    of_key = held_key.c.fulfillment_node_id == node, held_key.c.product_id == product
    held = connection.execute(sa.select(held_key).where(*of_key)).first()
    units = completed_unit.c
    query = sa.select(units.event_id, units.logical_timestamp, units.units)
    query = query.where(units.fulfillment_node_id == node, units.product_id == product)
    steps: list[tuple[t.Any, ...]] = [
        ("completed", line.event_id, line.logical_timestamp, -line.units, None, "no row to subtract it from")
        for line in connection.execute(query.order_by(units.logical_timestamp))
    ]
    if held is None and not steps:
        raise NotKnownError(
            f"the ledger has no on-hand row for {node}/{product}",
            "Check how it is spelt, and that the ERP's list has it",
        )
    reason = held.reason if held else "no row in the on-hand list"
    return Table(_STEPS, steps, f"{node}/{product} has no number: {reason}")


def quantities_at(connection: sa.Connection, timestamp: int) -> Table:
    """Return all quantities as of a timestamp, from the ERP's rows as last read.

    Raises:
        LedgerError: units up to a higher timestamp have been folded away.
    """
    horizon = connection.scalar(sa.select(sa.func.max(folded.c.through)))
    if horizon is not None and timestamp < horizon:
        raise NotKnownError(
            f"--timestamp {timestamp}: the ledger has folded away units up to {horizon} (ledger_keep_days); "
            f"ask for {horizon} or more"
        )
    proof = Proofs(last_proofs(connection) or {"": Proof()})
    row, unit, ahead = on_hand.c, completed_unit.c, ahead_unit.c
    quantity = (
        row.quantity
        - _units(completed_unit, proof.units_missing(completed_unit), unit.logical_timestamp <= timestamp)
        + _units(completed_unit, proof.units_in(completed_unit), unit.logical_timestamp > timestamp)
        + _units(ahead_unit, proof.units_in(ahead_unit), ahead.logical_timestamp > timestamp)
    )
    query = sa.select(
        row.fulfillment_node_id, row.product_id, row.quantity, row.as_of_logical_timestamp, not_negative(quantity)
    ).order_by(row.fulfillment_node_id, row.product_id)
    columns = ("fulfillment_node_id", "product_id", "on_hand", "as_of_logical_timestamp", "quantity")
    rows = connection.execute(query, execution_options={"yield_per": 10_000})
    return Table(columns, (tuple(line) for line in rows), f"quantities as of logical timestamp {timestamp}")


def held_keys(connection: sa.Connection, now: dt.datetime) -> Table:
    """Return the keys that have no number of their own as of the last run, and how long already, in minutes."""
    key = held_key.c
    query = sa.select(held_key).order_by(key.since, key.fulfillment_node_id, key.product_id)
    columns = ("fulfillment_node_id", "product_id", "kind", "since", "minutes", "reason")
    rows = [
        (line.fulfillment_node_id, line.product_id, line.kind, line.since, _minutes(line.since, now), line.reason)
        for line in connection.execute(query)
    ]
    return Table(columns, rows, f"{len(rows)} keys are held, stale or vanished")


def _minutes(since: str, now: dt.datetime) -> int:
    return int((now - dt.datetime.fromisoformat(since)).total_seconds() // 60)


def acknowledged_cut(connection: sa.Connection) -> int:
    """Return the last cut NewStore has, as the last run read it in the Singer state (0: none)."""
    known = sa.select(run.c.acknowledged_cut).where(run.c.acknowledged_cut.is_not(None))
    return connection.scalar(known.order_by(run.c.run.desc()).limit(1)) or 0


def cuts(connection: sa.Connection) -> Table:
    """Return the cuts, newest last; `acknowledged` as the last run read it in the Singer state."""
    acknowledged = acknowledged_cut(connection)
    query = sa.select(cut, run.c.started_at).join(run, run.c.run == cut.c.run).order_by(cut.c.cut)
    columns = ("cut", "started_at", "logical_timestamp_start", "logical_timestamp_end", "mark", "size", "acknowledged")
    rows = [
        (
            line.cut,
            line.started_at,
            line.logical_timestamp_start,
            line.logical_timestamp_end,
            line.mark,
            line.size,
            line.cut <= acknowledged,
        )
        for line in connection.execute(query)
    ]
    return Table(columns, rows, f"the last run's state acknowledged cut {acknowledged}")


#: What a row contains, and why a unit is subtracted, by the form of proof.
_CONTAINS = {
    "column": "",
    "current": "every completion",
    "taken_at": "what was published before it was taken",
    "booked": "what the ERP has booked",
}
_WHY_MISSING = {
    "column": "after the row",
    "current": "",
    "taken_at": "published after the row was taken",
    "booked": "not booked by the ERP",
}
_STEPS = ("step", "event_id", "logical_timestamp", "units", "cut", "why")


def _completions(connection: sa.Connection, node: str, product: str, proof: Proof) -> list[tuple[t.Any, ...]]:
    unit = completed_unit.c
    missing = proof.units_missing(completed_unit).label("missing")
    query = (
        sa.select(unit.event_id, unit.logical_timestamp, unit.units, unit.cut, unit.late, missing)
        .join(on_hand, same_key(on_hand.c, unit))
        .where(unit.fulfillment_node_id == node, unit.product_id == product)
        .order_by(unit.logical_timestamp)
    )
    steps: list[tuple[t.Any, ...]] = []
    for line in connection.execute(query):
        why = _WHY_MISSING[proof.form] if line.missing else "in the row"
        if line.missing and line.late and proof.form == "column":
            why = "late: the row cannot contain it yet"
        step = "completed" if line.missing else "not subtracted"
        steps.append((step, line.event_id, line.logical_timestamp, -line.missing, line.cut, why))
    return steps


def _units_ahead(
    connection: sa.Connection, node: str, product: str, mark: int | None, proof: Proof
) -> list[tuple[t.Any, ...]]:
    unit = ahead_unit.c
    query = (
        sa.select(unit.event_id, unit.logical_timestamp, proof.units_in(ahead_unit).label("contained"))
        .join(on_hand, same_key(on_hand.c, unit))
        .where(unit.fulfillment_node_id == node, unit.product_id == product)
    )
    steps: list[tuple[t.Any, ...]] = []
    for line in connection.execute(query.order_by(unit.logical_timestamp)):
        counts = line.contained and (mark is None or line.logical_timestamp > mark)
        why = "in the row, and NewStore still subtracts it" if counts else "not released, not in the row"
        step = "added back" if counts else "ahead"
        steps.append((step, line.event_id, line.logical_timestamp, line.contained if counts else 0, None, why))
    return steps


def _units(table: sa.Table, units: sa.ColumnElement[int], counts: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    total = sa.cast(sa.func.coalesce(sa.func.sum(units), 0), sa.BigInteger)
    return sa.select(total).where(same_key(table.c, on_hand.c), counts).correlate(on_hand).scalar_subquery()


def _or_none(value: int | None, none: str) -> str:
    return none if value is None else f"up to {value}"
