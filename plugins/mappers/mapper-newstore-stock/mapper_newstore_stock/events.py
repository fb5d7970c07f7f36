"""The part of a `fulfillment_events` record that moves stock."""

from __future__ import annotations

import collections
import typing as t

import msgspec

from mapper_newstore_stock.errors import MapperError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

STREAM = "fulfillment_events"
ASSIGNED = "fulfillment_request.assigned"
COMPLETED = "fulfillment_request.items_completed"
FAILED = "fulfillment_request.items_failed"


class Item(msgspec.Struct, gc=False):
    """One unit of one product."""

    product_id: str


class Event(msgspec.Struct, gc=False):
    """The fields of a record that stock depends on (the tap's schema)."""

    event_id: str
    event_name: str
    logical_timestamp: int
    tenant: str | None = None
    fulfillment_location_id: str | None = None
    released: bool = True
    items: list[Item] = []


#: Units of one product that left one shelf with one event: fulfillment_node_id, product_id,
#: logical_timestamp, event_id, number of units.
CompletedUnits = tuple[str, str, int, str, int]


def read_event(record: dict[str, t.Any]) -> Event:
    """Check a record of the stream `fulfillment_events`.

    Raises:
        MapperError: a field is missing or of the wrong type.
    """
    try:
        return msgspec.convert(record, Event)
    except msgspec.ValidationError as error:
        raise MapperError(
            f"a record of {STREAM} ({record.get('event_id')}) cannot be read: {error}. Select all its fields "
            f"and let no stream map change them"
        ) from error


def completed_units(events: Iterable[Event]) -> Iterator[CompletedUnits]:
    """Yield what events take off the shelf: each completion its units, other events nothing.

    Raises:
        MapperError: a completion names no fulfillment node.
    """
    for event in events:
        if event.event_name != COMPLETED or not event.items:
            continue
        node, items = node_of(event), event.items
        if len(items) == 1:
            yield node, items[0].product_id, event.logical_timestamp, event.event_id, 1
            continue
        for product, units in collections.Counter(item.product_id for item in items).items():
            yield node, product, event.logical_timestamp, event.event_id, units


def node_of(event: Event) -> str:
    """Return the fulfillment node of an event that moves stock.

    Raises:
        MapperError: it names none.
    """
    if not event.fulfillment_location_id:
        doing = "completes units" if event.event_name == COMPLETED else "moves units"
        raise MapperError(f"event {event.event_id} {doing} but names no fulfillment_location_id")
    return event.fulfillment_location_id
