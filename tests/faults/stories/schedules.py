"""Schedules: a shop and a list of steps, both decided by a seed. Pure, and the same every time.

NewStore decides whether it takes an order; steps on an order it refused do nothing.
"""

from __future__ import annotations

import dataclasses
import random
import typing as t

from tests.faults.stories.steps import (
    ALL,
    AT_START,
    KEYS,
    NEWSTORE_FAULTS,
    PRODUCTS,
    SOURCES,
    WRITING,
    Correct,
    Deliveries,
    ErpDrops,
    ErpFails,
    ErpLearns,
    ErpWrites,
    Fail,
    Key,
    KillReceiver,
    LoseState,
    Order,
    Part,
    Receive,
    Redeliver,
    RestoreState,
    Run,
    RunFault,
    Ship,
    Step,
    Wait,
)

Database = t.Literal["sqlite", "postgresql"]
Scope = t.Literal["tenant", "file"]
#: How the ERP learns of completions: from the tap's released events; from its own warehouse, behind or
#: ahead of the events; or so fast that its numbers always contain all of them (`on_hand_as_of: current`). Or it books
#: in any order and says what it has booked (`booked`), or writes a dated list now and then (`taken_at`).
ErpKind = t.Literal["follows", "ships", "current", "books", "lists"]

#: A few keys make most of the sales.
SALES = (32, 16, 8, 8, 4, 4, 2, 1, 1)
STEPS = 22


@dataclasses.dataclass(frozen=True)
class Options:
    """The setup of the shop and its pipeline.

    Attributes:
        max_cut_items: The mapper's setting.
        emit_unreleased: The tap's setting.
        erp_reverses: Whether an ERP that books takes bookings back.
        booked_by: What its bookings are known by.
        job_order: Order in which NewStore runs waiting jobs.
        breaks_the_promise: Whether some events arrive after the promised 15 minutes.
        unknown: How many keys have no row at first.
        vanished: What a row means that is gone (`vanished_rows`); "": a list that lacks one is refused.
        has_sources: Whether the ERP has two sources, which fail on their own.
        folds: Whether units are folded away as soon as NewStore and the ERP both contain them.
        machines: On how many the pipeline runs, of one landing store, ledger and staging place.
        rows_stand: Whether the rows of a source that cannot be read stand; otherwise they are too old at once.
    """

    database: Database = "sqlite"
    range_scope: Scope = "tenant"
    max_cut_items: int = 100
    emit_unreleased: bool = False
    erp: ErpKind = "follows"
    erp_reverses: bool = False
    booked_by: t.Literal["event", "request", "order"] = "event"
    job_order: t.Literal["fifo", "lifo"] = "fifo"
    breaks_the_promise: bool = False
    unknown: int = 0
    vanished: t.Literal["", "zero", "keep"] = ""
    has_sources: bool = False
    rows_stand: bool = True
    folds: bool = False
    machines: int = 1


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A shop, its initial stock, and the steps that happen to it."""

    seed: int
    options: Options
    stock: dict[Key, int]
    steps: tuple[Step, ...]


def unknown_keys(options: Options) -> tuple[Key, ...]:
    """Return the keys that have no row at first: ones that sell well, and ones that do not."""
    return (*KEYS[1::3], *KEYS[::3])[: options.unknown]


def make_schedule(seed: int, steps: int = STEPS, **options: t.Any) -> Schedule:
    """Return the schedule of a seed.

    Args:
        seed: Decides everything.
        steps: Number of steps.
        options: Fields of `Options` that the seed does not decide.
    """
    return _Maker(random.Random(seed), steps).make(seed, options)


class _Maker:
    def __init__(self, chance: random.Random, steps: int) -> None:
        self._chance = chance
        self._count = steps
        self._options = Options()
        self._open: list[str] = []
        self._orders = 0

    def make(self, seed: int, fixed: dict[str, t.Any]) -> Schedule:
        chance = self._chance
        drawn: dict[str, t.Any] = {
            "range_scope": chance.choice(["tenant", "file"]),
            "max_cut_items": chance.choice([1, 1, 2, 3, 100]),
            "emit_unreleased": chance.random() < 0.5,
            "erp": chance.choice(["follows", "ships", "ships", "current", "books", "books", "books", "lists", "lists"]),
            "job_order": chance.choice(["fifo", "lifo"]),
            "breaks_the_promise": chance.random() < 0.4,
            "erp_reverses": chance.random() < 0.3,
            "booked_by": chance.choice(["event", "request", "order"]),
            "unknown": chance.choice([0, 0, 0, 1, 2]),
            "vanished": chance.choice(["", "zero", "keep"]),
            "has_sources": chance.random() < 0.3,
            "rows_stand": chance.random() < 0.7,
            "folds": chance.random() < 0.3,
        }
        self._options = Options(**(drawn | fixed))
        stock = {key: chance.randint(3, 12) for key in KEYS}
        first = [self._order() for _ in range(4)]
        rest = [step for _ in range(self._count) for step in self._some_steps()]
        return Schedule(seed, self._options, stock, (*first, *rest))

    def _some_steps(self) -> list[Step]:
        if self._options.breaks_the_promise and self._chance.random() < 0.04:
            return self._late_event()
        if self._options.vanished and self._chance.random() < 0.03:
            return self._sale_of_a_lost_row()
        if self._options.has_sources and not self._options.rows_stand and self._chance.random() < 0.06:
            return self._source_fails_after_an_import()
        step = self._step()
        return [] if step is None else [step]

    def _late_event(self) -> list[Step]:
        """Two sales; a run passes the first one before its event arrives, and the ERP writes its rows meanwhile."""
        late, other = self._order(), self._order()
        return [
            late,
            other,
            Ship(late.order, 3, (self._chance.uniform(1.3, 3.5),)),
            Ship(other.order, 3, (0.0,)),
            Wait(1.2),
            self._run(),
            ErpWrites(KEYS, 0),
            Wait(self._chance.choice([0.1, 1.2, 2.4])),
            self._run(),
        ]

    def _sale_of_a_lost_row(self) -> list[Step]:
        """A unit is sold, booked, and completed while the row of its key cannot be read."""
        sale = self._order()
        key = (sale.node, sale.products[0])
        is_there = self._chance.random() < 0.5
        return [self._run(), sale, Ship(sale.order, 3, (0.0,)), ErpDrops(key, is_there), Wait(1.2), self._run()]

    def _source_fails_after_an_import(self) -> list[Step]:
        """A lower number is not imported; then its source cannot be read, while numbers of the other are."""
        own, other = self._chance.sample(list(SOURCES), 2)
        lower, higher = (self._chance.choice([key for key in KEYS if key[0] in SOURCES[name]]) for name in (own, other))
        failed: Part = self._chance.choice(["target", "newstore"])
        fault = RunFault(failed, 0, "" if failed == "target" else "fails the import", 8)
        steps: list[Step] = [self._run(), Correct(lower, 1), Run(fault), ErpFails(own), Receive(higher, 1)]
        return [*steps, ErpWrites((higher,), 0), Run(), ErpFails(own), Run()]

    def _step(self) -> Step | None:
        steps: dict[t.Callable[[], Step | None], float] = {
            self._order: 5,
            self._ship: 6,
            self._fail: 1,
            self._receive: 1.5,
            self._correct: 1,
            self._erp_writes: 3,
            self._erp_drops: 0.6 if self._options.vanished else 0.2,
            self._erp_learns: 0.5 if self._options.unknown else 0,
            self._erp_fails: 1 if self._options.has_sources else 0,
            self._wait: 5,
            self._run: 3.2,
            self._lose_state: 0.3,
            self._restore_state: 0.5,
            self._redeliver: 0.3,
            self._kill_receiver: 0.4,
        }
        return self._chance.choices(list(steps), list(steps.values()))[0]()

    def _key(self) -> Key:
        return self._chance.choices(KEYS, SALES)[0]

    def _order(self) -> Order:
        self._orders += 1
        order = f"order-{self._orders}"
        node, product = self._key()
        more = self._chance.choice([0, 0, 1, 2])
        products = (product, *(self._chance.choice([product, *PRODUCTS]) for _ in range(more)))
        self._open.append(order)
        return Order(order, node, products, self._deliveries())

    def _ship(self) -> Ship | None:
        if not self._open:
            return None
        order = self._chance.choice(self._open)
        units = self._chance.choice([1, 3, 3])
        if units > 1:
            self._open.remove(order)
        return Ship(order, units, self._deliveries())

    def _fail(self) -> Fail | None:
        if not self._open:
            return None
        return Fail(self._open.pop(self._chance.randrange(len(self._open))), self._deliveries())

    def _deliveries(self) -> Deliveries:
        """Mostly at once, sometimes as late as promised, or twice, or later than promised if the promise is broken."""
        first = self._chance.choice([0.0, 0.0, 0.02, self._chance.random(), 1.0])
        if self._options.breaks_the_promise and self._chance.random() < 0.3:
            first = 1 + 3 * self._chance.random()
        repeats = self._chance.choice([0, 0, 0, 1, 2])
        return (first, *(first + self._chance.random() for _ in range(repeats)))

    def _receive(self) -> Receive:
        return Receive(self._key(), self._chance.randint(1, 5))

    def _correct(self) -> Correct:
        return Correct(self._key(), self._chance.randint(1, 2))

    def _erp_writes(self) -> ErpWrites:
        keys = {self._key() for _ in range(self._chance.choice([1, 2, 9]))}
        return ErpWrites(tuple(sorted(keys)), self._chance.choice([0, 0, 1, 3, 9]))

    def _erp_drops(self) -> ErpDrops:
        return ErpDrops(self._key(), is_there=self._chance.random() < 0.5)

    def _erp_learns(self) -> ErpLearns:
        return ErpLearns(self._chance.choice(unknown_keys(self._options)))

    def _erp_fails(self) -> ErpFails:
        return ErpFails(self._chance.choice(list(SOURCES)))

    def _wait(self) -> Wait:
        return Wait(self._chance.choice([0.1, 0.3, 0.6, 1.0, 1.2, 1.5]), self._chance.random() < 0.7)

    def _run(self) -> Run:
        meanwhile = []
        for _ in range(self._chance.choice([0, 0, 1, 3])):
            step = self._chance.choice([self._order, self._ship, self._ship, self._fail])()
            if step is not None:
                meanwhile.append(step)
        run = Run(self._fault(), tuple(meanwhile))
        return self._on_machines(run) if self._options.machines > 1 else run

    def _on_machines(self, run: Run) -> Run:
        """Let a run begin on one of two machines, and half of them stand still while the other machine runs."""
        chance = self._chance
        here = chance.randrange(2)
        if chance.random() < 0.5:
            return dataclasses.replace(run, machine=here)
        part: Part = chance.choice(["tap", "mapper", "mapper", "target", "target", "target"])
        how = chance.choice(["", "", ALL] + [AT_START] * (part == "target"))
        fault = RunFault(part, chance.randint(0, 32), how)
        newer = Run(self._fault() if chance.random() < 0.3 else None, (), 1 - here)
        return Run(fault, run.meanwhile, here, newer, newer_state_wins=chance.random() < 0.5)

    def _fault(self) -> RunFault | None:
        part: Part | None = self._chance.choice([None, None, "tap", "mapper", "mapper", "target", "target", "newstore"])
        if part is None:
            return None
        if part == "tap":
            return RunFault(part, self._chance.randint(0, 6), self._chance.choice(["with STATE", "without"]))
        if part == "mapper":
            if self._chance.random() < 0.4:
                return RunFault(part, self._chance.randint(1, 12), WRITING)
            return RunFault(part, self._chance.randint(0, 75))
        if part == "target":
            return RunFault(part, self._chance.randint(0, 32))
        how, times = self._chance.choice(NEWSTORE_FAULTS), self._chance.choice([1, 1, 2, 8])
        return RunFault(part, self._chance.randint(0, 12), how, times)

    def _lose_state(self) -> LoseState:
        return LoseState()

    def _restore_state(self) -> RestoreState:
        return RestoreState(self._chance.randint(1, 4))

    def _redeliver(self) -> Redeliver:
        return Redeliver(tuple(self._chance.random() for _ in range(self._chance.choice([1, 3]))))

    def _kill_receiver(self) -> KillReceiver:
        return KillReceiver()
