"""The other direction: events as changes of an ERP's stock and allocations.

NewStore's guide: the adapter "syncs inventory changes and remove allocations in your business".
It needs no ledger: each event says all there is to say, and its id keeps it from counting twice.
"""

from __future__ import annotations

import logging
import typing as t

import singer_sdk.singerlib as singer
from singer_sdk import typing as th

from mapper_newstore_stock.events import ASSIGNED, COMPLETED, FAILED, node_of, units_here
from mapper_newstore_stock.run.one_tenant import OneTenant
from mapper_newstore_stock.run_summary import NOTHING_TO_DO

if t.TYPE_CHECKING:
    import collections
    from collections.abc import Iterator

    from mapper_newstore_stock.events import Event

logger = logging.getLogger("mapper-newstore-stock.allocations")

STOCK_CHANGES = "stock_changes"
KEY_PROPERTIES = ("event_id", "fulfillment_node_id", "product_id")

#: Per unit of an event: change of the stock on hand, change of the allocations.
DELTAS = {ASSIGNED: (0, 1), FAILED: (0, -1), COMPLETED: (-1, -1)}

NO_LOCATION = (
    "event %s (%s) names no fulfillment_location_id: nobody knows which location's allocations its %d units change, "
    "so nothing is sent for it"
)

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
    """One run that sends the changes of each event at once, and each STATE as it comes.

    Events not yet released are left out: they come again when they are.

    Attributes:
        outcome: `sent`, or `nothing_to_do`.

    Args:
        counts: Counts the run's `events` and `records`.
        ignore_shipped_before: Units shipped before it (epoch milliseconds) are left out.
    """

    def __init__(self, counts: collections.Counter[str], ignore_shipped_before: int | None = None) -> None:
        self._counts = counts
        self._ignore_before = ignore_shipped_before
        self._begun = False
        self._tenant = OneTenant()
        self.outcome = NOTHING_TO_DO

    def begin_events(self) -> Iterator[singer.Message]:
        """Yield the schema, once."""
        if not self._begun:
            self._begun = True
            yield singer.SchemaMessage(STOCK_CHANGES, STOCK_CHANGES_SCHEMA, list(KEY_PROPERTIES), ["logical_timestamp"])

    def take_events(self, events: list[Event]) -> Iterator[singer.Message]:
        """Yield what events change, one record per event and product."""
        for event in events:
            self._counts["events"] += 1
            self._tenant.check((event.tenant,))
            if changes := list(_changes(event, self._ignore_before)):
                self._counts["records"] += len(changes)
                self.outcome = "sent"
                yield from self.begin_events()
                yield from changes

    def take_state(self, state: dict[str, t.Any]) -> tuple[singer.Message, ...]:
        """Return the STATE: what it covers has been sent."""
        return (singer.StateMessage(state),)

    def finish(self) -> tuple[singer.Message, ...]:
        """Return nothing: all has been sent."""
        return ()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def _changes(event: Event, ignore_before: int | None) -> Iterator[singer.RecordMessage]:
    deltas = DELTAS.get(event.event_name)
    if deltas is None or not event.released or not event.items:
        return
    if event.event_name != COMPLETED and not event.fulfillment_location_id:
        # Only a completion must name one (the tap takes the others as they come): no shelf's stock changes.
        logger.warning(NO_LOCATION, event.event_id, event.event_name, len(event.items))
        return
    node = node_of(event)
    for product, units in units_here(event.items, ignore_before).items():
        if not units:
            continue
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
