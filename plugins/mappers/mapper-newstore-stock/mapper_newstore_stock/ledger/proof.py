"""What the ERP's number is proven to contain (docs/design.md, the lemma and the forms of proof).

One question for every form: how many units of a completion are inside the number of its key's row? A unit that
is wrongly taken for contained oversells by one; one that is wrongly left out undersells until it is proven.
"""

from __future__ import annotations

import functools
import typing as t

import msgspec
import sqlalchemy as sa

from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.tables import completed_unit, is_absent, late_unit, on_hand, source, standing_unit
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Mapping

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
        standing_through: The same of rows that today's list lacks, if it was lower when they were read.
        known_by: What the ERP's bookings are known by (`booked`).
        known_run: The run that read the rows last, when this one could not: they contain what was known then
            (`current`).
        place: Tells where the ERP's bookings stand from where others do (`booked`); "": nobody noted it.
    """

    form: Form = "column"
    skew_ms: int = 0
    taken_at: int | None = None
    contained_through: int | None = None
    standing_through: int | msgspec.UnsetType | None = msgspec.UNSET
    known_by: str = ""
    known_run: int | None = None
    place: str = ""

    def units_in(self, units: sa.Table) -> sa.ColumnElement[int]:
        """Return how many units of a row of `completed_unit` or `ahead_unit` are in the number of its `on_hand` row."""
        unit = units.c
        if self.form in ("column", "taken_at"):
            contained = self._taken_at(unit) if self.form == "taken_at" else self._column(units)
            # What was said of all rows when this one was read, it says no more itself.
            said = [(is_absent, _standing(unit))] if self.speaks_apart_of_absent else []
            return sa.case((sa.or_(contained, self._is_old(unit)), unit.units), *said, else_=0)
        proven: sa.ColumnElement[int] = unit.booked
        if self.form == "current":
            proven = unit.units if self.known_run is None else sa.case((self._was_known(unit), unit.units), else_=0)
        # The form speaks of rows that were read; another one proves what it did when it was.
        of_row = sa.case((is_absent, _standing(unit)), else_=proven)
        return of_row if self.contained_through is None else sa.case((self._is_old(unit), unit.units), else_=of_row)

    def units_missing(self, units: sa.Table) -> sa.ColumnElement[int]:
        """Return how many units of a row are not proven to be in the number of its `on_hand` row."""
        return units.c.units - self.units_in(units)

    @property
    def is_complete(self) -> bool:
        """Whether every number contains every completion that is known."""
        return self.form == "current" and self.known_run is None

    def says_the_same(self, other: Proof | None) -> bool:
        """Return whether numbers computed with another proof still hold; the list's time and place may differ."""
        if other is None:
            return True
        one, two = (msgspec.structs.replace(proof, taken_at=None, place="") for proof in (self, other))
        return one == two

    def is_of_the_same_bookings(self, other: Proof) -> bool:
        """Return whether what another proof's bookings say of a unit is what these would say."""
        return (self.form, self.known_by, self.place) == (other.form, other.known_by, other.place)

    def proven_before(self) -> sa.ColumnElement[int]:
        """Return before which publication an `on_hand` row contains all, epoch milliseconds (form `taken_at`).

        Not at it: within one millisecond nobody knows whether the unit left first or the number was taken. A row that
        the list lacks was not taken with it, and proves nothing unless it says itself when it was.
        """
        own, of_list = on_hand.c.taken_at, sa.literal(self.taken_at, sa.BigInteger)
        return sa.case((own.is_not(None), own), (is_absent, 0), else_=of_list) - self.skew_ms

    def newly_taken(self, last: Proof | None) -> tuple[int, int] | None:
        """Return the publications (epoch milliseconds, both ends included) a list proves and the last one did not.

        None: each row says itself when it was taken, or nothing was planned before.
        """
        if last is None or self.taken_at is None or last.taken_at is None:
            return None
        first, second = sorted((self.taken_at - self.skew_ms, last.taken_at - last.skew_ms))
        return first, second

    @property
    def of_absent(self) -> int | None:
        """What `contained_through` says of rows that today's list lacks."""
        standing = self.standing_through
        return self.contained_through if standing is msgspec.UNSET else lower(self.contained_through, standing)

    @property
    def speaks_apart_of_absent(self) -> bool:
        """Whether `contained_through` says something else of rows that today's list lacks than of the others."""
        return self.of_absent != self.contained_through

    def follows(self, last: Proof | None, *, has_absent: bool) -> Proof:
        """Return this proof of a list, which speaks of no row that was read before `contained_through` was raised.

        Args:
            last: How the rows of the source proved what they contained before; None: it has none.
            has_absent: The last list lacked some of them.
        """
        if last is None:
            return self
        before = last.of_absent if has_absent else last.contained_through
        is_raised = lower(before, self.contained_through) != self.contained_through
        return msgspec.structs.replace(self, standing_through=before) if is_raised else self

    def with_rows_of(self, other: Proof) -> Proof:
        """Return this proof where another source's rows are among its own: `contained_through` as it spoke of both."""
        through = lower(self.contained_through, other.contained_through)
        standing = lower(self.of_absent, other.of_absent)
        return msgspec.structs.replace(
            self, contained_through=through, standing_through=msgspec.UNSET if standing == through else standing
        )

    def _is_old(self, unit: t.Any) -> sa.ColumnElement[bool]:
        if not self.speaks_apart_of_absent:
            return _reached(unit, self.contained_through)
        return sa.case((is_absent, _reached(unit, self.of_absent)), else_=_reached(unit, self.contained_through))

    def _was_known(self, unit: t.Any) -> sa.ColumnElement[bool]:
        return sa.or_(unit.run <= self.known_run, self._is_old(unit))

    @staticmethod
    def _column(units: sa.Table) -> sa.ColumnElement[bool]:
        unit, as_of = units.c, on_hand.c.as_of_logical_timestamp
        reached = sa.and_(as_of.is_not(None), unit.logical_timestamp <= as_of)
        if units is not completed_unit:
            return reached
        return sa.and_(reached, sa.not_(sa.and_(unit.late, _row_has_not_changed_since(unit))))

    def _taken_at(self, unit: t.Any) -> sa.ColumnElement[bool]:
        return sa.and_(unit.published_at.is_not(None), unit.published_at < self.proven_before())


def lower(one: int | None, other: int | None) -> int | None:
    """Return the lower of two `contained_through`; None: nothing is said to be contained."""
    return None if one is None or other is None else min(one, other)


def _reached(unit: t.Any, through: int | None) -> sa.ColumnElement[bool]:
    return sa.false() if through is None else unit.logical_timestamp <= through


def _standing(unit: t.Any) -> sa.ColumnElement[int]:
    """Return how many units the last row of a key contained that today's list lacks."""
    kept = standing_unit.c
    same_unit = sa.and_(
        same_key(kept, unit), kept.logical_timestamp == unit.logical_timestamp, kept.event_id == unit.event_id
    )
    return sa.func.coalesce(sa.select(kept.units).where(same_unit).correlate_except(standing_unit).scalar_subquery(), 0)


def _row_has_not_changed_since(unit: t.Any) -> sa.ColumnElement[bool]:
    """Return the condition that the row is what it was when a late unit came: the ERP cannot have counted it."""
    row, late = on_hand.c, late_unit.c
    same_unit = sa.and_(
        same_key(late, unit), late.logical_timestamp == unit.logical_timestamp, late.event_id == unit.event_id
    )
    same_row = sa.and_(
        late.quantity == row.quantity, late.as_of_logical_timestamp.is_not_distinct_from(row.as_of_logical_timestamp)
    )
    stands = sa.exists().where(same_unit, sa.or_(late.quantity.is_(None), same_row))
    return stands.correlate_except(late_unit)


class Proofs(Value, frozen=True):
    """How the rows of each source prove what they contain.

    Attributes:
        by_source: A proof for each source's name.
        has_absent: There are rows in the ledger that today's lists lack.
    """

    by_source: Mapping[str, Proof] = msgspec.field(default_factory=lambda: {"": Proof()})
    has_absent: bool = True

    def units_in(self, units: sa.Table) -> sa.ColumnElement[int]:
        """Return how many units of a row of `completed_unit` or `ahead_unit` are in the number of its `on_hand` row."""
        if len(self.by_source) == 1:
            (proof,) = self.by_source.values()
            return proof.units_in(units)
        of_source = ((on_hand.c.source == name, proof.units_in(units)) for name, proof in self.by_source.items())
        return sa.case(*of_source, else_=0)

    def units_missing(self, units: sa.Table) -> sa.ColumnElement[int]:
        """Return how many units of a row are not proven to be in the number of its `on_hand` row."""
        return units.c.units - self.units_in(units)

    @property
    def is_complete(self) -> bool:
        """Whether every number that was read contains every completion that is known."""
        return all(proof.is_complete for proof in self.by_source.values())

    @property
    def contained_through(self) -> int | None:
        """Completions up to this logical timestamp are in every number."""
        return functools.reduce(lower, [proof.contained_through for proof in self.by_source.values()])


def last_proofs(connection: sa.Connection) -> dict[str, Proof]:
    """Return the proof the numbers of each source were last computed with."""
    kept = connection.execute(sa.select(source.c.name, source.c.proof).where(source.c.proof.is_not(None)))
    return {name: msgspec.json.decode(proof, type=Proof) for name, proof in kept}
