"""A shop whose landing store loses what it has acknowledged, and an audit that heals it: all real processes."""

from __future__ import annotations

import contextlib
import dataclasses
import random
import sqlite3
import time
import typing as t

import sqlalchemy as sa

from tests.faults.players.plain_runs import PlainRuns
from tests.shop.auditor import Auditor
from tests.shop.forgetful_proxy import ForgetfulProxy
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.shop.warm_start import Forks

KEY = ("DC01", "A")
SHELF = 1_000_000
#: Just longer than a trial: an audit goes back to where the last one ended anyhow.
HOURS = "--hours=0.001"
SECONDS_PER_MINUTE = 60


@dataclasses.dataclass
class Told:
    """What became of one trial.

    Attributes:
        lost: How many events had been lost.
        oversold: By how many units NewStore oversold before the audit; None: nobody looked.
        unit_minutes: What the audit reports.
    """

    lost: int
    oversold: int | None
    unit_minutes: float


class LosingShop:
    """One shop, on which trial after trial is made. Use it in a `with` block.

    Args:
        directory: Where everything is written.
        landing_url: Its landing store.
        forks: Forks all processes.
    """

    def __init__(self, directory: Path, landing_url: str, forks: Forks) -> None:
        with contextlib.ExitStack() as stack:
            self.newstore = stack.enter_context(NewStore(directory, forks=forks, import_seconds=0))
            self.auditor = stack.enter_context(Auditor(directory, self.newstore, landing_url, forks))
            self.proxy = stack.enter_context(ForgetfulProxy(self.auditor.receiver.url))
            self._is_sqlite = landing_url.startswith("sqlite")
            self._file = str(sa.make_url(landing_url).database)
            self.auditor.settings["audit_callback_url"] = self.proxy.events_url
            self.auditor.register(self.proxy.events_url)
            self._pipeline = PlainRuns(directory, self.newstore, landing_url, forks)
            self.newstore.add_location(KEY[0])
            self._pipeline.stock(*KEY, SHELF)
            self._closing = stack.pop_all()

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._closing.close()

    def trial(self, seed: int, *, runs: bool) -> Told:
        """Lose something, audit, and check that all of it is found and healed.

        Args:
            seed: Decides what is lost, and how.
            runs: Whether imports are made, and NewStore's number is compared with the shelf.
        """
        chance = random.Random(seed)
        began = time.time()
        before = set(self.auditor.kept())
        ways: list[Callable[[random.Random], object]] = [self._drop_rows, self._restore, self._forget]
        ways[seed % len(ways)](chance)
        published = {event["payload"]["logical_timestamp"] for event in self.newstore.events()}
        lost = published - set(self.auditor.kept())
        oversold = self._run() if runs else None
        report = self.auditor.audit(HOURS, code=1)
        assert report["lost"] == len(lost), f"seed {seed}: {report}, lost {sorted(lost)}"
        assert (report["lowest_logical_timestamp"], report["highest_logical_timestamp"]) == (min(lost), max(lost))
        assert set(self.auditor.kept()) == published >= before
        # Bounded by the time since the last audit.
        assert 0 <= report["unit_minutes"] <= report["units"] * (time.time() - began + 1) / SECONDS_PER_MINUTE
        if runs:
            assert self._run() == 0, f"seed {seed}: NewStore's number does not show that the loss is healed"
        assert self.auditor.integrations() == ["newstore-stock-sync"]
        return Told(len(lost), oversold, report["unit_minutes"])

    def _run(self) -> int:
        """Run tap, mapper and target once; return by how many units NewStore oversells (below 0: undersells)."""
        done = self._pipeline.run()
        assert set(done.codes) == {0}, done.log
        numbers = self.newstore.numbers(*KEY)
        return int(numbers["atp"] - numbers["free"])

    def _drop_rows(self, chance: random.Random) -> None:
        sold = self.auditor.sell(chance.randint(2, 4))
        self.auditor.lose(*chance.sample(sold[:-1], chance.randint(1, len(sold) - 1)))

    def _forget(self, chance: random.Random) -> None:
        """Let a proxy answer 200 and forget some events, but not the last one."""
        count = chance.randint(2, 4)
        last = max(self.auditor.kept(), default=0)
        new = range(last + 1, last + 2 * count)
        forgotten = set(chance.sample(list(new), chance.randint(1, len(new))))
        self.proxy.forgets = lambda at, is_audit: at in forgotten and not is_audit
        self.auditor.sell(count)
        self.proxy.forgets = lambda _at, _is_audit: False

    def _restore(self, chance: random.Random) -> None:
        """Restore the store from a backup; what was sold since is gone, and more is sold afterwards."""
        self.auditor.sell(chance.randint(0, 2))
        back = self._back_up()
        self.auditor.sell(chance.randint(1, 3))
        if chance.random() < 0.5:
            self.auditor.release()
        back()
        self.auditor.sell(1)

    def _back_up(self) -> Callable[[], None]:
        """Keep the landing store as it is; return what brings it back."""
        if not self._is_sqlite:
            (last,) = self.auditor.execute("SELECT coalesce(max(position), 0) FROM fulfillment_event")[0]
            return lambda: self._go_back(last)
        copy = f"{self._file}.backup"
        _copy(self._file, copy)
        return lambda: _copy(copy, self._file)

    def _go_back(self, last: int) -> None:
        """Bring PostgreSQL back as a restore would: positions are given out again."""
        self.auditor.execute(f"DELETE FROM fulfillment_event WHERE position > {last}")
        self.auditor.execute(f"SELECT setval('fulfillment_event_position_seq', {last + 1}, false)")


def _copy(source: str, destination: str) -> None:
    """Copy a database as SQLite's own backup does, also into one that is in use."""
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(destination)) as other:
        one.backup(other)
