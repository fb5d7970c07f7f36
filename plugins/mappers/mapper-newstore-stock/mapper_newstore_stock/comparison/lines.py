"""Reads from the ledger what a comparison needs: the keys in order, and what is known of those that differ."""

from __future__ import annotations

import collections
import heapq
import itertools
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.comparison.causes import Known, Line
from mapper_newstore_stock.ledger.proof import Proof, Proofs, last_proofs
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, cut_item, held_key, on_hand, unclaimed
from mapper_newstore_stock.ledger.tables import cut as cuts

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    Key = tuple[str, str]

STREAMED = {"yield_per": 10_000}
#: How many cuts back an earlier number is looked for.
CUTS_BACK = 200


def read_lines(connection: sa.Connection, keys: Collection[Key] = ()) -> Iterator[Line]:
    """Yield each key that was sent or is held, in key order.

    Args:
        connection: To the ledger.
        keys: Only these; none: all.
    """
    row, held = on_hand.c, held_key.c
    columns = (row.fulfillment_node_id, row.product_id, row.quantity, row.sent_quantity, row.sent_cut)
    sent = sa.select(*columns).where(row.sent_quantity.is_not(None), *_among(row, keys))
    lines = connection.execute(sent.order_by(*columns[:2]), execution_options=STREAMED)
    never_sent = sa.and_(same_key(row, held), row.sent_quantity.is_(None))
    has_row = sa.exists().where(same_key(row, held))
    unsent = sa.or_(~has_row, sa.exists().where(never_sent))
    never = sa.select(held.fulfillment_node_id, held.product_id).where(held.kind == "held", unsent, *_among(held, keys))
    waiting = connection.execute(never.order_by(held.fulfillment_node_id, held.product_id)).all()
    read = (Line(*line) for line in lines)
    return heapq.merge(read, (Line(node, product, None, None, None) for node, product in waiting)) if waiting else read


def _among(column: t.Any, keys: Collection[Key]) -> list[sa.ColumnElement[bool]]:
    same = (sa.and_(column.fulfillment_node_id == node, column.product_id == product) for node, product in keys)
    return [sa.or_(*same)] if keys else []


def read_known(connection: sa.Connection, keys: Iterable[Key]) -> dict[Key, Known]:
    """Return what the ledger knows of keys; those it has nothing to say of are left out."""
    units: dict[Key, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    states: dict[Key, tuple[str, str]] = {}
    for node, products in _by_node(keys).items():
        for query in (_missing_units(connection), _ahead_units()):
            for line in _of_keys(connection, query, node, products).mappings():
                counts = {name: line[name] for name in ("late", "unproven", "ahead") if name in line}
                units[line["fulfillment_node_id"], line["product_id"]].update(counts)
        for key_node, product, kind, reason in _of_keys(connection, _states(), node, products):
            states[key_node, product] = (kind, reason)
    return {key: _known(units[key], *states.get(key, ("", ""))) for key in {*units, *states}}


def _of_keys(
    connection: sa.Connection, query: sa.Select[t.Any], node: str, products: list[str]
) -> sa.CursorResult[t.Any]:
    key = query.selected_columns
    return connection.execute(query.where(key.fulfillment_node_id == node, key.product_id.in_(products)))


def _known(units: collections.Counter[str], state: str, reason: str) -> Known:
    return Known(units["late"], units["unproven"], units["ahead"], state, reason)


def _missing_units(connection: sa.Connection) -> sa.Select[t.Any]:
    """Select how many units of a key its row is not proven to contain, and how many no range has covered."""
    unit = completed_unit.c
    proofs = Proofs(last_proofs(connection) or {"": Proof()})
    no_range = sa.or_(unit.cut.is_(None), unit.logical_timestamp.in_(sa.select(unclaimed.c.logical_timestamp)))
    missing = proofs.units_missing(completed_unit)

    def total(units: t.Any, *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.cast(sa.func.coalesce(sa.func.sum(sa.case((sa.and_(*conditions), units), else_=0)), 0), sa.BigInteger)

    return (
        sa.select(
            unit.fulfillment_node_id,
            unit.product_id,
            total(missing, unit.late, ~no_range).label("late"),
            total(missing, ~unit.late, ~no_range).label("unproven"),
            total(unit.units, no_range).label("ahead"),
        )
        .join(on_hand, same_key(on_hand.c, unit))
        .group_by(unit.fulfillment_node_id, unit.product_id)
    )


def _ahead_units() -> sa.Select[t.Any]:
    unit = ahead_unit.c
    units = sa.cast(sa.func.sum(unit.units), sa.BigInteger).label("ahead")
    key = (unit.fulfillment_node_id, unit.product_id)
    return sa.select(*key, units).group_by(*key)


def _states() -> sa.Select[t.Any]:
    key = held_key.c
    return sa.select(key.fulfillment_node_id, key.product_id, key.kind, key.reason)


def read_earlier(connection: sa.Connection, lines: Collection[Line]) -> dict[Key, list[int]]:
    """Return the numbers of keys that earlier cuts carried, the last one first, as far as the ledger keeps them."""
    last = {line.key: line.cut for line in lines}
    highest = max((cut for cut in last.values() if cut is not None), default=None)
    recent = sa.select(cuts.c.cut).order_by(cuts.c.cut.desc()).limit(CUTS_BACK)
    if highest is not None:
        recent = recent.where(cuts.c.cut <= highest)
    numbers = list(connection.scalars(recent))
    earlier: dict[Key, list[int]] = collections.defaultdict(list)
    item = cut_item.c
    query = sa.select(item.cut, item.fulfillment_node_id, item.product_id, item.quantity).order_by(item.cut.desc())
    for node, products in _by_node(last).items():
        some = query.where(item.cut.in_(numbers), item.fulfillment_node_id == node, item.product_id.in_(products))
        for number, _, product, quantity in connection.execute(some):
            own = last[node, product]
            # Of a key that goes out again, the last cut's number is the one sent.
            if own is None or number < own:
                earlier[node, product].append(quantity)
    return earlier


def read_covered(connection: sa.Connection, lines: Iterable[Line]) -> dict[Key, int]:
    """Return how many units of each key the range of its last cut covers."""
    unit = completed_unit.c
    units = sa.cast(sa.func.sum(unit.units), sa.BigInteger)
    query = sa.select(unit.fulfillment_node_id, unit.product_id, units).join(on_hand, same_key(on_hand.c, unit))
    query = query.where(unit.cut == on_hand.c.sent_cut).group_by(unit.fulfillment_node_id, unit.product_id)
    covered: dict[Key, int] = {}
    for node, products in _by_node(line.key for line in lines).items():
        some = query.where(unit.fulfillment_node_id == node, unit.product_id.in_(products))
        covered |= {(row[0], row[1]): row[2] for row in connection.execute(some)}
    return covered


def _by_node(keys: Iterable[Key]) -> dict[str, list[str]]:
    ordered = sorted(keys)
    return {node: [key[1] for key in some] for node, some in itertools.groupby(ordered, key=lambda key: key[0])}
