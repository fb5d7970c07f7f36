"""`newstore-event-receiver prune` and `quarantine`, on both databases."""

from __future__ import annotations

import json
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.address import address
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.plugin import Finished, run_plugin
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def keep(store: LandingStore, *timestamps: int, received_at: int | None = None) -> int:
    events = [check_event(json.dumps(an_event(at, request=f"fr-{at}")).encode()) for at in timestamps]
    return store.add(events, received_at).total()


def released(store: LandingStore, start: Bookmark | None = None) -> tuple[list[int], Bookmark]:
    plan = store.plan_release(start or Bookmark(reader_id="reader-1"), now=2**42)
    return [arrival.logical_timestamp for part in store.released(plan) for arrival in part], plan.end


def look_after(directory: Path, url: str, *arguments: str) -> Finished:
    return run_plugin("newstore-event-receiver", directory, None, *arguments, TAP_NEWSTORE_FULFILLMENT_LANDING_URL=url)


@pytest.mark.adapter_mistake("deleted its input before the import had ended")
def test_nothing_is_pruned_before_a_target_has_confirmed_it(store: LandingStore) -> None:
    keep(store, 10, 11, received_at=0)
    assert store.retention.prune(0) == 0
    _, bookmark = released(store)
    assert store.retention.prune(0) == 0
    store.retention.note(bookmark)
    assert store.retention.prune(0) == 2


def test_young_events_are_not_pruned(store: LandingStore) -> None:
    keep(store, 10, received_at=0)
    keep(store, 11)
    store.retention.note(released(store)[1])
    assert store.retention.prune(DAY_MS) == 1
    assert released(store)[0] == [11]


def test_the_pipeline_furthest_behind_decides(store: LandingStore) -> None:
    keep(store, 10, received_at=0)
    behind = released(store)[1]
    keep(store, 11, 12, received_at=0)
    store.retention.note(Bookmark(behind.through, behind.position, behind.store_id, "slow"))
    store.retention.note(released(store)[1])
    assert store.retention.prune(0) == 1
    assert [reader.reader_id for reader in store.retention.readers()] == ["slow", "reader-1"]
    assert store.retention.forget("slow")
    assert store.retention.prune(0) == 2


def test_an_unconfirmed_late_event_is_not_pruned(store: LandingStore) -> None:
    keep(store, 10, 14, received_at=0)
    _, bookmark = released(store)
    keep(store, 12, received_at=0)
    store.retention.note(bookmark)
    assert store.retention.prune(0) == 2
    assert released(store, bookmark)[0] == [12]


@pytest.mark.fault("F3")
def test_a_redelivery_of_a_pruned_event_is_still_a_duplicate(store: LandingStore) -> None:
    keep(store, 10, received_at=0)
    _, bookmark = released(store)
    store.retention.note(bookmark)
    store.retention.prune(0)
    assert keep(store, 10) == 0
    assert released(store, bookmark)[0] == []


def test_prune_reports_what_it_pruned_and_the_readers(tmp_path: Path, database_url: str, store: LandingStore) -> None:
    keep(store, 10, received_at=0)
    store.retention.note(released(store)[1])
    done = look_after(tmp_path, database_url, "prune", "--keep-days=30", "--format=json")
    assert (done.code, json.loads(done.output)["pruned"]) == (0, 1), done.log
    (reader,) = json.loads(done.output)["readers"]
    assert (reader["reader_id"], reader["through"]) == ("reader-1", 10)
    unknown = look_after(tmp_path, database_url, "prune", "--keep-days=30", "--forget-reader=nobody")
    assert unknown.code == 1
    assert "no pipeline has read the store under this id" in unknown.log


def test_quarantined_bodies_are_listed_shown_and_retried(
    tmp_path: Path, database_url: str, store: LandingStore
) -> None:
    valid, raw = json.dumps(an_event(10)).encode(), b'{"name": \xff}'
    store.add_rejected(raw, path="/events", reason="body: not UTF-8", received_at=0)
    store.add_rejected(valid, path="/events", reason="from before an upgrade", received_at=0)
    listed = json.loads(look_after(tmp_path, database_url, "quarantine", "list", "--format=json").output)
    assert [(body["id"], body["bytes"]) for body in listed["bodies"]] == [(1, len(raw)), (2, len(valid))]
    assert "from before an upgrade" in look_after(tmp_path, database_url, "quarantine", "show", "2").log
    assert look_after(tmp_path, database_url, "quarantine", "show", "3").code == 1
    retried = look_after(tmp_path, database_url, "quarantine", "retry")
    assert (retried.code, retried.output) == (1, "1 accepted, 1 still refused\n")
    assert "1: body: not UTF-8" in retried.log
    assert "ERROR Still refused: 1 of 2. Discard what is no event of ours" in retried.log
    assert retried.log.endswith(" [NSS-102]\n")
    assert released(store)[0] == [10]
    assert store.quarantine.count() == 1


def test_a_body_is_shown_byte_for_byte(store: LandingStore) -> None:
    store.add_rejected(b"\x00\xff", path="/events", reason="odd \x00 \ud800", received_at=0)
    found = store.quarantine.find(1)
    assert found is not None
    assert found[1] == b"\x00\xff"


@pytest.mark.parametrize(
    "command",
    [
        ("quarantine", "list"),
        ("quarantine", "show", "1"),
        ("quarantine", "retry"),
        ("quarantine", "accept", "1"),
        ("quarantine", "discard", "1"),
        ("backlog",),
        ("metrics",),
        ("prune", "--keep-days=30"),
        ("audit", "--callback-url", "http://127.0.0.1:9/events"),
    ],
)
def test_where_there_is_no_store_none_is_made_and_nothing_is_said_of_it(
    tmp_path: Path, database_url: str, command: tuple[str, ...]
) -> None:
    newstore = {f"TAP_NEWSTORE_FULFILLMENT_{name}": "x" for name in ("TENANT", "CLIENT_ID", "CLIENT_SECRET")}
    variables = {**newstore, "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": database_url}
    done = run_plugin("newstore-event-receiver", tmp_path, None, *command, **variables)
    assert (done.code, done.output) == (3 if command[0] == "audit" else 1, "")
    assert done.log.count("\n") == 1
    assert "landing_url: there is no " in done.log
    assert not list(tmp_path.glob("*.db*"))
    engine = sa.create_engine(address(database_url))
    assert not sa.inspect(engine).get_table_names()
    engine.dispose()
