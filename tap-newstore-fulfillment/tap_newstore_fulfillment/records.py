"""Records of the streams, made from stored bodies.

The items stay JSON text until they are needed: most records go out as they came in.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import typing as t

import msgspec

from tap_newstore_fulfillment.units import as_reference

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.landing.store import Arrival


AnyValue = t.TypeVar("AnyValue")

NO_ITEMS = msgspec.Raw(b"[]")
NULL = msgspec.Raw(b"null")
#: A body of so many characters may hold a reference that is too long for an index: those of earlier versions do.
LONGEST_UNSEEN = 600
#: How JSON writes the one character that PostgreSQL cannot store.
NUL = "\\u0000"


class EventRecord(msgspec.Struct, gc=False):
    """One record of `fulfillment_events`; its fields are in the order of the schema.

    Attributes:
        items: JSON text: one entry per unit, with unknown fields.
    """

    event_id: str
    event_name: str
    tenant: str | None
    logical_timestamp: int
    published_at: str | None
    received_at: str
    fulfillment_request_id: str | None
    order_id: str | None
    fulfillment_location_id: str | None
    associate_id: str | None
    service_level: str | None
    released: bool
    items: msgspec.Raw


class ItemRecord(msgspec.Struct):
    """One record of `fulfillment_event_items`, one unit; its fields are in the order of the schema."""

    event_id: str
    item_number: int
    event_name: str
    tenant: str | None
    logical_timestamp: int
    published_at: str | None
    fulfillment_request_id: str | None
    order_id: str | None
    fulfillment_location_id: str | None
    released: bool
    item_id: str | None
    product_id: str


class _Unit(msgspec.Struct):
    product_id: str
    id: str | None = None


class _Payload(msgspec.Struct, gc=False):
    """The part of a checked payload that goes into a record."""

    id: str | None = None
    order_id: str | None = None
    fulfillment_location_id: str | None = None
    associate_id: str | None = None
    service_level: str | None = None
    items: msgspec.Raw = NO_ITEMS


class _Event(msgspec.Struct, gc=False):
    payload: _Payload


class _Body(msgspec.Struct, gc=False):
    """A body in either wire shape; it was checked when it arrived."""

    payload: _Payload | None = None
    event: _Event | None = None
    tenant: str | None = None
    published_at: str | None = None


_bodies = msgspec.json.Decoder(_Body)
_unit_lists = msgspec.json.Decoder(list[_Unit])


def read_record(arrival: Arrival, *, released: bool) -> EventRecord:
    """Turn a stored event into a record."""
    # Unpacking a database row is much faster than reading its fields by name.
    event_id, event_name, logical_timestamp, received_at, text = arrival
    body = _read(_bodies, text if NUL not in text else _without_nul(text))
    payload = t.cast("_Payload", body.event.payload if body.event else body.payload)
    if len(text) > LONGEST_UNSEEN:
        _bound(payload)
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


def _read(decoder: msgspec.json.Decoder[AnyValue], text: str | msgspec.Raw) -> AnyValue:
    """Decode what was checked when it arrived."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        # A name stands there twice. The last value counts, and was checked; the decoder refuses the first.
        return decoder.decode(msgspec.json.encode(msgspec.json.decode(text)))


def _bound(payload: _Payload) -> None:
    payload.id = as_reference(payload.id)
    payload.order_id = as_reference(payload.order_id)
    payload.fulfillment_location_id = as_reference(payload.fulfillment_location_id)
    payload.associate_id = as_reference(payload.associate_id)
    payload.service_level = as_reference(payload.service_level)


def _without_nul(text: str) -> str:
    """Return a body without NUL in its strings, so that any target can store the record."""
    return json.dumps(json.loads(text, object_hook=_replace_nul))


def _replace_nul(values: dict[str, t.Any]) -> dict[str, t.Any]:
    return {_clean(name): _clean(value) for name, value in values.items()}


def _clean(value: t.Any) -> t.Any:
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value.replace("\x00", "\ufffd") if isinstance(value, str) else value


def item_records(event: EventRecord) -> list[ItemRecord]:
    """Return one record per unit of an event."""
    units = _read(_unit_lists, event.items)
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
        for number, unit in enumerate(units)
    ]


def to_dict(record: msgspec.Struct) -> dict[str, t.Any]:
    """Return a record in the form the SDK takes."""
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    if isinstance(record, EventRecord):
        values["items"] = msgspec.json.decode(record.items)
    return values


@functools.lru_cache(maxsize=1024)
def _iso(epoch_ms: int) -> str:
    """Format a time; cached, because the events of one transaction share theirs."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, tz=dt.UTC).isoformat(timespec="milliseconds")
