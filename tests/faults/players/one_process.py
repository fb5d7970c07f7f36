"""Plays a schedule in one process, on a clock that only moves when told to: fast enough for volume.

The product is the real one (landing store, release, records, mapper, target, import jobs), and so are
NewStore's rules (the sandbox's core). Death is an exception between any two steps.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import io
import json
import logging
import os
import tempfile
import typing as t
from pathlib import Path

import fsspec
from mapper_newstore_stock.errors import MapperError
from mapper_newstore_stock.run import list_writer
from mapper_newstore_stock.run.stock_run import STREAM
from newstore_sandbox.errors import CallError
from newstore_sandbox.sandbox import Faults, Options
from tap_newstore_fulfillment.events import check_event
from target_newstore_stock.errors import TargetError
from target_newstore_stock.other_runs import CutsOf
from target_newstore_stock.stock_import import StockImport

from tests.faults.breaking.death import Died
from tests.faults.players.databases_here import Databases
from tests.faults.players.erp_on_disk import erp_on_disk
from tests.faults.players.newstore_here import LINK, STAGING, NewStoreHere, SessionHere, faulty_answer
from tests.faults.players.plugins_here import MapperHere, States, TapHere, TargetHere, as_lines, let_go
from tests.faults.stories.schedules import make_schedule
from tests.faults.stories.steps import NODES
from tests.faults.stories.story import Story
from tests.faults.stories.world import Published, as_published, units_in

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests
    from mapper_newstore_stock.ledger.lock import Holder
    from newstore_sandbox.import_jobs import Job
    from newstore_sandbox.stock_file import StockFile

    from tests.faults.players.plugins_here import CountedState, Record
    from tests.faults.stories.judge import Basis, Verdict
    from tests.faults.stories.schedules import Schedule
    from tests.faults.stories.steps import Key, Run, RunFault
    from tests.faults.stories.truth import ErpRow
    from tests.faults.stories.world import State

PROMISE_SECONDS = 900
#: Start of every story, in seconds since the epoch.
BEGIN = 1_750_000_000
QUIET = ("target-newstore-stock", "mapper-newstore-stock", "mapper_newstore_stock", "newstore-sandbox")
TARGET = {
    "tenant": "demo",
    "client_id": "here",
    "client_secret": "here",
    # Unique to this process, so that other runs on this machine do not count as a second run.
    "api_url": f"http://newstore-{os.getpid()}",
    "auth_url": "http://newstore/token",
    "staging_url": STAGING,
    "staging_link": LINK,
    "import_timeout_seconds": 120,
}
_databases = Databases()


def play(seed: int, **options: t.Any) -> Verdict:
    """Play the schedule of a seed and return the judge's verdict.

    Args:
        seed: Seed of the schedule.
        options: Fields of `schedules.Options` that the seed does not decide.
    """
    return play_schedule(make_schedule(seed, **options))


def play_schedule(schedule: Schedule, tell: Callable[[str], None] | None = None) -> Verdict:
    """Play a schedule and return the judge's verdict; `tell` is called with each step."""
    with tempfile.TemporaryDirectory() as directory, OneProcess(schedule, Path(directory), tell) as story:
        return story.play()


class OneProcess(Story):
    """One shop in this process. Use it in a `with` block.

    Args:
        schedule: What happens.
        directory: Where the ledger and the ERP's CSV are written.
        tell: Called with what happens.
    """

    def __init__(self, schedule: Schedule, directory: Path, tell: Callable[[str], None] | None = None) -> None:
        super().__init__(schedule, PROMISE_SECONDS, tell)
        self._clock = float(BEGIN)
        self._under_way: list[tuple[float, int, Published]] = []
        self._landing = _databases.landing_store()
        self._engine = _databases.ledger(directory)
        self._death = _databases.death
        self._death.plan()
        self._erp = erp_on_disk(self.options, directory, self.skew)
        self._rows_to_write: tuple[dict[Key, ErpRow], frozenset[str]] = ({}, frozenset())
        self._directory = directory
        self._items: dict[str, list[str]] = {}
        self._seen = 0
        self._run_basis = self.basis()
        self._job_basis: dict[str, Basis] = {}
        self._fault: RunFault | None = None
        self._calls = 0
        self._mapper_is_well = True
        self._meanwhile: list[t.Any] = []
        self._newstore = self._open_newstore()

    def __enter__(self) -> t.Self:
        # The other worlds read their lists whole, as short as they are.
        self._least_bytes, list_writer.LEAST_BYTES = list_writer.LEAST_BYTES, 0
        loggers = [logging.getLogger(name) for name in QUIET]
        self._levels = [(logger, logger.level) for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        return self

    def __exit__(self, *_error: object) -> None:
        list_writer.LEAST_BYTES = self._least_bytes
        for logger, level in self._levels:
            logger.setLevel(level)
        self._death.plan()
        self._landing.close()
        fsspec.filesystem("memory").store.clear()

    def now(self) -> float:
        return self._clock

    def atp(self, key: Key) -> int | None:
        return self._newstore.stock.atp(key)

    def place(self, order: str, node: str, products: list[str]) -> int | None:
        try:
            answer = self._newstore.place_order(node, products, order_id=order, service_level="STANDARD", force=False)
        except CallError:
            return None
        self._items[order] = [item["id"] for item in answer["items"]]
        return int(answer["logical_timestamp"])

    def move(self, order: str, name: str, units: int) -> int:
        items, self._items[order] = self._items[order][:units], self._items[order][units:]
        return int(self._newstore.move_units(order, name, items)["logical_timestamp"])

    def move_goods(self, key: Key, units: int) -> None:
        self._newstore.stock.shelf[key] += units

    def published(self) -> Iterator[Published]:
        events = self._newstore.publisher.published
        while self._seen < len(events):
            self._seen += 1
            # The sandbox tells the time of day; this world has one of its own.
            yield as_published(events[self._seen - 1].body | {"published_at": self._time_of_day().isoformat()})

    def deliver(self, event: Published, due: float) -> None:
        self._under_way.append((due, len(self._under_way), event))
        self._receive_until(self._clock)

    def pass_time(self, seconds: float, *, newstore_works: bool = True) -> None:
        end = self._clock + seconds
        self._receive_until(end)
        self._clock = end
        if newstore_works:
            self._newstore.work()

    def write_erp(self, rows: dict[Key, ErpRow], failing: frozenset[str]) -> None:
        """Keep the rows: nobody reads them before the next run."""
        self._rows_to_write = (dict(rows), failing)

    def kill_receiver(self) -> None:
        """Do nothing: there is no receiver, the landing store is called directly."""

    def end_faults(self) -> None:
        self._newstore.faults = Faults()
        last = max((due for due, _, _ in self._under_way), default=self._clock)
        self.pass_time(max(last - self._clock, 0))

    def run(self, run: Run) -> State | None:
        self._fault, self._calls = run.fault, 0
        self._meanwhile = list(run.meanwhile)
        self._run_basis = self.basis()
        self._erp.write(*self._rows_to_write)
        self._begin_faults()
        records, tap_states = self._tap()
        self.tell(f"  the tap sends {[(r['logical_timestamp'], r['released']) for r in records]}, {tap_states}")
        self.tell(f"  the ERP says {self._rows_to_write}")
        begun = self._clock
        lines = self._map(records, tap_states)
        if self._mapper_is_well and tap_states and not (run.fault and run.fault.part == "tap"):
            bookmark = tap_states[-1][1]["bookmarks"][STREAM]
            self.note_passed(bookmark["replication_key_value"], begun)
        states = self._import(lines)
        self._newstore.faults = Faults()
        self._death.plan()
        for step in self._meanwhile:
            self.do_meanwhile(step)
        return states[-1] if states else None

    def ledger_units(self) -> dict[str, dict[Key, int]]:
        return units_in(self._engine)

    def _open_newstore(self) -> NewStoreHere:
        options = Options(range_scope=self.options.range_scope, job_order=self.options.job_order, import_seconds=0)
        newstore = NewStoreHere(options)
        for node, kind in NODES.items():
            newstore.add_location(node, node if kind == "store" else "")
        newstore.stock.on_hand.update(self.schedule.stock)
        newstore.stock.shelf.update(self.schedule.stock)
        newstore.on_import = self._judge_import
        return newstore

    def _mapper_settings(self) -> dict[str, t.Any]:
        return {
            "ledger_url": f"sqlite:///{self._directory / 'ledger.db'}",
            **self._erp.settings,
            "max_cut_items": self.options.max_cut_items,
            "ledger_keep_days": 0 if self.options.folds else 90,
            "cache_dir": str(self._directory / "lists"),
        }

    def _holder(self) -> Holder | None:
        """Return as whom the mapper holds its ledger, and since when; None: as this process, from now on."""
        return None

    def _receive_until(self, end: float) -> None:
        """Deliver what is due, each event at its own time."""
        due = sorted(entry for entry in self._under_way if entry[0] <= end)
        self._under_way = [entry for entry in self._under_way if entry[0] > end]
        for moment, _, event in due:
            before, self._clock = self._clock, max(moment, self._clock)
            self._landing.add([check_event(event.body)], int(self._clock * 1000))
            self.note_arrival(event)
            self._clock = before

    def _begin_faults(self) -> None:
        fault = self._fault
        if fault and fault.part in ("mapper", "target"):
            self._death.plan(fault.how or fault.part, fault.at)
        if fault and fault.how == "fails the import":
            self._newstore.faults.fail_next_import = "NewStore is tired"
        if fault and fault.how == "refuses an item":
            self._newstore.faults.next_import_errors = ["an item is wrong"]
        if fault and fault.how == "is slow":
            self._newstore.faults.hold_jobs = True

    def _tap(self) -> tuple[list[Record], list[CountedState]]:
        """Return the tap's records and STATEs, until it ended or died."""
        tap = TapHere(self._landing, settle_ms=PROMISE_SECONDS * 1000, emit_unreleased=self.options.emit_unreleased)
        dies = self._fault if self._fault and self._fault.part == "tap" else None
        if dies:
            self.verdict.counts["kills of the tap"] += 1
        return tap.run(self.state, int(self._clock * 1000), dies)

    def _map(self, records: list[Record], states: list[CountedState]) -> list[bytes]:
        """Return the lines the mapper wrote until it ended or died."""
        lines = as_lines(self.state, records, states)
        mapper = MapperHere(config=self._mapper_settings())
        self._mapper_is_well = False
        try:
            mapper.open(self._engine, self._death, self._holder())
            mapper.listen(t.cast("t.IO[str]", io.BytesIO(b"".join(line + b"\n" for line in lines))))
            self._mapper_is_well = True
        except MapperError as error:
            self.verdict.counts["runs the mapper refused"] += 1
            self.tell(f"  mapper: {error}")
        except Died:
            self.verdict.counts["kills of the mapper"] += 1
            self.tell("  the mapper dies")
        lines = mapper.close()
        if self._ends_inside_a_cut(lines):
            self.verdict.counts["inputs that ended inside a cut"] += 1
        return lines

    @staticmethod
    def _ends_inside_a_cut(lines: list[bytes]) -> bool:
        return bool(lines) and b'"RECORD"' in lines[-1]

    def _import(self, lines: list[bytes]) -> list[State]:
        """Run the target on the mapper's lines; return the STATEs it wrote until it ended or died."""
        target = TargetHere(config=TARGET)
        schemas = (json.loads(line)["schema"] for line in lines if line.startswith(b'{"type":"SCHEMA"'))
        cuts_of = next((found for schema in schemas if (found := CutsOf.of_schema(schema))), None)
        importer = StockImport(
            target.settings, target._counts, self._sleep, self.now, self._time_of_day, cuts_of=cuts_of
        )
        session: t.Any = SessionHere(self._newstore, self._around_call)
        importer._client._session = session
        target.importer = importer
        output = States(self._death)
        try:
            with contextlib.redirect_stdout(output):
                target.listen(io.StringIO("".join(line.decode() + "\n" for line in lines)))
        except TargetError as error:
            self.verdict.counts["runs the target refused"] += 1
            self.tell(f"  target: {error}")
        except Died:
            self.verdict.counts["kills of the target"] += 1
            self.tell("  the target dies")
        finally:
            target.intake.close()
            let_go(target)
        return output.states

    def _sleep(self, seconds: float) -> None:
        self.pass_time(seconds)

    def _time_of_day(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._clock, tz=dt.UTC)

    def _around_call(self, answer: Callable[[], requests.Response]) -> requests.Response:
        self._death.step("target")
        self._calls += 1
        if self._meanwhile and self._calls % 2 == 0:
            self.do_meanwhile(self._meanwhile.pop(0))
        fault = self._fault
        if fault and fault.part == "newstore" and fault.at <= self._calls - 1 < fault.at + fault.times:
            answer = functools.partial(faulty_answer, fault.how, answer)
        try:
            given = answer()
        finally:
            # A call whose answer is lost may have created a job too.
            for import_id in self._newstore.jobs.all:
                self._job_basis.setdefault(import_id, self._run_basis)
        self._death.step("target")
        return given

    def _judge_import(self, job: Job, file: StockFile) -> None:
        self.verdict.counts["imports"] += 1
        detail = f" (after {job.name}, {file.quantities})"
        self.tell(f"  imported {job.name}: {file.quantities}")
        self.judge.after_import(self.step, file.quantities.keys(), file.range, self._job_basis[job.import_id], detail)
