"""When events leave the landing store (design rules 1 and 2)."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark, ReleasePlan
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tap_newstore_fulfillment.landing.store import Arrival


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def keep(store: LandingStore, *timestamps: int, received_at: int = 0) -> int:
    events = [check_event(json.dumps(an_event(at, request=f"fr-{at}")).encode()) for at in timestamps]
    return store.add(events, received_at).total()


def release(
    store: LandingStore, start: Bookmark | None = None, *, now: int = 1_000, oldest: int | None = None
) -> tuple[list[int], Bookmark]:
    """Release once; return the timestamps released and the next run's bookmark."""
    plan = store.plan_release(start or Bookmark(), now=now, oldest=oldest)
    return timestamps(store.released(plan)), plan.end


def timestamps(parts: Iterable[Sequence[Arrival]]) -> list[int]:
    return [arrival.logical_timestamp for part in parts for arrival in part]


def test_events_come_out_in_timestamp_order_whatever_order_they_arrived_in(store: LandingStore) -> None:
    keep(store, 12, 10, 11)
    assert release(store)[0] == [10, 11, 12]


def test_nothing_is_released_before_it_has_settled(store: LandingStore) -> None:
    keep(store, 10, 11, received_at=500)
    released, bookmark = release(store, now=499)
    assert (released, bookmark.through) == ([], None)


def test_an_event_waits_for_a_settled_one_above_it_and_not_for_its_own_arrival(store: LandingStore) -> None:
    keep(store, 12, received_at=100)
    keep(store, 10, 13, received_at=900)
    assert release(store, now=100)[0] == [10, 12]


def test_a_released_event_is_not_released_again(store: LandingStore) -> None:
    keep(store, 10, 11)
    _, bookmark = release(store)
    keep(store, 12)
    assert release(store, bookmark)[0] == [12]


def test_a_redelivery_is_kept_once_and_released_once(store: LandingStore) -> None:
    assert [keep(store, 10), keep(store, 10, 10)] == [1, 0]
    _, bookmark = release(store)
    keep(store, 10)
    assert release(store, bookmark)[0] == []


def test_an_event_later_than_promised_is_released_by_the_next_run_once(store: LandingStore) -> None:
    keep(store, 10, 14)
    _, bookmark = release(store)
    keep(store, 12, 15)
    released, bookmark = release(store, bookmark)
    assert released == [12, 15]
    assert release(store, bookmark)[0] == []


def test_the_release_mark_never_goes_back(store: LandingStore) -> None:
    keep(store, 10, 14)
    _, bookmark = release(store)
    assert release(store, bookmark, now=-1)[1].through == 14


def test_an_arrival_while_a_run_is_reading_is_left_to_the_next_run(store: LandingStore) -> None:
    keep(store, 10, 14)
    plan = store.plan_release(Bookmark(), now=1_000)
    keep(store, 12)
    assert timestamps(store.released(plan)) == [10, 14]
    assert release(store, plan.end)[0] == [12]


def test_events_below_the_oldest_timestamp_are_ignored(store: LandingStore) -> None:
    keep(store, 10, 11, 12)
    assert release(store, oldest=11)[0] == [11, 12]


def test_a_replaced_store_is_read_again_from_the_start(store: LandingStore, tmp_path: Path) -> None:
    keep(store, 10, 14)
    _, bookmark = release(store)
    other = LandingStore(f"sqlite:///{tmp_path / 'other.db'}")
    keep(other, 12)
    assert release(other, bookmark)[0] == [12]
    other.close()


def test_while_events_of_one_timestamp_are_emitted_the_bookmark_stays_below_them() -> None:
    plan = ReleasePlan.make(Bookmark(), mark=14, position=3, store_id="s", oldest=None)
    assert plan.bookmark_before(12) == Bookmark(through=11, position=3, store_id="s", complete=False)


def test_while_late_events_are_emitted_the_bookmark_does_not_move() -> None:
    start = Bookmark(through=14, position=3, store_id="s")
    plan = ReleasePlan.make(start, mark=20, position=9, store_id="s", oldest=None)
    assert plan.bookmark_before(12) == dataclasses.replace(start, complete=False)


def test_a_store_of_another_schema_version_is_refused(store: LandingStore, database_url: str) -> None:
    with store._database.writing() as connection:
        connection.exec_driver_sql("UPDATE landing_store SET schema_version = 99")
    with pytest.raises(TapError, match="schema version 99, this program knows 3"):
        LandingStore(database_url)


def test_an_unknown_database_is_a_clear_error() -> None:
    with pytest.raises(TapError, match="landing_url: cannot open the landing store"):
        LandingStore("nosql://x")


def test_a_body_comes_out_as_it_came_in_whatever_it_contains(store: LandingStore) -> None:
    odd = r'"\u0000 \\ \" \ud83d\ude00 é 😀 $[0] \n"'
    raw = json.dumps(an_event(2**63 - 1, note="odd")).replace('"odd"', odd) + "\n"
    event = check_event(raw.encode())
    store.add([event], received_at=0)
    (arrival,) = (arrival for part in store.released(store.plan_release(Bookmark(), now=1)) for arrival in part)
    assert (arrival.body, arrival.event_id, arrival.logical_timestamp) == (raw, event.event_id, 2**63 - 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replication_key_value", "12"),
        ("replication_key_value", 10**30),
        ("position", 1.5),
        ("position", True),
        ("store_id", 7),
        ("reader_id", ["a"]),
        ("reader_id", "a\0b"),
        ("arrival", 7),
    ],
)
def test_a_bookmark_that_no_tap_has_written_is_refused(name: str, value: object) -> None:
    with pytest.raises(TapError, match=f"bookmark has the {name} .*, expected (a whole number|text).* --full-refresh"):
        Bookmark.from_state({name: value})
