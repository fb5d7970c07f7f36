"""A tenant that another process sets while a receiver runs: nothing of the former one stays stored (design rule 15)."""

from __future__ import annotations

import contextlib
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import landing_store

from tests.faults.test_receiving import is_waiting_for_the_lock
from tests.shop.process import wait_until
from tests.tap.tenants import event, set_aside
from tests.tap.test_loop_adds import by_thread, kept, open_for_loop, outcomes

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from tests.shop.postgresql import PostgreSql


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    """A store that knows its tenant and has an event of it, as a receiver has it open."""
    store = open_for_loop(database_url)
    yield store
    store.close()


def by_the_loop(store: LandingStore) -> None:
    """Store an event as the event loop does, and end before a thread does the rest."""
    (outcome,) = outcomes(store, [event(2)])
    assert callable(outcome)


def by_a_thread(store: LandingStore) -> None:
    """Store an event as a thread does, while the database takes no second transaction."""

    @contextlib.contextmanager
    def writing() -> Iterator[sa.Connection]:
        raise StoreUnavailableError("the lock is held")
        yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._database, "writing", writing)
        with pytest.raises(StoreUnavailableError):
            store.add([event(2)])


@pytest.mark.parametrize("deliver", [by_the_loop, by_a_thread])
def test_what_is_not_ours_any_more_is_never_stored_first(
    store: LandingStore, database_url: str, deliver: Callable[[LandingStore], None]
) -> None:
    LandingStore(database_url, tenant="other").close()
    deliver(store)
    assert [at for at, _ in kept(database_url) if at > 0] == []
    assert len(set_aside(store)) == 1
    # It is not acknowledged, so it comes again.
    assert store.add([event(2)]).set_aside.total() == 1
    assert len(set_aside(store)) == 2


def test_two_tenants_in_the_first_group_of_all_are_told_apart_in_one_transaction(database_url: str) -> None:
    with contextlib.closing(LandingStore(database_url)) as store:
        by_a_thread(store)
        assert kept(database_url) == []
        assert store.add([event(2), event(3, "other")]).total() == 1


def by_the_loop_and_a_thread(store: LandingStore) -> int:
    return by_thread(outcomes(store, [event(2)])[0])


def by_the_thread_alone(store: LandingStore) -> int:
    return store.add([event(2)]).total()


@pytest.mark.parametrize("deliver", [by_the_loop_and_a_thread, by_the_thread_alone])
def test_a_tenant_that_is_set_while_a_writer_waits_for_its_turn_is_heeded(
    postgresql: PostgreSql, deliver: Callable[[LandingStore], int]
) -> None:
    url = postgresql.new_database()
    with contextlib.closing(open_for_loop(url)) as store, ThreadPoolExecutor(1) as pool:
        with store.transaction() as connection:
            waiting = pool.submit(deliver, store)
            wait_until(lambda: is_waiting_for_the_lock(connection), "the writer at the lock")
            connection.execute(landing_store.update().values(tenant="other"))
        assert waiting.result() == 0
        assert [at for at, _ in kept(url)] == [1]
