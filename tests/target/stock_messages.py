"""Builders of the messages the target reads."""

from __future__ import annotations

import typing as t

Message = dict[str, t.Any]

PROPERTIES = {
    "fulfillment_node_id": {"type": "string"},
    "product_id": {"type": "string"},
    "quantity": {"type": "integer"},
    "logical_timestamp_start": {"type": ["integer", "null"]},
    "logical_timestamp_end": {"type": ["integer", "null"]},
    "cut_id": {"type": ["string", "null"]},
    "cut_size": {"type": ["integer", "null"]},
}


def a_schema(stream: str = "stock") -> Message:
    key = ["fulfillment_node_id", "product_id"]
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": PROPERTIES}, "key_properties": key}


def a_record(product: str, quantity: t.Any, *, node: str = "DC01", stream: str = "stock", **fields: t.Any) -> Message:
    record = {"fulfillment_node_id": node, "product_id": product, "quantity": quantity, **fields}
    return {"type": "RECORD", "stream": stream, "record": record}


def a_cut(
    number: int,
    quantities: dict[str, int],
    covered: tuple[int, int] | None = None,
    *,
    size: int | None = None,
    node: str = "DC01",
) -> list[Message]:
    """Return a cut's records, one per product; `size` overrides the true size."""
    start, end = covered or (None, None)
    fields: dict[str, t.Any] = {
        "logical_timestamp_start": start,
        "logical_timestamp_end": end,
        "cut_id": str(number),
        "cut_size": len(quantities) if size is None else size,
    }
    return [a_record(product, quantity, node=node, **fields) for product, quantity in quantities.items()]


def a_state(cut: int) -> Message:
    return {"type": "STATE", "value": {"bookmarks": {"stock": {"cut": cut}}}}


def acknowledged(states: list[Message]) -> list[int]:
    """Return the cuts that the target's states acknowledge."""
    return [state["bookmarks"]["stock"]["cut"] for state in states]
