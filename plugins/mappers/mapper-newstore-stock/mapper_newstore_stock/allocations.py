"""The other direction: events as changes of an ERP's stock and allocations.

NewStore's guide: the adapter "syncs inventory changes and remove allocations in your business".
It needs no ledger: each event says all there is, and its id keeps it from counting twice.
"""

from __future__ import annotations

import collections
import typing as t

import singer_sdk.singerlib as singer
from singer_sdk import typing as th

from mapper_newstore_stock.events import ASSIGNED, COMPLETED, FAILED, node_of
from mapper_newstore_stock.run.one_tenant import OneTenant

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from mapper_newstore_stock.events import Event

STOCK_CHANGES = "stock_changes"
KEY_PROPERTIES = ("event_id", "fulfillment_node_id", "product_id")

#: Per unit of an event: change of the stock on hand, change of the allocations.
DELTAS = {ASSIGNED: (0, 1), FAILED: (0, -1), COMPLETED: (-1, -1)}

STOCK_CHANGES_SCHEMA = th.PropertiesList(
    th.Property("event_id", th.StringType, required=True, description="The same for every redelivery"),
    th.Property("fulfillment_node_id", th.StringType, required=True),
    th.Property("product_id", th.StringType, required=True),
    th.Property("event_name", th.StringType, required=True),
    th.Property("logical_timestamp", th.IntegerType, required=True, description="Order of events"),
    th.Property("on_hand_delta", th.IntegerType, required=True, description="Units to add to the stock on hand"),
    th.Property("allocation_delta", th.IntegerType, required=True, description="Units to add to the allocations"),
).to_dict()


class AllocationsRun:
    """Takes one run's messages and gives the messages to send at once.

    Events not yet released are left out: they come again when they are.
    """

    def __init__(self) -> None:
        self._begun = False
        self._tenant = OneTenant()

    def begin_events(self) -> Iterator[singer.Message]:
        """Give the schema, once."""
        if not self._begun:
            self._begun = True
            yield singer.SchemaMessage(STOCK_CHANGES, STOCK_CHANGES_SCHEMA, list(KEY_PROPERTIES), ["logical_timestamp"])

    def changes(self, event: Event) -> Iterator[singer.Message]:
        """Give what an event changes, one record per product."""
        self._tenant.check(event.tenant)
        deltas = DELTAS.get(event.event_name)
        if deltas is None or not event.released or not event.items:
            return
        yield from self.begin_events()
        node = node_of(event)
        for product, units in collections.Counter(item.product_id for item in event.items).items():
            record = {
                "event_id": event.event_id,
                "fulfillment_node_id": node,
                "product_id": product,
                "event_name": event.event_name,
                "logical_timestamp": event.logical_timestamp,
                "on_hand_delta": deltas[0] * units,
                "allocation_delta": deltas[1] * units,
            }
            yield singer.RecordMessage(stream=STOCK_CHANGES, record=record)
