"""Builders of events as NewStore sends them (wire contract, section 4)."""

from __future__ import annotations

import json
import typing as t

from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.store import Arrival
from tap_newstore_fulfillment.records import read_record, to_dict

COMPLETED = "fulfillment_request.items_completed"
ASSIGNED = "fulfillment_request.assigned"


def a_payload(at: int, *products: str, request: str = "fr-1", **fields: t.Any) -> dict[str, t.Any]:
    """Return a payload with one unit of each product named."""
    return {
        "id": request,
        "order_id": "order-1",
        "logical_timestamp": at,
        "fulfillment_location_id": "DC01",
        "associate_id": None,
        "service_level": "STANDARD",
        "items": [{"id": f"{request}-{n}", "product_id": name} for n, name in enumerate(products or ("SKU-1",))],
        **fields,
    }


def an_event(
    at: int, *products: str, name: str = COMPLETED, request: str = "fr-1", **fields: t.Any
) -> dict[str, t.Any]:
    """Return an Event Stream envelope."""
    return {
        "tenant": "demo",
        "name": name,
        "published_at": "2025-03-04T09:15:02.117Z",
        "payload": a_payload(at, *products, request=request, **fields),
    }


def an_older_event(at: int, *products: str, name: str = "fulfillment_request_completed") -> dict[str, t.Any]:
    """Return the older webhook's body of the same event."""
    return {
        "published_at": "2019-01-08T18:03:07.554206583Z",
        "event": {"name": name, "payload": a_payload(at, *products)},
    }


def as_kept(body: dict[str, t.Any] | bytes, received_at: int = 0) -> Arrival:
    """Return an event as read back from the landing store."""
    event = check_event(body if isinstance(body, bytes) else json.dumps(body).encode())
    return Arrival(event.event_id, event.event_name, event.logical_timestamp, received_at, event.body)


def a_record(body: dict[str, t.Any] | bytes, received_at: int = 0) -> dict[str, t.Any]:
    """Return the record an event becomes."""
    return to_dict(read_record(as_kept(body, received_at), released=True))
