"""Ways to take for contained what is not, each with the ERP that shows it."""

from __future__ import annotations

import typing as t

from tests.faults.model.broken import WithProof
from tests.faults.model.erps import BooksAndSaysUpToWhere, WritesLists, erp_of
from tests.faults.model.proofs import BookedByRequest, TakenAt
from tests.faults.model.shop import Parts, Shop

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.model.erp import Booking, Erp, Row, Rows
    from tests.faults.model.proofs import Group
    from tests.faults.model.quantities import Unit
    from tests.faults.model.readings import Form, Key, Readings, Step


class EvidenceAfterTheNumber(Shop):
    def read_erp(self, meanwhile: Step | None) -> Rows:
        rows = self.erp.rows()
        rows = {key: row._replace(contained=dict(row.contained)) for key, row in rows.items()}
        self._happen(meanwhile)
        self.ledger.known.prove(self.erp.bookings())
        return rows


class TwoMoments(Shop):
    def read_erp(self, meanwhile: Step | None) -> Rows:
        self.ledger.known.prove(self.erp.bookings())
        self._happen(meanwhile)
        return self.erp.rows()


class _HighestBooked(BooksAndSaysUpToWhere):
    def says(self, key: Key) -> int | None:
        return max((self.at[event] for event in self._booked[key]), default=None)


class TooSmallASkew(TakenAt):
    skew = 0


class RowsGoBack(TakenAt):
    def is_denied_by(self, key: Key, row: Row) -> bool:
        del key, row
        return False


class WholeGroups(BookedByRequest):
    def count(self, listed: int, members: list[Unit]) -> int:
        return sum(unit.units for unit in members) if listed > 0 else super().count(listed, members)


class OtherKeys(BookedByRequest):
    def group(self, what: Unit | Booking) -> Group:
        return (what.request,)


class FoldedForgotten(BookedByRequest):
    def fold(self, unit: Unit) -> None:
        del unit


class EachUnitKeepsItsProof(BookedByRequest):
    def prove(self, units: t.Iterable[Unit], bookings: t.Iterable[Booking]) -> None:
        units = list(units)
        before = [unit.booked for unit in units]
        super().prove(units, bookings)
        for unit, booked in zip(units, before, strict=True):
            unit.booked = max(unit.booked, booked)

    def count(self, listed: int, members: list[Unit]) -> int:
        del members
        return listed


class _With(Parts):
    def __init__(self, shop: type[Shop] = Shop, erp: type[Erp] | None = None) -> None:
        self.shop = shop
        self._erp = erp

    def erp(self, readings: Readings, keys: Sequence[Key], opening: int) -> Erp:
        return self._erp(keys, opening) if self._erp else erp_of(readings, keys, opening)


class Variant(t.NamedTuple):
    """A broken proof.

    Attributes:
        form: The form it breaks.
        readings: Fields of `Readings` without which it cannot show.
    """

    parts: Parts
    form: Form
    readings: dict[str, t.Any] = {}  # noqa: RUF012 - never changed


#: By what is wrong.
BROKEN_PROOFS: dict[str, Variant] = {
    "the evidence is read after the number": Variant(_With(EvidenceAfterTheNumber), "booked by event"),
    "bookings that go back are read at another moment": Variant(_With(TwoMoments), "booked, reversible"),
    "the highest booked timestamp is taken for a low-water mark": Variant(
        _With(erp=_HighestBooked), "column", {"books": True}
    ),
    "a file is taken for current": Variant(_With(erp=WritesLists), "current"),
    "the skew is too small": Variant(WithProof(TooSmallASkew), "taken_at"),
    "a row counts that goes back before what was folded": Variant(WithProof(RowsGoBack), "taken_at", {"folds": True}),
    "a whole request counts when a part is booked": Variant(WithProof(WholeGroups), "booked by request"),
    "units of another key prove it": Variant(WithProof(OtherKeys), "booked by request"),
    "a folded unit proves another one": Variant(WithProof(FoldedForgotten), "booked by request", {"folds": True}),
    "a unit keeps its proof when another one of its request takes it": Variant(
        WithProof(EachUnitKeepsItsProof), "booked by request"
    ),
}
