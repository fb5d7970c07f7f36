"""What the ERP's number is proven to contain (docs/design.md, the lemma and the forms of proof).

One question for every form: how many units of a completion are inside the number of its key's row? A unit that
is wrongly taken for contained oversells by one; one that is wrongly left out undersells until it is proven.
"""

from __future__ import annotations

import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.tables import completed_unit, ledger, on_hand

#: The setting `on_hand_as_of`.
Form = t.Literal["column", "current", "taken_at", "booked"]
FORMS: tuple[Form, ...] = t.get_args(Form)


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How a number proves what it contains; the ledger remembers the one its numbers were computed with.

    Attributes:
        form: The setting `on_hand_as_of`.
        skew_ms: Milliseconds the clocks of NewStore and the ERP may differ (`taken_at`).
        taken_at: When all rows were taken that do not say so themselves, epoch milliseconds (`taken_at`).
        contained_through: Completions up to this logical timestamp are in every number.
        known_by: What the ERP's bookings are known by, and where they stand (`booked`).
    """

    form: Form = "column"
    skew_ms: int = 0
    taken_at: int | None = None
    contained_through: int | None = None
    known_by: str = ""

    def units_in(self, units: sa.Table) -> sa.ColumnElement[int]:
        """Return how many units of a row of `completed_unit` or `ahead_unit` are in the number of its `on_hand` row."""
        unit = units.c
        if self.form == "current":
            return unit.units
        if self.form == "booked":
            proven: sa.ColumnElement[int] = unit.booked
            return proven if self.contained_through is None else sa.case((self._is_old(unit), unit.units), else_=proven)
        contained = self._taken_at(unit) if self.form == "taken_at" else self._column(units)
        return sa.case((sa.or_(contained, self._is_old(unit)), unit.units), else_=0)

    def units_missing(self, units: sa.Table) -> sa.ColumnElement[int]:
        """Return how many units of a row are not proven to be in the number of its `on_hand` row."""
        return units.c.units - self.units_in(units)

    @property
    def is_complete(self) -> bool:
        """Whether every number contains every completion that is known."""
        return self.form == "current"

    def says_the_same(self, other: Proof | None) -> bool:
        """Return whether numbers computed with another proof still hold; the time of a list may differ."""
        if other is None:
            return True
        return msgspec.structs.replace(other, taken_at=None) == msgspec.structs.replace(self, taken_at=None)

    def proven_before(self) -> sa.ColumnElement[int]:
        """Return before which publication an `on_hand` row contains all, epoch milliseconds (form `taken_at`).

        Not at it: within one millisecond nobody knows whether the unit left first or the number was taken.
        """
        taken_at = sa.func.coalesce(on_hand.c.taken_at, sa.literal(self.taken_at, sa.BigInteger))
        return taken_at - self.skew_ms

    def newly_taken(self, last: Proof | None) -> tuple[int, int] | None:
        """Return the publications (epoch milliseconds, both ends included) a list proves and the last one did not.

        None: each row says itself when it was taken, or nothing was planned before.
        """
        if last is None or self.taken_at is None or last.taken_at is None:
            return None
        first, second = sorted((self.taken_at - self.skew_ms, last.taken_at - last.skew_ms))
        return first, second

    def _is_old(self, unit: t.Any) -> sa.ColumnElement[bool]:
        return sa.false() if self.contained_through is None else unit.logical_timestamp <= self.contained_through

    @staticmethod
    def _column(units: sa.Table) -> sa.ColumnElement[bool]:
        unit, row, as_of = units.c, on_hand.c, on_hand.c.as_of_logical_timestamp
        reached = sa.and_(as_of.is_not(None), unit.logical_timestamp <= as_of)
        if units is not completed_unit:
            return reached
        # A late event: the ERP cannot have counted it before its row changes again.
        return sa.and_(reached, sa.not_(sa.and_(unit.late, row.changed_run <= unit.run)))

    def _taken_at(self, unit: t.Any) -> sa.ColumnElement[bool]:
        return sa.and_(unit.published_at.is_not(None), unit.published_at < self.proven_before())


def last_proof(connection: sa.Connection) -> Proof | None:
    """Return the proof the ledger's numbers were last computed with; None before the first plan."""
    kept = connection.scalar(sa.select(ledger.c.proof))
    return msgspec.json.decode(kept, type=Proof) if kept else None


def remember_proof(connection: sa.Connection, proof: Proof) -> None:
    """Note the proof the numbers were computed with; the caller commits."""
    connection.execute(ledger.update().values(proof=msgspec.json.encode(proof).decode()))
