"""The ledger in memory: which keys go out, in which cuts, and what a state acknowledges (design rules 3 to 7).

The SQL of the mapper's `run.planning`, `run.cut_writer` and `ledger` in Python.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import typing as t

from mapper_newstore_stock.run.cuts import TimestampRange, split_along_timestamps
from mapper_newstore_stock.state import Acknowledged, Taken

from tests.faults.model.quantities import Quantities, highest

if t.TYPE_CHECKING:
    from tests.faults.model.erp import Rows
    from tests.faults.model.landing import Sent
    from tests.faults.model.proofs import Proof
    from tests.faults.model.quantities import Unit
    from tests.faults.model.readings import Key

_identities = itertools.count(1)


class Refused(Exception):  # noqa: N818 - the mapper's refusal, not an error of the model
    """The ledger is older than the Singer state."""


@dataclasses.dataclass(frozen=True)
class PlannedCut:
    """A cut as it is sent.

    Attributes:
        levels: The level each number was computed from; only the judge looks at it.
        acknowledged: The mapper's bookmark in the STATE that follows it.
    """

    number: int
    range: TimestampRange | None
    quantities: dict[Key, int]
    levels: dict[Key, int]
    acknowledged: Acknowledged


class Ledger:
    """What the mapper remembers.

    Args:
        proof: How the ERP's numbers prove what they contain.
        max_items: The most stock records a cut should have.
        folds: Whether it folds old units away.
    """

    quantities_class: type[Quantities] = Quantities

    def __init__(self, proof: Proof, *, max_items: int, folds: bool = False) -> None:
        self.known = self.quantities_class(proof)
        self.max_items = max_items
        self.folds = folds
        self.run_id = ""
        self.cuts: dict[int, str] = {}
        self.end: int | None = None
        self._id = str(next(_identities))
        self._taken: list[Taken] = []
        self._sent: dict[Key, tuple[int, int]] = {}
        self._seen: int | None = None

    def copied(self) -> Ledger:
        """Return a copy, as a backup."""
        other = copy.copy(self)
        other.known = self.known.copied()
        other.cuts, other._taken, other._sent = dict(self.cuts), list(self._taken), dict(self._sent)
        return other

    def begin(self) -> None:
        """Begin a run."""
        self.known.run += 1
        self.run_id = f"{self._id}.{next(_identities)}"
        self._seen = self.known.seen_through

    def acknowledge(self, said: Acknowledged, taken: Taken) -> Acknowledged:
        """Return what the tap's input state acknowledges for this ledger.

        Raises:
            Refused: the state counts events as read that this ledger has not taken.
        """
        known = taken.through is None or any(_covers(run, taken) for run in self._taken)
        if not known:
            raise Refused
        return said if self.has_made(said) else said.forgotten()

    def has_made(self, said: Acknowledged) -> bool:
        """Return whether this ledger planned the cut, in the run that the state names."""
        return said.cut == 0 or self.cuts.get(said.cut) == said.ledger

    def take(self, sent: list[Sent], taken: Taken) -> None:
        """Take the events a STATE of the tap covers."""
        self.known.take(sent, taken.through)
        self._taken.append(taken)

    def plan(self, rows: Rows, acknowledged: Acknowledged, lowest_number: int) -> list[PlannedCut]:
        """Return the cuts of this run."""
        self.known.read(rows)
        mark = highest(acknowledged.mark, acknowledged.end)
        self.known.move_mark(self.pending(acknowledged), mark, self._seen)
        pending = sorted(self.pending(acknowledged), key=_timestamp)
        touched = {unit.key for unit in pending}
        numbers = self.numbers(pending)
        first = max([*self.cuts, acknowledged.cut, lowest_number], default=0) + 1
        parts = [*self.split(pending, touched, numbers)]
        rest = [key for key in numbers if key not in touched and self.is_new(key, numbers[key], acknowledged.cut)]
        self._fill_with_rest(parts, rest, numbers)
        cuts = [self._cut(first + index, *part, acknowledged) for index, part in enumerate(parts)]
        for cut in cuts:
            self._remember(cut, pending)
        if self.folds:
            self.known.fold(acknowledged.cut)
        return cuts

    def pending(self, acknowledged: Acknowledged) -> list[Unit]:
        """Return the units NewStore has not acknowledged."""
        return self.known.pending(acknowledged.cut)

    def numbers(self, pending: list[Unit]) -> dict[Key, int]:
        """Return the number of each key: as of the mark, whatever is pending."""
        del pending
        return self.known.numbers()

    def split(
        self, pending: list[Unit], touched: set[Key], numbers: dict[Key, int]
    ) -> t.Iterator[tuple[TimestampRange | None, dict[Key, int]]]:
        """Yield each range with the numbers of all keys that have completions in it."""
        if not pending:
            return
        if len(touched) <= self.max_items:
            yield TimestampRange(pending[0].at, pending[-1].at), {key: numbers[key] for key in touched}
            return
        for part in split_along_timestamps(((unit.at, unit.key) for unit in pending), self.max_items):
            keys = {unit.key for unit in pending if part.start <= unit.at <= part.end}
            yield part, {key: self.number_of_part(key, part, numbers) for key in keys}

    def number_of_part(self, key: Key, part: TimestampRange, numbers: dict[Key, int]) -> int:
        """Return a key's number in one part: as of the mark, the same in all parts of a run."""
        del part
        return numbers[key]

    def is_new(self, key: Key, number: int, acknowledged_cut: int) -> bool:
        """Return whether NewStore does not have this number yet."""
        sent = self._sent.get(key)
        return sent is None or sent[1] > acknowledged_cut or sent[0] != number

    def _fill_with_rest(
        self, parts: list[tuple[TimestampRange | None, dict[Key, int]]], rest: list[Key], numbers: dict[Key, int]
    ) -> None:
        room = self.max_items - len(parts[-1][1]) if parts else 0
        if room > 0:
            parts[-1][1].update({key: numbers[key] for key in rest[:room]})
            rest = rest[room:]
        parts.extend(
            (self.range_without_events(), {key: numbers[key] for key in rest[begin : begin + self.max_items]})
            for begin in range(0, len(rest), self.max_items)
        )

    def range_without_events(self) -> TimestampRange | None:
        """Return the range of a cut without completions: none (design rule 5)."""
        return None

    def _cut(
        self, number: int, part: TimestampRange | None, quantities: dict[Key, int], acknowledged: Acknowledged
    ) -> PlannedCut:
        self.end = highest(self.end, acknowledged.end, part and part.end)
        said = Acknowledged(number, self.end, self.known.mark, self.run_id)
        levels = {key: self.known.rows[key].level for key in quantities}
        return PlannedCut(number, part, quantities, levels, said)

    def _remember(self, cut: PlannedCut, pending: list[Unit]) -> None:
        self.cuts[cut.number] = self.run_id
        self._sent |= {key: (number, cut.number) for key, number in cut.quantities.items()}
        if cut.range:
            start, end = cut.range
            for unit in pending:
                if start <= unit.at <= end:
                    unit.cut = cut.number


def _timestamp(unit: Unit) -> int:
    return unit.at


def _covers(run: Taken, taken: Taken) -> bool:
    through, other = run.through, taken.through
    return through is not None and other is not None and through >= other and run.position >= taken.position
