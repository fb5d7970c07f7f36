"""A shop, its ERP, NewStore and the pipeline between them, step by step."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.state import Acknowledged, Taken
from tap_newstore_fulfillment.landing.release import Bookmark
from target_newstore_stock.errors import IncompleteCutError
from target_newstore_stock.records import CutProgress, StockRecord, head_of

from tests.faults.model.erp import Erp
from tests.faults.model.judge import Judge, WrongNumberError, minutes
from tests.faults.model.landing import SETTLE, Landing, make_sale
from tests.faults.model.ledger import Ledger, PlannedCut, Refused
from tests.faults.model.newstore import Job, NewStore
from tests.faults.model.readings import KEYS, OPENING, Ending, Readings

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.model.erp import Key
    from tests.faults.model.landing import Sale


class State(t.NamedTuple):
    """The Singer state; None for a bookmark that is not in it."""

    tap: Bookmark | None = None
    stock: Acknowledged | None = None


class Shop:
    """The whole shop; each public method is one step of a schedule."""

    def __init__(self, readings: Readings, parts: Parts) -> None:
        self.readings = readings
        self.now = 0
        self.landing = parts.landing()
        self.erp = Erp(KEYS, OPENING, current=readings.current)
        self.newstore = NewStore(readings.scope, KEYS, OPENING)
        self.ledger = self._new_ledger(parts)
        self.judge = Judge(self.newstore, self.erp, self.landing)
        self.state = State()
        self.sales: list[Sale] = []
        self.runs = 0
        self._parts = parts
        self._states = [State()]
        self._under_way: list[Sale] = []
        self._backup: Ledger | None = None
        self._last = 0

    def _new_ledger(self, parts: Parts) -> Ledger:
        return parts.ledger(current=self.readings.current, max_items=self.readings.max_items)

    # The shop and its ERP.

    def sell(self, node: str, products: Sequence[str], delay: int, gap: int = 1) -> None:
        """Complete units in one event, which arrives `delay` ticks later."""
        there = [p for p in products if self.newstore.stock.free((node, p)) >= products.count(p)]
        self._last += 1 if self.readings.gap_free else gap
        late = delay if self.readings.beyond_the_promise else min(delay, SETTLE)
        number, arrives = len(self.sales) + 1, self.now + late
        sale = make_sale(number, self._last, published=self.now, arrives=arrives, node=node, products=tuple(there))
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
        self.newstore.stock.shelf[key] += units
        self.erp.not_booked[key] += units

    def lose_goods(self, key: Key, units: int) -> None:
        """Lose goods; the ERP books the loss later."""
        units = min(units, self.newstore.stock.shelf[key])
        self.newstore.stock.shelf[key] -= units
        self.erp.not_booked[key] -= units
        self.judge.lost(key, units)

    def erp_applies(self, key: Key) -> None:
        """Let the ERP apply what the tap has released, and book goods."""
        self.erp.apply(key, self.landing, self.now)
        self.judge.booked(key, self.runs + 1)

    def erp_counts(self, key: Key) -> None:
        """Let the ERP count a shelf."""
        self.erp.count(key, self._last or None)
        self.judge.booked(key, self.runs + 1)

    def pass_time(self, ticks: int = 1) -> None:
        """Let time pass: events arrive, open jobs end."""
        for _ in range(ticks):
            self.judge.check(minutes(1))
            self.now += 1
            self._receive()
        self.end_open_jobs()

    def _receive(self) -> None:
        # Last published first, the worst order.
        for sale in [sale for sale in reversed(self._under_way) if sale.arrives <= self.now]:
            self._under_way.remove(sale)
            self.landing.receive(sale, self.now)

    def end_open_jobs(self) -> None:
        # NewStore's order of jobs is unknown; this is the worst one.
        for job in reversed(self.newstore.open_jobs[:]):
            self.newstore.end(job)

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
        """Restore the copy; the state stays newer."""
        if self._backup:
            self._take_ledger(self._backup.copied())

    def _take_ledger(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.judge.forget_what_was_late(self.sales)

    # The pipeline.

    def run(self, ending: Ending = "whole", number: int = 0, records: int = 0) -> None:
        """Run tap, mapper and target once. A run that the mapper refuses is repeated with `--full-refresh`.

        Args:
            ending: Where it ends.
            number: At which record of the tap, or at which cut.
            records: How many records of that cut arrive.
        """
        self.runs += 1
        self.ledger.begin()
        try:
            cuts = self._cuts(ending, number)
        except Refused:
            self.state = State()
            self.run(ending, number, records)
            return
        known_late = self.judge.told_late(self.ledger)
        if cuts and self._import(cuts, ending, number, records):
            self.judge.imported_whole(self.runs, known_late)
        self._states.append(self.state)

    def _cuts(self, ending: Ending, number: int) -> list[tuple[PlannedCut, State]]:
        """Return the mapper's cuts, each with the STATE that follows it."""
        said = self.state.stock or Acknowledged()
        acknowledged = Acknowledged()
        if self.state != State():
            acknowledged = self.ledger.acknowledge(said, _taken(self.state.tap or Bookmark()))
        events, end = self._tap(number if ending == "tap dies" else None)
        if ending == "mapper dies before it takes":
            return []
        if end:
            self.ledger.take(events, _taken(end))
        if ending == "mapper dies when it has taken":
            return []
        return self._plan(end, said, acknowledged, dies=ending == "mapper dies when it has planned")

    def _tap(self, dies_at: int | None) -> tuple[list[dict[str, t.Any]], Bookmark | None]:
        """Return the tap's records and the bookmark that covers them, or None if it died before writing one."""
        plan = self.landing.plan(self.state.tap or Bookmark(), self.now)
        released = self.landing.released(plan)
        first = len(released) - len(self.landing.known_late(plan))
        events = [{**sale.released, "late": number >= first} for number, sale in enumerate(released)]
        if dies_at is not None:
            sent = min(dies_at, len(released))
            return events[:sent], plan.bookmark_before(released[sent - 1].at) if sent else None
        if self.readings.emit_unreleased:
            events += [sale.ahead for sale in self.landing.unreleased(plan)]
        return events, plan.end

    def _plan(
        self, end: Bookmark | None, said: Acknowledged, acknowledged: Acknowledged, *, dies: bool
    ) -> list[tuple[PlannedCut, State]]:
        if end is None:
            return []
        unchanged = State(end, acknowledged if acknowledged.cut else self.state.stock)
        if not end.complete:
            self.state = unchanged
            return []
        cuts = self.ledger.plan({key: self.erp.row(key) for key in KEYS}, acknowledged, said.cut)
        if dies:
            return []
        if not cuts:
            self.state = unchanged
        return [(cut, State(unchanged.tap, cut.acknowledged)) for cut in cuts]

    def _import(self, cuts: list[tuple[PlannedCut, State]], ending: Ending, number: int, records: int) -> bool:
        """Import the cuts in order; return whether all were imported."""
        number %= len(cuts)
        if not self.clear_the_way(hangs=ending == "earlier job hangs"):
            return False
        for index, (cut, state) in enumerate(cuts):
            here = index == number
            came = cut.quantities
            if here and ending == "mapper dies inside a cut":
                came = dict(list(cut.quantities.items())[: records % len(cut.quantities)])
            file = self.file_of(cut, came)
            if file is None or (here and ending == "target dies before the import"):
                return False
            job = Job(cut, file, self.runs)
            self.newstore.begin(job)
            if not self.ends_well(job, ending if here else "whole", state):
                return False
            self._check_order()
            self._check_complete(cut)
            self.judge.check()
            if here and ending == "target dies before the state":
                return False
            self.state = state
        return True

    def ends_well(self, job: Job, ending: Ending, state: State) -> bool:
        """Wait until a started job ends; return whether the target goes on."""
        del state
        if ending != "target dies after the start":
            self.newstore.end(job, fails=ending == "job fails")
        return ending not in ("job fails", "target dies after the start")

    def clear_the_way(self, *, hangs: bool) -> bool:
        """Wait until no earlier job is open; return False if one hangs, so that nothing is imported."""
        if hangs and self.newstore.open_jobs:
            return False
        self.end_open_jobs()
        return True

    def file_of(self, cut: PlannedCut, came: dict[Key, int]) -> dict[Key, int] | None:
        """Return the file of a cut from the records that arrived, or None if it is incomplete."""
        progress = CutProgress()
        start, end = cut.range or (None, None)
        for (node, product), quantity in came.items():
            record = StockRecord(node, product, quantity, start, end, str(cut.number), len(cut.quantities))
            if not progress.continues(record):
                progress.begin(head_of(record))
            progress.count += 1
        if progress.is_complete:
            return came
        try:
            progress.refuse_open_cut()
        except IncompleteCutError:
            return None
        return None

    def _check_order(self) -> None:
        landed = self.newstore.landed
        if len(landed) > 1 and landed[-1].run < landed[-2].run:
            raise WrongNumberError(f"a file of run {landed[-1].run} was applied after one of run {landed[-2].run}")

    def _check_complete(self, cut: PlannedCut) -> None:
        """Check that the cut contains every key its range covers, as far as the tap had released it."""
        if cut.range is None:
            return
        start, end = cut.range
        pending = (unit for unit in self.ledger.oracle.units if unit.cut == cut.number and start <= unit.at <= end)
        for unit in pending:
            if unit.key not in cut.quantities:
                raise WrongNumberError(f"cut {cut.number} covers {unit.at} but leaves out {unit.key}")

    def come_to_rest(self) -> None:
        """Let everything arrive and the ERP catch up, run undisturbed, and check that all numbers are equal.

        Late events count until the ERP's row changes, so if there may be any, every row is changed.
        """
        self.pass_time(SETTLE * 5)
        self.run()
        self.sell("DC01", ["A"], 0, 1)
        self.pass_time(SETTLE + 1)
        for index, key in enumerate(KEYS):
            if index % 2 and not self.readings.beyond_the_promise:
                # The numbers must also be right if the ERP keeps lagging.
                self.erp.book(key)
            else:
                self.erp_counts(key)
        for _ in range(2):
            self.run()
            self.judge.check()
        self.judge.check_rest()


class Parts:
    """The classes a shop is made of; a broken variant replaces one."""

    landing: type[Landing] = Landing
    ledger: type[Ledger] = Ledger
    shop: type[Shop] = Shop

    def make_shop(self, readings: Readings) -> Shop:
        """Return a new shop made of these parts."""
        return self.shop(readings, self)


def _taken(bookmark: Bookmark) -> Taken:
    return Taken(bookmark.through, bookmark.position, bookmark.store_id)
