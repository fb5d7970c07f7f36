"""A check that cannot fail proves nothing: every broken variant of the product is caught, the product itself is not."""

from __future__ import annotations

import contextlib
import json
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest
from tap_newstore_fulfillment.landing.database import WRITER_LOCK
from tap_newstore_fulfillment.landing.inserts import INSERT_ON_POSTGRESQL
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.faults.breaking.broken_product import positions_are_not_in_commit_order
from tests.faults.breaking.variants import VARIANTS, Variant
from tests.faults.players.one_process import play_schedule
from tests.faults.test_receiving import event, is_waiting_for_the_lock, release
from tests.shop.process import wait_until
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from tests.shop.postgresql import PostgreSql

#: Usually the first one catches it.
SCHEDULES = 60


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_broken_variant_is_caught(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    variant.breaks(monkeypatch)
    verdicts = (play_schedule(schedule) for schedule in variant.schedules(SCHEDULES))
    # A variant that only refuses to run must not count as caught.
    assert any(verdict.failures and verdict.counts["imports"] for verdict in verdicts)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_what_catches_a_broken_variant_does_not_catch_the_product(variant: Variant) -> None:
    for schedule in variant.schedules(3):
        assert play_schedule(schedule).failures == []


def test_positions_that_are_not_in_commit_order_are_caught(
    postgresql: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert released_beside_a_slow_writer(postgresql.new_database()) == [10, 11]
    positions_are_not_in_commit_order(monkeypatch)
    assert released_beside_a_slow_writer(postgresql.new_database()) == [11]


def test_each_rule_has_a_broken_variant() -> None:
    assert {variant.rule for variant in VARIANTS} == set(range(1, 10))


def released_beside_a_slow_writer(url: str) -> list[int]:
    """Return what is released while one writer has not committed event 10 and another one writes event 11."""
    row = json.dumps([["ten", "fulfillment_request.items_completed", 10, json.dumps(an_event(10))]])
    first, second = LandingStore(url, tenant="demo"), LandingStore(url)
    with contextlib.closing(first), contextlib.closing(second):
        with ThreadPoolExecutor(1) as pool:
            with first._database._engine.begin() as connection:
                connection.exec_driver_sql(INSERT_ON_POSTGRESQL, (WRITER_LOCK, 0, "demo", row))
                other = pool.submit(second.add, [event(11)], 0)
                wait_until(lambda: other.done() or is_waiting_for_the_lock(connection), "the second writer")
                before, bookmark = release(second, Bookmark())
            other.result()
        return before + release(second, bookmark)[0]
