"""The statements that store a group of events, or set it aside: whole, in one go, each event once.

A group goes in as one JSON text, in one statement that the database executes alone. For every row passed in or out,
the thread would have to wait for the GIL, which the busy event loop holds. What SQLite sets aside goes in row by row: a
process of its own does that.
"""

from __future__ import annotations

import typing as t

import msgspec

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_newstore_fulfillment.events import FulfillmentEvent

# The parameters of both end with when the group came, the tenant the process knows, and the group. They store nothing
# at all if the store's tenant is another one.
INSERT_ON_SQLITE = """
INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
  coalesce(?1, CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)), json_extract(value, '$[3]')
FROM json_each(?3) WHERE (SELECT tenant FROM landing_store) IS ?2 ORDER BY key
ON CONFLICT (event_id) DO NOTHING
"""
# Of events that are there, those that were stored last have the highest positions.
NEWEST_ON_SQLITE = """
SELECT event_name FROM fulfillment_event WHERE event_id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
ORDER BY position DESC LIMIT ?
"""
# Right after INSERT_ON_SQLITE, in its transaction: what was new has the highest positions.
COUNT_NEW_ON_SQLITE = """
SELECT event_name, count(event_name), tenant FROM landing_store
LEFT JOIN (SELECT event_name FROM fulfillment_event ORDER BY position DESC LIMIT changes()) GROUP BY event_name
"""
# The sort needs all of its input, and so the lock, before the first position is assigned. The statement sees the store
# as it was before it waited for the lock; only a row that it locks in turn is read as it is then. The limit tells the
# planner that there is one.
INSERT_ON_POSTGRESQL = """
WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock(%s::bigint)),
  owner AS MATERIALIZED (SELECT tenant FROM locked, landing_store LIMIT 1 FOR SHARE OF landing_store),
  added AS (
    INSERT INTO fulfillment_event (event_id, event_name, logical_timestamp, received_at, body)
    SELECT event ->> 0, event ->> 1, (event ->> 2)::bigint,
      coalesce(%s::bigint, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), event ->> 3
    FROM locked, json_array_elements(
      CASE WHEN (SELECT tenant FROM owner) IS NOT DISTINCT FROM %s::text THEN %s::json END
    ) WITH ORDINALITY AS events (event, number) ORDER BY number
    ON CONFLICT (event_id) DO NOTHING RETURNING event_name)
SELECT event_name, count(*), (SELECT tenant FROM owner) FROM added GROUP BY event_name
UNION ALL SELECT NULL, 0, tenant FROM owner
"""
# Another tenant's events go into quarantine in the same transaction, right after the others; the parameters of both
# begin with the tenant the process knows and the kind of entry. One that quarantine has met is left out, whatever has
# become of it: what to do with it takes a second look. On SQLite they end with one event's id, the reason and its body.
SET_ASIDE_ON_SQLITE = """
INSERT INTO quarantine (received_at, path, reason, body, kind, event_id, bytes)
SELECT CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER), '', ?4, ?5, ?2, ?3, length(?5)
WHERE (SELECT tenant FROM landing_store) IS ?1 AND NOT EXISTS (SELECT 1 FROM quarantine WHERE event_id = ?3)
"""
# It ends with the group as JSON, and sees the store as it is once INSERT_ON_POSTGRESQL has the lock. The first id in
# order is found by the index, whatever the planner believes of a table that grows while nobody gathers statistics.
SET_ASIDE_ON_POSTGRESQL = """
WITH added AS (
  INSERT INTO quarantine (received_at, path, reason, body, kind, event_id, bytes)
  SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, '', event ->> 1, convert_to(event ->> 2, 'UTF8'),
    given.kind, event ->> 0, octet_length(convert_to(event ->> 2, 'UTF8'))
  FROM (SELECT %s::text, %s::text, %s::json) AS given (tenant, kind, events)
  JOIN landing_store ON landing_store.tenant IS NOT DISTINCT FROM given.tenant,
    json_array_elements(given.events) WITH ORDINALITY AS events (event, number)
  WHERE coalesce((SELECT event_id <> event ->> 0 FROM quarantine
    WHERE event_id >= event ->> 0 ORDER BY event_id LIMIT 1), true)
  ORDER BY number RETURNING 1)
SELECT count(*) FROM added
"""
# Nothing, unless commits wait for a standby: then a transaction that wrote nothing waits for all before it, too.
WAIT_FOR_STANDBY = (
    "SELECT pg_logical_emit_message(true, 'newstore', '') WHERE current_setting('synchronous_standby_names') <> ''"
)
STATEMENTS_ON_POSTGRESQL = INSERT_ON_POSTGRESQL, SET_ASIDE_ON_POSTGRESQL, WAIT_FOR_STANDBY
QUESTIONS_ON_SQLITE = {INSERT_ON_SQLITE: COUNT_NEW_ON_SQLITE, SET_ASIDE_ON_SQLITE: None}
_encode = msgspec.json.Encoder().encode


class Inserted(t.NamedTuple):
    """What a statement has stored, by the rows it, or the question after it, returns.

    Attributes:
        new: How many events were new, by event name.
        is_for_tenant: The store's tenant is the one that was named; if not, nothing was stored.
    """

    new: dict[str, int]
    is_for_tenant: bool

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[t.Any]], tenant: str | None) -> t.Self:
        """Read rows of event name (None: nothing was new), count and the store's tenant, of which there is one.

        Args:
            rows: Such rows.
            tenant: The tenant that was named.
        """
        new = {str(name): int(count) for name, count, _ in rows if name is not None}
        return cls(new, bool(rows) and rows[0][2] == tenant)


def as_json(events: Sequence[FulfillmentEvent]) -> str:
    """Return events as the JSON text that the statements take which store them."""
    return _encode(
        [(event.event_id, event.event_name, event.logical_timestamp, event.body) for event in events]
    ).decode()


def aside_as_json(events: Sequence[tuple[FulfillmentEvent, str]]) -> str:
    """Return events, each with the reason why it is set aside, as the JSON text that PostgreSQL's statement takes."""
    return _encode([(event.event_id, reason, event.body) for event, reason in events]).decode()
