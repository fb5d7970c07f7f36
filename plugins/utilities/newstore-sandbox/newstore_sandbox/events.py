"""Fulfilment events in the two shapes NewStore sends (newstore-api.md, section 4)."""

from __future__ import annotations

import datetime as dt
import typing as t

ASSIGNED = "fulfillment_request.assigned"
COMPLETED = "fulfillment_request.items_completed"
FAILED = "fulfillment_request.items_failed"
READY = "fulfillment_request.items_ready_for_handover"

#: Event names of the older webhook, which has no other events.
LEGACY_NAMES = {
    ASSIGNED: "fulfillment_request_assigned",
    COMPLETED: "fulfillment_request_completed",
    FAILED: "fulfillment_request_failed",
}

Shape = t.Literal["event-stream", "legacy"]


def envelope(shape: Shape, tenant: str, name: str, payload: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the webhook body of an event. The older shape has no tenant, and its times have nanoseconds."""
    if shape == "legacy":
        return {
            "published_at": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%dT%H:%M:%S.%f}000Z",
            "event": {"name": LEGACY_NAMES.get(name, name), "payload": payload},
        }
    return {"tenant": tenant, "name": name, "published_at": now(), "payload": payload}


def now() -> str:
    """Return the current time as NewStore writes it: RFC 3339 with milliseconds, UTC."""
    return dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
