"""How many units of a completion a number is proven to contain (docs/design.md, the forms of proof).

Written a second time: nothing here is the mapper's.
"""

from __future__ import annotations

import collections
import copy
import typing as t

from tests.faults.model.readings import SKEW

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.model.erp import Booking, Row
    from tests.faults.model.quantities import Unit
    from tests.faults.model.readings import Form, Key

Group = tuple[object, ...]


class Proof:
    """A form of proof; here `current`: every unit that is known is in the number."""

    def prove(self, units: Iterable[Unit], bookings: Iterable[Booking]) -> None:
        """Take what the ERP says beside its numbers."""

    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        """Return how many of the units are proven to be in the row's number.

        Args:
            unit: Units of the row's key.
            row: As last read.
            changed_run: The first run in which the row may have changed.
        """
        del row, changed_run
        return unit.units

    def fold(self, unit: Unit) -> None:
        """Note that the ledger forgets units which are proven and acknowledged."""

    def is_denied_by(self, key: Key, row: Row) -> bool:
        """Return whether a row no longer contains units that were folded."""
        del key, row
        return False

    def copied(self) -> Proof:
        """Return a copy, as part of a backup."""
        return copy.deepcopy(self)


class Perfect(Proof):
    """Knows what each number contains: the bound on what any evidence of the same moment can prove."""

    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        del changed_run
        return row.contained.get(unit.event_id, 0)


class _UpTo(Proof):
    """Proves all units that are not beyond what their row says."""

    def __init__(self) -> None:
        self._folded_through: dict[Key, int] = {}

    def place(self, unit: Unit) -> int:
        """Return what the row is compared with."""
        raise NotImplementedError

    def reach(self, row: Row) -> int | None:
        """Return the last place a row proves."""
        raise NotImplementedError

    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        del changed_run
        reach = self.reach(row)
        return unit.units if reach is not None and self.place(unit) <= reach else 0

    def fold(self, unit: Unit) -> None:
        place = self.place(unit)
        self._folded_through[unit.key] = max(place, self._folded_through.get(unit.key, place))

    def is_denied_by(self, key: Key, row: Row) -> bool:
        through, reach = self._folded_through.get(key), self.reach(row)
        return through is not None and (reach is None or reach < through)


class Column(_UpTo):
    """The row says up to which logical timestamp every completion is in it."""

    def place(self, unit: Unit) -> int:
        return unit.at

    def reach(self, row: Row) -> int | None:
        return row.says

    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        # What came late cannot be in a row that has not changed since.
        return 0 if unit.is_late and changed_run <= unit.run else super().contained(unit, row, changed_run)


class TakenAt(_UpTo):
    """The row says when it was taken, by a clock that may differ by the skew."""

    skew = SKEW

    def place(self, unit: Unit) -> int:
        return unit.published

    def reach(self, row: Row) -> int | None:
        # At the same tick nobody knows which came first.
        return None if row.says is None else row.says - self.skew - 1


class BookedByEvent(Proof):
    """The ERP lists the events it has booked."""

    def prove(self, units: Iterable[Unit], bookings: Iterable[Booking]) -> None:
        listed = {booking.event_id for booking in bookings}
        for unit in units:
            if unit.event_id in listed:
                unit.booked = unit.units

    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        del row, changed_run
        return unit.booked


class BookedByRequest(BookedByEvent):
    """The ERP lists units by request and product; of equal units only the number counts.

    Args:
        is_reversible: Bookings may be taken back: only what is listed now is proven.
    """

    def __init__(self, *, is_reversible: bool = False) -> None:
        self._is_reversible = is_reversible
        self._folded: dict[Group, int] = collections.Counter()

    def prove(self, units: Iterable[Unit], bookings: Iterable[Booking]) -> None:
        listed: dict[Group, int] = {}
        for booking in bookings:
            group = self.group(booking)
            listed[group] = listed.get(group, 0) + booking.units
        groups: dict[Group, list[Unit]] = {}
        for unit in units:
            groups.setdefault(self.group(unit), []).append(unit)
        for group, members in groups.items():
            folded = self._folded.get(group, 0)
            self._share(self.count(listed.get(group, 0) - folded, members), members)

    def group(self, what: Unit | Booking) -> Group:
        """Return what equal units have in common."""
        return what.request, what.key

    def count(self, listed: int, members: list[Unit]) -> int:
        """Return how many units of a group are proven: as many as are listed, and never fewer than before."""
        return listed if self._is_reversible else max(listed, sum([unit.booked for unit in members]))

    def fold(self, unit: Unit) -> None:
        self._folded[self.group(unit)] += unit.units

    @staticmethod
    def _share(count: int, members: list[Unit]) -> None:
        if len(members) > 1:
            members.sort(key=_timestamp)
        for unit in members:
            unit.booked = 0 if count < 0 else min(count, unit.units)
            count -= unit.booked


def proof_of(form: Form) -> Proof:
    """Return how a form proves what a number contains."""
    if form == "column":
        return Column()
    if form == "taken_at":
        return TakenAt()
    if form == "current":
        return Proof()
    return BookedByEvent() if form == "booked by event" else BookedByRequest(is_reversible=form == "booked, reversible")


def _timestamp(unit: Unit) -> int:
    return unit.at
