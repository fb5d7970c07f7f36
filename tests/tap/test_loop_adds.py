"""What the event loop stores by itself is stored, counted and refused as if a thread had done it."""

from __future__ import annotations

import asyncio
import json
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing import loop_adds
from tap_newstore_fulfillment.landing.database import WRITER_LOCK
from tap_newstore_fulfillment.landing.loop_writes import LOCK_NOT_AVAILABLE, LoopConnection
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import FAR_AHEAD

from tests.shop.process import wait_until
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.loop_adds import Outcome

    from tests.shop.postgresql import PostgreSql


def event(at: int, tenant: str | None = "demo", product: str = "A") -> FulfillmentEvent:
    return check_event(json.dumps(an_event(at, product) | {"tenant": tenant}).encode())


@pytest.fixture
def url(postgresql: PostgreSql) -> str:
    return postgresql.new_database()


@pytest.fixture
def store(url: str) -> Iterator[LandingStore]:
    store = open_for_loop(url)
    yield store
    store.close()


@pytest.fixture
def any_store(database_url: str) -> Iterator[LandingStore]:
    store = open_for_loop(database_url)
    yield store
    store.close()


@pytest.fixture
def other_url(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return another new database of the same kind."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'other.db'}"
    return t.cast("PostgreSql", request.getfixturevalue("postgresql")).new_database()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store connect anew at once."""
    monkeypatch.setattr(loop_adds, "SECONDS_BETWEEN_TRIES", 0)


def open_for_loop(url: str) -> LandingStore:
    """Return a store with an event of its tenant, ready for an event loop if it can be."""
    store = LandingStore(url)
    assert store.in_loop() is None
    store.add([event(1)])
    return store


def outcomes(store: LandingStore, *groups: Sequence[FulfillmentEvent]) -> list[Outcome]:
    """Let an event loop store groups, one after the other."""

    async def store_them() -> list[Outcome]:
        found = []
        for group in groups:
            begin = store.in_loop()
            assert begin
            outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            begin(group, outcome.set_result)
            found.append(await asyncio.wait_for(outcome, 30))
        return found

    return asyncio.run(store_them())


def lose_while_idle(store: LandingStore, lose: Callable[[], object]) -> None:
    """Let an event loop store an event, lose what it stored it with, and wait until it has seen that."""

    async def store_and_lose() -> None:
        begin = store.in_loop()
        assert begin
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        begin([event(2)], outcome.set_result)
        assert not callable(await outcome)
        await asyncio.to_thread(lose)
        for _ in range(1000):
            if store.in_loop() is None:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nobody has seen that it is gone")

    asyncio.run(store_and_lose())


def by_thread(outcome: Outcome) -> int:
    """Do what is left to a thread; return how many events it calls new."""
    assert callable(outcome)
    return outcome().total()


def loops_connection(store: LandingStore) -> LoopConnection:
    connection = store._loop_adds._connection
    assert isinstance(connection, LoopConnection)
    return connection


def kept(url: str) -> list[tuple[int, str]]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT logical_timestamp, body FROM fulfillment_event ORDER BY position"))
        found = [(at, body) for at, body in rows]
    engine.dispose()
    return found


def test_both_ways_store_and_count_the_same(any_store: LandingStore, database_url: str, other_url: str) -> None:
    assigned = check_event(json.dumps(an_event(4, name="fulfillment_request.assigned")).encode())
    groups = [[event(2, product="Bär")], [event(2, product="Bär"), event(3), assigned], [event(3)]]
    found = outcomes(any_store, *groups)
    other = open_for_loop(other_url)
    assert found == [other.add(group) for group in groups]
    other.close()
    assert kept(database_url) == kept(other_url)
    assert [at for at, _ in kept(database_url)] == [1, 2, 3, 4]


def test_a_group_larger_than_the_socket_takes_at_once_is_stored_whole(store: LandingStore, url: str) -> None:
    bodies = [an_event(at) | {"tenant": "demo", "note": "x" * 100_000} for at in range(2, 202)]
    group = [check_event(json.dumps(body).encode()) for body in bodies]
    (added,) = outcomes(store, group)
    assert not callable(added)
    assert added.total() == 200
    assert kept(url)[1:] == [(one.logical_timestamp, one.body) for one in group]


def test_what_takes_more_than_one_transaction_is_left_to_a_thread(any_store: LandingStore, database_url: str) -> None:
    far, near = outcomes(any_store, [event(10**15)], [event(2)])
    # It is stored, and said to be far ahead.
    assert by_thread(far) == 1
    assert [entry.kind for entry in any_store.quarantine.list()] == [FAR_AHEAD]
    assert not callable(near)
    assert [at for at, _ in kept(database_url)] == [1, 2, 10**15]


def test_a_tenant_set_elsewhere_is_heeded(any_store: LandingStore, database_url: str) -> None:
    LandingStore(database_url, tenant="other").close()
    (outcome,) = outcomes(any_store, [event(2, tenant="demo")])
    by_thread(outcome)
    assert {at for at, _ in kept(database_url) if at > 0} == set()


def test_after_a_lost_connection_a_thread_stores_the_group_and_the_loop_the_next(store: LandingStore, url: str) -> None:
    def lose_connections() -> None:
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        engine.dispose()

    (first,) = outcomes(store, [event(2)])
    lose_connections()
    (lost,) = outcomes(store, [event(3)])
    assert store.in_loop() is None
    assert by_thread(lost) == 1
    (again,) = outcomes(store, [event(4)])
    assert [at for at, _ in kept(url)] == [1, 2, 3, 4]
    assert not callable(first)
    assert not callable(again)


def test_a_connection_that_is_lost_while_idle_costs_no_event(own_postgresql: PostgreSql) -> None:
    url = own_postgresql.new_database()
    other = open_for_loop(url)
    lose_while_idle(other, own_postgresql.restart)
    other.add([event(3)])
    assert not callable(outcomes(other, [event(4)])[0])
    other.close()
    assert [at for at, _ in kept(url)] == [1, 2, 3, 4]


def test_a_lock_that_is_not_to_be_had_is_waited_for_once(store: LandingStore, url: str) -> None:
    engine = sa.create_engine(url)
    hold = sa.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITER_LOCK}
    # What the store's connection asks of a lock is 10 s; a test need not wait as long.
    loops_connection(store)._libpq.exec_(b"SET lock_timeout = '100ms'")
    with engine.begin() as other:
        other.execute(*hold)
        (outcome,) = outcomes(store, [event(2)])
        assert callable(outcome)
        with pytest.raises(StoreUnavailableError, match="lock timeout"):
            outcome()
    engine.dispose()
    assert LOCK_NOT_AVAILABLE == "55P03"
    assert not callable(outcomes(store, [event(2)])[0])


def test_a_server_that_takes_no_writes_any_more_is_left(store: LandingStore, url: str) -> None:
    loops_connection(store)._libpq.exec_(b"SET default_transaction_read_only = on")
    (outcome,) = outcomes(store, [event(2)])
    assert store.in_loop() is None
    assert by_thread(outcome) == 1
    assert not callable(outcomes(store, [event(3)])[0])
    assert [at for at, _ in kept(url)] == [1, 2, 3]


def test_what_the_database_cannot_hold_is_left_to_a_thread(
    store: LandingStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_a_null(_events: object) -> str:
        return '[["id", "name", 2, "a\\u0000b"]]'

    monkeypatch.setattr(loop_adds, "as_json", with_a_null)
    (outcome,) = outcomes(store, [event(2)])
    assert by_thread(outcome) == 1
    assert [at for at, _ in kept(url)] == [1, 2]


def test_what_nobody_foresaw_after_storing_is_left_to_a_thread(
    any_store: LandingStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise KeyError("nobody foresaw it")

    with monkeypatch.context() as patch:
        patch.setattr(any_store, "look_after", fail)
        (outcome,) = outcomes(any_store, [event(2)])
    assert by_thread(outcome) == 0
    assert [at for at, _ in kept(database_url)] == [1, 2]


def test_a_way_that_was_closed_stores_nothing(any_store: LandingStore) -> None:
    begin = any_store.in_loop()
    assert begin
    found: list[Outcome] = []
    any_store._loop_adds.close()
    begin([event(2)], found.append)
    assert by_thread(found[0]) == 1


def with_encoding(url: str) -> str:
    latin = sa.make_url(url).update_query_dict({"client_encoding": "latin1"})
    return latin.render_as_string(hide_password=False)


@pytest.mark.parametrize("odd", [with_encoding, lambda _url: "sqlite:///:memory:"])
def test_where_there_is_no_way_for_the_loop_a_thread_stores(url: str, odd: Callable[[str], str]) -> None:
    store = open_for_loop(odd(url))
    assert store.in_loop() is None
    assert store.add([event(2)]).total() == 1
    store.close()


def test_closing_the_store_closes_the_loops_connection(postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    store = open_for_loop(url)
    outcomes(store, [event(2)])
    store.close()
    engine = sa.create_engine(url)
    others = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def are_closed() -> bool:
        with engine.connect() as connection:
            return not connection.scalar(others)

    wait_until(are_closed, "no connection to the database")
    engine.dispose()
