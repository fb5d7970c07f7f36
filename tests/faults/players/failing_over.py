"""A shop on a cluster of PostgreSQL whose primary is killed under load: all real processes and servers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.faults.players.plain_runs import PlainRuns
from tests.shop.auditor import Auditor
from tests.shop.newstore import NewStore
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.cluster import Cluster
    from tests.shop.warm_start import Forks

KEY = ("DC01", "A")
SHELF = 1_000_000
SELLERS = 2
CALL_SECONDS = 30
WENT_BACK = r'"The landing store went back: (\S+) and what was published after'
AUDIT = r'^.*"message": ?"Audit: .*$'
#: A run takes about as long.
LONGEST_PAUSE = 2.0


@dataclasses.dataclass
class Told:
    """What became of one failover.

    Attributes:
        acknowledged: How many events NewStore has sent, and had answered 200.
        lost: How many of those the new primary did not have.
        found: How many of the lost ones the receiver's own audit found.
        oversold: By how many units NewStore oversold before the audit.
        unit_minutes: What the audit reports.
        has_cut_a_run: Whether a run was under way, and failed.
    """

    acknowledged: int
    lost: int = 0
    found: int = 0
    oversold: int = 0
    unit_minutes: float = 0
    has_cut_a_run: bool = False


class ShopOnACluster:
    """One shop, whose database fails over again and again. Use it in a `with` block.

    Args:
        directory: Where everything is written.
        cluster: Where landing store and ledger are.
        forks: Forks all processes.
    """

    def __init__(self, directory: Path, cluster: Cluster, forks: Forks) -> None:
        self._directory, self._forks = directory, forks
        self.cluster = cluster
        url = cluster.new_database()
        with contextlib.ExitStack() as stack:
            self.newstore = stack.enter_context(NewStore(directory, forks=forks, import_seconds=0))
            self._url = url
            self.auditor = self._new_auditor()
            self._has_audited = False
            stack.callback(lambda: self.auditor.close())  # noqa: PLW0108 - it is another one by then
            self.auditor.register()
            self.runs = PlainRuns(directory, self.newstore, url, forks, url)
            self.newstore.add_location(KEY[0])
            self.runs.stock(*KEY, SHELF)
            self._closing = stack.pop_all()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def fail_over_synchronously(self, seed: int) -> Told:
        """Kill the primary under load, during a run, and check that nothing is lost, oversold, or needs a hand."""
        chance = random.Random(seed)
        with self._load(), ThreadPoolExecutor(1) as pool:
            sold = len(self.newstore.events())
            wait_until(lambda: len(self.newstore.events()) > sold + 10, "sales before the failover")
            run = pool.submit(self.runs.run)
            threading.Event().wait(chance.uniform(0, LONGEST_PAUSE))
            self.cluster.primary.kill()
            wait_until(lambda: self._health() == 503, "503 while there is no primary")
            self.cluster.promote()
            wait_until(lambda: self._health() == 200, "200 from the new primary")
            interrupted = run.result()
        assert set(interrupted.codes) <= {0, 1}, interrupted
        assert "Traceback" not in interrupted.log, interrupted.log
        self.cluster.rejoin()
        self.newstore.wait_for_delivery()
        self._run()
        assert self._kept() == self._published()
        truth = self.newstore.truth()
        assert (truth["oversold"], truth["ever_oversold"]) == ([], False), f"seed {seed}: {truth}"
        assert self._oversold() == 0, f"seed {seed}: NewStore's number is not the shelf's"
        return Told(len(self._published()) - sold, has_cut_a_run=interrupted.codes != (0, 0, 0))

    def fail_over_with_loss(self, seed: int, *, runs: bool) -> Told:
        """Let the standby lag, kill the primary, and check that the receiver notices by itself, and heals it.

        Args:
            seed: Decides how much is lost.
            runs: Whether an import is made before the audit, as if it came at the worst moment.
        """
        chance = random.Random(seed)
        if self._has_audited:
            # One audit in ten minutes is all a receiver makes.
            self._start_receiver_again()
        self._has_audited = True
        # A range goes from the first completion that is known to the last one: over what is lost between them.
        self.auditor.sell(chance.randint(1, 3))
        self.cluster.stop_following()
        acknowledged = self.auditor.sell(chance.randint(1, 4))
        if runs:
            # What NewStore sends for an audit waits until the run has ended.
            self.newstore.pause_delivery()
        self.cluster.primary.kill()
        self.cluster.promote()
        lost = self._published() - self._kept()
        assert lost == set(acknowledged), "the loss was to be certain"
        told = Told(len(acknowledged), len(lost))
        if runs:
            told.oversold = self._run_on_without_what_is_lost()
        else:
            self.auditor.sell(chance.randint(1, 2))
        assert self.auditor.receiver.process.wait_for(WENT_BACK)
        said = self.auditor.receiver.process.wait_for(f"(?m){AUDIT}")
        report = json.loads(said[0])["audit"]
        told.found, told.unit_minutes = report["lost"], report["unit_minutes"]
        assert told.found == told.lost, f"seed {seed}: {report}, lost {sorted(lost)}"
        assert self._kept() == self._published()
        self._run()
        assert self._oversold() == 0, f"seed {seed}: NewStore's number does not show that the loss is healed"
        self.cluster.rejoin()
        return told

    def _run_on_without_what_is_lost(self) -> int:
        """Import once more with a range that covers what is lost; return by how many units NewStore oversells then."""
        before = len(self.newstore.events())
        self.newstore.sell(*KEY)
        for event in self.newstore.events()[before:]:
            wait_until(lambda: self.auditor.receiver.post(event["body"]).ok, "an event taken")  # noqa: B023
        self._run()
        oversold = self._oversold()
        self.newstore.resume_delivery()
        return oversold

    @contextlib.contextmanager
    def _load(self) -> Iterator[None]:
        """Sell without end while the block runs."""
        ended = threading.Event()

        def sell() -> None:
            while not ended.wait(0.01):
                self.newstore.sell(*KEY)

        with ThreadPoolExecutor(SELLERS) as pool:
            sellers = [pool.submit(sell) for _ in range(SELLERS)]
            try:
                yield
            finally:
                ended.set()
        for seller in sellers:
            seller.result()

    def _run(self) -> None:
        """Run tap, mapper and target once more; nobody has done anything in between."""
        done = self.runs.run()
        assert set(done.codes) == {0}, done.log

    def _health(self) -> int:
        return requests.get(f"{self.auditor.receiver.url}/healthz", timeout=CALL_SECONDS).status_code

    def _start_receiver_again(self) -> None:
        port = int(self.auditor.receiver.url.rpartition(":")[2])
        self.auditor.close()
        self.auditor = self._new_auditor(receiver_port=port)

    def _new_auditor(self, **more: t.Any) -> Auditor:
        return Auditor(self._directory, self.newstore, self._url, self._forks, audit_on_loss=True, **more)

    def _published(self) -> set[int]:
        return {event["payload"]["logical_timestamp"] for event in self.newstore.events()}

    def _kept(self) -> set[int]:
        return set(self.auditor.kept())

    def _oversold(self) -> int:
        """Return by how many units NewStore oversells now (below 0: undersells)."""
        numbers = self.newstore.numbers(*KEY)
        return int(numbers["atp"] - numbers["free"])
