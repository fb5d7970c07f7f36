"""Finds keys by the beginning of their node or product, among all of a ledger, by the order its tables are in."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import held_key

#: Above every text that begins like a text.
LAST = "\U0010ffff"
#: Each node, found by one look-up: no table of nodes exists, and a scan would read every key.
_NODES = """
WITH RECURSIVE nodes (node) AS (
 SELECT min(fulfillment_node_id) FROM on_hand WHERE fulfillment_node_id >= :node AND fulfillment_node_id < :node_end
 UNION ALL
 SELECT (SELECT min(k.fulfillment_node_id) FROM on_hand AS k
  WHERE k.fulfillment_node_id > nodes.node AND k.fulfillment_node_id < :node_end)
 FROM nodes WHERE nodes.node IS NOT NULL
), """
#: Of each node the first product that begins so, then of each the next.
_KEYS = """
found (node, product) AS (
 SELECT node, (SELECT min(k.product_id) FROM on_hand AS k
  WHERE k.fulfillment_node_id = nodes.node AND k.product_id >= :product AND k.product_id < :product_end)
 FROM nodes WHERE nodes.node IS NOT NULL
 UNION ALL
 SELECT found.node, (SELECT min(k.product_id) FROM on_hand AS k
  WHERE k.fulfillment_node_id = found.node AND k.product_id > found.product AND k.product_id < :product_end)
 FROM found WHERE found.product IS NOT NULL
)
SELECT k.fulfillment_node_id, k.product_id, k.quantity, k.sent_quantity, k.sent_cut
 FROM (SELECT node, product FROM found WHERE product IS NOT NULL LIMIT :most) AS first
 JOIN on_hand AS k ON k.fulfillment_node_id = first.node AND k.product_id = first.product
"""


class FoundKey(t.NamedTuple):
    """A key; numbers are None where there is no row, or nothing was sent."""

    node: str
    product: str
    on_hand: int | None
    sent: int | None
    sent_cut: int | None


def search_keys(connection: sa.Connection, text: str, most: int) -> list[FoundKey]:
    """Return keys that begin with a text, at most so many, by product and node.

    Args:
        connection: To the ledger, for reading.
        text: The beginning of a product or a node, or a node, `/` and the beginning of a product; in capitals too.
        most: How many keys at most.
    """
    keys: dict[tuple[str, str], FoundKey] = {}
    for wanted in dict.fromkeys((text, text.upper())):
        for bounds in _bounds(wanted):
            for key in (*_keys(connection, bounds, most), *_held(connection, bounds, most)):
                keys.setdefault((key.node, key.product), key)
    return sorted(list(keys.values())[:most], key=lambda key: (key.product, key.node))


def _bounds(text: str) -> list[dict[str, str]]:
    """Return the ranges of nodes and products a text may mean."""
    anything = ("", LAST)
    node, slash, product = text.partition("/")
    meant = [((node, f"{node}\x01"), (product, product + LAST))] if slash and node else []
    meant += [(anything, (text, text + LAST)), ((text, text + LAST), anything)]
    return [
        {"node": nodes[0], "node_end": nodes[1], "product": products[0], "product_end": products[1]}
        for nodes, products in meant
    ]


def _keys(connection: sa.Connection, bounds: dict[str, str], most: int) -> list[FoundKey]:
    query = sa.text(_NODES + _KEYS)
    return [FoundKey(*row) for row in connection.execute(query, {**bounds, "most": most})]


def _held(connection: sa.Connection, bounds: dict[str, str], most: int) -> list[FoundKey]:
    """Return keys that have no row; there are few."""
    key = held_key.c
    query = sa.select(key.fulfillment_node_id, key.product_id).where(
        key.fulfillment_node_id >= bounds["node"],
        key.fulfillment_node_id < bounds["node_end"],
        key.product_id >= bounds["product"],
        key.product_id < bounds["product_end"],
        key.kind == "held",
    )
    return [FoundKey(row[0], row[1], None, None, None) for row in connection.execute(query.limit(most))]
