"""The numbers sent for one key, found by the key of the table: it begins with the cut."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import is_postgresql
from mapper_newstore_stock.ledger.tables import cut, cut_item

if t.TYPE_CHECKING:
    from collections.abc import Sequence


def sent_for(connection: sa.Connection, node: str, product: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions for the items of one key.

    The cuts are named first, so that each is looked up: without that, the items of all keys are read.
    """
    item, numbers = cut_item.c, sa.select(cut.c.cut)
    if is_postgresql(connection):
        named: sa.ColumnElement[bool] = item.cut == sa.func.any(sa.func.array(numbers.scalar_subquery()))
    else:
        named = item.cut.in_(numbers)
    return named, item.fulfillment_node_id == node, item.product_id == product


def keys_of_newest_cut(connection: sa.Connection, most: int) -> Sequence[tuple[str, str]]:
    """Return the first keys of the newest cut that has any."""
    item = cut_item.c
    newest = sa.select(sa.func.max(item.cut)).scalar_subquery()
    query = sa.select(item.fulfillment_node_id, item.product_id).where(item.cut == newest)
    rows = connection.execute(query.order_by(item.fulfillment_node_id, item.product_id).limit(most))
    return [(row[0], row[1]) for row in rows]
