"""The sum behind every number, as SQL (design rule 4).

quantity = on hand - completed units it does not contain, up to the mark
                   + known units it already contains, beyond the mark
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, on_hand
from mapper_newstore_stock.ledger.temporary_tables import uncovered_unit

if t.TYPE_CHECKING:
    from mapper_newstore_stock.ledger.proof import Proofs

#: Below every logical timestamp: the mark before anything was declared.
NO_MARK = -(2**63)


def same_key(left: t.Any, right: t.Any) -> sa.ColumnElement[bool]:
    """Return the condition that two tables' keys are equal."""
    return sa.and_(left.fulfillment_node_id == right.fulfillment_node_id, left.product_id == right.product_id)


def completed_since(mark: int, proofs: Proofs) -> sa.ColumnElement[int]:
    """Return the units an `on_hand` row is not proven to contain, completed up to the mark.

    Args:
        mark: Highest logical timestamp that was ever declared.
        proofs: How the rows prove what they contain.
    """
    if _contain_all(proofs):
        return sa.literal(0, sa.BigInteger)
    unit = completed_unit.c
    counts = sa.and_(same_key(unit, on_hand.c), unit.logical_timestamp <= mark)
    return _sum(proofs.units_missing(completed_unit), completed_unit, counts)


def passed_over(mark: int, proofs: Proofs) -> sa.ColumnElement[int]:
    """Return the units of `completed_since` that no range has covered: NewStore subtracts them by itself."""
    if _contain_all(proofs):
        return sa.literal(0, sa.BigInteger)
    below = uncovered_unit.c.logical_timestamp <= mark
    return _of_uncovered(proofs.units_missing(completed_unit), below)


def not_covered(proofs: Proofs) -> sa.ColumnElement[int]:
    """Return the units to add to an `on_hand` row: completed, proven to be in it, and never covered by a range."""
    return _of_uncovered(proofs.units_in(completed_unit))


def added_back(mark: int, proofs: Proofs) -> sa.ColumnElement[int]:
    """Return the units to add to an `on_hand` row: proven to be in it, while NewStore still subtracts them by itself.

    It certainly does: no range ever reached beyond the mark. Unknown units are not added: that
    undersells briefly, and never oversells.
    """
    unit = ahead_unit.c
    counts = sa.and_(same_key(unit, on_hand.c), unit.logical_timestamp > mark)
    return _sum(proofs.units_in(ahead_unit), ahead_unit, counts)


def quantity_of(key: t.Any) -> sa.ColumnElement[int]:
    """Return the sum of a key whose parts are known; what has vanished and means 0 is 0."""
    return sa.case((key.vanished, 0), else_=key.on_hand - key.completed + key.added_back)


def summed_once(summed: sa.Select[t.Any]) -> sa.Subquery:
    """Return a subquery that no database merges into what uses it: a sum would be made each time that it is used."""
    return summed.offset(sa.literal_column("0")).subquery()


def planned_as(key: t.Any) -> sa.Select[t.Any]:
    """Select what `planned` keeps of keys, from the parts of their sums."""
    return sa.select(
        key.fulfillment_node_id,
        key.product_id,
        key.on_hand,
        key.as_of_logical_timestamp,
        key.completed,
        key.added_back,
        quantity_of(key).label("quantity"),
        key.touched,
        key.vanished,
        key.new_units,
        (not_negative(quantity_of(key)) - key.sent_quantity + key.new_units).label("gained"),
        key.sent_cut,
    )


def not_negative(quantity: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return what is sent for a quantity."""
    return sa.case((quantity < 0, 0), else_=quantity)


def _contain_all(proofs: Proofs) -> bool:
    return proofs.is_complete and not proofs.has_absent


def _of_uncovered(units: sa.ColumnElement[int], *conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    unit, key = completed_unit.c, uncovered_unit.c
    same_unit = sa.and_(unit.logical_timestamp == key.logical_timestamp, unit.event_id == key.event_id)
    counts = sa.and_(same_key(key, on_hand.c), *conditions)
    sum_ = _sum(units, uncovered_unit.join(completed_unit, sa.and_(same_key(unit, key), same_unit)), counts)
    # Asked of every key, of few products: a list of them is looked into faster than the sum is made.
    return sa.case((on_hand.c.product_id.in_(sa.select(key.product_id)), sum_), else_=0)


def _sum(units: sa.ColumnElement[int], table: sa.FromClause, counts: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    # On PostgreSQL a sum of integers is numeric.
    total = sa.cast(sa.func.coalesce(sa.func.sum(units), 0), sa.BigInteger)
    return sa.select(total).select_from(table).where(counts).correlate(on_hand).scalar_subquery()
