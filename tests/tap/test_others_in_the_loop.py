"""Events of another tenant go into quarantine with the group they came in, as if a thread had put them there."""

from __future__ import annotations

import contextlib
import json
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing import loop_adds, loop_process
from tap_newstore_fulfillment.landing.database import WRITER_LOCK
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.process import wait_until
from tests.tap.events import an_event
from tests.tap.test_loop_adds import by_thread, event, kept, loops_connection, open_for_loop, outcomes

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tap_newstore_fulfillment.events import FulfillmentEvent
    from tap_newstore_fulfillment.landing.added import Added

    from tests.shop.postgresql import PostgreSql

MEGABYTE = 2**20
HOLD_THE_LOCK = sa.text(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    with contextlib.closing(open_for_loop(database_url)) as store:
        yield store


@pytest.fixture
def other_url(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return another new database of the same kind."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'other.db'}"
    return t.cast("PostgreSql", request.getfixturevalue("postgresql")).new_database()


@pytest.fixture
def engine(postgresql: PostgreSql) -> Iterator[sa.Engine]:
    engine = sa.create_engine(postgresql.new_database())
    yield engine
    engine.dispose()


def other(at: int, tenant: str = "other", note: str = "Bär \\ \u2028 '") -> FulfillmentEvent:
    return check_event(json.dumps(an_event(at) | {"tenant": tenant, "note": note}, ensure_ascii=False).encode())


def set_aside(url: str) -> list[tuple[object, ...]]:
    """Return all that quarantine has, but for when it came."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        columns = "path, reason, body, kind, event_id, holes, bytes, line, looked_at"
        rows = connection.execute(sa.text(f"SELECT {columns}, received_at > 1 FROM quarantine ORDER BY id"))
        found = [tuple(bytes(value) if isinstance(value, memoryview) else value for value in row) for row in rows]
    engine.dispose()
    return found


def added(outcome: Added | Callable[[], Added]) -> Added:
    assert not callable(outcome)
    return outcome


def test_they_are_kept_and_counted_as_by_a_thread(store: LandingStore, database_url: str, other_url: str) -> None:
    groups = [
        [event(2), other(3), event(4), other(3), other(5, "third")],
        [other(6)],
        [other(7, note="x" * 5000), event(7)],
        [event(8)],
    ]
    found = [added(outcome) for outcome in outcomes(store, *groups)]
    with contextlib.closing(open_for_loop(other_url)) as by_a_thread:
        expected = [by_a_thread.add(group) for group in groups]
    assert found == expected
    assert [one.set_aside for one in found] == [one.set_aside for one in expected]
    assert set_aside(database_url) == set_aside(other_url)
    assert kept(database_url) == kept(other_url)
    assert [at for at, _ in kept(database_url)] == [1, 2, 4, 7, 8]


def emptied(url: str) -> None:
    with contextlib.closing(LandingStore(url, quarantine_max_mb=1)) as store:
        store.add([other(at, note="x" * 600_000) for at in (5, 6)])
        assert [bool(row[2]) for row in set_aside(url)] == [False, False, True]


def discarded(url: str) -> None:
    with contextlib.closing(LandingStore(url)) as store:
        store.quarantine.remove(1)


def refused(url: str) -> None:
    """Let it have been refused before, as no event, and be known by the same id."""
    change = "UPDATE quarantine SET kind = 'refused', reason = 'no event', holes = '[[3, 3]]'"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(change))
    engine.dispose()


@pytest.mark.parametrize("meanwhile", [None, emptied, discarded, refused])
def test_what_quarantine_has_met_is_left_to_a_thread(
    store: LandingStore, database_url: str, other_url: str, meanwhile: Callable[[str], None] | None
) -> None:
    group = [event(2), other(3), other(4)]
    with contextlib.closing(open_for_loop(other_url)) as by_a_thread:
        added(outcomes(store, [other(3)])[0])
        by_a_thread.add([other(3)])
        if meanwhile:
            meanwhile(database_url)
            meanwhile(other_url)
        (outcome,) = outcomes(store, group)
        assert by_thread(outcome) == 1
        by_a_thread.add(group)
    # The order in quarantine is another one: it does not matter.
    assert sorted(map(repr, set_aside(database_url))) == sorted(map(repr, set_aside(other_url)))
    assert kept(database_url) == kept(other_url)


def test_a_tenant_that_was_set_elsewhere_is_heeded(store: LandingStore, database_url: str) -> None:
    LandingStore(database_url, tenant="other").close()
    (outcome,) = outcomes(store, [event(2), other(3)])
    assert set_aside(database_url)[1:] == []
    assert by_thread(outcome) == 1
    assert [at for at, _ in kept(database_url) if at > 0] == [3]
    assert len(set_aside(database_url)) == 2


def test_the_limit_of_quarantine_holds(database_url: str) -> None:
    with contextlib.closing(LandingStore(database_url, quarantine_max_mb=1)) as store:
        store.in_loop()
        store.add([event(1)])
        # On SQLite a group this large goes another way.
        for at in range(2, 60):
            (outcome,) = outcomes(store, [other(at, note="x" * 30_000)])
            if callable(outcome):
                outcome()
    bodies = [len(t.cast("bytes", row[2])) for row in set_aside(database_url)]
    assert len(bodies) == 58
    assert sum(bodies) <= 2 * MEGABYTE
    assert bodies[0] == 0 < bodies[-1]


def test_what_a_socket_might_not_take_at_once_is_left_to_a_thread(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'landing.db'}"
    with contextlib.closing(open_for_loop(url)) as store:
        large, small = outcomes(store, [event(2), other(3, note="x" * loop_process.LARGEST)], [other(4)])
        assert by_thread(large) == 1
        assert added(small).set_aside.total() == 1
    assert [at for at, _ in kept(url)] == [1, 2]
    assert len(set_aside(url)) == 2


def test_a_store_that_goes_back_is_seen_by_events_that_came_with_others(store: LandingStore) -> None:
    outcomes(store, [event(2), other(3)])
    with store.transaction() as connection:
        connection.execute(sa.text("DELETE FROM fulfillment_event WHERE logical_timestamp = 2"))
    store.losses.look()
    assert [loss.evidence for loss in store.losses.open()] == [event(2).event_id]


def test_the_log_names_each_tenant_once(store: LandingStore, caplog: pytest.LogCaptureFixture) -> None:
    outcomes(store, [event(2), other(3), other(4, "third")], [other(5)], [other(6, "third")])
    said = [record.getMessage() for record in caplog.records if "Set aside from now on" in record.getMessage()]
    assert sorted(line.split(";")[0].split()[-1] for line in said) == ["other", "third"]


def waiting_for_the_lock(connection: sa.Connection) -> int:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return int(connection.scalar(sa.text(waiting)) or 0)


def test_two_receivers_keep_one_that_comes_to_both_at_once_once(engine: sa.Engine) -> None:
    url = engine.url.render_as_string(hide_password=False)
    with contextlib.closing(open_for_loop(url)) as one, contextlib.closing(open_for_loop(url)) as two:
        with ThreadPoolExecutor() as threads, engine.begin() as holds:
            holds.execute(HOLD_THE_LOCK)
            found = [threads.submit(outcomes, store, [other(3)]) for store in (one, two)]
            wait_until(lambda: waiting_for_the_lock(holds) == 2, "both wait for the lock")
        assert len(set_aside(url)) == 1
        first, left = sorted((future.result()[0] for future in found), key=callable)
        assert added(first).set_aside.total() == 1
        assert by_thread(left) == 0
        assert len(set_aside(url)) == 1


def test_of_a_group_the_database_cannot_hold_nothing_is_kept_and_the_next_goes_the_same_way(
    store: LandingStore, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = store._loop_adds._connection
    with monkeypatch.context() as patch:
        patch.setattr(loop_adds, "ANOTHER_TENANT", None)
        (outcome,) = outcomes(store, [event(2), other(3)])
    assert [at for at, _ in kept(database_url)] == [1]
    assert by_thread(outcome) == 1
    assert added(outcomes(store, [event(4), other(5)])[0]).total() == 1
    assert store._loop_adds._connection is connection
    assert [at for at, _ in kept(database_url)] == [1, 2, 4]
    assert len(set_aside(database_url)) == 2


def test_a_lock_that_is_not_to_be_had_is_waited_for_once(engine: sa.Engine) -> None:
    group = [event(2), other(3)]
    with contextlib.closing(open_for_loop(engine.url.render_as_string(hide_password=False))) as store:
        loops_connection(store)._libpq.exec_(b"SET lock_timeout = '100ms'")
        with engine.begin() as holds:
            holds.execute(HOLD_THE_LOCK)
            (outcome,) = outcomes(store, group)
            assert callable(outcome)
            with pytest.raises(StoreUnavailableError, match="lock timeout"):
                outcome()
        assert added(outcomes(store, group)[0]).total() == 1


def test_the_index_finds_what_quarantine_has_met_whatever_the_planner_believes(engine: sa.Engine) -> None:
    """Nobody gathers statistics while a table grows."""
    url = engine.url.render_as_string(hide_password=False)
    with contextlib.closing(open_for_loop(url)) as store:
        outcomes(store, *([other(at, note="") for at in range(first, first + 5)] for first in range(2, 5002, 5)))
    counted = sa.text("SELECT n_tup_ins, seq_tup_read FROM pg_stat_user_tables WHERE relname = 'quarantine'")
    counts: list[int] = []

    def are_counted() -> bool:
        with engine.connect() as connection:
            counts[:] = connection.execute(counted).one()
        return counts[0] == 5000

    wait_until(are_counted, "statistics of all that the store did")
    assert counts[1] < 5000
