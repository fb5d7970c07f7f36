"""Plays a schedule: the steps that are the same whether the product runs here or as processes."""

from __future__ import annotations

import abc
import dataclasses
import json
import random
import typing as t

import sqlalchemy as sa
from mapper_newstore_stock.ledger import tables
from newstore_sandbox.events import COMPLETED, FAILED
from tap_newstore_fulfillment.events import event_id

from tests.faults.stories.judge import Basis, Judge, Verdict
from tests.faults.stories.schedules import (
    KEYS,
    Correct,
    ErpDrops,
    ErpWrites,
    Fail,
    KillReceiver,
    LoseState,
    Order,
    Receive,
    Redeliver,
    RestoreState,
    Run,
    Ship,
    Wait,
)
from tests.faults.stories.truth import ErpRow, Truth, current_row, row_as_of, row_following_the_tap

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.stories.schedules import Deliveries, Key, Schedule, Step

State = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Published:
    """An event as NewStore sends it."""

    event_id: str
    at: int
    body: bytes


class Story(abc.ABC):
    """One shop, from its first stock to rest.

    Args:
        schedule: What happens.
        promise: The promised 15 minutes, in seconds of this story's clock.
        tell: Told what happens.
        settle: How long the tap waits, in the same seconds; default: as long as was promised.

    Attributes:
        verdict: What the judge found so far.
        step: The step that is being played, from 0.
    """

    def __init__(
        self,
        schedule: Schedule,
        promise: float,
        tell: Callable[[str], None] | None = None,
        *,
        settle: float | None = None,
    ) -> None:
        self.schedule = schedule
        self.options = schedule.options
        self.promise = promise
        self.settle = settle or promise
        self.tell = tell or (lambda _: None)
        self.verdict = Verdict(schedule.seed)
        self.truth = Truth(schedule.stock)
        self.judge = Judge(self.truth, self.verdict, self.atp)
        self.step = 0
        self.state: State | None = None
        self._states: list[State | None] = [None]
        self._known_levels = dict(schedule.stock)
        self._rows: dict[Key, ErpRow] = {}
        self._open: dict[str, tuple[str, list[str]]] = {}
        self._published: list[Published] = []
        self._last = 0
        self._handlers: dict[type, Callable[[t.Any], None]] = {
            Order: self._order,
            Ship: self._ship,
            Fail: self._fail,
            Receive: self._receive,
            Correct: self._correct,
            ErpWrites: self._erp_writes,
            ErpDrops: self._erp_drops,
            Wait: self._wait,
            Run: self._run,
            LoseState: self._lose_state,
            RestoreState: self._restore_state,
            Redeliver: self._redeliver,
            KillReceiver: self._kill_receiver,
        }
        self._passed = 0
        self._came_late: dict[str, bool] = {}

    def play(self) -> Verdict:
        """Play all steps, then let everything come to rest."""
        for key in KEYS:
            self._write_row(key, 0)
        self.write_erp(self._rows)
        for step in self.schedule.steps:
            self.tell(f"step {self.step}: {step}")
            self._do(step)
            self.step += 1
        self.tell(f"step {self.step}: come to rest")
        self._come_to_rest()
        self.verdict.counts["schedules"] += 1
        return self.verdict

    @abc.abstractmethod
    def now(self) -> float:
        """Return the seconds of this story's clock."""

    @abc.abstractmethod
    def atp(self, key: Key) -> int | None:
        """Return what NewStore promises."""

    @abc.abstractmethod
    def place(self, order: str, node: str, products: list[str]) -> int | None:
        """Place an order and return the timestamp of its event, or None when NewStore refuses it."""

    @abc.abstractmethod
    def move(self, order: str, name: str, units: int) -> int:
        """Ship or fail the first open units of an order and return the timestamp of the event."""

    @abc.abstractmethod
    def move_goods(self, key: Key, units: int) -> None:
        """Note units that came or got lost on NewStore's own copy of the shelf, which nothing here is judged by."""

    @abc.abstractmethod
    def published(self) -> Iterable[Published]:
        """Return the events published since the last call."""

    @abc.abstractmethod
    def deliver(self, event: Published, due: float) -> None:
        """Deliver an event at a time (seconds), until it is answered 200."""

    @abc.abstractmethod
    def pass_time(self, seconds: float, *, newstore_works: bool = True) -> None:
        """Let time pass."""

    @abc.abstractmethod
    def write_erp(self, rows: dict[Key, ErpRow]) -> None:
        """Write the ERP's table anew."""

    @abc.abstractmethod
    def run(self, run: Run) -> State | None:
        """Run the pipeline from `state` and return the last STATE that came out."""

    @abc.abstractmethod
    def end_faults(self) -> None:
        """Let nothing go wrong from now on, and deliver what is under way."""

    @abc.abstractmethod
    def kill_receiver(self) -> None:
        """Kill the receiver and start it again."""

    @abc.abstractmethod
    def ledger_units(self) -> dict[str, dict[Key, int]]:
        """Return the units the ledger has counted, by event."""

    def basis(self) -> Basis:
        """Return what a run that begins now can know."""
        levels = {key: row.level for key, row in self._rows.items()}
        late = {event for event in self.truth.completions if self._is_known_to_be_late(event)}
        claimed = {key: row.claimed - late for key, row in self._rows.items()}
        return Basis(levels, frozenset(self.truth.overdue(self.now())), claimed)

    def note_passed(self, through: int | None, arrived_by: float) -> None:
        """Remember how far a run has come in which neither tap nor mapper failed.

        Args:
            through: The tap's bookmark.
            arrived_by: When the run began (seconds).
        """
        for event, done in self.truth.completions.items():
            if done.arrived is not None and done.arrived <= arrived_by:
                self._came_late.setdefault(event, done.at <= self._passed)
        self._passed = max(self._passed, through or 0)

    def _is_known_to_be_late(self, event: str) -> bool:
        """Return whether the mapper can know that an event is late: an earlier run had passed it."""
        return self._came_late.get(event, self.truth.completions[event].at <= self._passed)

    def note_arrival(self, event: Published) -> None:
        """Remember that an event was answered 200."""
        done = self.truth.completions.get(event.event_id)
        if done and done.arrived is None:
            done.arrived = self.now()
            if done.arrived > done.due:
                self.verdict.counts["late events"] += 1
                self.tell(f"  late: {done.at}")

    def do_meanwhile(self, step: Order | Ship | Fail) -> None:
        """Play a step in the middle of a run."""
        self.tell(f"  meanwhile: {step}")
        self._do(step)

    def _do(self, step: Step) -> None:
        self._handlers[type(step)](step)

    def _order(self, step: Order) -> None:
        at = self.place(step.order, step.node, list(step.products))
        if at is None:
            self.verdict.counts["orders refused"] += 1
            return
        self._open[step.order] = (step.node, list(step.products))
        self.truth.order((step.node, product) for product in step.products)
        self._publish(step.deliveries)

    def _ship(self, step: Ship) -> None:
        node, products = self._open.get(step.order, ("", []))
        units = products[: step.units]
        keys = [(node, product) for product in units]
        # What is not on the shelf cannot leave it.
        if not units or any(self.truth.shelf[key] < keys.count(key) for key in keys):
            return
        self._open[step.order] = (node, products[len(units) :])
        at = self.move(step.order, COMPLETED, len(units))
        for event in self.published():
            self.truth.ship(event.event_id, keys, at, self.now() + self.settle)
            self.tell(f"  shipped at {at}: {keys}")
            self._last = event.at
            if self.options.erp == "current":
                # Its numbers contain the units before anybody can be told of them.
                self._write_current()
            self._send(event, step.deliveries)
        self.verdict.counts["units shipped"] += len(units)

    def _fail(self, step: Fail) -> None:
        node, products = self._open.get(step.order, ("", []))
        if products:
            self._open[step.order] = (node, [])
            self.move(step.order, FAILED, len(products))
            self.truth.fail((node, product) for product in products)
            self._publish(step.deliveries)

    def _receive(self, step: Receive) -> None:
        self._move(step.key, step.units)

    def _correct(self, step: Correct) -> None:
        lost = min(step.units, max(self.truth.free(step.key), 0))
        self._move(step.key, -lost)
        self._write_row(step.key, 0)
        self.write_erp(self._rows)

    def _erp_writes(self, step: ErpWrites) -> None:
        for key in step.keys:
            self._write_row(key, step.behind)
        self.write_erp(self._rows)

    def _erp_drops(self, step: ErpDrops) -> None:
        self._rows.pop(step.key, None)
        self.write_erp(self._rows)

    def _wait(self, step: Wait) -> None:
        self.pass_time(step.promises * self.settle, newstore_works=step.newstore_works)

    def _run(self, step: Run) -> None:
        if step.fault:
            self.verdict.counts[f"{step.fault.part} faults planned"] += 1
        self._states.append(self.state)
        self.state = self.run(step) or self.state
        self.verdict.counts["runs"] += 1

    def _lose_state(self, _step: LoseState) -> None:
        self.state = None
        self.verdict.counts["states lost"] += 1

    def _restore_state(self, step: RestoreState) -> None:
        self.state = self._states[-min(step.back, len(self._states))]
        self.verdict.counts["states restored"] += 1

    def _redeliver(self, step: Redeliver) -> None:
        events = self._published * len(step.deliveries)
        random.Random(str(step)).shuffle(events)
        for number, event in enumerate(events):
            self.deliver(event, self.now() + step.deliveries[number % len(step.deliveries)] * self.promise)
        self.verdict.counts["duplicates"] += len(events)

    def _kill_receiver(self, _step: KillReceiver) -> None:
        self.kill_receiver()

    def _come_to_rest(self) -> None:
        """Everything arrives, the ERP writes what is true, and two runs go undisturbed."""
        self.end_faults()
        # Also an ERP that stays behind must end in right numbers.
        behind = self.schedule.seed % 2 * 3
        self.pass_time(2 * self.promise)
        for changes in (set(), self.truth.late_keys()):
            for key in KEYS:
                # Late events at or below a row's as-of count until the row changes (design rule 4).
                self._move(key, int(key in changes))
                self._write_row(key, behind)
            self.write_erp(self._rows)
            self._run(Run())
        self.judge.at_rest(self.step)
        self.judge.events(self.ledger_units())

    def _move(self, key: Key, units: int) -> None:
        self.truth.move(key, units)
        self.move_goods(key, units)

    def _write_row(self, key: Key, behind: int) -> None:
        self._known_levels[key] = self.truth.level[key]
        if self.options.erp == "follows":
            row = row_following_the_tap(self.truth, key, self.now() - self.settle)
        elif self.options.erp == "ships":
            row = row_as_of(self.truth, key, self._last - behind)
        else:
            row = current_row(self.truth, self._known_levels[key], key)
        self._rows[key] = row

    def _write_current(self) -> None:
        for key in self._rows:
            self._rows[key] = current_row(self.truth, self._known_levels[key], key)
        self.write_erp(self._rows)

    def _publish(self, deliveries: Deliveries) -> None:
        for event in self.published():
            self._last = event.at
            self._send(event, deliveries)

    def _send(self, event: Published, deliveries: Deliveries) -> None:
        self._published.append(event)
        for delay in deliveries:
            self.deliver(event, self.now() + delay * self.promise)
        self.verdict.counts["events"] += 1
        self.verdict.counts["duplicates"] += len(deliveries) - 1


def units_in(engine: sa.Engine) -> dict[str, dict[Key, int]]:
    """Return the units a ledger has counted, by event."""
    unit = tables.completed_unit.c
    kept: dict[str, dict[Key, int]] = {}
    with engine.connect() as connection:
        query = sa.select(unit.event_id, unit.fulfillment_node_id, unit.product_id, unit.units)
        for event, node, product, units in connection.execute(query):
            kept.setdefault(event, {})[node, product] = units
    return kept


def as_published(body: dict[str, t.Any]) -> Published:
    """Return an event NewStore has published, from the body it sends."""
    payload = body["payload"]
    known = event_id(body["name"], payload["id"], payload["logical_timestamp"])
    return Published(known, payload["logical_timestamp"], json.dumps(body).encode())
