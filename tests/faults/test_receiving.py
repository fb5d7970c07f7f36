"""What is answered 200 is never lost (faults F1 to F5)."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.database import WRITER_LOCK
from tap_newstore_fulfillment.landing.inserts import INSERT_ON_POSTGRESQL
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.faults.players.sender import Sender
from tests.shop.plugin import run_plugin
from tests.shop.process import children, wait_until
from tests.shop.receiver import Receiver
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

#: `make soak` kills more often.
KILLS = int(os.environ.get("KILLS", "4"))
EVENTS_PER_KILL = 100


def emitted(directory: Path, url: str) -> list[int]:
    """Run the tap and return the timestamps it emits."""
    done = run_plugin("tap-newstore-fulfillment", directory, {"landing_url": url, "settle_seconds": 0})
    assert done.code == 0, done.log
    return [record["logical_timestamp"] for record in done.records]


def event(at: int) -> t.Any:
    return check_event(json.dumps(an_event(at, request=f"fr-{at}")).encode())


@pytest.mark.fault("F1")
def test_f1_sigkill_of_the_receiver_in_a_burst_loses_nothing(tmp_path: Path, database_url: str) -> None:
    receiver = Receiver(tmp_path, landing_url=database_url)
    port = int(receiver.url.rpartition(":")[2])
    sender = Sender(receiver.events_url)
    for kill in range(KILLS):
        done_before = len(sender.accepted)
        sender.send(range(kill * EVENTS_PER_KILL, (kill + 1) * EVENTS_PER_KILL))
        wait_until(lambda: len(sender.accepted) > done_before + 10, "events accepted between two kills")  # noqa: B023
        receiver.process.kill()
        receiver = Receiver(tmp_path, landing_url=database_url, receiver_port=port)
    sender.finish()
    receiver.process.stop()
    assert sender.refusals > 0
    assert emitted(tmp_path, database_url) == list(range(KILLS * EVENTS_PER_KILL))


@pytest.mark.fault("F2")
def test_f2_a_database_restarted_under_load_loses_nothing(tmp_path: Path, own_postgresql: PostgreSql) -> None:
    url = own_postgresql.new_database()
    with Receiver(tmp_path, landing_url=url) as receiver:
        sender = Sender(receiver.events_url)
        sender.send(range(400))
        for accepted in (50, 150):
            wait_until(lambda: len(sender.accepted) > accepted, "events accepted before a restart")  # noqa: B023
            own_postgresql.restart()
        sender.finish()
    assert emitted(tmp_path, url) == list(range(400))


@pytest.mark.fault("F2")
def test_f2_a_full_disk_is_answered_503_and_recovers_by_itself(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        sender = Sender(receiver.events_url)
        sender.send(range(50))
        wait_until(lambda: len(sender.accepted) == 50, "the first events")
        limit_file_size(receiver, 32_768)
        sender.send(range(50, 400))
        wait_until(lambda: sender.refusals > 20, "answers 503 while the disk is full")
        limit_file_size(receiver, resource.RLIM_INFINITY)
        sender.finish()
        assert "Answering 503 until the landing store takes events again" in receiver.process.output
        assert "The landing store takes events again" in receiver.process.output
    assert emitted(tmp_path, receiver.landing_url) == list(range(400))


def limit_file_size(receiver: Receiver, size: int) -> None:
    """Limit the size of the receiver's files, which acts like a full disk; one of its processes writes them."""
    for pid in (receiver.process.pid, *children(receiver.process.pid)):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.fault("F2")
def test_f2_a_locked_store_is_answered_503_and_recovers_by_itself(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        engine = sa.create_engine(receiver.landing_url)
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            assert receiver.post(an_event(10)).status_code == 503
            connection.rollback()
        engine.dispose()
        assert receiver.post(an_event(10)).status_code == 200
    assert emitted(tmp_path, receiver.landing_url) == [10]


@pytest.mark.fault("F2")
def test_f2_a_read_only_store_is_answered_503(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert receiver.post(an_event(10)).status_code == 200
        set_read_only(url, is_read_only=True)
        answer = receiver.post(an_event(11))
        assert (answer.status_code, "read-only" in receiver.process.output) == (503, True)
        set_read_only(url, is_read_only=False)
        assert receiver.post(an_event(11)).status_code == 200
    assert emitted(tmp_path, url) == [10, 11]


def set_read_only(url: str, *, is_read_only: bool) -> None:
    """Make new sessions of the database read-only or not, and end those of the receiver."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        name = sa.make_url(url).database
        connection.exec_driver_sql("SET default_transaction_read_only = off")
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {is_read_only}')
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
        connection.exec_driver_sql(others, (name,))
    engine.dispose()


@pytest.mark.fault("F3")
def test_f3_a_hundred_duplicates_with_other_field_orders_are_one_event(tmp_path: Path, database_url: str) -> None:
    body = an_event(10)
    other_order = dict(reversed(list(body.items()))) | {"payload": dict(reversed(list(body["payload"].items())))}
    with Receiver(tmp_path, landing_url=database_url) as receiver, ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda number: receiver.post((body, other_order)[number % 2]).status_code, range(100))
        assert set(answers) == {200}
    assert emitted(tmp_path, database_url) == [10]


@pytest.mark.fault("F4")
def test_f4_events_in_any_order_are_released_in_order_and_late_ones_once(tmp_path: Path, database_url: str) -> None:
    del tmp_path
    chance = random.Random(4)
    store = LandingStore(database_url)
    out: list[int] = []
    bookmark = Bookmark()
    waiting = list(range(200))
    chance.shuffle(waiting)
    while waiting:
        arrived = [waiting.pop() for _ in range(min(len(waiting), chance.randint(1, 20)))]
        store.add([event(at) for at in arrived], received_at=0)
        part, bookmark = release(store, bookmark)
        late = [at for at in part if out and at <= max(out)]
        assert part == sorted(late) + sorted(set(part) - set(late))
        out += part
    store.close()
    assert sorted(out) == list(range(200))


def release(store: LandingStore, bookmark: Bookmark) -> tuple[list[int], Bookmark]:
    plan = store.plan_release(bookmark, now=2**42)
    return [arrival.logical_timestamp for part in store.released(plan) for arrival in part], plan.end


@pytest.mark.fault("F5")
def test_f5_writers_that_commit_out_of_order_lose_nothing(database_url: str) -> None:
    """Each writer pauses between insert and commit while a reader keeps running."""
    chance, pause, store = random.Random(5), threading.Event(), LandingStore(database_url)
    writers = [LandingStore(database_url) for _ in range(6)]
    for writer in writers:
        sa.event.listen(writer._database._engine, "commit", lambda _connection: pause.wait(chance.random() / 200))
    out: list[int] = []
    bookmark = Bookmark()
    with ThreadPoolExecutor(len(writers)) as pool:
        pending = [pool.submit(writers[at % 6].add, [event(at)], 0) for at in range(240)]
        while not all(future.done() for future in pending):
            part, bookmark = release(store, bookmark)
            out += part
    out += release(store, bookmark)[0]
    for each in (store, *writers):
        each.close()
    assert sorted(out) == list(range(240))


@pytest.mark.fault("F5")
def test_f5_a_position_is_assigned_only_when_all_lower_ones_are_committed(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    first, second = LandingStore(url, tenant="demo"), LandingStore(url)
    with contextlib.closing(first), contextlib.closing(second):
        with ThreadPoolExecutor(1) as pool:
            with first.transaction() as connection:
                parameters = (WRITER_LOCK, 0, "demo", json.dumps([["a", "b", 10, json.dumps(an_event(10))]]))
                connection.exec_driver_sql(INSERT_ON_POSTGRESQL, parameters)
                waiting = pool.submit(second.add, [event(11)], 0)
                wait_until(lambda: is_waiting_for_the_lock(connection), "the second writer at the lock")
                assert release(first, Bookmark())[0] == []
            waiting.result()
        assert release(first, Bookmark()) == ([10, 11], Bookmark(11, 2, first.store_id))


def is_waiting_for_the_lock(connection: sa.Connection) -> bool:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return bool(connection.exec_driver_sql(waiting).scalar())
