"""A shop, its ERP and NewStore, step by step."""

from __future__ import annotations

import typing as t

from tests.faults.model.erp import Moment
from tests.faults.model.erps import erp_of
from tests.faults.model.landing import Landing, Sale, units_of
from tests.faults.model.ledger import Ledger
from tests.faults.model.pipeline import Pipeline, State
from tests.faults.model.proofs import proof_of
from tests.faults.model.readings import KEYS, SETTLE

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.model.erp import Erp
    from tests.faults.model.proofs import Proof
    from tests.faults.model.readings import Form, Key, Readings


class Shop(Pipeline):
    """The whole shop; each public method is one step of a schedule."""

    def __init__(self, readings: Readings, parts: Parts) -> None:
        super().__init__(readings, parts)
        self.sales: list[Sale] = []
        self._under_way: list[Sale] = []
        self._backup: Ledger | None = None
        self._last = 0
        self._request = dict.fromkeys((node for node, _ in KEYS), "")

    # The shop and its ERP.

    def sell(self, node: str, products: Sequence[str], delay: int, gap: int = 1, goes_on: bool = False) -> None:
        """Complete units in one event, which arrives `delay` ticks later; `goes_on`: with the node's last request."""
        there = [p for p in products if self.newstore.shelf[node, p] >= products.count(p)]
        self._last += 1 if self.readings.gap_free else gap
        late = delay if self.readings.beyond_the_promise else min(delay, SETTLE)
        number, at = len(self.sales) + 1, self._last
        if not (goes_on and self._request[node]):
            self._request[node] = f"request {number}"
        request, units = self._request[node], units_of(node, there)
        sale = Sale(number, f"completed:{at}", at, self.now, self.now + late, request, units)
        self.sales.append(sale)
        self._under_way.append(sale)
        self.newstore.sell(sale)
        self.erp.sell(sale)
        self.judge.sold(sale)

    def deliver_again(self, which: int) -> None:
        """Deliver again an event that was answered with 200."""
        if self.landing.arrivals:
            sale = self.landing.arrivals[which % len(self.landing.arrivals)].sale
            self.landing.receive(sale, self.now)

    def receive_goods(self, key: Key, units: int) -> None:
        """Receive goods; the ERP books them later."""
        self.newstore.shelf[key] += units
        self.erp.not_booked[key] += units
        self.judge.check()

    def lose_goods(self, key: Key, units: int) -> None:
        """Lose goods; the ERP books the loss later."""
        units = min(units, self.newstore.shelf[key])
        self.newstore.shelf[key] -= units
        self.erp.not_booked[key] -= units
        self.judge.check()

    def erp_acts(self, what: str, *arguments: t.Any) -> None:
        """Let the ERP do what one of its methods says."""
        getattr(self.erp, what)(self._moment, *arguments)

    @property
    def _moment(self) -> Moment:
        return Moment(self.now, self._last, self.landing)

    def pass_time(self, ticks: int = 1) -> None:
        """Let time pass: events arrive, open jobs end."""
        self.judge.pass_time(ticks)
        for _ in range(ticks):
            self.now += 1
            self._receive()
        self.end_open_jobs()

    def _receive(self) -> None:
        # Last published first, the worst order.
        for sale in [sale for sale in reversed(self._under_way) if sale.arrives <= self.now]:
            self._under_way.remove(sale)
            self.landing.receive(sale, self.now)

    # State and ledger.

    def lose_the_state(self) -> None:
        """Lose the Singer state (or run with `--full-refresh`)."""
        self.state = State()

    def restore_a_state(self, which: int) -> None:
        """Restore an older Singer state."""
        self.state = self._states[which % len(self._states)]

    def lose_the_ledger(self) -> None:
        """Lose the ledger, and the state with it."""
        self._take_ledger(self._new_ledger(self._parts))
        self.state = State()

    def back_up_the_ledger(self) -> None:
        """Keep a copy of the ledger."""
        self._backup = self.ledger.copied()

    def restore_the_ledger(self) -> None:
        """Restore the copy; the state stays as it is, mostly newer."""
        if self._backup:
            self._take_ledger(self._backup.copied())
            self.is_restored = True

    def _take_ledger(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.judge.forget_what_was_late(self.sales)

    def come_to_rest(self) -> None:
        """Let everything arrive and the ERP catch up, run undisturbed, and check that all numbers are equal."""
        self.pass_time(SETTLE * 5)
        self.run()
        self.sell("DC01", ["A"], 0, 1)
        self.pass_time(SETTLE + 1)
        self.erp.catch_up(self._moment, late=self.readings.beyond_the_promise)
        for _ in range(2):
            self.run()
        self.judge.check_rest()


class Parts:
    """What a shop is made of; a broken variant replaces one."""

    landing: type[Landing] = Landing
    ledger: type[Ledger] = Ledger
    shop: type[Shop] = Shop

    def erp(self, readings: Readings, keys: Sequence[Key], opening: int) -> Erp:
        """Return the ERP."""
        return erp_of(readings, keys, opening)

    def proof(self, form: Form) -> Proof:
        """Return how its numbers prove what they contain."""
        return proof_of(form)

    def make_shop(self, readings: Readings) -> Shop:
        """Return a new shop made of these parts."""
        return self.shop(readings, self)
