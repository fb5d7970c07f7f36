"""The model, deliberately broken: variants that violate the design's rules 1 to 9."""

from __future__ import annotations

import typing as t

from mapper_newstore_stock.run.cuts import TimestampRange
from mapper_newstore_stock.state import Acknowledged, Taken

from tests.faults.model.landing import Arrival, Landing, Sale
from tests.faults.model.ledger import Ledger, PlannedCut
from tests.faults.model.proofs import Column, Proof
from tests.faults.model.quantities import Quantities, Unit
from tests.faults.model.shop import Parts, Shop

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_newstore_fulfillment.landing.release import Bookmark

    from tests.faults.model.erp import Row
    from tests.faults.model.landing import Sent
    from tests.faults.model.newstore import Job
    from tests.faults.model.pipeline import State
    from tests.faults.model.readings import Ending, Form, Key

Part = tuple[TimestampRange | None, "dict[Key, int]"]


class PlainMaximum(Landing):
    def settled(self, now: int) -> int | None:
        del now
        return max((arrival.sale.at for arrival in self.arrivals), default=None)


class ForgottenPosition(Landing):
    def is_new_below(self, arrival: Arrival, start: Bookmark) -> bool:
        del arrival, start
        return False


class LateEventsForgotten(Landing):
    def is_known_late(self, sale: Sale) -> bool:
        del sale
        return False


class PositionFromTheBeginning(Landing):
    def position_of(self, sale: Sale) -> int:
        return sale.number


class SplitAlongKeys(Ledger):
    def split(self, pending: list[Unit], touched: set[Key], numbers: dict[Key, int]) -> Iterator[Part]:
        keys = sorted(touched)
        for begin in range(0, len(keys), self.max_items):
            part = {key: numbers[key] for key in keys[begin : begin + self.max_items]}
            yield TimestampRange(pending[0].at, pending[-1].at), part


class SplitInsideATimestamp(Ledger):
    def split(self, pending: list[Unit], touched: set[Key], numbers: dict[Key, int]) -> Iterator[Part]:
        del touched
        for unit in pending:
            yield TimestampRange(unit.at, unit.at), {unit.key: numbers[unit.key]}


class WholeRangeOnEachPart(Ledger):
    def split(self, pending: list[Unit], touched: set[Key], numbers: dict[Key, int]) -> Iterator[Part]:
        for _, quantities in super().split(pending, touched, numbers):
            yield TimestampRange(pending[0].at, pending[-1].at), quantities


class AsOfItsOwnEnd(Ledger):
    def number_of_part(self, key: Key, part: TimestampRange, numbers: dict[Key, int]) -> int:
        return numbers[key] + _beyond(self.known, key, part.end)


class BelowTheMark(Ledger):
    def numbers(self, pending: list[Unit]) -> dict[Key, int]:
        numbers = super().numbers(pending)
        if not pending:
            return numbers
        return {key: number + _beyond(self.known, key, pending[-1].at) for key, number in numbers.items()}


class NothingContained(Proof):
    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        del unit, row, changed_run
        return 0


class LateLikeOthers(Column):
    def contained(self, unit: Unit, row: Row, changed_run: int) -> int:
        del changed_run
        return unit.units if row.says is not None and unit.at <= row.says else 0


class _AllAheadAddedBack(Quantities):
    def numbers(self) -> dict[Key, int]:
        numbers = super().numbers()
        for unit in self.ahead.values():
            numbers[unit.key] += unit.units - self.contained(unit)
        return numbers


class AheadAddedBackUnseen(Ledger):
    quantities_class = _AllAheadAddedBack


class OnlyEvents(Ledger):
    def is_new(self, key: Key, number: int, acknowledged_cut: int) -> bool:
        del number, acknowledged_cut
        return key not in self._sent


class RangeOfTheErp(Ledger):
    def range_without_events(self) -> TimestampRange | None:
        highest = max((unit.at for unit in self.known.ahead.values() if self.known.contained(unit)), default=None)
        return None if highest is None else TimestampRange(0, highest)


class _CountsEachTime(Quantities):
    def take(self, sent: Iterable[Sent], through: int | None) -> None:
        before = dict(self.units)
        self.units = {}
        super().take(sent, through)
        again = {(f"{name[0]} again {self.run}", name[1]): unit for name, unit in self.units.items() if name in before}
        self.units = self.units | before | again


class CountedEachTime(Ledger):
    quantities_class = _CountsEachTime


class _FoldsWithoutATrace(Quantities):
    def fold(self, acknowledged: int) -> None:
        super().fold(acknowledged)
        self.folded.clear()


class FoldedCountedAgain(Ledger):
    quantities_class = _FoldsWithoutATrace


class SentOnce(Ledger):
    def pending(self, acknowledged: Acknowledged) -> list[Unit]:
        return [unit for unit in super().pending(acknowledged) if unit.cut is None]


class PlannedIsImported(Ledger):
    def acknowledge(self, said: Acknowledged, taken: Taken) -> Acknowledged:
        super().acknowledge(said, taken)
        last = max(self.cuts, default=0)
        return Acknowledged(last, said.end, said.mark, self.cuts.get(last))


class StateBeforeTheEnd(Shop):
    def ends_well(self, job: Job, ending: Ending, state: State) -> bool:
        self.state = state
        return super().ends_well(job, ending, state)


class PartialCuts(Shop):
    def file_of(self, cut: PlannedCut, came: dict[Key, int]) -> dict[Key, int] | None:
        del cut
        return came


class EarlierJobStillOpen(Shop):
    def clear_the_way(self, *, hangs: bool) -> bool:
        del hangs
        return True


class AllAtOnce(Shop):
    def ends_well(self, job: Job, ending: Ending, state: State) -> bool:
        if ending != "whole":
            return super().ends_well(job, ending, state)
        self.state = state
        return True


class OnAfterAFailure(Shop):
    def ends_well(self, job: Job, ending: Ending, state: State) -> bool:
        return super().ends_well(job, ending, state) or ending == "job fails"


def _beyond(known: Quantities, key: Key, end: int) -> int:
    """Return the units that a number at the mark subtracts and a number as of `end` does not."""
    beyond = (unit for unit in known.units.values() if unit.key == key and unit.at > end)
    return sum(unit.units - known.contained(unit) for unit in beyond)


def _with(part: type[Landing | Ledger | Shop]) -> Parts:
    parts = Parts()
    kind = next(kind for kind in (Landing, Ledger, Shop) if issubclass(part, kind))
    setattr(parts, kind.__name__.lower(), part)
    return parts


class WithProof(Parts):
    """A shop with another proof.

    Args:
        proof: Instead of the right one.
        form: Of this form; None: of every form.
    """

    def __init__(self, proof: type[Proof], form: Form | None = None) -> None:
        self._proof = proof
        self._form = form

    def proof(self, form: Form) -> Proof:
        return self._proof() if self._form in (None, form) else super().proof(form)


#: By rule and violation.
BROKEN: dict[str, Parts] = {
    "1: the plain maximum is the release mark": _with(PlainMaximum),
    "2: the bookmark forgets the arrival position": _with(ForgottenPosition),
    "2: positions are not in commit order": _with(PositionFromTheBeginning),
    "3: a cut is split along keys": _with(SplitAlongKeys),
    "3: equal timestamps are split": _with(SplitInsideATimestamp),
    "3: each part carries the whole range": _with(WholeRangeOnEachPart),
    "4: each part is computed as of its own end": _with(AsOfItsOwnEnd),
    "4: a late event's cut goes below the mark": _with(BelowTheMark),
    "4: what the ERP's number contains is ignored": WithProof(NothingContained),
    "4: a late event counts as contained in a row that is older": WithProof(LateLikeOthers, "column"),
    "4: what came late is in order when all is read again": _with(LateEventsForgotten),
    "4: units ahead are added back to rows that do not contain them": _with(AheadAddedBackUnseen),
    "5: changes of the ERP alone are not sent": _with(OnlyEvents),
    "5: a run without events declares what the ERP contains": _with(RangeOfTheErp),
    "6: the same event counts each time it comes": _with(CountedEachTime),
    "6: what was folded counts again when all is read again": _with(FoldedCountedAgain),
    "6: what was planned once is not repeated": _with(SentOnce),
    "7: what was planned counts as imported": _with(PlannedIsImported),
    "7: the state goes out before the import ends": _with(StateBeforeTheEnd),
    "8: what came of a cut is imported": _with(PartialCuts),
    "9: a run begins while an earlier job is open": _with(EarlierJobStillOpen),
    "9: parts are imported without waiting for each other": _with(AllAtOnce),
    "9: after a failed part the next one is imported": _with(OnAfterAFailure),
}
