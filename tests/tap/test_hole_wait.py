"""`hole_wait_minutes`: where timestamps have proven dense, the release waits for one that is missing, for a while."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_newstore_fulfillment.landing.density import DENSE, last_before_hole, missing
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.settling import Settled
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.plugin import run_plugin
from tests.tap.events import an_event
from tests.tap.test_looking_after_the_store import keep, look_after

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Settle time and longest wait, in milliseconds; events below come at these moments.
SETTLE, WAIT = 1_000, 60_000


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def mark(store: LandingStore, now: int, through: int | None = None, *, waits: bool = True) -> int | None:
    """Return the release mark at a moment."""
    patience: dict[str, t.Any] = {}
    if waits:
        refused = store.quarantine.holes().pairs
        patience = {"passed": Settled.by_wall(now - SETTLE - WAIT), "refused": refused}
    start = Bookmark(through=through, store_id=store.store_id)
    return store.plan_release(start, settle_ms=SETTLE, now=now, **patience).through


def keep_dense(store: LandingStore, count: int = DENSE) -> None:
    """Keep so many consecutive events, which came long ago, the last of them number `DENSE`."""
    keep(store, *range(DENSE - count + 1, DENSE + 1), received_at=0)


def test_the_release_waits_at_a_hole_so_long_and_no_longer(store: LandingStore) -> None:
    keep_dense(store)
    keep(store, DENSE + 2, DENSE + 3, received_at=100_000)
    assert mark(store, 100_000 + SETTLE, waits=False) == DENSE + 3
    assert mark(store, 100_000 + SETTLE) == DENSE
    assert mark(store, 100_000 + SETTLE + WAIT - 1) == DENSE
    assert mark(store, 100_000 + SETTLE + WAIT) == DENSE + 3


def test_what_was_missing_ends_the_wait_when_it_comes(store: LandingStore) -> None:
    keep_dense(store)
    keep(store, DENSE + 2, received_at=100_000)
    keep(store, DENSE + 1, received_at=100_010)
    assert mark(store, 100_000 + SETTLE) == DENSE + 2


def test_a_sequence_that_has_not_proven_dense_is_not_waited_for(store: LandingStore) -> None:
    keep_dense(store, DENSE - 1)
    keep(store, DENSE + 2, received_at=100_000)
    assert mark(store, 100_000 + SETTLE) == DENSE + 2


def test_a_refused_body_and_a_jump_are_no_holes(store: LandingStore) -> None:
    keep_dense(store)
    body = json.dumps(an_event(DENSE + 1, items=None)).encode()
    store.add_rejected(body, path="/events", reason="no items", received_at=0)
    keep(store, DENSE + 2, received_at=100_000)
    assert mark(store, 100_000 + SETTLE) == DENSE + 2
    keep(store, 3 * DENSE, 3 * DENSE + 1, received_at=100_000)
    assert mark(store, 100_000 + SETTLE) == 3 * DENSE + 1


def test_what_has_been_released_is_not_waited_for(store: LandingStore) -> None:
    keep_dense(store)
    keep(store, DENSE + 2, received_at=100_000)
    assert mark(store, 100_000 + SETTLE, through=DENSE + 2) == DENSE + 2


@settings(max_examples=300, deadline=None)
@given(
    gaps=st.sets(st.integers(1, 3 * DENSE), max_size=6),
    above=st.none() | st.integers(0, 3 * DENSE),
)
def test_a_hole_is_waited_at_exactly_where_a_thousand_below_it_are_known(gaps: set[int], above: int | None) -> None:
    known = [at for at in range(1, 3 * DENSE + 2) if at not in gaps]
    proven = [hole for hole in sorted(gaps) if hole > DENSE and not gaps & set(range(hole - DENSE, hole))]
    waited = [hole - 1 for hole in proven if above is None or hole > above]
    assert last_before_hole(known, above) == next(iter(waited), None)
    assert [first for first, _ in missing(known)] == proven


def test_off_it_changes_nothing_and_on_the_tap_waits(tmp_path: Path, database_url: str) -> None:
    store = LandingStore(database_url)
    keep(store, *range(1, DENSE + 1), received_at=0)
    keep(store, DENSE + 2)
    store.close()
    common = {"landing_url": database_url, "settle_seconds": 0}
    released = {
        wait: [
            record["logical_timestamp"]
            for record in run_plugin(
                "tap-newstore-fulfillment", tmp_path, {**common, "hole_wait_minutes": wait}
            ).records
        ]
        for wait in (0, 5)
    }
    assert released[0] == [*range(1, DENSE + 1), DENSE + 2]
    assert released[5] == [*range(1, DENSE + 1)]


def test_backlog_lists_holes_with_their_age(tmp_path: Path, database_url: str, store: LandingStore) -> None:
    keep(store, *range(1, DENSE + 1), received_at=0)
    keep(store, DENSE + 4)
    shown = json.loads(look_after(tmp_path, database_url, "backlog", "--format=json").output)
    ((hole,), minutes) = ([row["from"], row["to"]] for row in shown["holes"]), shown["holes"][0]["minutes"]
    assert hole == [DENSE + 1, DENSE + 3]
    assert 0 <= minutes < 2
    table = look_after(tmp_path, database_url, "backlog").output
    assert "no event has come" in table
    keep(store, *range(DENSE + 1, DENSE + 4))
    assert json.loads(look_after(tmp_path, database_url, "backlog", "--format=json").output)["holes"] == []
