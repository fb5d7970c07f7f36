"""The statements that store a group of events: whole, in one go, each event once.

A group goes in as one JSON text, in one statement that the database executes alone. For every row passed in or out,
the thread would have to wait for the GIL, which the busy event loop holds.
"""

from __future__ import annotations

import typing as t

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent

INSERT_ON_SQLITE = """
INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  coalesce(?, CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), json_extract(value, '$[3]')
FROM json_each(?) WHERE true ORDER BY key
ON CONFLICT (event_id) DO NOTHING
"""
# The same, and nothing at all if the store has another tenant.
INSERT_FOR_TENANT_ON_SQLITE = INSERT_ON_SQLITE.replace("WHERE true", "WHERE (SELECT tenant FROM landing_store) IS ?")
# Of events that are there, those that were stored last have the highest positions.
NEWEST_ON_SQLITE = """
SELECT event_name FROM fulfillment_event WHERE event_id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
ORDER BY position DESC LIMIT ?
"""
# Right after INSERT_ON_SQLITE, in its transaction: what was new has the highest positions.
COUNT_NEW_ON_SQLITE = """
SELECT event_name, count(*), (SELECT tenant FROM landing_store)
FROM (SELECT event_name FROM fulfillment_event ORDER BY position DESC LIMIT changes()) GROUP BY event_name
"""
# The sort needs all of its input, and so the lock, before the first position is assigned.
INSERT_ON_POSTGRESQL = """
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(%s::bigint)), added AS (
  INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
  SELECT event ->> 0, event ->> 1, (event ->> 2)::bigint,
    coalesce(%s::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), event ->> 3
  FROM locked, json_array_elements(%s::json) WITH ORDINALITY AS events (event, number) ORDER BY number
  ON CONFLICT (event_id) DO NOTHING RETURNING event_name)
SELECT event_name, count(*), (SELECT tenant FROM landing_store) FROM added GROUP BY event_name
"""
_encode = msgspec.json.Encoder().encode


def as_json(events: Sequence[FulfillmentEvent]) -> str:
    """Return events as the JSON text both statements take."""
    return _encode(
        [(event.event_id, event.event_name, event.logical_timestamp, event.body) for event in events]
    ).decode()
