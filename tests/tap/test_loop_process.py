"""The process that writes to SQLite for a receiver's event loop: whatever becomes of it, no event is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

import pytest
from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.landing import loop_adds, loop_process
from tap_newstore_fulfillment.landing.connections import SQLITE_SESSION
from tap_newstore_fulfillment.landing.loop_process import LoopProcess
from tap_newstore_fulfillment.landing.loop_writes import Failed

from tests.shop.process import children, wait_until
from tests.shop.receiver import Receiver
from tests.tap.events import an_event
from tests.tap.test_loop_adds import by_thread, event, kept, lose_while_idle, open_for_loop, outcomes

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_newstore_fulfillment.landing.loop_adds import Outcome
    from tap_newstore_fulfillment.landing.store import LandingStore


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store start another process at once."""
    monkeypatch.setattr(loop_adds, "SECONDS_BETWEEN_TRIES", 0)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'landing.db'}"


@pytest.fixture
def store(url: str) -> Iterator[LandingStore]:
    store = open_for_loop(url)
    yield store
    store.close()


def process_of(store: LandingStore) -> LoopProcess:
    process = store._loop_adds._connection
    assert isinstance(process, LoopProcess)
    return process


def pid_of(store: LandingStore) -> int:
    return process_of(store)._process.pid


def begun_with(session: str, url: str, monkeypatch: pytest.MonkeyPatch) -> LandingStore:
    """Return a store whose process begins with one more statement than any other."""
    monkeypatch.setattr(loop_process, "SQLITE_SESSION", (*SQLITE_SESSION, session))
    return open_for_loop(url)


def test_signals_to_the_whole_group_do_not_end_it(store: LandingStore, url: str) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid_of(store), name)
    assert not callable(outcomes(store, [event(2)])[0])
    assert [at for at, _ in kept(url)] == [1, 2]


@pytest.fixture
def disk_hangs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Yield what lets no process end any more, not even by SIGKILL, until the test is over."""
    is_over, wait_as_ever = threading.Event(), subprocess.Popen.wait

    def wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        if not is_over.wait(timeout):
            raise subprocess.TimeoutExpired(process.args, timeout or 0)
        return wait_as_ever(process)

    yield lambda: monkeypatch.setattr(subprocess.Popen, "wait", wait)
    is_over.set()


@pytest.mark.parametrize("end", ["at once", "when it stands still", "not even then"])
def test_what_it_was_killed_with_is_left_to_a_thread_and_the_next_has_another_process(
    store: LandingStore, url: str, monkeypatch: pytest.MonkeyPatch, disk_hangs: Callable[[], None], end: str
) -> None:
    stands_still = end != "at once"
    if stands_still:
        monkeypatch.setattr(loop_process, "TRANSACTION_SECONDS", 0.3)
    if end == "not even then":
        disk_hangs()

    async def kill_it_under_way() -> Outcome:
        begin = store.in_loop()
        assert begin
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        os.kill(pid_of(store), signal.SIGSTOP)
        begin([event(2)], outcome.set_result)
        if not stands_still:
            os.kill(pid_of(store), signal.SIGKILL)
        return await asyncio.wait_for(outcome, 30)

    first = pid_of(store)
    outcome = asyncio.run(kill_it_under_way())
    assert store.in_loop() is None
    assert by_thread(outcome) == 1
    assert not callable(outcomes(store, [event(3)])[0])
    assert pid_of(store) != first
    assert [at for at, _ in kept(url)] == [1, 2, 3]


def test_one_that_is_killed_while_idle_costs_no_event(store: LandingStore, url: str) -> None:
    lose_while_idle(store, lambda: os.kill(pid_of(store), signal.SIGKILL))
    store.add([event(3)])
    assert not callable(outcomes(store, [event(4)])[0])
    assert [at for at, _ in kept(url)] == [1, 2, 3, 4]


def test_a_lock_that_is_not_to_be_had_is_waited_for_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = begun_with("PRAGMA busy_timeout = 50", url, monkeypatch)
    other = sqlite3.connect(tmp_path / "landing.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    (outcome,) = outcomes(store, [event(2)])
    assert callable(outcome)
    with pytest.raises(StoreUnavailableError, match="database is locked"):
        outcome()
    other.close()
    assert not callable(outcomes(store, [event(2)])[0])
    store.close()
    assert [at for at, _ in kept(url)] == [1, 2]


def test_a_full_disk_ends_it_and_a_thread_stores(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = begun_with("PRAGMA max_page_count = 1", url, monkeypatch)
    (outcome,) = outcomes(store, [event(at, product="A" * 200) for at in range(2, 40)])
    assert store.in_loop() is None
    assert by_thread(outcome) == 38
    store.close()
    assert [at for at, _ in kept(url)] == [*range(1, 40)]


def test_what_the_database_refuses_is_left_to_a_thread_and_the_process_goes_on(
    store: LandingStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = process_of(store)
    with monkeypatch.context() as patch:
        patch.setattr(loop_adds, "as_json", lambda _events: '[["new", "name", 2, "{}"], ["id", null, 2, "{}"]]')
        (outcome,) = outcomes(store, [event(2)])
    assert by_thread(outcome) == 1
    assert not callable(outcomes(store, [event(3)])[0])
    assert process_of(store) is process
    # Nothing is kept of a group that failed.
    assert [at for at, _ in kept(url)] == [1, 2, 3]


def answers(store: LandingStore, questions: dict[str, str]) -> list[object]:
    """Let a process of its own execute statements, and ask about each in the same transaction."""

    async def execute() -> list[object]:
        process = LoopProcess(store._database._alone, questions)
        found = []
        for statement in questions:
            answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            process.begin([(statement, ())], answer.set_result)
            found.append(await asyncio.wait_for(answer, 30))
        process.close()
        return found

    return asyncio.run(execute())


def test_nothing_is_kept_where_the_question_fails(store: LandingStore, url: str) -> None:
    (failed,) = answers(store, {"UPDATE fulfillment_event SET logical_timestamp = 2": "SELECT nothing_there"})
    assert isinstance(failed, Failed)
    assert [at for at, _ in kept(url)] == [1]


def test_its_commits_are_on_disk_as_all_others_are(store: LandingStore) -> None:
    assert answers(store, {"SELECT 1": "PRAGMA synchronous", "SELECT 2": "PRAGMA journal_mode"}) == [
        [[("2",)]],
        [[("wal",)]],
    ]
    with store._database.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_group_that_a_socket_might_not_take_at_once_is_left_to_a_thread(store: LandingStore, url: str) -> None:
    process = process_of(store)
    groups = [[event(2, product="A" * 200) for _ in range(200)], [event(3)]]
    large, small = outcomes(store, *groups)
    assert by_thread(large) == 1
    assert not callable(small)
    assert process_of(store) is process
    assert [at for at, _ in kept(url)] == [1, 3, 2]


def test_a_file_that_was_replaced_is_let_go(store: LandingStore, url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with sqlite3.connect(tmp_path / "landing.db") as file, sqlite3.connect(copy) as into:
        file.backup(into)
    assert not callable(outcomes(store, [event(2)])[0])
    first = pid_of(store)
    for name in ("landing.db", "landing.db-wal", "landing.db-shm"):
        (tmp_path / name).unlink()
    shutil.move(copy, tmp_path / "landing.db")
    store.losses.look()
    assert [loss.evidence[-2:] for loss in store.losses.open()] == [":2"]
    assert store.in_loop() is None
    assert ended(first)
    store.add([event(4)])
    assert not callable(outcomes(store, [event(5)])[0])
    assert pid_of(store) != first
    assert [at for at, _ in kept(url)] == [1, 4, 5]


@pytest.mark.parametrize("broken", ["interpreter", "session"])
def test_where_it_cannot_be_started_a_thread_stores(url: str, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "interpreter":
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    else:
        monkeypatch.setattr(loop_process, "SQLITE_SESSION", ("no statement",))
    store = open_for_loop(url)
    assert store.in_loop() is None
    assert store.add([event(2)]).total() == 1
    store.close()
    assert [at for at, _ in kept(url)] == [1, 2]


def test_closing_the_store_ends_it(store: LandingStore) -> None:
    outcomes(store, [event(2)])
    process = process_of(store)._process
    store.close()
    # It was told by nothing but the end of its connection.
    assert process.returncode == 0


def ended(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_receiver_whose_process_is_killed_again_and_again_answers_and_keeps_every_event(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        killed = 0
        for at in range(200):
            assert receiver.post(an_event(at)).status_code == 200
            if at % 50 == 10:
                for pid in children(receiver.process.pid):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
        assert killed
        assert [at for at, _ in kept(receiver.landing_url)] == [*range(200)]


def test_it_ends_with_a_receiver_that_is_killed(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        receiver.post(an_event(1))
        wait_until(lambda: bool(children(receiver.process.pid)), "the process that writes")
        (pid,) = children(receiver.process.pid)
        receiver.process.kill()
        wait_until(lambda: ended(pid), "the end of the process that writes")
