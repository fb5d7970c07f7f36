"""Keys somebody should look at: held, stale, vanished or late ones."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import completed_unit, held_key, late_unit, on_hand, run

#: Those whose number NewStore got from nobody come first.
KINDS = ("held", "stale", "vanished", "late")


class Attention(t.NamedTuple):
    """A key to look at; `since` is ISO 8601 in UTC."""

    node: str
    product: str
    kind: str
    since: str
    reason: str


def needing_attention(connection: sa.Connection, most: int) -> list[Attention]:
    """Return keys to look at, at most so many: the gravest kind first, and of a kind the oldest."""
    return [*_without_a_number(connection, most), *_late(connection, most)][:most]


def _without_a_number(connection: sa.Connection, most: int) -> list[Attention]:
    key = held_key.c
    order = sa.case({kind: place for place, kind in enumerate(KINDS)}, value=key.kind, else_=len(KINDS))
    columns = (key.fulfillment_node_id, key.product_id, key.kind, key.since, key.reason)
    query = sa.select(*columns).order_by(order, key.since, key.fulfillment_node_id, key.product_id)
    return [Attention(*row) for row in connection.execute(query.limit(most))]


def _late(connection: sa.Connection, most: int) -> list[Attention]:
    late, unit, row = late_unit.c, completed_unit.c, on_hand.c
    # Until the row is another one than it was when the unit came.
    as_it_stood = sa.and_(
        late.quantity == row.quantity,
        late.as_of_logical_timestamp.is_not_distinct_from(row.as_of_logical_timestamp),
    )
    same = (same_key(unit, late), unit.logical_timestamp == late.logical_timestamp, unit.event_id == late.event_id)
    query = (
        sa.select(late.fulfillment_node_id, late.product_id, sa.func.min(run.c.started_at), sa.func.sum(unit.units))
        .join(completed_unit, sa.and_(*same))
        .join(run, run.c.run == unit.run)
        .join(on_hand, same_key(row, late))
        .where(sa.or_(late.quantity.is_(None), as_it_stood))
        .group_by(late.fulfillment_node_id, late.product_id)
        .order_by(sa.func.min(run.c.started_at), late.fulfillment_node_id, late.product_id)
    )
    return [
        Attention(node, product, "late", since, f"{units} units came late: the ERP's row may not contain them yet")
        for node, product, since, units in connection.execute(query.limit(most))
    ]
