"""A run beside others on one SQLite file: the receiver, which writes to it too, and who looks whether a run is on."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.run.stock_run import StockRun

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import singer_sdk.singerlib as singer
    from mapper_newstore_stock.events import Event


class Receiver:
    """Another program that writes to the same file."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        self.connection.execute("CREATE TABLE another (n INTEGER)")

    def writes(self, *_anything: object) -> bool:
        """Write a row; return whether nobody held the file."""
        try:
            self.connection.execute("INSERT INTO another VALUES (1)")
        except sqlite3.OperationalError:
            return False
        return True


@pytest.fixture
def day(tmp_path: Path) -> ShopDay:
    day = ShopDay(tmp_path)
    for product in ("A", "B"):
        day.erp.count("DC01", product, 10)
    day.run()
    return day


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path / "ledger.db")
    with contextlib.closing(receiver.connection):
        yield receiver


@contextlib.contextmanager
def before_each_statement(does: Callable[..., object]) -> Iterator[None]:
    sa.event.listen(sa.Engine, "before_cursor_execute", does)
    yield
    sa.event.remove(sa.Engine, "before_cursor_execute", does)


def test_a_run_goes_on_whatever_another_program_writes_meanwhile(day: ShopDay, receiver: Receiver) -> None:
    for at in (5, 6):
        day.erp.count("DC01", "B", at)
        with before_each_statement(receiver.writes):
            (cut,) = day.run(completed(at, "A"))
        assert cut.quantities == {("DC01", "A"): 14 - at, ("DC01", "B"): at}


def test_so_does_one_whose_list_cannot_be_read(day: ShopDay, receiver: Receiver) -> None:
    day.settings["max_on_hand_age_minutes"] = 60
    day.run()
    day.settings["on_hand_url"] += ".gone"
    with before_each_statement(receiver.writes):
        (cut,) = day.run(completed(5, "A"))
    assert cut.quantities == {("DC01", "A"): 9}


def test_the_receiver_writes_as_long_as_the_tap_sends_events(
    day: ShopDay, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrote = []
    take = StockRun.take_events

    def take_events(run: StockRun, events: list[Event]) -> tuple[singer.Message, ...]:
        wrote.append(receiver.writes())
        return take(run, events)

    monkeypatch.setattr(StockRun, "take_events", take_events)
    day.run(completed(5, "A"), completed(6, "B"))
    assert wrote == [True, True]


def test_a_run_is_not_stopped_by_who_looks_whether_there_is_one(day: ShopDay, tmp_path: Path) -> None:
    """Looking shares the lock for an instant, which a run may start in."""
    with (tmp_path / "ledger.db.lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        looked = threading.Timer(0.3, fcntl.flock, (file, fcntl.LOCK_UN))
        looked.start()
        assert day.run() == []
        looked.join()
