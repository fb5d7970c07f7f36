"""An event far ahead of all others in a landing store: it moves no mark, and people decide (design rule 15)."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
import requests
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import FAR_AHEAD

from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAR = 10**15
CALL_SECONDS = 30


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def keep(store: LandingStore, *timestamps: int, received_at: int = 0) -> int:
    events = [check_event(json.dumps(an_event(at, request=f"fr-{at}")).encode()) for at in timestamps]
    return store.add(events, received_at).total()


def release(store: LandingStore, start: Bookmark | None = None, now: int = 2**42) -> tuple[list[int], Bookmark]:
    plan = store.plan_release(start or Bookmark(), settle_ms=1_000, now=now)
    return [arrival.logical_timestamp for part in store.released(plan) for arrival in part], plan.end


def listed(store: LandingStore) -> list[tuple[int, str]]:
    store.far_ahead.note()
    return [(entry.id, entry.kind) for entry in store.quarantine.list()]


def test_it_moves_no_mark_and_settling_goes_on(store: LandingStore) -> None:
    keep(store, 10, 11, 12, FAR)
    released, bookmark = release(store)
    assert (released, bookmark.through) == ([10, 11, 12], 12)
    keep(store, 14, received_at=2**42)
    assert release(store, bookmark)[0] == []
    keep(store, 13, 15, received_at=2**41)
    assert release(store, bookmark)[0] == [13, 14, 15]


def test_later_arrivals_that_go_on_from_its_level_release_it_once_they_have_settled(store: LandingStore) -> None:
    keep(store, 10, 11, FAR)
    _, bookmark = release(store)
    keep(store, FAR + 1, received_at=2**42)
    assert release(store, bookmark)[0] == []
    assert release(store, bookmark, now=2**42 + 1_000)[0] == [FAR, FAR + 1]


def test_it_is_not_sent_ahead_either(store: LandingStore) -> None:
    keep(store, 10, 11)
    keep(store, 12, FAR, received_at=2**42)
    plan = store.plan_release(Bookmark(), settle_ms=1_000, now=2**42)
    ahead = [arrival.logical_timestamp for part in store.unreleased(plan) for arrival in part]
    assert ahead == [12]


def test_a_bookmark_beyond_it_does_not_go_back(store: LandingStore) -> None:
    keep(store, 10, 11, FAR)
    _, bookmark = release(store)
    beyond = Bookmark(FAR, bookmark.position, bookmark.store_id, arrival=bookmark.arrival)
    keep(store, 12)
    released, end = release(store, beyond)
    assert (released, end.through) == ([12], FAR)


def test_it_is_listed_while_it_is_far_ahead(store: LandingStore) -> None:
    keep(store, 10, 11, FAR)
    assert listed(store) == listed(store) == [(1, FAR_AHEAD)]
    keep(store, FAR + 1)
    assert listed(store) == []


def test_accepted_it_is_released(store: LandingStore) -> None:
    keep(store, 10, 11, FAR)
    ((entry, _),) = listed(store)
    store.far_ahead.accept(entry)
    assert (release(store)[0], listed(store)) == ([10, 11, FAR], [])
    keep(store, 12)
    assert release(store)[0] == [10, 11, 12, FAR]


def test_discarded_it_is_gone_for_good(store: LandingStore) -> None:
    keep(store, 10, 11, FAR)
    _, bookmark = release(store)
    ((entry, _),) = listed(store)
    store.far_ahead.discard(entry)
    assert listed(store) == []
    assert keep(store, FAR) == 0
    assert release(store)[0] == [10, 11]
    keep(store, 12)
    assert release(store, bookmark)[0] == [12]


def test_no_new_store_is_held_up_by_its_first_event(store: LandingStore) -> None:
    keep(store, FAR)
    assert (release(store)[0], listed(store)) == ([FAR], [])


def test_the_receiver_and_every_run_raise_an_alarm(tmp_path: Path, database_url: str) -> None:
    with Receiver(tmp_path, landing_url=database_url) as receiver:
        for at in (10, 11, 12):
            receiver.post(an_event(at))
        assert "far ahead" not in receiver.process.output
        assert far_ahead_metric(receiver) == 0
        assert receiver.post(an_event(FAR)).status_code == 200
        assert f"logical timestamp {FAR} is far ahead of all others" in receiver.process.output
        assert far_ahead_metric(receiver) == 1
        settings = {"landing_url": database_url, "settle_seconds": 0}
        for _ in range(2):
            done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
            assert [record["logical_timestamp"] for record in done.records] == [10, 11, 12]
            assert f"logical timestamp {FAR} is far ahead of all others" in done.log
            assert '"far_ahead": 1' in done.log
        command = ("newstore-event-receiver", tmp_path, settings, "quarantine")
        (entry,) = json.loads(run_plugin(*command, "list", "--format=json").output)["bodies"]
        assert (entry["kind"], f"logical timestamp {FAR}" in entry["reason"]) == (FAR_AHEAD, True)
        assert run_plugin(*command, "retry").code == 1
        shown = run_plugin(*command, "show", str(entry["id"]))
        assert json.loads(shown.output)["payload"]["logical_timestamp"] == FAR
        assert run_plugin(*command, "accept", str(entry["id"])).output == f"{entry['id']}: accepted\n"
        assert far_ahead_metric(receiver) == 0
    done = run_plugin("tap-newstore-fulfillment", tmp_path, settings)
    assert [record["logical_timestamp"] for record in done.records] == [10, 11, 12, FAR]


def test_an_alarm_is_raised_whatever_was_set_aside_or_discarded_before(
    store: LandingStore, caplog: pytest.LogCaptureFixture
) -> None:
    keep(store, 10, 11)
    others = an_event(10 * FAR) | {"tenant": "other"}
    store.add([check_event(json.dumps(others).encode())], 0)
    keep(store, FAR)
    assert [record.args for record in caplog.records if "is far ahead" in record.msg] == [(FAR,)]
    _, (entry, _) = listed(store)
    store.far_ahead.discard(entry)
    keep(store, FAR)
    keep(store, FAR // 2)
    assert [record.args for record in caplog.records if "is far ahead" in record.msg] == [(FAR,), (FAR // 2,)]


def test_near_events_need_no_look_while_one_is_far_ahead(store: LandingStore) -> None:
    keep(store, 10, 11)
    keep(store, FAR)
    keep(store, 12)
    assert (store.far_ahead.is_near(13), store.far_ahead.is_near(FAR + 1)) == (True, False)
    keep(store, FAR + 1)
    assert store.far_ahead.is_near(FAR + 2)


def far_ahead_metric(receiver: Receiver) -> float:
    text = requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).text
    found = re.search(r'^newstore_set_aside\{kind="far ahead"\} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else 0


def test_a_pipeline_that_starts_anew_does_not_wait_for_what_was_confirmed_long_ago(store: LandingStore) -> None:
    keep(store, 10, 11, FAR, FAR + 1, FAR + 2)
    assert release(store)[0] == [10, 11, FAR, FAR + 1, FAR + 2]
