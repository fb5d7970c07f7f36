"""Records of the stream `fulfillment_events`, from kept bodies.

The items stay JSON text until somebody needs them: most records go out as they came in.
"""

from __future__ import annotations

import datetime as dt
import functools
import typing as t

import msgspec

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.landing.store import Arrival


NO_ITEMS = msgspec.Raw(b"[]")
NULL = msgspec.Raw(b"null")


class EventRecord(msgspec.Struct, gc=False):
    """One record, its fields in the order of the stream's schema.

    Attributes:
        items: JSON text, one entry per unit, unknown fields included.
    """

    event_id: str
    event_name: str
    tenant: str | None
    logical_timestamp: int
    published_at: str | None
    received_at: str
    fulfillment_request_id: str
    order_id: str | None
    fulfillment_location_id: str | None
    associate_id: str | None
    service_level: str | None
    released: bool
    items: msgspec.Raw


class ItemRecord(msgspec.Struct):
    """One unit of an event, its fields in the order of the stream's schema."""

    event_id: str
    item_number: int
    event_name: str
    tenant: str | None
    logical_timestamp: int
    published_at: str | None
    fulfillment_request_id: str
    order_id: str | None
    fulfillment_location_id: str | None
    released: bool
    item_id: str
    product_id: str


class _Unit(msgspec.Struct):
    id: str
    product_id: str


class _Payload(msgspec.Struct, gc=False):
    """The part of a checked payload a record shows."""

    id: str
    order_id: str | None = None
    fulfillment_location_id: str | None = None
    associate_id: str | None = None
    service_level: str | None = None
    items: msgspec.Raw = NO_ITEMS


class _Event(msgspec.Struct, gc=False):
    payload: _Payload


class _Body(msgspec.Struct, gc=False):
    """A body that was checked when it arrived, in either wire shape."""

    payload: _Payload | None = None
    event: _Event | None = None
    tenant: str | None = None
    published_at: str | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_units = msgspec.json.Decoder(list[_Unit]).decode


def read_record(arrival: Arrival, *, released: bool) -> EventRecord:
    """Turn a kept event into a record."""
    # A row of the database gives its fields by place much faster than by name.
    event_id, event_name, logical_timestamp, received_at, text = arrival
    body = _decode(text)
    payload = t.cast("_Payload", body.event.payload if body.event else body.payload)
    return EventRecord(
        event_id,
        event_name,
        body.tenant,
        logical_timestamp,
        body.published_at,
        _iso(received_at),
        payload.id,
        payload.order_id,
        payload.fulfillment_location_id,
        payload.associate_id,
        payload.service_level,
        released,
        NO_ITEMS if payload.items == NULL else payload.items,
    )


def item_records(event: EventRecord) -> list[ItemRecord]:
    """Give one record for each unit of an event."""
    return [
        ItemRecord(
            event.event_id,
            number,
            event.event_name,
            event.tenant,
            event.logical_timestamp,
            event.published_at,
            event.fulfillment_request_id,
            event.order_id,
            event.fulfillment_location_id,
            event.released,
            unit.id,
            unit.product_id,
        )
        for number, unit in enumerate(_decode_units(event.items))
    ]


def to_dict(record: msgspec.Struct) -> dict[str, t.Any]:
    """Give a record as the SDK takes it."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    if isinstance(record, EventRecord):
        values["items"] = msgspec.json.decode(record.items)
    return values


@functools.lru_cache(maxsize=1024)
def _iso(epoch_ms: int) -> str:
    """Write a moment; events of one transaction share theirs."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="milliseconds")
