"""The judge: NewStore never promises a unit that is not there.

Two things that nobody can know in time are excused for exactly as long as they cannot be known: a completion that
arrives later than NewStore promises, and goods lost before the ERP's number knew of the loss.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from tests.faults.model.readings import TICK_MINUTES

if t.TYPE_CHECKING:
    from tests.faults.model.erp import Erp
    from tests.faults.model.landing import Landing, Sale
    from tests.faults.model.newstore import NewStore
    from tests.faults.model.quantities import Quantities
    from tests.faults.model.readings import Key


class WrongNumberError(AssertionError):
    """NewStore was told a wrong number. `is_too_high`: it would sell what is not there."""

    def __init__(self, text: str, *, is_too_high: bool = False) -> None:
        super().__init__(text)
        self.is_too_high = is_too_high


@dataclasses.dataclass
class Account:
    """Sums of units times minutes of the model's clock.

    Attributes:
        oversold: Promised but not there; must stay 0.
        oversold_late: Oversold because completions arrived later than promised.
        oversold_lost: Oversold because goods were lost before the ERP's number knew it.
        undersold: There but not promised.
        withheld: Not promised although the ERP's number knew of the goods.
        compared: The part of `withheld` in schedules that were played a second time, with perfect evidence.
        bound: What was withheld then: no evidence of the same moment can prove more.
    """

    schedules: int = 0
    minutes: int = 0
    oversold: int = 0
    oversold_late: int = 0
    oversold_lost: int = 0
    undersold: int = 0
    withheld: int = 0
    compared: int = 0
    bound: int = 0

    def add(self, other: Account) -> None:
        """Add the figures of another account."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class Judge:
    """Compares NewStore's numbers with the shelf."""

    def __init__(self, newstore: NewStore, erp: Erp, landing: Landing) -> None:
        self.account = Account(schedules=1)
        self._newstore = newstore
        self._erp = erp
        self._landing = landing
        self._late: list[Sale] = []
        #: The level that NewStore's number of each key was computed from.
        self._levels = dict(newstore.shelf)
        self._sold = dict.fromkeys(newstore.shelf, 0)
        self._late_units = self._lost_units = self._undersold = self._withheld = 0

    def sold(self, sale: Sale) -> None:
        """Record a completion: what is promised, known and there falls by the same units."""
        for key, units in sale.units:
            self._sold[key] += units
        if sale.is_late:
            self._late.append(sale)

    def landed(self, levels: dict[Key, int]) -> None:
        """Record that NewStore has numbers computed from these levels."""
        self._levels |= levels
        self.check()

    def imported_whole(self, known_late: set[str]) -> None:
        """Stop excusing what a complete run could know.

        Args:
            known_late: The late events it could know.
        """
        if known_late:
            self._late = [sale for sale in self._late if sale.event_id not in known_late]
            self.check()

    def told_late(self, known: Quantities, *, by_timestamp: bool) -> set[str]:
        """Return the late events a run can know: the ERP is right about them, or the ledger saw them.

        Args:
            known: What the ledger knows.
            by_timestamp: Whether a row's timestamp is what proves a unit. It may claim a late one by mistake; a
                proof of its own cannot.
        """
        if not self._late:
            return set()
        taken = {unit.event_id for unit in known.units.values() if unit.is_late or not by_timestamp}
        return {
            sale.event_id
            for sale in self._late
            if sale.event_id in self._landing.known
            and (sale.event_id in taken or (by_timestamp and self._is_right_about(sale)))
        }

    def forget_what_was_late(self, sales: t.Iterable[Sale]) -> None:
        """Excuse late events a new ledger cannot know to be late: the tap never found them late.

        They are excused as long as the ERP's row wrongly claims to contain them.
        """
        known = {sale.event_id for sale in self._late}
        self._late += [
            sale
            for sale in sales
            if sale.is_late
            and sale.event_id not in known
            and sale.event_id not in self._landing.late
            and not self._is_right_about(sale)
        ]

    def _is_right_about(self, sale: Sale) -> bool:
        return all(self._erp.is_right_about(sale, key) for key, _ in sale.units)

    def pass_time(self, ticks: int) -> None:
        """Account for the time that the numbers have been in force."""
        account, passed = self.account, ticks * TICK_MINUTES
        account.minutes += passed
        account.oversold_late += self._late_units * passed
        account.oversold_lost += self._lost_units * passed
        account.undersold += self._undersold * passed
        account.withheld += self._withheld * passed

    def check(self) -> None:
        """Compare every key.

        Raises:
            WrongNumberError: NewStore promises too much of a key.
        """
        late = self._late_by_key()
        self._late_units = self._lost_units = self._undersold = self._withheld = 0
        for key, there in self._newstore.shelf.items():
            promised = self._newstore.promised(key)
            # Of a level below what was sold, 0 is promised.
            known = self._levels[key] - self._sold[key]
            if promised > known and promised > 0:
                self._excuse(key, promised - max(known, 0), late.get(key, 0))
                self._lost_units += max(known - there, 0)
                continue
            self._withheld += max(known, 0) - promised
            if promised > there:
                self._lost_units += promised - there
            else:
                self._undersold += there - promised

    def _excuse(self, key: Key, excess: int, late: int) -> None:
        if excess > late:
            raise WrongNumberError(f"{key}: {excess} oversold; excused: {late}", is_too_high=True)
        self._late_units += excess

    def check_rest(self) -> None:
        """Compare every key once everything is at rest.

        Raises:
            WrongNumberError: a number is not exactly what is there.
        """
        for key, there in self._newstore.shelf.items():
            if difference := self._newstore.promised(key) - there:
                raise WrongNumberError(f"{key}: at rest {difference:+d} promised", is_too_high=difference > 0)

    def _late_by_key(self) -> dict[Key, int]:
        late: dict[Key, int] = collections.defaultdict(int) if self._late else {}
        for sale in self._late:
            for key, units in sale.units:
                late[key] += units
        return late
