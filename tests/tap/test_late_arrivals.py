"""Late events are known to be late even when everything is read again (design rules 2 and 4)."""

from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark, ReleasePlan
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import late_arrival
from tap_newstore_fulfillment.tap import TapNewStoreFulfillment

from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tap_newstore_fulfillment.landing.store import Arrival

MINUTES_MS = 60_000
EVENTS, ITEMS = "fulfillment_events", "fulfillment_event_items"


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def keep(store: LandingStore, *timestamps: int) -> None:
    bodies = [an_event(at, "A", "B", request=f"fr-{at}") for at in timestamps]
    store.add([check_event(json.dumps(body).encode()) for body in bodies], received_at=0)


def plan(store: LandingStore, start: Bookmark | None = None, *, minutes: int = 15, **options: t.Any) -> ReleasePlan:
    """Plan a run that waits so many minutes; everything stored has settled."""
    settle_ms = minutes * MINUTES_MS
    return store.plan_release(start or Bookmark(), settle_ms=settle_ms, now=settle_ms + 1, **options)


def timestamps(parts: Iterable[Sequence[Arrival]]) -> list[int]:
    return [arrival.logical_timestamp for part in parts for arrival in part]


def released(store: LandingStore, plan: ReleasePlan) -> list[int]:
    return timestamps(store.released(plan))


def known_late(store: LandingStore) -> list[int]:
    """Return the events that a run from the beginning releases as late."""
    return timestamps(store.released_last(plan(store)))


@pytest.fixture
def bookmark(store: LandingStore) -> Bookmark:
    """Return the bookmark after a run that released 10, 14 and 20; then 12, 16 and 30 came."""
    keep(store, 10, 14, 20)
    bookmark = plan(store).end
    keep(store, 16, 12, 30)
    return bookmark


def test_late_events_come_last_when_everything_is_read_again(store: LandingStore, bookmark: Bookmark) -> None:
    assert released(store, plan(store, bookmark)) == [12, 16, 30]
    assert released(store, plan(store)) == [10, 14, 20, 30, 12, 16]


def test_with_an_older_bookmark_events_that_have_come_late_since_come_last(
    store: LandingStore, bookmark: Bookmark
) -> None:
    plan(store, bookmark)
    older = dataclasses.replace(bookmark, through=14)
    assert released(store, plan(store, older)) == [12, 20, 30, 16]


def test_late_events_are_noted_before_they_are_released(store: LandingStore, bookmark: Bookmark) -> None:
    plan(store, bookmark)
    assert known_late(store) == [12, 16]


def test_without_late_events_all_come_in_timestamp_order(store: LandingStore) -> None:
    keep(store, 10, 14)
    first = plan(store).end
    keep(store, 13, 16)
    again = dataclasses.replace(first, through=12)
    assert released(store, plan(store, dataclasses.replace(again, position=0))) == [10, 13, 14, 16]
    assert (plan(store).late, released(store, plan(store))) == (None, [10, 13, 14, 16])


@pytest.mark.parametrize("change", [{"store_id": "another"}, {"position": 999}, {"position": 0}, {"arrival": "x@1"}])
def test_events_read_again_for_lack_of_a_valid_position_do_not_count_as_late(
    store: LandingStore, bookmark: Bookmark, change: dict[str, t.Any]
) -> None:
    assert released(store, plan(store, dataclasses.replace(bookmark, **change))) == [10, 12, 14, 16, 20, 30]
    assert known_late(store) == []


def test_a_run_may_end_anywhere_and_the_next_one_finds_nothing_new_late(
    store: LandingStore, bookmark: Bookmark
) -> None:
    plan(store, bookmark)
    whole = plan(store)
    order = released(store, whole)
    for sent, last in enumerate(order, start=1):
        start = whole.bookmark_before(last)
        assert not start.complete
        rest = released(store, plan(store, start))
        assert set(order[:sent]) | set(rest) == set(order)
        assert known_late(store) == [12, 16]


def test_nothing_is_left_out_when_another_run_notes_late_events_meanwhile(
    store: LandingStore, bookmark: Bookmark
) -> None:
    before = plan(store)
    plan(store, bookmark)
    assert released(store, before) == [10, 12, 14, 16, 20, 30]
    keep(store, 18)
    between = plan(store)
    plan(store, bookmark)
    assert released(store, between) == [10, 14, 18, 20, 30, 12, 16]
    assert known_late(store) == [12, 16, 18]


@pytest.mark.parametrize(
    ("noted_by", "read_by", "late"),
    [(0, 15, []), (0, 0, [12, 16]), (15, 0, [12, 16]), (15, 30, [12, 16]), (1, 2, [])],
)
def test_events_late_for_a_run_that_waits_less_than_promised_are_late_only_for_such_runs(
    store: LandingStore, bookmark: Bookmark, noted_by: int, read_by: int, late: list[int]
) -> None:
    plan(store, bookmark, minutes=noted_by)
    assert timestamps(store.released_last(plan(store, minutes=read_by))) == late


def test_a_late_event_is_noted_once_however_often_the_run_is_repeated(store: LandingStore, bookmark: Bookmark) -> None:
    for _ in range(2):
        plan(store, bookmark)
    with store.transaction() as connection:
        assert connection.scalars(sa.select(late_arrival.c.position)).all() == [4, 5]


def test_late_events_below_the_oldest_timestamp_are_ignored_too(store: LandingStore, bookmark: Bookmark) -> None:
    plan(store, bookmark)
    assert released(store, plan(store, oldest=15)) == [20, 30, 16]
    assert plan(store, oldest=17).late is None


def test_late_events_that_arrive_meanwhile_are_left_to_the_next_run(store: LandingStore, bookmark: Bookmark) -> None:
    before = plan(store)
    keep(store, 18)
    plan(store, bookmark)
    assert 18 not in released(store, before)
    assert timestamps(store.released_first(plan(store))) == [10, 14, 20, 30]


def test_notes_are_pruned_with_their_events(store: LandingStore, bookmark: Bookmark) -> None:
    end = plan(store, bookmark).end
    store.retention.note(dataclasses.replace(end, through=14, reader_id="reader"))
    assert store.retention.prune(0) == 3
    assert known_late(store) == [16]
    # Nor are they noted again when an older bookmark comes back.
    plan(store, bookmark)
    with store.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(late_arrival)) == 1


def test_a_store_from_before_late_arrivals_were_noted_gets_the_table(store: LandingStore, database_url: str) -> None:
    with store.transaction() as connection:
        late_arrival.drop(connection)
    keep(store, 10, 14)
    reopened = LandingStore(database_url)
    end = plan(reopened).end
    keep(reopened, 12)
    plan(reopened, end)
    assert known_late(reopened) == [12]
    reopened.close()


def run(
    url: str,
    capfd: pytest.CaptureFixture[str],
    state: dict[str, t.Any] | None = None,
    *,
    method: str = "INCREMENTAL",
    settle_seconds: int = 0,
) -> list[dict[str, t.Any]]:
    """Run the tap over both streams; return its messages."""
    config = {"landing_url": url, "settle_seconds": settle_seconds}
    tap = TapNewStoreFulfillment(config=config, state=json.loads(json.dumps(state)))
    for stream in tap.streams.values():
        stream.selected = True
        stream.forced_replication_method = method
    tap.sync_all()
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def in_order(messages: list[dict[str, t.Any]], stream: str) -> list[t.Any]:
    """Return the timestamps of a stream's records and the announcements of late events, in order, without repeats."""
    begin = next(n for n, line in enumerate(messages) if line["type"] == "SCHEMA" and line["stream"] == stream)
    found: list[t.Any] = []
    for message in messages[begin:]:
        item: t.Any = None
        if message["type"] == "RECORD" and message["stream"] == stream:
            item = message["record"]["logical_timestamp"]
        elif message["type"] == "STATE":
            late_through = (message["value"]["bookmarks"].get(stream) or {}).get("late_through")
            item = None if late_through is None else f"late through {late_through}"
        if item is not None and found[-1:] != [item]:
            found.append(item)
    return found


@pytest.mark.parametrize("method", ["INCREMENTAL", "FULL_TABLE"])
@pytest.mark.parametrize("stream", [EVENTS, ITEMS])
def test_a_state_announces_late_events(
    database_url: str, capfd: pytest.CaptureFixture[str], method: str, stream: str
) -> None:
    store = LandingStore(database_url)
    keep(store, 10, 14)
    state = run(database_url, capfd)[-1]["value"]
    keep(store, 12, 20)
    store.close()
    assert in_order(run(database_url, capfd, state), stream) == [12, 20]
    again = run(database_url, capfd, method=method)
    assert in_order(again, stream) == [10, 14, 20, "late through 20", 12]
    assert "late_through" not in again[-1]["value"]["bookmarks"].get(stream, {})


def test_an_announcement_left_by_an_interrupted_run_is_removed(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store = LandingStore(database_url)
    keep(store, 10, 14)
    state = run(database_url, capfd)[-1]["value"]
    keep(store, 20)
    store.close()
    state["bookmarks"][EVENTS]["late_through"] = state["bookmarks"][ITEMS]["late_through"] = 14
    messages = run(database_url, capfd, state)
    assert [in_order(messages, stream) for stream in (EVENTS, ITEMS)] == [[20], [20]]


def test_a_tap_that_waits_ignores_what_was_late_only_for_one_that_does_not(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store = LandingStore(database_url)
    keep(store, 10, 14)
    state = run(database_url, capfd)[-1]["value"]
    keep(store, 12, 20)
    store.close()
    run(database_url, capfd, state)
    assert in_order(run(database_url, capfd, settle_seconds=900), EVENTS) == [10, 12, 14, 20]


def test_the_state_before_late_events_covers_only_what_lies_below_them(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    store = LandingStore(database_url)
    keep(store, 10, 14)
    state = run(database_url, capfd)[-1]["value"]
    keep(store, 12, 20)
    store.close()
    run(database_url, capfd, state)
    states = [
        line["value"]["bookmarks"].get(EVENTS, {}) for line in run(database_url, capfd) if line["type"] == "STATE"
    ]
    before = next(state for state in states if "late_through" in state)
    # The late event is above it, and so is what follows: a run that goes on from here releases them again.
    assert (before["replication_key_value"], before["position"], before["complete"]) == (11, 4, False)
