"""`newstore-stock-ledger age`: the alarm goes off for each kind of run that does not do its work, and for no other."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
import typing as t

import pytest

from tests.shop.pipeline import MAPPER, TAP, TARGET, Pipeline
from tests.shop.plugin import run_command

if t.TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


class Shop(Pipeline):
    """A shop whose ledger can be made to look back on earlier runs."""

    @property
    def _ledger(self) -> str:
        return str(self.settings[MAPPER]["ledger_url"])

    def let_hours_pass(self) -> None:
        """Set back what the ledger knows of runs by two hours."""
        with contextlib.closing(sqlite3.connect(self._ledger.removeprefix("sqlite:///"))) as ledger, ledger:
            for run, started_at in ledger.execute("SELECT run, started_at FROM run").fetchall():
                earlier = dt.datetime.fromisoformat(started_at) - dt.timedelta(hours=2)
                ledger.execute("UPDATE run SET started_at = ? WHERE run = ?", (earlier.isoformat(), run))

    def alarm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        words = ("--ledger-url", self._ledger, "age", "--max-minutes=60", *arguments)
        return run_command("newstore-stock-ledger", *words)

    def sell_and_run(self) -> tuple[int, ...]:
        self.newstore.sell("DC01", "SKU-1")
        return self.run().codes


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop after two good runs."""
    with Shop(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        assert shop.sell_and_run() == (0, 0, 0)
        assert shop.run().codes == (0, 0, 0)
        yield shop


def test_runs_that_work_are_no_alarm_whether_they_have_something_to_do_or_not(shop: Shop) -> None:
    assert shop.alarm().returncode == 0
    shop.let_hours_pass()
    assert shop.run().codes == (0, 0, 0)
    assert shop.alarm().returncode == 0, "a run that found nothing to do"
    shop.let_hours_pass()
    assert shop.sell_and_run() == (0, 0, 0)
    assert shop.alarm().returncode == 0, "an import that the next run will know of"
    shop.let_hours_pass()
    assert shop.run().codes == (0, 0, 0)
    assert shop.alarm().returncode == 0, "an import that is known"


@pytest.mark.parametrize(
    ("part", "changed"),
    [
        (TAP, {"landing_url": "sqlite:////nowhere/landing.db"}),
        (MAPPER, {"on_hand_url": "/nowhere/on_hand.csv"}),
        (TARGET, {"client_secret": "wrong"}),
        (TARGET, {"staging_url": "/proc/nowhere"}),
    ],
)
def test_each_kind_of_failed_run_is_an_alarm_until_one_works(part: str, changed: dict[str, str], shop: Shop) -> None:
    right = dict(shop.settings[part])
    shop.settings[part] |= changed
    assert any(shop.sell_and_run())
    shop.let_hours_pass()
    assert any(shop.sell_and_run())
    said = shop.alarm()
    assert said.returncode == 1
    assert "no run has done its work for 60 minutes" in said.stderr
    shop.settings[part] = right
    assert shop.run().codes == (0, 0, 0)
    assert shop.run().codes == (0, 0, 0)
    assert shop.alarm().returncode == 0


def test_runs_that_never_start_are_an_alarm(shop: Shop) -> None:
    shop.let_hours_pass()
    assert shop.alarm().returncode == 1
    (row,) = json.loads(shop.alarm("--format=json").stdout)
    assert row["what"] == "the last run that read the ERP's list and planned"
    assert row["minutes"] >= 120


def test_a_last_import_nobody_has_seen_is_an_alarm(shop: Shop) -> None:
    assert shop.sell_and_run() == (0, 0, 0)
    shop.let_hours_pass()
    assert "a run planned a cut that no later run has seen imported: 12" in shop.alarm().stderr


def test_a_ledger_nobody_has_made_is_an_alarm(tmp_path: Path) -> None:
    with Shop(tmp_path) as shop:
        assert shop.alarm().returncode == 1
        shop.settings[MAPPER]["on_hand_url"] = "/nowhere/on_hand.csv"
        assert shop.run().codes == (0, 1, 0)
        assert shop.alarm().returncode == 0, "the first run has only just begun"
        shop.let_hours_pass()
        assert shop.alarm().returncode == 1
