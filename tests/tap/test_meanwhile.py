"""What happens to the landing store while a run reads it: nothing is claimed that the run did not send."""

from __future__ import annotations

import json
import typing as t

import pytest
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.late_arrivals import LateArrivals
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.release_run import ReleaseRun

from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTINGS = {"source": "landing", "settle_seconds": 0, "hole_wait_minutes": 0, "emit_unreleased": False}
State = dict[str, t.Any]


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def body(at: int, **fields: t.Any) -> bytes:
    return json.dumps(an_event(at, request=f"fr-{at}", **fields)).encode()


def keep(store: LandingStore, *timestamps: int) -> None:
    store.add([check_event(body(at)) for at in timestamps], received_at=0)


def begin(store: LandingStore, state: State) -> Iterator[list[int]]:
    """Begin a run; yield the timestamps of what it sends, in batches, while it changes the state as it goes."""
    run = ReleaseRun(store, SETTINGS, state, is_incremental=True, ready_at=None)
    return ([record.logical_timestamp for record in batch] for batch in run.events(lambda: None))


def run(store: LandingStore, state: State) -> list[int]:
    return [at for batch in begin(store, state) for at in batch]


def confirm(store: LandingStore) -> None:
    """Let a pipeline read everything there is and come back with its bookmark."""
    state: State = {}
    run(store, state)
    run(store, state)


def test_a_run_says_what_was_pruned_before_it_could_send_it(store: LandingStore) -> None:
    known: State = {}
    keep(store, 10, 12, 14)
    run(store, known)
    keep(store, 11)
    run(store, known)
    run(store, known)
    state: State = {}
    sent = begin(store, state)
    # 11 is known to have come late: another query reads it, after all others.
    assert next(sent) == [10, 12, 14]
    assert "pruned_through" not in state
    assert store.retention.prune(0) == 4
    assert list(sent) == []
    assert (state["complete"], state["pruned_through"], state["pruned_position"]) == (True, 14, 4)


def test_a_run_that_finds_nothing_says_what_was_pruned_since_it_began(store: LandingStore) -> None:
    keep(store, 10, 11)
    confirm(store)
    state: State = {}
    sent = begin(store, state)
    assert store.retention.prune(0) == 2
    assert list(sent) == []
    assert (state["replication_key_value"], state["pruned_through"]) == (11, 11)


def test_what_is_pruned_while_it_is_being_sent_is_sent(store: LandingStore) -> None:
    keep(store, *range(10, 5_010))
    confirm(store)
    state: State = {}
    sent = begin(store, state)
    first = next(sent)
    assert store.retention.prune(0) == 5_000
    assert sum(map(len, sent), len(first)) == 5_000
    assert "pruned_through" not in state


@pytest.mark.parametrize("change", [{"store_id": "lost"}, {"position": 99}, {"arrival": "another@0"}], ids=str)
def test_a_bookmark_of_what_this_store_never_had_confirms_nothing_in_it(store: LandingStore, change: State) -> None:
    keep(store, 10, 11, 12)
    confirmed: State = {}
    run(store, confirmed)
    state = confirmed | change
    keep(store, 9)
    begin(store, state)
    # That run did not end.
    assert store.retention.prune(0) == 0
    assert run(store, confirmed | change) == [9, 10, 11, 12]


def comes(store: LandingStore) -> None:
    keep(store, 13)


def comes_and_is_discarded(store: LandingStore) -> None:
    keep(store, 13)
    store.quarantine.remove(1)


def comes_and_is_pruned(store: LandingStore) -> None:
    keep(store, 13)
    store.quarantine.prune(0)


def is_retried(store: LandingStore) -> None:
    store.put_back(check_event(body(13)))
    store.quarantine.remove(1)


@pytest.mark.parametrize("closes", [comes, comes_and_is_discarded, comes_and_is_pruned, is_retried])
@pytest.mark.parametrize("hole_wait", [0, 5])
def test_a_hole_that_closes_once_a_run_has_planned_is_open_in_that_run(
    store: LandingStore, monkeypatch: pytest.MonkeyPatch, closes: Callable[[LandingStore], None], hole_wait: int
) -> None:
    monkeypatch.setitem(SETTINGS, "hole_wait_minutes", hole_wait)
    keep(store, 11, 12, 14)
    store.add_rejected(body(13, items=5), path="/events", reason="items", received_at=0)
    note = LateArrivals.note

    def note_late(self: LateArrivals, *arguments: t.Any) -> None:
        note(self, *arguments)
        closes(store)

    state: State = {}
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(LateArrivals, "note", note_late)
        assert run(store, state) == [11, 12, 14]
    assert state["holes"] == [[13, 13]]
    assert run(store, state) == [13]
    assert "holes" not in state


def test_a_hole_that_closed_before_the_run_planned_is_closed(
    store: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, 11, 12, 14)
    store.add_rejected(body(13, items=5), path="/events", reason="items", received_at=0)
    plan = LandingStore.plan_release

    def plan_release(self: LandingStore, *arguments: t.Any, **options: t.Any) -> t.Any:
        is_retried(self)
        return plan(self, *arguments, **options)

    state: State = {}
    monkeypatch.setattr(LandingStore, "plan_release", plan_release)
    assert run(store, state) == [11, 12, 13, 14]
    assert "holes" not in state


def test_a_body_refused_once_a_run_has_planned_is_a_hole_of_that_run(
    store: LandingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, 11, 12, 14)

    def note_late(*_: t.Any) -> None:
        store.add_rejected(body(13, items=5), path="/events", reason="items", received_at=0)

    state: State = {}
    monkeypatch.setattr(LateArrivals, "note", note_late)
    assert run(store, state) == [11, 12, 14]
    assert state["holes"] == [[13, 13]]
