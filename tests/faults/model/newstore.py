"""NewStore in memory: numbers, the completions it subtracts by itself, and its import jobs."""

from __future__ import annotations

import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from tests.faults.model.landing import Sale
    from tests.faults.model.ledger import PlannedCut
    from tests.faults.model.readings import Key, Scope


@dataclasses.dataclass
class Job:
    """An import that has started and not ended.

    Attributes:
        quantities: The content of its file.
        run: The run of the pipeline that created it.
    """

    cut: PlannedCut
    quantities: dict[Key, int]
    run: int


class NewStore:
    """Applies imports, and subtracts completed units itself until a range covers them.

    Attributes:
        on_hand: The numbers it was told.
        shelf: The units that are really there.
        open_jobs: Jobs that have started and not ended.
        landed: Jobs that were applied, in order.
    """

    def __init__(self, scope: Scope, keys: t.Iterable[Key], opening: int) -> None:
        self.on_hand = dict.fromkeys(keys, opening)
        self.shelf = dict(self.on_hand)
        self.open_jobs: list[Job] = []
        self.landed: list[Job] = []
        self._scope = scope
        #: The logical timestamp of each unit that is completed and not covered.
        self._subtracted: dict[Key, list[int]] = {key: [] for key in self.on_hand}

    def promised(self, key: Key) -> int:
        """Return the quantity available to promise."""
        return self.on_hand[key] - len(self._subtracted[key])

    def sell(self, sale: Sale) -> None:
        """Ship units."""
        for key, units in sale.units:
            self.shelf[key] -= units
            self._subtracted[key] += [sale.at] * units

    def begin(self, job: Job) -> None:
        """Start a job; its file is not applied yet."""
        self.open_jobs.append(job)

    def end(self, job: Job, *, fails: bool = False) -> None:
        """End a job: apply its file, or fail it."""
        self.open_jobs.remove(job)
        if fails:
            return
        self.landed.append(job)
        self.on_hand |= job.quantities
        if job.cut.range:
            start, end = job.cut.range
            for key in self._subtracted if self._scope == "tenant" else job.quantities:
                self._subtracted[key] = [at for at in self._subtracted[key] if not start <= at <= end]
