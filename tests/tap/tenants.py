"""Events of two tenants, and what becomes of them in a landing store."""

from __future__ import annotations

import json
import typing as t

from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.tables import ANOTHER_TENANT

from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.store import LandingStore


def event(at: int, tenant: str | None = "demo") -> FulfillmentEvent:
    return check_event(json.dumps(an_event(at, request=f"fr-{tenant}-{at}") | {"tenant": tenant}).encode())


def released(store: LandingStore, start: Bookmark | None = None) -> list[int]:
    plan = store.plan_release(start or Bookmark(), now=2**42)
    return [arrival.logical_timestamp for part in store.released(plan) for arrival in part]


def set_aside(store: LandingStore) -> list[str]:
    return [str(entry.reason) for entry in store.quarantine.list() if entry.kind == ANOTHER_TENANT]
