"""Fulfilment events as NewStore sends them, checked and brought into one shape.

Two wire shapes carry the same events (newstore-api.md, section 4): the Event Stream
envelope, and the older webhook that nests name and payload under `event`.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

import msgspec

from tap_newstore_fulfillment.errors import EventRejectedError

COMPLETED = "fulfillment_request.items_completed"

#: The older webhook's names, and the Event Stream's names for the same events.
LEGACY_NAMES = {
    "fulfillment_request_assigned": "fulfillment_request.assigned",
    "fulfillment_request_failed": "fulfillment_request.items_failed",
    "fulfillment_request_completed": COMPLETED,
}

# No control characters: PostgreSQL cannot store NUL, and no real id has any.
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]*$")]
LogicalTimestamp = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Item(msgspec.Struct):
    """One unit of one product (there is no quantity field)."""

    id: Id
    product_id: Id


class Payload(msgspec.Struct):
    """The part both wire shapes share."""

    id: Id
    logical_timestamp: LogicalTimestamp
    order_id: str | None = None
    fulfillment_location_id: str | None = None
    associate_id: str | None = None
    service_level: str | None = None
    items: list[Item] | None = None


class LegacyEvent(msgspec.Struct):
    """Name and payload of the older webhook."""

    name: Id
    payload: Payload


class Body(msgspec.Struct):
    """Either wire shape: `name` and `payload`, or both of them under `event`."""

    name: Id | msgspec.UnsetType = msgspec.UNSET
    payload: Payload | msgspec.UnsetType = msgspec.UNSET
    event: LegacyEvent | msgspec.UnsetType = msgspec.UNSET
    tenant: str | None = None
    published_at: dt.datetime | None = None


class FulfillmentEvent(msgspec.Struct, frozen=True):
    """A checked event: what the landing store needs to know about it, and its text.

    Attributes:
        published_at: When NewStore published it, in epoch seconds; None if NewStore does not say.
    """

    event_id: str
    event_name: str
    logical_timestamp: int
    body: str
    published_at: float | None = None


_body = msgspec.json.Decoder(Body)


def check_event(raw: bytes) -> FulfillmentEvent:
    """Check one delivered body, in either wire shape.

    Raises:
        EventRejectedError: the body is not a fulfilment event; the text names the field.
    """
    try:
        text = raw.decode("utf-8")
        body = _body.decode(text)
    except UnicodeDecodeError as error:
        raise EventRejectedError(f"body: not UTF-8 (byte {error.start})") from error
    except msgspec.ValidationError as error:
        raise EventRejectedError(_with_path_first(str(error))) from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise EventRejectedError(f"body: {error}") from error
    name, payload = _name_and_payload(body)
    _check_completion(name, payload, _path(body))
    return FulfillmentEvent(
        event_id=event_id(name, payload.id, payload.logical_timestamp),
        event_name=name,
        logical_timestamp=payload.logical_timestamp,
        body=text,
        published_at=body.published_at.timestamp() if body.published_at else None,
    )


def event_id(name: str, fulfillment_request_id: str, logical_timestamp: int) -> str:
    """Return the identity of an event, the same for every redelivery and in both wire shapes.

    It leaves out the tenant: the older webhook does not send it, and an event that arrives
    through both webhooks must stay one event. Request ids are UUIDs.
    """
    return f"{name}:{fulfillment_request_id}:{logical_timestamp}"


def _name_and_payload(body: Body) -> tuple[str, Payload]:
    if body.event is not msgspec.UNSET:
        return LEGACY_NAMES.get(body.event.name, body.event.name), body.event.payload
    if body.name is msgspec.UNSET:
        raise EventRejectedError("name: required")
    if body.payload is msgspec.UNSET:
        raise EventRejectedError("payload: required")
    return body.name, body.payload


def _check_completion(name: str, payload: Payload, path: str) -> None:
    """Refuse a completion that does not say which units left which location."""
    if name != COMPLETED:
        return
    if payload.items is None:
        raise EventRejectedError(f"{path}.items: required in {COMPLETED}")
    if not payload.fulfillment_location_id:
        raise EventRejectedError(f"{path}.fulfillment_location_id: required in {COMPLETED}")


def _path(body: Body) -> str:
    return "payload" if body.event is msgspec.UNSET else "event.payload"


def _with_path_first(message: str) -> str:
    """Turn "Expected `str`, got `int` - at `$.a[0].b`" into "a[0].b: expected str, got int"."""
    text, _, path = message.replace("`", "").partition(" - at $")
    path = path.lstrip(".")
    if missing := re.fullmatch(r"Object missing required field (\w+)", text):
        return f"{path}.{missing[1]}: required".lstrip(".")
    return f"{path or 'body'}: {text[0].lower()}{text[1:]}"
