"""Streams the stock records of a cut from the ledger."""

from __future__ import annotations

import typing as t

import msgspec
import singer_sdk.singerlib as singer
import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import streamed
from mapper_newstore_stock.ledger.tables import cut_item
from mapper_newstore_stock.state import STOCK

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.run.cuts import Cut


class StockRecord(msgspec.Struct, gc=False):
    """A record as it is sent; `StockRun` describes its fields in the schema."""

    fulfillment_node_id: str
    product_id: str
    quantity: int
    logical_timestamp_start: int | None
    logical_timestamp_end: int | None
    cut_id: str
    cut_size: int


class RecordLine(msgspec.Struct, tag="RECORD", gc=False):
    """The same as a RECORD message: encoded as it is, many at a time."""

    stream: str
    record: StockRecord


def lines_of(connection: sa.Connection, cut: Cut) -> Iterator[list[RecordLine]]:
    """Yield a cut's records in key order, many at a time.

    Nothing may be committed meanwhile: on PostgreSQL that would close the cursor.
    """
    start, end = cut.range or (None, None)
    cut_id, size = str(cut.number), cut.size
    item = cut_item.c
    query = (
        sa.select(item.fulfillment_node_id, item.product_id, item.quantity)
        .where(item.cut == cut.number)
        .order_by(item.fulfillment_node_id, item.product_id)
    )
    for rows in streamed(connection, query):
        yield [
            RecordLine(STOCK, StockRecord(node, product, quantity, start, end, cut_id, size))
            for node, product, quantity in rows
        ]


def records_of(connection: sa.Connection, cut: Cut) -> Iterator[singer.RecordMessage]:
    """Yield a cut's records in key order, as messages; see `lines_of`."""
    for lines in lines_of(connection, cut):
        for line in lines:
            yield singer.RecordMessage(stream=STOCK, record=msgspec.structs.asdict(line.record))
