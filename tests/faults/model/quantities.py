"""The ledger's units and rows, and the number of each key (design rules 4 and 6).

Written a second time: nothing here is the mapper's.
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.model.erp import Booking, Rows
    from tests.faults.model.landing import Sale, Sent
    from tests.faults.model.proofs import Proof
    from tests.faults.model.readings import Key

#: How many runs a unit is kept at least, where old units are folded.
KEEP_RUNS = 1


@dataclasses.dataclass(slots=True)
class Unit:
    """Units of one key in one event.

    Attributes:
        run: The run that took it, or the last one that has not weighed it against the ERP's rows before.
        cut: The last cut that carries it.
        booked: How many of the units the ERP's list proves.
    """

    event_id: str
    key: Key
    at: int
    units: int
    published: int
    request: str
    is_late: bool
    run: int
    cut: int | None = None
    booked: int = 0


class Quantities:
    """What was completed, what the ERP says, and the sum of both.

    Attributes:
        units: Completed units, by event and key.
        ahead: Units that are known and not released.
        rows: The ERP's rows as last read.
        seen_through: The highest bookmark of the tap.
        mark: The highest timestamp ever declared, or tried to.
        run: Number of the run.
        folded: Units that were folded away; they do not count a second time.
    """

    def __init__(self, proof: Proof) -> None:
        self.proof = proof
        self.units: dict[tuple[str, Key], Unit] = {}
        self.ahead: dict[tuple[str, Key], Unit] = {}
        self.rows: Rows = {}
        self.changed_run: dict[Key, int] = {}
        self.seen_through: int | None = None
        self.mark: int | None = None
        self.run = 0
        self.folded: set[tuple[str, Key]] = set()

    def copied(self) -> t.Self:
        """Return a copy, as a backup."""
        other = copy.copy(self)
        other.proof = self.proof.copied()
        other.units = {name: copy.copy(unit) for name, unit in self.units.items()}
        other.ahead = {name: copy.copy(unit) for name, unit in self.ahead.items()}
        other.rows, other.changed_run, other.folded = dict(self.rows), dict(self.changed_run), set(self.folded)
        return other

    def take(self, sent: Iterable[Sent], through: int | None) -> None:
        """Take what one run's tap sent."""
        seen = self.seen_through
        for sale, is_released, is_late in sent:
            late = is_late or (seen is not None and sale.at <= seen)
            for key, count in sale.units:
                name = (sale.event_id, key)
                if name in self.units or name in self.folded:
                    continue
                known = self.ahead.pop(name, None) if is_released else self.ahead.get(name)
                if is_released:
                    self.units[name] = self._unit(sale, key, count, late=late)
                    self.units[name].booked = known.booked if known else 0
                elif known is None:
                    self.ahead[name] = self._unit(sale, key, count, late=late)
        self.seen_through = highest(seen, through)

    def _unit(self, sale: Sale, key: Key, count: int, *, late: bool) -> Unit:
        return Unit(sale.event_id, key, sale.at, count, sale.published, sale.request, late, self.run)

    def read(self, rows: Rows) -> None:
        """Take the ERP's rows; instead of one that no longer contains what was folded, the last one stands."""
        for key, row in rows.items():
            kept = self.rows.get(key)
            if self.folded and self.proof.is_denied_by(key, row):
                continue
            if kept is None or (kept.quantity, kept.says) != (row.quantity, row.says):
                self.changed_run[key] = self.run
            self.rows[key] = row
        for unit in self.units.values():
            if unit.cut is None:
                # A run that died took it; it has not been weighed against the ERP's rows before.
                unit.run = self.run

    def move_mark(self, pending: Iterable[Unit], state_mark: int | None, seen: int | None) -> None:
        """Move the mark up to all that is pending, and count units ahead that it reaches.

        Args:
            pending: What NewStore has not acknowledged.
            state_mark: The mark in the state.
            seen: The highest bookmark of earlier runs.
        """
        mark = self.mark = highest(self.mark, state_mark, *[unit.at for unit in pending])
        if mark is None or not self.ahead:
            return
        for name, unit in list(self.ahead.items()):
            if unit.at <= mark:
                del self.ahead[name]
                unit.is_late, unit.run = seen is not None and unit.at <= seen, self.run
                self.units[name] = unit

    def pending(self, acknowledged: int) -> list[Unit]:
        """Return the units NewStore has not acknowledged."""
        return [unit for unit in self.units.values() if unit.cut is None or unit.cut > acknowledged]

    def prove(self, bookings: Iterable[Booking]) -> None:
        """Take what the ERP says beside its numbers."""
        self.proof.prove([*self.units.values(), *self.ahead.values()], bookings)

    def numbers(self) -> dict[Key, int]:
        """Return the number NewStore should get for each key, at the mark."""
        result = {key: row.quantity for key, row in self.rows.items()}
        for unit in self.units.values():
            if missing := unit.units - self.contained(unit):
                result[unit.key] -= missing
        for unit in self.ahead.values():
            result[unit.key] += self.contained(unit)
        return {key: max(number, 0) for key, number in result.items()}

    def contained(self, unit: Unit) -> int:
        """Return how many of the units are proven to be in the number of their key."""
        return self.proof.contained(unit, self.rows[unit.key], self.changed_run[unit.key])

    def fold(self, acknowledged: int) -> None:
        """Forget old units that are acknowledged and proven: they no longer move anything."""
        for name, unit in list(self.units.items()):
            is_old = unit.run < self.run - KEEP_RUNS and unit.cut is not None and unit.cut <= acknowledged
            if is_old and self.contained(unit) == unit.units:
                self.proof.fold(unit)
                self.folded.add(name)
                del self.units[name]


def highest(*values: int | None) -> int | None:
    """Return the highest of the values that are known."""
    found = None
    for value in values:
        if value is not None and (found is None or value > found):
            found = value
    return found
