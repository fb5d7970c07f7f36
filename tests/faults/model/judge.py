"""The judge: after every step NewStore promises no unit that is not there.

Two things nobody can know in time are allowed for, exactly as long as they cannot be known: a completion that
arrives later than NewStore promises, and goods that are lost before the ERP has booked it.
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
    """NewStore was told something that is not true."""


@dataclasses.dataclass
class Account:
    """Units times minutes of the model's clock.

    Attributes:
        oversold: Promised and not there; must stay 0.
        oversold_late: Of completions that arrived later than promised.
        oversold_lost: Of goods lost before the ERP said so.
        undersold: There and not promised.
    """

    schedules: int = 0
    minutes: int = 0
    oversold: int = 0
    oversold_late: int = 0
    oversold_lost: int = 0
    undersold: int = 0

    def add(self, other: Account) -> None:
        """Add another account."""
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclasses.dataclass
class Loss:
    """Goods that are gone; `booked_by`: the first run that can know it."""

    key: Key
    units: int
    booked_by: int | None = None


class Judge:
    """Watches NewStore's numbers beside the shelf."""

    def __init__(self, newstore: NewStore, erp: Erp, landing: Landing) -> None:
        self.account = Account(schedules=1)
        self._newstore = newstore
        self._erp = erp
        self._landing = landing
        self._late: list[Sale] = []
        self._losses: list[Loss] = []

    def sold(self, sale: Sale) -> None:
        """Take note of a completion."""
        if sale.is_late:
            self._late.append(sale)

    def lost(self, key: Key, units: int) -> None:
        """Take note of goods that are gone."""
        self._losses.append(Loss(key, units))

    def booked(self, key: Key, next_run: int) -> None:
        """Take note that the ERP's row is right about a key's losses."""
        for loss in self._losses:
            if loss.key == key and loss.booked_by is None:
                loss.booked_by = next_run

    def imported_whole(self, run: int, known_late: set[str]) -> None:
        """Nothing a whole run could know is allowed for any longer.

        Args:
            run: The run.
            known_late: Late events it could tell.
        """
        self._losses = [loss for loss in self._losses if loss.booked_by is None or loss.booked_by > run]
        self._late = [sale for sale in self._late if sale.event_id not in known_late]

    def told_late(self, ledger: Ledger) -> set[str]:
        """Give the late events a run beginning now can tell: those the ERP's rows are right about, or it sees late."""
        known = {unit.event_id for unit in ledger.oracle.units if unit.late} if self._late else set()
        return {
            sale.event_id
            for sale in self._late
            if sale.event_id in self._landing.known
            and (sale.event_id in known or all(self._erp.is_right_about(sale, key) for key in keys_of(sale)))
        }

    def forget_what_was_late(self, sales: t.Iterable[Sale]) -> None:
        """A new ledger cannot tell that an event was late that no run of the tap had found late.

        As long as the ERP's row claims it and is wrong.
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
        """Compare every key, for as long as its numbers have stood.

        Raises:
            WrongNumberError: NewStore promises too much.
        """
        late, lost = self._allowed()
        for key in self._erp.booked:
            excess = self._newstore.promises_too_much(key)
            if excess < 0:
                self.account.undersold += -excess * minutes
            elif excess > 0:
                if excess > late[key] + lost[key]:
                    raise WrongNumberError(f"{key}: {excess} more promised than there; {late[key]}, {lost[key]} known")
                by_late = min(excess, late[key])
                self.account.oversold_late += by_late * minutes
                self.account.oversold_lost += (excess - by_late) * minutes
        self.account.minutes += minutes

    def check_rest(self) -> None:
        """Compare every key when nothing goes on any longer.

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
    """Give the keys a sale moves."""
    return {(sale.node, product) for product in sale.products}


def minutes(ticks: int) -> int:
    """Give a time of the model's clock in minutes."""
    return ticks * TICK_MINUTES
