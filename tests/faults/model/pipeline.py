"""The pipeline between shop, ERP and NewStore: tap, mapper and target, which may end anywhere."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.state import Acknowledged, Taken
from tap_newstore_fulfillment.landing.release import Bookmark
from target_newstore_stock.errors import IncompleteCutError
from target_newstore_stock.records import CutProgress, StockRecord, head_of

from tests.faults.model.judge import Judge, WrongNumberError
from tests.faults.model.ledger import Ledger, PlannedCut, Refused
from tests.faults.model.newstore import Job, NewStore
from tests.faults.model.readings import KEYS, OPENING, Ending, Readings, Step

if t.TYPE_CHECKING:
    from tests.faults.model.erp import Rows
    from tests.faults.model.landing import Sent
    from tests.faults.model.readings import Key
    from tests.faults.model.shop import Parts


class State(t.NamedTuple):
    """The Singer state; None for a bookmark that is not in it."""

    tap: Bookmark | None = None
    stock: Acknowledged | None = None


class Pipeline:
    """Tap, mapper and target, and what they meet."""

    def __init__(self, readings: Readings, parts: Parts) -> None:
        self.readings = readings
        self.now = 0
        self.runs = 0
        self.landing = parts.landing()
        self.erp = parts.erp(readings, KEYS, OPENING)
        self.newstore = NewStore(readings.scope, KEYS, OPENING)
        self.ledger = self._new_ledger(parts)
        self.judge = Judge(self.newstore, self.erp, self.landing)
        self.state = State()
        #: The ledger comes from a backup, and no run has ended well since.
        self.is_restored = False
        self._parts = parts
        self._states = [State()]

    def _new_ledger(self, parts: Parts) -> Ledger:
        proof = parts.proof(self.readings.form)
        return parts.ledger(proof, max_items=self.readings.max_items, folds=self.readings.folds)

    def run(self, ending: Ending = "whole", number: int = 0, records: int = 0, meanwhile: Step | None = None) -> None:
        """Run tap, mapper and target once. A run that the mapper refuses is repeated with `--full-refresh`.

        Args:
            ending: Where it ends.
            number: At which record of the tap, or at which cut.
            records: How many records of that cut arrive.
            meanwhile: What happens between the reading of the evidence and that of the numbers.
        """
        self.runs += 1
        self.ledger.begin()
        if self.is_restored and self.ledger.has_made(self.state.stock or Acknowledged()):
            # Nothing can tell that both come from a backup: docs/state-and-recovery.md asks for one full refresh.
            self.state = State()
        try:
            cuts = self._cuts(ending, number, meanwhile)
        except Refused:
            self.state = State()
            self.run(ending, number, records, meanwhile)
            return
        known_late = self.judge.told_late(self.ledger.known, by_timestamp=self.readings.form == "column")
        if cuts and self._import(cuts, ending, number, records):
            self.judge.imported_whole(known_late)
        self.is_restored = self.is_restored and ending != "whole"
        self._states.append(self.state)

    def _cuts(self, ending: Ending, number: int, meanwhile: Step | None) -> list[tuple[PlannedCut, State]]:
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
        return self._plan(end, said, acknowledged, meanwhile, dies=ending == "mapper dies when it has planned")

    def _tap(self, dies_at: int | None) -> tuple[list[Sent], Bookmark | None]:
        """Return the tap's records and the bookmark that covers them, or None if it died before writing one."""
        plan = self.landing.plan(self.state.tap or Bookmark(), self.now)
        released = self.landing.released(plan)
        if dies_at is not None:
            sent = min(dies_at, len(released))
            return released[:sent], plan.bookmark_before(released[sent - 1].sale.at) if sent else None
        if self.readings.emit_unreleased:
            released += self.landing.unreleased(plan)
        return released, plan.end

    def _plan(
        self,
        end: Bookmark | None,
        said: Acknowledged,
        acknowledged: Acknowledged,
        meanwhile: Step | None,
        *,
        dies: bool,
    ) -> list[tuple[PlannedCut, State]]:
        if end is None:
            return []
        unchanged = State(end, acknowledged if acknowledged.cut else self.state.stock)
        if not end.complete:
            self.state = unchanged
            return []
        cuts = self.ledger.plan(self.read_erp(meanwhile), acknowledged, said.cut)
        if dies:
            return []
        if not cuts:
            self.state = unchanged
        return [(cut, State(unchanged.tap, cut.acknowledged)) for cut in cuts]

    def read_erp(self, meanwhile: Step | None) -> Rows:
        """Read what the ERP says beside its numbers, and then the numbers; bookings that go back, in one snapshot."""
        if self.readings.form == "booked, reversible":
            self._happen(meanwhile)
            meanwhile = None
        self.ledger.known.prove(self.erp.bookings())
        self._happen(meanwhile)
        return self.erp.rows()

    def _happen(self, step: Step | None) -> None:
        if step:
            getattr(self, step[0])(*step[1:])

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
            if here and ending == "target dies before the state":
                return False
            self.state = state
        return True

    def ends_well(self, job: Job, ending: Ending, state: State) -> bool:
        """Wait until a started job ends; return whether the target goes on."""
        del state
        if ending != "target dies after the start":
            self._end(job, fails=ending == "job fails")
        return ending not in ("job fails", "target dies after the start")

    def clear_the_way(self, *, hangs: bool) -> bool:
        """Wait until no earlier job is open; return False if one hangs, so that nothing is imported."""
        if hangs and self.newstore.open_jobs:
            return False
        self.end_open_jobs()
        return True

    def file_of(self, cut: PlannedCut, came: dict[Key, int]) -> dict[Key, int] | None:
        """Return the file of a cut from the records that arrived, or None if it is incomplete."""
        if came is cut.quantities:
            return came
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
        for unit in self.ledger.known.units.values():
            if unit.cut == cut.number and start <= unit.at <= end and unit.key not in cut.quantities:
                raise WrongNumberError(f"cut {cut.number} covers {unit.at} but leaves out {unit.key}")

    def end_open_jobs(self) -> None:
        # NewStore's order of jobs is unknown; this is the worst one.
        for job in reversed(self.newstore.open_jobs[:]):
            self._end(job)

    def _end(self, job: Job, *, fails: bool = False) -> None:
        self.newstore.end(job, fails=fails)
        if not fails:
            self.judge.landed({key: job.cut.levels[key] for key in job.quantities})


def _taken(bookmark: Bookmark) -> Taken:
    return Taken(bookmark.through, bookmark.position, bookmark.store_id)
