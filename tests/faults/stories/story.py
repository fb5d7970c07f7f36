"""Plays a schedule: the part that is the same whether the product runs in this process or as processes."""

from __future__ import annotations

import random
import typing as t

from newstore_sandbox.events import COMPLETED, FAILED

from tests.faults.stories.erps import Moment, erp_of
from tests.faults.stories.forms import form_of
from tests.faults.stories.judge import Basis, Judge, Verdict
from tests.faults.stories.rows import ErpRows, LastRead
from tests.faults.stories.schedules import unknown_keys
from tests.faults.stories.steps import (
    KEYS,
    Correct,
    ErpDrops,
    ErpFails,
    ErpLearns,
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
from tests.faults.stories.truth import Truth
from tests.faults.stories.world import World

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.faults.stories.schedules import Schedule
    from tests.faults.stories.steps import Deliveries, Key, Step
    from tests.faults.stories.world import Published, State


class Story(World):
    """One shop, from its initial stock until everything is at rest.

    Args:
        schedule: What happens.
        promise: The promised 15 minutes, in seconds of the world's clock.
        tell: Called with what happens.
        settle: How long the tap waits, in the same seconds; default: as long as promised.

    Attributes:
        verdict: The judge's findings so far.
        step: Number of the step being played, from 0.
        state: The Singer state the next run starts from.
        skew: The mapper's `clock_skew_seconds`.
    """

    skew = 120

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
        self._erp_of_story = erp_of(schedule.options, self.truth, schedule.seed)
        self._erp_rows = ErpRows(self._erp_of_story, unknown_keys(schedule.options))
        self._known = LastRead(self.truth, folds=self.options.folds)
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
            ErpLearns: self._erp_learns,
            ErpFails: self._erp_fails,
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
        """Play all steps, let everything come to rest, and return the judge's verdict."""
        self._write_rows(KEYS, 0)
        for step in self.schedule.steps:
            self.tell(f"step {self.step}: {step}")
            self._do(step)
            self.step += 1
        self.tell(f"step {self.step}: come to rest")
        self._come_to_rest()
        self.verdict.counts["schedules"] += 1
        self.verdict.counts[f"schedules, {form_of(self.options)}"] += 1
        return self.verdict

    def basis(self) -> Basis:
        """Return what a run that starts now can know."""
        late = {event for event in self.truth.completions if self._is_known_to_be_late(event)}
        levels, claimed = self._known.basis(self._erp_rows.readable(), late)
        return Basis(levels, frozenset(self.truth.overdue(self.now())), claimed)

    def note_passed(self, through: int | None, arrived_by: float) -> None:
        """Record how far a run has come in which neither tap nor mapper failed.

        Args:
            through: The logical timestamp in the tap's bookmark.
            arrived_by: When the run started (seconds).
        """
        for event, done in self.truth.completions.items():
            if done.arrived is not None and done.arrived <= arrived_by:
                self._came_late.setdefault(event, done.at <= self._passed)
        self._passed = max(self._passed, through or 0)
        self._known.note_read()

    def _is_known_to_be_late(self, event: str) -> bool:
        """Return whether the mapper can know that an event is late, because an earlier run had passed it."""
        return self._came_late.get(event, self.truth.completions[event].at <= self._passed)

    def note_arrival(self, event: Published) -> None:
        """Record that an event was answered 200."""
        done = self.truth.completions.get(event.event_id)
        if done and done.arrived is None:
            done.arrived = self.now()
            if done.arrived > done.due:
                self.verdict.counts["late events"] += 1
                self.tell(f"  late: {done.at}")

    def do_meanwhile(self, step: Order | Ship | Fail | Correct) -> None:
        """Play a step during a run."""
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
        # Units that are not on the shelf cannot leave it.
        if not units or any(self.truth.shelf[key] < keys.count(key) for key in keys):
            return
        self._open[step.order] = (node, products[len(units) :])
        at = self.move(step.order, COMPLETED, len(units))
        for event in self.published():
            self.truth.ship(event, keys, self.now() + self.settle)
            self.tell(f"  shipped at {at}: {keys}")
            self._last = event.at
            if self._erp_of_story.units_left():
                self._write_erp()
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
        self._write_rows((step.key,), 0)

    def _erp_writes(self, step: ErpWrites) -> None:
        self._write_rows(step.keys, step.behind)

    def _erp_drops(self, step: ErpDrops) -> None:
        self._write_rows((step.key,), 0)
        self._erp_rows.lost[step.key] = step.is_there
        self._write_erp()

    def _erp_learns(self, step: ErpLearns) -> None:
        self._erp_rows.unknown.discard(step.key)
        self._write_erp()

    def _erp_fails(self, step: ErpFails) -> None:
        self._erp_rows.failing ^= {step.source}
        self._write_erp()

    def _write_erp(self) -> None:
        self.write_erp(self._erp_rows.there(), frozenset(self._erp_rows.failing))

    def _wait(self, step: Wait) -> None:
        self.pass_time(step.promises * self.settle, newstore_works=step.newstore_works)

    def _run(self, step: Run) -> None:
        if step.fault:
            self.verdict.counts[f"{step.fault.part} faults planned"] += 1
        self._states.append(self.state)
        self._known.may_read(self._erp_rows.readable())
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
        """Let everything arrive and the ERP write the truth, run twice undisturbed, and judge."""
        self.end_faults()
        self._erp_rows.mend()
        # The numbers must also be right for an ERP that stays behind.
        behind = 0 if self.options.erp == "lists" else self.schedule.seed % 2 * 3
        self.pass_time(2 * self.promise)
        late = self.truth.late_keys()
        # A row may happen to be as it was when a late event came; then it counts until the row changes once more.
        for changes in (set(), late, late):
            for key in KEYS:
                # A late event at or below a row's as-of counts until the row changes (design rule 4).
                self._move(key, int(key in changes))
            self._write_rows(KEYS, behind)
            self._run(Run())
        self.judge.at_rest(self.step)
        self.judge.events(self.ledger_units())

    def _move(self, key: Key, units: int) -> None:
        self.truth.move(key, units)
        self.move_goods(key, units)

    def _write_rows(self, keys: Iterable[Key], behind: int) -> None:
        moment = Moment(self.time_of_day(), self.now() - self.settle, self._last, self.skew)
        self._erp_of_story.write(keys, behind, moment)
        # A list is written as a whole.
        self._erp_rows.note_written(KEYS if self.options.erp == "lists" else keys)
        self._write_erp()

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
