"""The judge: after every step, NewStore promises no unit that is not there.

Two things that nobody can know in time are excused for exactly as long as they cannot be known: a completion that
arrives later than NewStore promises, and goods lost before the ERP has booked the loss.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from tests.faults.model.landing import TICK_MINUTES

if t.TYPE_CHECKING:
    from tests.faults.model.erp import Erp, Key
    from tests.faults.model.landing import Landing, Sale
    from tests.faults.model.ledger import Ledger
    from tests.faults.model.newstore import NewStore


class WrongNumberError(AssertionError):
    """NewStore was told a wrong number."""


@dataclasses.dataclass
class Account:
    """Sums of units times minutes of the model's clock.

    Attributes:
        oversold: Promised but not there; must stay 0.
        oversold_late: Oversold because completions arrived later than promised.
        oversold_lost: Oversold because goods were lost before the ERP booked it.
        undersold: There but not promised.
    """

    schedules: int = 0
    minutes: int = 0
    oversold: int = 0
    oversold_late: int = 0
    oversold_lost: int = 0
    undersold: int = 0

    def add(self, other: Account) -> None:
        """Add the figures of another account."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclasses.dataclass
class Loss:
    """Lost goods. `booked_by` is the first run that can know of the loss."""

    key: Key
    units: int
    booked_by: int | None = None


class Judge:
    """Compares NewStore's numbers with the shelf."""

    def __init__(self, newstore: NewStore, erp: Erp, landing: Landing) -> None:
        self.account = Account(schedules=1)
        self._newstore = newstore
        self._erp = erp
        self._landing = landing
        self._late: list[Sale] = []
        self._losses: list[Loss] = []

    def sold(self, sale: Sale) -> None:
        """Record a completion."""
        if sale.is_late:
            self._late.append(sale)

    def lost(self, key: Key, units: int) -> None:
        """Record lost goods."""
        self._losses.append(Loss(key, units))

    def booked(self, key: Key, next_run: int) -> None:
        """Record that the ERP's row now contains a key's losses."""
        for loss in self._losses:
            if loss.key == key and loss.booked_by is None:
                loss.booked_by = next_run

    def imported_whole(self, run: int, known_late: set[str]) -> None:
        """Stop excusing what a complete run could know.

        Args:
            run: Number of the run.
            known_late: The late events it could know.
        """
        self._losses = [loss for loss in self._losses if loss.booked_by is None or loss.booked_by > run]
        self._late = [sale for sale in self._late if sale.event_id not in known_late]

    def told_late(self, ledger: Ledger) -> set[str]:
        """Return the late events a run starting now can know: the ERP is right about them, or the ledger saw them."""
        known = {unit.event_id for unit in ledger.oracle.units if unit.late} if self._late else set()
        return {
            sale.event_id
            for sale in self._late
            if sale.event_id in self._landing.known
            and (sale.event_id in known or all(self._erp.is_right_about(sale, key) for key in keys_of(sale)))
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
            and not all(self._erp.is_right_about(sale, key) for key in keys_of(sale))
        ]

    def check(self, minutes: int = 0) -> None:
        """Compare every key, and account for the minutes its numbers have been in force.

        Raises:
            WrongNumberError: NewStore promises too much of a key.
        """
        late, lost = self._allowed()
        for key in self._erp.booked:
            excess = self._newstore.promises_too_much(key)
            if excess < 0:
                self.account.undersold += -excess * minutes
            elif excess > 0:
                if excess > late[key] + lost[key]:
                    raise WrongNumberError(f"{key}: {excess} oversold; excused: {late[key]} late, {lost[key]} lost")
                by_late = min(excess, late[key])
                self.account.oversold_late += by_late * minutes
                self.account.oversold_lost += (excess - by_late) * minutes
        self.account.minutes += minutes

    def check_rest(self) -> None:
        """Compare every key once everything is at rest.

        Raises:
            WrongNumberError: a number is not exactly what is there.
        """
        for key in self._erp.booked:
            if difference := self._newstore.promises_too_much(key):
                raise WrongNumberError(f"{key}: at rest {difference:+d} promised")

    def _allowed(self) -> tuple[dict[Key, int], dict[Key, int]]:
        late: dict[Key, int] = collections.Counter(
            (sale.node, product) for sale in self._late for product in sale.products
        )
        lost: dict[Key, int] = collections.Counter()
        for loss in self._losses:
            lost[loss.key] += loss.units
        return late, lost


def keys_of(sale: Sale) -> set[Key]:
    """Return the keys of a sale."""
    return {(sale.node, product) for product in sale.products}


def minutes(ticks: int) -> int:
    """Convert ticks of the model's clock to minutes."""
    return ticks * TICK_MINUTES
