"""The sum behind every number, as SQL (design rule 4).

quantity = on hand - completed units it does not contain, up to the mark
                   + known units it already contains, beyond the mark
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit, on_hand, unclaimed

if t.TYPE_CHECKING:
    from mapper_newstore_stock.ledger.proof import Proofs

#: Below every logical timestamp: the mark before anything was declared.
NO_MARK = -(2**63)


def same_key(left: t.Any, right: t.Any) -> sa.ColumnElement[bool]:
    """Return the condition that two tables' keys are equal."""
    return sa.and_(left.fulfillment_node_id == right.fulfillment_node_id, left.product_id == right.product_id)


def completed_since(mark: int, proofs: Proofs, *, skips: bool = False) -> sa.ColumnElement[int]:
    """Return the units to subtract from an `on_hand` row: completed up to the mark, and not proven to be in it.

    Args:
        mark: Highest logical timestamp that was ever declared.
        proofs: How the rows prove what they contain.
        skips: Some timestamps below the mark were never declared.
    """
    if proofs.is_complete and not proofs.has_absent:
        return sa.literal(0, sa.BigInteger)
    unit = completed_unit.c
    counts = sa.and_(same_key(unit, on_hand.c), unit.logical_timestamp <= mark)
    if skips:
        counts = sa.and_(counts, ~_is_unclaimed(unit))
    return _sum(proofs.units_missing(completed_unit), counts)


def not_covered(mark: int, proofs: Proofs) -> sa.ColumnElement[int]:
    """Return the units to add to an `on_hand` row: completed, proven to be in it, and never covered by a range."""
    unit = completed_unit.c
    beyond = sa.or_(unit.logical_timestamp > mark, _is_unclaimed(unit))
    return _sum(proofs.units_in(completed_unit), sa.and_(same_key(unit, on_hand.c), beyond))


def added_back(mark: int, proofs: Proofs) -> sa.ColumnElement[int]:
    """Return the units to add to an `on_hand` row: proven to be in it, while NewStore still subtracts them by itself.

    It certainly does: no range ever reached beyond the mark. Unknown units are not added: that
    undersells briefly, and never oversells.
    """
    unit = ahead_unit.c
    counts = sa.and_(same_key(unit, on_hand.c), unit.logical_timestamp > mark)
    return _sum(proofs.units_in(ahead_unit), counts)


def not_negative(quantity: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """Return what is sent for a quantity."""
    return sa.case((quantity < 0, 0), else_=quantity)


def _is_unclaimed(unit: t.Any) -> sa.ColumnElement[bool]:
    return sa.exists().where(unclaimed.c.logical_timestamp == unit.logical_timestamp).correlate_except(unclaimed)


def _sum(units: sa.ColumnElement[int], counts: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    # On PostgreSQL a sum of integers is numeric.
    total = sa.cast(sa.func.coalesce(sa.func.sum(units), 0), sa.BigInteger)
    return sa.select(total).where(counts).correlate(on_hand).scalar_subquery()
