"""Plays a schedule with sandbox, receiver, tap, mapper and target as processes, some killed with SIGKILL.

Time is scaled: the tap waits one second instead of 15 minutes.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
import threading
import time
import typing as t
from pathlib import Path

import requests
from mapper_newstore_stock.ledger.database import open_engine
from newstore_sandbox.events import COMPLETED

from tests.faults.players.courier import Courier
from tests.faults.players.erp_on_disk import erp_on_disk
from tests.faults.stories.judge import Wrong
from tests.faults.stories.schedules import make_schedule
from tests.faults.stories.steps import NODES
from tests.faults.stories.story import Story
from tests.faults.stories.world import as_published, units_in
from tests.shop.pipeline import PARTS, RUN_SECONDS, Pipeline

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.faults.stories.judge import Basis, Verdict
    from tests.faults.stories.schedules import Schedule
    from tests.faults.stories.steps import Key, Run, RunFault
    from tests.faults.stories.truth import ErpRow
    from tests.faults.stories.world import Published, State
    from tests.shop.warm_start import Forks, Fresh

SETTLE_SECONDS = 1
#: Longest delay of an event that keeps the promise. Less than the settle time, because a busy machine adds to it.
PROMISE_SECONDS = 0.5
STEPS = 18
POLL_SECONDS = 0.01
IMPORT = "/v0/d/import"
#: The call the target is waiting for when it is killed. With a status, NewStore has not carried the call out.
CALLS: tuple[dict[str, t.Any], ...] = (
    {"method": "POST", "path": "/auth/*"},
    {"method": "GET", "path": "/v0/locations"},
    {"method": "GET", "path": IMPORT},
    {"method": "POST", "path": IMPORT, "status": 500},
    {"method": "POST", "path": IMPORT},
    {"method": "POST", "path": f"{IMPORT}/*/start", "status": 500},
    {"method": "POST", "path": f"{IMPORT}/*/start"},
    {"method": "GET", "path": f"{IMPORT}/*"},
    {"method": "GET", "path": f"{IMPORT}/*/errors"},
)
FAULTS: dict[str, dict[str, t.Any]] = {
    "refuses": {"status": 503, "body": {"message": "come back later"}},
    "is limited": {"status": 429, "headers": {"Retry-After": "1"}},
    "has no answer": {"status": 500, "cut_off": True},
    "loses the answer": {"happens": True, "cut_off": True},
}
#: The mapper is killed after it has logged one of these.
MAPPER_SAYS = ("on-hand rows read", "Cut \\d+: ", "run_summary")

NewDatabase = t.Callable[[], str]


def play(
    seed: int,
    new_database: NewDatabase | None = None,
    tell: Callable[[str], None] | None = None,
    forks: Forks | Fresh | None = None,
    **options: t.Any,
) -> Verdict:
    """Play the schedule of a seed and return the judge's verdict.

    Args:
        seed: Seed of the schedule.
        new_database: Returns the SQLAlchemy URL of an empty database; None uses SQLite.
        tell: Called with what happens.
        forks: Starts the processes; None: they are forked if they can be.
        options: Fields of `schedules.Options` that the seed does not decide.
    """
    database = "postgresql" if new_database else "sqlite"
    schedule = make_schedule(seed, STEPS, database=database, **options)
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        urls = [new_database() if new_database else f"sqlite:///{here / name}" for name in ("landing.db", "ledger.db")]
        with RealProcesses(schedule, here, (urls[0], urls[1]), tell, forks) as story:
            return story.play()


class RealProcesses(Story):
    """One shop as processes. Use it in a `with` block.

    Args:
        schedule: What happens.
        directory: Where everything is written.
        urls: SQLAlchemy URLs of landing store and ledger, two empty databases.
        tell: Called with what happens.
        forks: Starts the processes; None: they are forked if they can be.
    """

    # Everything runs by this machine's clock, a thousand times as fast as a shop.
    skew = 0

    def __init__(
        self,
        schedule: Schedule,
        directory: Path,
        urls: tuple[str, str],
        tell: Callable[[str], None] | None = None,
        forks: Forks | Fresh | None = None,
    ) -> None:
        super().__init__(schedule, PROMISE_SECONDS, tell, settle=SETTLE_SECONDS)
        landing_url, self._ledger_url = urls
        self._erp = erp_on_disk(self.options, directory, self.skew)
        self._shop = Pipeline(
            directory,
            mapper={
                "ledger_url": self._ledger_url,
                "max_cut_items": self.options.max_cut_items,
                "ledger_keep_days": 0 if self.options.folds else 90,
                **self._erp.settings,
            },
            tap={
                "landing_url": landing_url,
                "settle_seconds": SETTLE_SECONDS,
                "emit_unreleased": self.options.emit_unreleased,
            },
            target={"import_timeout_seconds": 2},
            delivers=False,
            forks=forks,
            range_scope=self.options.range_scope,
            job_order=self.options.job_order,
        )
        self._forks = forks
        self._newstore = self._shop.newstore
        self._items: dict[str, list[str]] = {}
        self._jobs: dict[str, Basis] = {}
        self._judged = self._applied = 0
        self._suspects: list[Wrong] = []
        self._counting = threading.Lock()
        self._courier = Courier(self._shop.receiver.events_url, self._note)

    def __enter__(self) -> t.Self:
        for node, kind in NODES.items():
            self._newstore.add_location(node, kind)
        for (node, product), units in self.schedule.stock.items():
            self._newstore.set_stock(node, product, units)
        self._courier.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        self._courier.__exit__()
        self._shop.__exit__()

    def play(self) -> Verdict:
        """Play all steps, then judge what only the end can show."""
        super().play()
        self._judge_suspects()
        return self.verdict

    def now(self) -> float:
        return time.monotonic()

    def time_of_day(self) -> float:
        return time.time()

    def atp(self, key: Key) -> int | None:
        return t.cast("int | None", self._newstore.numbers(*key)["atp"])

    def place(self, order: str, node: str, products: list[str]) -> int | None:
        items = [{"product_id": product} for product in products]
        body = {"fulfillment_node_id": node, "items": items, "order_id": order}
        answer = requests.post(f"{self._newstore.url}/sandbox/orders", json=body, timeout=30)
        if answer.status_code == 409:
            return None
        placed = answer.json()
        self._items[order] = [item["id"] for item in placed["items"]]
        return int(placed["logical_timestamp"])

    def move(self, order: str, name: str, units: int) -> int:
        items, self._items[order] = self._items[order][:units], self._items[order][units:]
        move = "ship" if name == COMPLETED else "fail"
        url = f"{self._newstore.url}/sandbox/orders/{order}/{move}"
        answer = requests.post(url, json={"item_ids": items}, timeout=30)
        return int(answer.json()["logical_timestamp"])

    def move_goods(self, key: Key, units: int) -> None:
        self._newstore.receive_goods(*key, units)

    def published(self) -> Iterator[Published]:
        url = f"{self._newstore.url}/sandbox/events?after={len(self._published)}"
        for event in requests.get(url, timeout=30).json()["events"]:
            yield as_published(event["body"])

    def deliver(self, event: Published, due: float) -> None:
        self._courier.deliver(event, due)

    def pass_time(self, seconds: float, *, newstore_works: bool = True) -> None:
        del newstore_works
        threading.Event().wait(seconds)

    def write_erp(self, rows: dict[Key, ErpRow], failing: frozenset[str]) -> None:
        self._erp.write(rows, failing)
        self._shop.set_mapper(self._erp.settings)

    def kill_receiver(self) -> None:
        self._shop.kill_receiver()
        self.verdict.counts["kills of the receiver"] += 1

    def end_faults(self) -> None:
        self._newstore.set_faults(hold_jobs=False, calls=[])
        self._courier.finish()

    def run(self, run: Run) -> State | None:
        """Run the three, kill one or disturb NewStore, and judge the imports."""
        basis, begun = self.basis(), self.now()
        self._newstore.set_faults(hold_jobs=False, calls=[])
        if run.fault:
            self._disturb(run.fault)
        processes = self._start()
        self._watch(processes, run)
        return self._finish(processes, basis, begun)

    def _start(self) -> list[t.Any]:
        self._shop.state = self.state
        return self._shop.start()

    def _finish(self, processes: list[t.Any], basis: Basis, begun: float) -> State | None:
        states = self._end(processes)
        self._newstore.set_faults(calls=[])
        self._newstore.let_jobs_work()
        self._judge_imports(basis)
        self.tell(f"  exit codes {[process.returncode for process in processes]}, {len(states)} states")
        if processes[0].returncode == processes[1].returncode == 0 and states:
            self.note_passed(states[-1]["bookmarks"]["fulfillment_events"]["replication_key_value"], begun)
        return states[-1] if states else None

    def ledger_units(self) -> dict[str, dict[Key, int]]:
        engine = open_engine(self._ledger_url)
        try:
            return units_in(engine)
        finally:
            engine.dispose()

    def _note(self, event: Published) -> None:
        with self._counting:
            self.note_arrival(event)

    def _disturb(self, fault: RunFault) -> None:
        call = CALLS[fault.at % len(CALLS)]
        if fault.part == "target":
            self._newstore.set_faults(calls=[{**call, "delay_seconds": 60}])
        elif fault.how in FAULTS:
            kind = {"method": call["method"], "path": call["path"], "times": min(fault.times, 2)}
            self._newstore.set_faults(calls=[{**kind, **FAULTS[fault.how]}])
        elif fault.how == "fails the import":
            self._newstore.set_faults(fail_next_import="NewStore is tired")
        elif fault.how == "refuses an item":
            self._newstore.set_faults(next_import_errors=["an item is wrong"])
        elif fault.how == "is slow":
            self._newstore.set_faults(hold_jobs=True)

    def _watch(self, processes: list[t.Any], run: Run) -> None:
        """Let the run go on while other steps happen, until all have ended or one was killed."""
        meanwhile = list(run.meanwhile)
        begun = last = self.now()
        pause = threading.Event()
        while any(process.poll() is None for process in processes):
            assert self.now() - begun < RUN_SECONDS, f"a run does not end:\n{self._shop.log}"
            if run.fault and self._is_time(run.fault, self.now() - begun):
                self._kill(processes, run.fault)
                break
            if meanwhile and self.now() - last > (0.05 if self._forks else 0.3):
                self.do_meanwhile(meanwhile.pop(0))
                last = self.now()
            pause.wait(POLL_SECONDS)
        for step in meanwhile:
            self.do_meanwhile(step)

    def _is_time(self, fault: RunFault, seconds: float) -> bool:
        if fault.part == "tap":
            return seconds > (1 + fault.at) * (0.02 if self._forks else 0.15)
        if fault.part == "mapper":
            return re.search(MAPPER_SAYS[fault.at % len(MAPPER_SAYS)], self._shop.log) is not None
        return fault.part == "target" and self._newstore.faults()["calls"][0]["times"] == 0

    def _kill(self, processes: list[t.Any], fault: RunFault) -> None:
        number = next(number for number, name in enumerate(PARTS) if name.startswith(fault.part))
        if processes[number].poll() is None:
            os.kill(processes[number].pid, signal.SIGKILL)
            self.verdict.counts[f"kills of the {fault.part}"] += 1
            self.tell(f"  the {fault.part} is killed")

    def _end(self, processes: list[t.Any]) -> list[State]:
        """Wait until the three end; return the complete STATEs."""
        output, _ = processes[-1].communicate(timeout=RUN_SECONDS)
        for process in processes:
            process.wait(RUN_SECONDS)
        return self._shop.read_states(output)

    def _judge_imports(self, basis: Basis) -> None:
        """Judge what NewStore has imported since the last run."""
        imports = self._newstore.imports()
        for job in imports:
            self._jobs.setdefault(job["import_id"], basis)
        finished = [job for job in imports if job["state"] == "finished"]
        self.verdict.counts["imports"] += len(finished) - self._applied
        found = self._newstore.truth()["oversold"]
        for job in finished[self._applied :]:
            self.tell(f"  imported {job['name']}: {_quantities(job)}")
            self.judge.take_levels(_quantities(job), self._jobs[job["import_id"]])
            for row in found[self._judged :]:
                if row["import_id"] == job["import_id"]:
                    self._suspect(row)
        self._applied, self._judged = len(finished), len(found)

    def _suspect(self, row: dict[str, t.Any]) -> None:
        """Record a key of which NewStore promised too much. Whether it is excused shows only at the end."""
        key = (row["fulfillment_node_id"], row["product_id"])
        units = row["atp"] - row["free"] - self.judge.unknown_losses(key)
        if units > 0:
            detail = f" (after import {row['import_id']})"
            wrong = Wrong(self.verdict.seed, self.step, "oversold", key, row["atp"], row["free"], units, detail)
            self._suspects.append(wrong)

    def _judge_suspects(self) -> None:
        for wrong in self._suspects:
            if wrong.units <= self.truth.late_units(wrong.key):
                self.verdict.counts["oversold by late events"] += wrong.units
            else:
                self.verdict.oversold.append(wrong)


def _quantities(job: dict[str, t.Any]) -> dict[Key, int]:
    return {(item["fulfillment_node_id"], item["product_id"]): item["quantity"] for item in job["items"]}
