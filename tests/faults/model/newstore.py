"""NewStore in memory: the sandbox's own stock arithmetic, and its import jobs."""

from __future__ import annotations

import dataclasses
import typing as t

from newstore_sandbox.stock import Scope, Stock, Unit

if t.TYPE_CHECKING:
    from tests.faults.model.erp import Key
    from tests.faults.model.landing import Sale
    from tests.faults.model.ledger import PlannedCut


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
        open_jobs: Jobs that have started and not ended.
        landed: Jobs that were applied, in order.
    """

    def __init__(self, scope: Scope, keys: t.Iterable[Key], opening: int) -> None:
        self.stock = Stock(scope)
        self.open_jobs: list[Job] = []
        self.landed: list[Job] = []
        for key in keys:
            self.stock.on_hand[key] = self.stock.shelf[key] = opening

    def sell(self, sale: Sale) -> None:
        """Ship units."""
        for product in sale.products:
            unit = Unit(sale.event_id, "order", sale.event_id, (sale.node, product))
            self.stock.assign(unit)
            self.stock.complete(unit, sale.at)

    def begin(self, job: Job) -> None:
        """Start a job; its file is not applied yet."""
        self.open_jobs.append(job)

    def end(self, job: Job, *, fails: bool = False) -> None:
        """End a job: apply its file, or fail it."""
        self.open_jobs.remove(job)
        if not fails:
            self.landed.append(job)
            self.stock.apply_import(str(job.cut.number), job.quantities, job.cut.range)

    def promises_too_much(self, key: Key) -> int:
        """Return how many units NewStore promises beyond what is there (negative: too few)."""
        return (self.stock.atp(key) or 0) - self.stock.free(key)
