"""Where an event, or an order, is now: each of its units, from the tap's hand to NewStore's confirmation."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.errors import NotKnownError
from mapper_newstore_stock.ledger.history import confirmed_at
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.queries import Table
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut, cut_item, held_key, run, unclaimed

COLUMNS = (
    "fulfillment_node_id",
    "product_id",
    "event_id",
    "order_id",
    "logical_timestamp",
    "units",
    "stage",
    "taken_at",
    "cut",
    "quantity",
    "confirmed_at",
    "why",
)


def whereabouts(connection: sa.Connection, *, event_id: str | None = None, order_id: str | None = None) -> Table:
    """Return where the units of an event or an order are.

    `stage` is `ahead` (known, not released), `uncovered` (no range covers its timestamp), `held` (its key is), `sent`
    (in a cut that is not confirmed) or `confirmed` (NewStore has imported the cut).

    Raises:
        LedgerError: the ledger has no unit of it; says where else to look.
    """
    rows = [
        *_completed(connection, _named(completed_unit, event_id, order_id)),
        *_ahead(connection, _named(ahead_unit, event_id, order_id)),
    ]
    if not rows:
        raise NotKnownError(_not_here(connection, event_id, order_id))
    name = f"event {event_id}" if event_id is not None else f"order {order_id}"
    stages = ", ".join(f"{sum(row[6] == stage for row in rows)} {stage}" for stage in dict.fromkeys(r[6] for r in rows))
    return Table(COLUMNS, rows, f"{name}: {stages}")


def _named(table: sa.Table, event_id: str | None, order_id: str | None) -> sa.ColumnElement[bool]:
    return table.c.event_id == event_id if event_id is not None else table.c.order_id == order_id


def _not_here(connection: sa.Connection, event_id: str | None, order_id: str | None) -> str:
    through = connection.scalar(sa.select(sa.func.max(run.c.taken_through)))
    taken = f"completions up to logical timestamp {through} have been taken from the tap"
    elsewhere = "newstore-event-receiver says what waits there (backlog) and what was set aside (quarantine list)"
    if event_id is not None:
        return f"the ledger has no units of event {event_id}; {taken}. {elsewhere}"
    keeps = sa.select(completed_unit.c.event_id).where(completed_unit.c.order_id.is_not(None)).limit(1)
    if connection.execute(keeps).first() is None:
        return (
            f"the ledger does not keep the orders of its units (on_hand_as_of `taken_at` and `booked` do), so nothing "
            f"is known of order {order_id}; ask for its events with --event"
        )
    return f"the ledger has no units of order {order_id}; {taken}. {elsewhere}"


def _completed(connection: sa.Connection, named: sa.ColumnElement[bool]) -> list[tuple[t.Any, ...]]:
    unit = completed_unit.c
    no_range = sa.exists().where(unclaimed.c.logical_timestamp == unit.logical_timestamp)
    held = sa.select(held_key.c.reason).where(same_key(held_key.c, unit), held_key.c.kind == "held").scalar_subquery()
    item = sa.and_(same_key(cut_item.c, unit), cut_item.c.cut == unit.cut)
    query = (
        sa.select(completed_unit, run.c.started_at, cut_item.c.quantity)
        .add_columns(cut.c.logical_timestamp_start, cut.c.logical_timestamp_end)
        .add_columns(no_range.label("no_range"), held.label("held"))
        .join(run, run.c.run == unit.run, isouter=True)
        .join(cut_item, item, isouter=True)
        .join(cut, cut.c.cut == unit.cut, isouter=True)
        .where(named)
        .order_by(unit.logical_timestamp, unit.fulfillment_node_id, unit.product_id)
    )
    return [_row(connection, line) for line in connection.execute(query).all()]


def _row(connection: sa.Connection, line: sa.Row[t.Any]) -> tuple[t.Any, ...]:
    planned = line.logical_timestamp_start is not None
    moment = confirmed_at(connection, line.cut) if planned else None
    late = "came late; " if line.late else ""
    if line.held is not None and not planned:
        stage, why = "held", f"its key is held: {line.held}"
    elif line.no_range or not planned:
        stage, why = "uncovered", "no range covers it, NewStore goes on subtracting it"
    else:
        stage = "sent" if moment is None else "confirmed"
        why = f"in the range {line.logical_timestamp_start}-{line.logical_timestamp_end}"
    key = (line.fulfillment_node_id, line.product_id, line.event_id, line.order_id, line.logical_timestamp, line.units)
    number = line.cut if planned else None
    return (*key, stage, line.started_at, number, line.quantity, moment, f"{late}{why}")


def _ahead(connection: sa.Connection, named: sa.ColumnElement[bool]) -> list[tuple[t.Any, ...]]:
    unit = ahead_unit.c
    key = (unit.fulfillment_node_id, unit.product_id, unit.event_id, unit.order_id, unit.logical_timestamp, unit.units)
    query = sa.select(*key, run.c.started_at).join(run, run.c.run == unit.run, isouter=True).where(named)
    why = "known ahead of its release: no mark and no range has reached it"
    return [
        (*line[:6], "ahead", line[6], None, None, None, why)
        for line in connection.execute(query.order_by(unit.logical_timestamp, *key[:2]))
    ]
