"""What a run is at can be read in its log every ten seconds: a long step is not taken for one that hangs."""

from __future__ import annotations

import contextlib
import importlib
import re
import threading
import typing as t

import pytest
from mapper_newstore_stock import progress as mappers
from mapper_newstore_stock.ledger import database
from mapper_newstore_stock.run import list_reading
from mapper_newstore_stock.run.planning import Planner
from tap_newstore_fulfillment import progress as taps
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.release_run import ReleaseRun
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment
from target_newstore_stock import progress as targets

from tests.mapper.shop_day import ShopDay, completed
from tests.shop.process import wait_until
from tests.tap.test_looking_after_the_store import keep

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for package in (taps, mappers, targets):
        monkeypatch.setattr(package, "SECONDS", 0.02)
    caplog.set_level("INFO")


@pytest.fixture
def says(caplog: pytest.LogCaptureFixture) -> Callable[[str], bool]:
    """Return what waits until a line of the log matches a pattern; a busy machine writes its first one late."""
    return lambda line: wait_until(lambda: re.search(line, "\n".join(caplog.messages)) is not None, f"line {line!r}")


@pytest.mark.parametrize("package", ["tap_newstore_fulfillment", "mapper_newstore_stock", "target_newstore_stock"])
def test_a_step_is_named_with_its_time_and_count_until_it_ends(
    package: str, says: Callable[[str], bool], caplog: pytest.LogCaptureFixture
) -> None:
    progress = importlib.import_module(f"{package}.progress")
    with progress.long_step("Reading rows", "rows") as step:
        assert list(step.counting(iter(range(25_000)))) == list(range(25_000))
        says(r"Reading rows for \d+ s, 25000 rows so far")
        step.say("Looking")
        says(r"Looking for \d+ s")
    assert "progress" not in {thread.name for thread in threading.enumerate()}
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_the_mapper_says_that_it_reads_and_plans(
    tmp_path: Path, says: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    load, plan = database.load, Planner.plan

    def slow_load(*arguments: t.Any) -> int:
        count = load(*arguments)
        says(r"Reading \S+on_hand.csv for \d+ s, 2 rows so far")
        return count

    def slow_plan(*arguments: t.Any) -> t.Any:
        says(r"Planning the cuts for \d+ s")
        return plan(*arguments)

    monkeypatch.setattr(list_reading, "load", slow_load)
    monkeypatch.setattr(Planner, "plan", slow_plan)
    day = ShopDay(tmp_path)
    for product in ("A", "B"):
        day.erp.count("DC01", product, 5)
    day.run(completed(11, "A"))


def test_the_tap_says_how_much_it_has_sent(
    tmp_path: Path, says: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    note_sent = ReleaseRun.note_sent

    def slow(run: ReleaseRun, rows: t.Any) -> None:
        says(r"Sending fulfillment_events for \d+ s, 2 records so far")
        note_sent(run, rows)

    monkeypatch.setattr(ReleaseRun, "note_sent", slow)
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    with contextlib.closing(LandingStore(url)) as store:
        keep(store, 10, 11)
    TapNewStoreFulfillment(config={"landing_url": url, "settle_seconds": 0}).sync_all()
    assert capsys.readouterr().out.count('"RECORD"') == 2
