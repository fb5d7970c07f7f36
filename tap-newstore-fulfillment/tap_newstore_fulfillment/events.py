"""Fulfilment events as NewStore sends them, checked and brought into one shape.

Two wire shapes carry the same events (newstore-api.md, section 4): the Event Stream envelope, and the
older webhook that nests name and payload under `event`. Stock needs an event's name and logical
timestamp, and of a completion its location and products. All else is taken as it comes (design rule 18).
"""

from __future__ import annotations

import typing as t

import msgspec

from tap_newstore_fulfillment.any_json import read_json
from tap_newstore_fulfillment.errors import EventRejectedError, OtherEntityError
from tap_newstore_fulfillment.moments import read_moment
from tap_newstore_fulfillment.units import (
    COMPLETED,
    as_reference,
    as_text,
    described,
    is_id,
    location_of,
    units_of,
)

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.any_json import ReadJson

__all__ = ["COMPLETED", "FulfillmentEvent", "check_event", "event_id"]

#: The older webhook's names, and the Event Stream's names for the same events.
LEGACY_NAMES = {
    "fulfillment_request_assigned": "fulfillment_request.assigned",
    "fulfillment_request_failed": "fulfillment_request.items_failed",
    "fulfillment_request_completed": COMPLETED,
}
#: How the names of our entity's events begin, in either shape.
OURS = ("fulfillment_request.", "fulfillment_request_")
#: Fields of a payload that are text, whatever was sent.
TEXTS = ("id", "order_id", "associate_id", "service_level")

Object = dict[str, t.Any]


class FulfillmentEvent(msgspec.Struct, frozen=True):
    """A checked event: what the landing store needs to know about it, and its text.

    Attributes:
        body: As NewStore sent it, unless a field had to be brought into the stream's schema.
        published_at: When NewStore published it, in epoch seconds; None if NewStore does not say.
        tenant: None: the older webhook names none.
    """

    event_id: str
    event_name: str
    logical_timestamp: int
    body: str
    published_at: float | None = None
    tenant: str | None = None


def check_event(raw: bytes) -> FulfillmentEvent:
    """Check one delivered body, in either wire shape.

    Raises:
        EventRejectedError: the body is not a fulfilment event; the text names the field.
        OtherEntityError: it is an event of another entity.
    """
    try:
        read = read_json(raw)
    except ValueError as error:
        raise EventRejectedError(f"body: {error}") from error
    body = read.value
    name, payload, path = _name_and_payload(body)
    at = _logical_timestamp(payload, path)
    identity = event_id(name, as_reference(payload.get("id")) or "", at)
    try:
        plain = _plain_payload(name, payload, path, read)
        tenant = _tenant(body.get("tenant"))
    except EventRejectedError as error:
        raise EventRejectedError(str(error), identity) from error
    published_at, seconds = read_moment(body.get("published_at"))
    text = read.text
    is_same = tenant == body.get("tenant") and published_at == body.get("published_at")
    has_other = ("payload" if _is_older(body) else "event") in body
    if not (is_same and plain is payload and read.is_as_sent) or has_other:
        text = _written({**body, "tenant": tenant, "published_at": published_at}, plain)
    return FulfillmentEvent(identity, name, at, text, seconds, tenant)


def event_id(name: str, fulfillment_request_id: str, logical_timestamp: int) -> str:
    """Return the identity of an event, the same for every redelivery and in both wire shapes.

    It leaves out the tenant: the older webhook does not send it, and an event that arrives
    through both webhooks must stay one event. Request ids are UUIDs.
    """
    return f"{name}:{fulfillment_request_id}:{logical_timestamp}"


def _name_and_payload(body: t.Any) -> tuple[str, Object, str]:
    """Return the Event Stream's name, the payload, and the path to it in error texts."""
    if not isinstance(body, dict):
        raise EventRejectedError(f"body: expected object, got {described(body)}")
    holder, within = (body["event"], "event.") if _is_older(body) else (body, "")
    for field in ("name", "payload"):
        if field not in holder:
            raise EventRejectedError(f"{within}{field}: required")
    name, payload = holder["name"], holder["payload"]
    if not isinstance(name, str):
        raise EventRejectedError(f"{within}name: expected str, got {described(name)}")
    if not name.startswith(OURS):
        if _is_misspelt(name):
            raise EventRejectedError(f"{within}name: expected the name of an event, as NewStore writes it")
        raise OtherEntityError(name)
    if not is_id(name):
        raise EventRejectedError(f"{within}name: expected at most 255 characters, none of them a control character")
    if not isinstance(payload, dict):
        raise EventRejectedError(f"{within}payload: expected object, got {described(payload)}")
    return LEGACY_NAMES.get(name, name), payload, f"{within}payload"


def _is_misspelt(name: str) -> bool:
    """Return whether a name may be one of ours all the same: it says nothing, or only its case or spaces differ."""
    plain = name.strip().lower()
    return not plain or plain.startswith(OURS)


def _logical_timestamp(payload: Object, path: str) -> int:
    """Return the logical timestamp, an int64."""
    if "logical_timestamp" not in payload:
        raise EventRejectedError(f"{path}.logical_timestamp: required")
    value = payload["logical_timestamp"]
    if type(value) is not int:
        raise EventRejectedError(f"{path}.logical_timestamp: expected int, got {described(value)}")
    if not -(2**63) <= value < 2**63:
        raise EventRejectedError(f"{path}.logical_timestamp: expected an int of 64 bits")
    return value


def _plain_payload(name: str, payload: Object, path: str, read: ReadJson) -> Object:
    """Return the payload with each field as the stream's schema has it; the same object if nothing changes."""
    changed: Object = {}
    for field in TEXTS:
        value = payload.get(field)
        if (text := as_reference(value)) != value:
            changed[field] = text
    items, location = payload.get("items"), payload.get("fulfillment_location_id")
    if (units := units_of(name, items, f"{path}.items", is_lossy=read.is_lossy)) is not items:
        changed["items"] = units
    if (node := location_of(name, location, path, is_lossy=read.is_lossy)) is not location:
        changed["fulfillment_location_id"] = node
    return {**payload, **changed} if changed else payload


def _tenant(value: t.Any) -> str | None:
    """Return the tenant; what is neither text nor a number names none.

    Raises:
        EventRejectedError: it is no tenant's name. Whose logical timestamp it is, nobody knows.
    """
    text = None if isinstance(value, (dict, list, bool)) else as_text(value) or None
    if text and not is_id(text):
        raise EventRejectedError("tenant: expected at most 255 characters, none of them a control character")
    return text


def _is_older(body: Object) -> bool:
    """Return whether a body has the older webhook's shape; `event` may also be an unknown field of an envelope."""
    older, needed = body.get("event"), {"name", "payload"}
    return isinstance(older, dict) and (not needed <= body.keys() or needed <= older.keys())


def _written(body: Object, payload: Object) -> str:
    """Return the text of a body in one of the two shapes, without a field that belongs to the other."""
    if _is_older(body):
        whole = {**body, "event": {**body["event"], "payload": payload}}
        whole.pop("payload", None)
    else:
        whole = {**body, "payload": payload}
        whole.pop("event", None)
    return msgspec.json.encode(whole).decode()
