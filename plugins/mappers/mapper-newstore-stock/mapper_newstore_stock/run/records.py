"""Streams the stock records of a cut from the ledger."""

from __future__ import annotations

import itertools
import typing as t

import singer_sdk.singerlib as singer
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import STREAMED
from mapper_newstore_stock.ledger.tables import cut_item
from mapper_newstore_stock.state import STOCK

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.run.cuts import Cut


def records_of(connection: sa.Connection, cut: Cut) -> Iterator[singer.RecordMessage]:
    """Yield a cut's records in key order.

    Nothing may be committed meanwhile: on PostgreSQL that would close the cursor.
    """
    start, end = cut.range or (None, None)
    cut_id = str(cut.number)
    item = cut_item.c
    query = (
        sa.select(item.fulfillment_node_id, item.product_id, item.quantity)
        .where(item.cut == cut.number)
        .order_by(item.fulfillment_node_id, item.product_id)
    )
    # By batches: one by one, SQLAlchemy takes longer to hand over a row than SQLite to find it.
    batches = connection.execute(query, execution_options=STREAMED).partitions()
    for node, product, quantity in itertools.chain.from_iterable(batches):
        record = {
            "fulfillment_node_id": node,
            "product_id": product,
            "quantity": quantity,
            "logical_timestamp_start": start,
            "logical_timestamp_end": end,
            "cut_id": cut_id,
            "cut_size": cut.size,
        }
        yield singer.RecordMessage(stream=STOCK, record=record)
