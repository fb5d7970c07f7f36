"""Five SQL views of the ledger for people with their own tools (documented in the README).

`runs`: each run of the mapper, and what it sent. `changes`: each number ever sent, and the sum
behind it. `latest`: each key as it is now. `held`: keys that are held, stale or vanished. `hidden`: units
times minutes hidden from sale, by day and cause.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

if t.TYPE_CHECKING:
    from collections.abc import Mapping

VIEWS: Mapping[str, str] = {
    "runs": (
        "SELECT r.run, r.started_at, r.host, r.process, r.taken_through, r.acknowledged_cut,"
        " min(c.cut) AS first_cut, max(c.cut) AS last_cut, coalesce(sum(c.size), 0) AS records"
        " FROM run AS r LEFT JOIN cut AS c ON c.run = r.run"
        " GROUP BY r.run, r.started_at, r.host, r.process, r.taken_through, r.acknowledged_cut"
    ),
    "changes": (
        "SELECT i.fulfillment_node_id, i.product_id, i.cut, c.run, r.started_at, i.on_hand,"
        " i.as_of_logical_timestamp, c.mark, i.completed, i.added_back, i.quantity,"
        " c.logical_timestamp_start, c.logical_timestamp_end, i.vanished"
        " FROM cut_item AS i JOIN cut AS c ON c.cut = i.cut JOIN run AS r ON r.run = c.run"
    ),
    "hidden": "SELECT day, cause, sum(unit_minutes) AS unit_minutes FROM hidden_unit GROUP BY day, cause",
    "held": "SELECT fulfillment_node_id, product_id, kind, reason, since FROM held_key",
    "latest": (
        "SELECT o.fulfillment_node_id, o.product_id, o.quantity AS on_hand, o.as_of_logical_timestamp,"
        " o.sent_quantity AS quantity, o.sent_cut AS cut, c.mark, r.started_at AS sent_at"
        " FROM on_hand AS o LEFT JOIN cut AS c ON c.cut = o.sent_cut LEFT JOIN run AS r ON r.run = c.run"
    ),
}


def create_anew(connection: sa.Connection) -> None:
    """Replace the views of an earlier version."""
    for name in VIEWS:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    create(connection)


def create(connection: sa.Connection) -> None:
    """Create the views that are not there yet."""
    there = set(sa.inspect(connection).get_view_names())
    for name, query in VIEWS.items():
        if name not in there:
            connection.exec_driver_sql(f"CREATE VIEW {name} AS {query}")
