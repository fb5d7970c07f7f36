"""What the ledger should say, computed from every unit in a Python list: slow, naive and easy to trust."""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from tests.mapper.shop_day import SentCut

Key = tuple[str, str]


@dataclasses.dataclass
class OracleUnit:
    """Units of one key in one event, as the mapper knows them."""

    event_id: str
    key: Key
    at: int
    units: int
    late: bool
    run: int
    cut: int | None = None
    #: The row a late unit came beside, once it had been read: its number cannot contain the unit.
    beside: tuple[int, int | None] | None = None


@dataclasses.dataclass
class OracleRow:
    """The ERP's row as last read.

    Attributes:
        known: Ids of the events that were known when it was.
    """

    quantity: int
    as_of: int | None
    changed_run: int
    known: frozenset[str] = frozenset()


class Oracle:
    """Design rules 4 to 7, written a second time.

    Attributes:
        current: The ERP's numbers contain every completion that is known when they are read.
        vanished_is_zero: A key that is no longer in the list is sent as 0; otherwise its last row stands.
        vanished: The keys that are not in the last list.
    """

    def __init__(self, *, current: bool, vanished_is_zero: bool = True) -> None:
        self.current = current
        self.vanished_is_zero = vanished_is_zero
        self.vanished: set[Key] = set()
        self.units: list[OracleUnit] = []
        self.ahead: list[OracleUnit] = []
        self.rows: dict[Key, OracleRow] = {}
        self.seen_through: int | None = None
        self.mark: int | None = None
        self.run = 0

    def forget(self) -> None:
        """The ledger was deleted."""
        self.__init__(current=self.current, vanished_is_zero=self.vanished_is_zero)  # type: ignore[misc]

    def take(self, events: list[dict[str, t.Any]], through: int | None) -> None:
        """Take what one run's tap sent."""
        seen = self.seen_through
        for event in events:
            for unit in _units(event, seen, self.run):
                if event["released"]:
                    _add(self.units, unit)
                elif not _has(self.units, unit):
                    _add(self.ahead, unit)
        self.ahead = [unit for unit in self.ahead if not _has(self.units, unit)]
        self.seen_through = _highest(seen, through)

    def plan(
        self, rows: dict[Key, tuple[int, int | None]], acknowledged: int, state_mark: int | None, seen: int | None
    ) -> None:
        """Read the ERP and move the mark.

        Args:
            rows: Quantity and as-of of each key that is in the list.
            acknowledged: The last cut NewStore has.
            state_mark: The mark in the state.
            seen: The highest bookmark of earlier runs.
        """
        for key, (quantity, as_of) in rows.items():
            row = self.rows.get(key)
            if row is None or (row.quantity, row.as_of) != (quantity, as_of):
                self.rows[key] = OracleRow(quantity, as_of, self.run)
            self.rows[key].known = frozenset(unit.event_id for unit in (*self.units, *self.ahead))
        self.vanished = self.rows.keys() - rows.keys()
        self._note_rows()
        declared = [unit.at for unit in self.pending(acknowledged)]
        self.mark = _highest(self.mark, state_mark, *declared)
        for unit in [unit for unit in self.ahead if self.mark is not None and unit.at <= self.mark]:
            self.ahead.remove(unit)
            self.units.append(dataclasses.replace(unit, late=seen is not None and unit.at <= seen, run=self.run))

    def _note_rows(self) -> None:
        for unit in self.units:
            row = self.rows.get(unit.key)
            if unit.late and unit.beside is None and row and unit.key not in self.vanished:
                unit.beside = (row.quantity, row.as_of)

    def pending(self, acknowledged: int) -> list[OracleUnit]:
        """Return the units NewStore has not acknowledged."""
        return [unit for unit in self.units if unit.cut is None or unit.cut > acknowledged]

    def quantity(self, key: Key) -> int:
        """Return the number NewStore should get."""
        row = self.rows[key]
        if key in self.vanished and self.vanished_is_zero:
            return 0
        result = row.quantity
        result -= sum(unit.units for unit in self.units if unit.key == key and self._is_missing_in(row, unit))
        for unit in self.ahead:
            reached = row.as_of is not None and unit.at <= row.as_of
            if unit.key == key and (unit.event_id in row.known if self.current else reached):
                result += unit.units
        return max(result, 0)

    def assign(self, number: int, covered: tuple[int, int] | None, acknowledged: int) -> None:
        """Note the cut that carries the pending units of a range."""
        if covered:
            for unit in self.pending(acknowledged):
                if covered[0] <= unit.at <= covered[1]:
                    unit.cut = number

    def _is_missing_in(self, row: OracleRow, unit: OracleUnit) -> bool:
        if self.current:
            return unit.event_id not in row.known
        if row.as_of is None or unit.at > row.as_of:
            return True
        return unit.late and unit.beside in (None, (row.quantity, row.as_of))


class OracleNewStore:
    """NewStore's numbers under one reading of what a range covers."""

    def __init__(self, *, whole_tenant: bool) -> None:
        self._whole_tenant = whole_tenant
        self.on_hand: dict[Key, int] = {}
        self.subtracted: dict[Key, dict[str, int]] = {}

    def complete(self, key: Key, event_id: str, at: int) -> None:
        """Note that a unit was shipped."""
        self.subtracted.setdefault(key, {})[event_id] = at

    def apply(self, cut: SentCut) -> None:
        """Import a cut."""
        self.on_hand |= cut.quantities
        if not cut.range:
            return
        start, end = cut.range
        for key, units in self.subtracted.items():
            if self._whole_tenant or key in cut.quantities:
                self.subtracted[key] = {event: at for event, at in units.items() if not start <= at <= end}


def _units(event: dict[str, t.Any], seen: int | None, run: int) -> list[OracleUnit]:
    at, node = event["logical_timestamp"], event["fulfillment_location_id"]
    products = [item["product_id"] for item in event["items"]]
    late = event.get("late", False) or (seen is not None and at <= seen)
    return [
        OracleUnit(event["event_id"], (node, product), at, products.count(product), late, run)
        for product in sorted(set(products))
    ]


def _has(units: list[OracleUnit], unit: OracleUnit) -> bool:
    return any(other.event_id == unit.event_id and other.key == unit.key for other in units)


def _add(units: list[OracleUnit], unit: OracleUnit) -> None:
    if not _has(units, unit):
        units.append(unit)


def _highest(*values: int | None) -> int | None:
    return max((value for value in values if value is not None), default=None)
