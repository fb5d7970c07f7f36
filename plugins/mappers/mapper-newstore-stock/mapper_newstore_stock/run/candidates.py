"""Which keys have units that say something new, and what the ranges of a run may cover of them."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.ledger.database import empty, has_rows
from mapper_newstore_stock.ledger.tables import ahead_unit, completed_unit
from mapper_newstore_stock.ledger.temporary_tables import moved, without_row
from mapper_newstore_stock.run.booked_units import newly_booked_keys
from mapper_newstore_stock.run.claims import Claims, claims_around
from mapper_newstore_stock.run.cuts import TimestampRange
from mapper_newstore_stock.run.globs import matches_none
from mapper_newstore_stock.run.held_keys import find_keys_without_row, held_timestamps, needs_no_row, refuse_too_many

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mapper_newstore_stock.ledger.proof import Proof
    from mapper_newstore_stock.ledger.store import Ledger
    from mapper_newstore_stock.run.rules import Rules
    from mapper_newstore_stock.state import Acknowledged


class Candidates:
    """Fills `moved`, and decides what the ranges of a run cover.

    Attributes:
        claims: The timestamps the ranges may cover.
        barred: Timestamps of known completions that they must not cover.

    Args:
        ledger: The run's hold on the ledger.
        acknowledged: What NewStore has, as far as this ledger can tell.
        rules: The user's settings.
        holes: Timestamps of events the tap was refused: no range covers them (design rule 18).
        last_proofs: How the rows of each source proved what they contain in the last plan.
        from_the_beginning_to: All up to this logical timestamp is declared in this run; None: no range begins before
            all completions.
    """

    def __init__(
        self,
        ledger: Ledger,
        acknowledged: Acknowledged,
        rules: Rules,
        holes: Sequence[TimestampRange],
        last_proofs: Mapping[str, Proof],
        *,
        from_the_beginning_to: int | None = None,
    ) -> None:
        self.claims = Claims()
        self.barred: list[int] = []
        self._ledger = ledger
        self._connection = ledger.connection
        self._acknowledged = acknowledged
        self._rules = rules
        self._holes = holes
        self._last_proofs = last_proofs
        self._from_the_beginning_to = from_the_beginning_to
        self._first_number = 0

    def fill(self, first_number: int, *, has_referred: bool) -> None:
        """Find the keys whose units say something new, and what the ranges may cover of them.

        Args:
            first_number: Number of the run's first cut: units of this and no cut are new.
            has_referred: Units that were known before have been told what they can be proven by.

        Raises:
            QuantityError: too many keys have no on-hand row.
        """
        self.claims, self._first_number = Claims(), first_number
        self._fill_touched()
        held = find_keys_without_row(self._connection, self._rules, self.not_acknowledged())
        refuse_too_many(self._connection, self._rules, held)
        self._claim(held)
        if has_rows(self._connection, ahead_unit):
            ahead = ahead_unit.c
            self._add_untouched(sa.select(ahead.fulfillment_node_id, ahead.product_id).distinct())
        for proven in self._newly_proven(has_referred=has_referred):
            self._add_untouched(proven)

    def _fill_touched(self) -> None:
        empty(self._connection, moved)
        if not has_rows(self._connection, completed_unit):
            return
        unit = completed_unit.c
        key, at = (unit.fulfillment_node_id, unit.product_id), unit.logical_timestamp
        is_new = sa.or_(unit.cut.is_(None), unit.cut >= self._first_number)
        new_units = sa.func.sum(sa.case((is_new, unit.units), else_=0))
        is_numbered = sa.func.min(sa.case((unit.cut == self._first_number, 1), else_=0)) == 1
        columns = (*key, sa.true(), sa.func.min(at), sa.func.max(at), new_units, is_numbered)
        touched = sa.select(*columns).group_by(*key)
        self._connection.execute(moved.insert().from_select(moved.c.keys(), touched.where(self.carried())))

    def _add_untouched(self, keys: sa.Select[t.Any]) -> None:
        """Add keys that no range carries, but whose number may be another one."""
        node, product = keys.selected_columns
        known = sa.exists().where(moved.c.fulfillment_node_id == node, moved.c.product_id == product)
        new = keys.add_columns(sa.false()).where(~known)
        self._connection.execute(moved.insert().from_select(moved.c.keys()[:3], new))

    def _claim(self, held: int) -> None:
        """Find out what the ranges may cover, and take what they may not out of `moved`."""
        lowest = None
        if has_rows(self._connection, moved):
            lowest = self._connection.scalar(sa.select(sa.func.min(moved.c.lowest)))
        pending = self.not_acknowledged()
        self.barred = held_timestamps(self._connection, self._rules, pending) if held else []
        if not self._rules.claims_ignored:
            self.barred = sorted({*self.barred, *self._ignored_timestamps()})
        barred = [TimestampRange(at, at) for at in self.barred] + list(self._holes)
        if (through := self._from_the_beginning_to) is not None:
            # Up to it completions are declared of which no event tells, too.
            barred = [TimestampRange(max(bar.start, through + 1), bar.end) for bar in barred if bar.end > through]
        if lowest is None or not barred:
            return
        self.claims = claims_around(self._connection, pending, barred, lowest)
        if not self.claims.are_partial:
            return
        unit = completed_unit.c
        self._fill_touched()
        beyond = sa.select(unit.fulfillment_node_id, unit.product_id).distinct()
        self._add_untouched(beyond.where(pending, ~self.claims.cover(unit.logical_timestamp)))

    def _ignored_timestamps(self) -> Iterator[int]:
        managed = self.managed(completed_unit.c)
        if managed:
            unit = completed_unit.c
            ignored = (
                sa.select(unit.logical_timestamp).distinct().where(self._beyond_acknowledged(), ~sa.and_(*managed))
            )
            if (through := self._from_the_beginning_to) is not None:
                ignored = ignored.where(unit.logical_timestamp > through)
            yield from self._connection.scalars(ignored.where(unit.units > 0))

    def not_acknowledged(self) -> sa.ColumnElement[bool]:
        """Return the condition for completions of managed keys that NewStore has not acknowledged."""
        return sa.and_(self._beyond_acknowledged(), *self.managed(completed_unit.c))

    def carried(self) -> sa.ColumnElement[bool]:
        """Return the condition for completions this run's ranges cover."""
        if not self.claims.are_partial:
            return self.not_acknowledged()
        return sa.and_(self.not_acknowledged(), self.claims.cover(completed_unit.c.logical_timestamp))

    def covered(self) -> Sequence[TimestampRange]:
        """Return the timestamps this run's ranges cover."""
        if self.claims.ranges is not None:
            return self.claims.ranges
        if not has_rows(self._connection, moved):
            return []
        low_high = sa.select(sa.func.min(moved.c.lowest), sa.func.max(moved.c.highest))
        start, end = self._connection.execute(low_high).one()
        return [] if start is None else [TimestampRange(start, end)]

    def _beyond_acknowledged(self) -> sa.ColumnElement[bool]:
        unit = completed_unit.c
        return sa.or_(unit.cut.is_(None), unit.cut > self._acknowledged.cut)

    def managed(self, key: t.Any) -> list[sa.ColumnElement[bool]]:
        """Return the conditions that a key is managed here."""
        return matches_none(key, self._rules.ignored_nodes, self._rules.ignored_products)

    def _newly_proven(self, *, has_referred: bool) -> Iterator[sa.Select[t.Any]]:
        """Select the keys whose rows prove another number of units than in the last plan, though no row has changed."""
        proofs = self._rules.proofs.by_source.items()
        if any(proof.form == "booked" for _, proof in proofs):
            yield newly_booked_keys()
        unit = completed_unit.c
        dated = sa.select(unit.fulfillment_node_id, unit.product_id).distinct()
        if has_referred and any(proof.form == "taken_at" for _, proof in proofs):
            yield dated.where(unit.published_at.is_not(None))
            return
        for name, proof in proofs:
            if span := proof.newly_taken(self._last_proofs.get(name)):
                yield dated.where(unit.published_at.between(*span))

    def forget_cuts_of_others(self) -> None:
        """Take units that no range covers out of their cuts: none carries them until one does."""
        if self.managed(completed_unit.c) or self.claims.are_partial:
            others = sa.and_(completed_unit.c.cut > self._acknowledged.cut, ~self.carried())
            if has_rows(self._connection, without_row):
                others = sa.and_(others, ~needs_no_row(self._connection))
            self._connection.execute(completed_unit.update().where(others).values(cut=None))
