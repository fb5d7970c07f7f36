"""A landing store and a `tenant` that was set by mistake: nothing of what was acknowledged is lost (design rule 15)."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import time
import typing as t

import pytest
import sqlalchemy as sa
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.audits import Period
from tap_newstore_fulfillment.landing.quarantine import LONGEST_BODY
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.landing.tables import quarantine

from tests.shop.plugin import run_plugin
from tests.tap.events import an_event
from tests.tap.tenants import event, released, set_aside

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tap_newstore_fulfillment.events import FulfillmentEvent


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def refuse_much(store: LandingStore) -> None:
    """Refuse bodies beyond a limit of 1 MB."""
    for _ in range(3):
        store.add_rejected(b"x" * 700_000, path="/events", reason="no event", received_at=2**42)


def test_what_a_wrong_tenant_took_out_is_kept_whatever_its_age_and_size_until_it_comes_back(
    store: LandingStore, database_url: str
) -> None:
    store.add([event(10), event(11)], 0)
    store.add([event(12, "other")], 0)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped", quarantine_max_mb=1)) as wrong:
        refuse_much(wrong)
        wrong.quarantine.prune(0)
        # What came as another tenant's is gone.
        assert len(set_aside(wrong)) == 2
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert released(right) == [10, 11]


def test_what_was_confirmed_before_it_was_taken_out_may_go_by_age(store: LandingStore, database_url: str) -> None:
    store.add([event(10), event(11)], 0)
    store.retention.note(store.plan_release(Bookmark(reader_id="r"), now=2**42).end)
    store.add([event(12)], 0)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
        assert wrong.quarantine.prune(0) == 2
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert released(right) == [12]


@pytest.mark.parametrize("is_discarded", [False, True], ids=["pruned", "discarded"])
def test_an_event_of_which_nothing_is_left_is_stored_again_once_the_tenant_is_right(
    store: LandingStore, database_url: str, is_discarded: bool
) -> None:
    store.add([event(10), event(11)], 0)
    bookmark = store.plan_release(Bookmark(reader_id="r"), now=2**42).end
    store.retention.note(bookmark)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
        if is_discarded:
            wrong.quarantine.remove(1)
            wrong.quarantine.remove(2)
            assert wrong.add([event(10)]).set_aside.total() == 1
        else:
            wrong.quarantine.prune(0)
        assert set_aside(wrong) == []
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert right.add([event(10)]).total() == 1
        assert found_by_audit(right, event(10), event(11)) == [11]
        assert released(right, bookmark) == [10, 11]


def test_an_event_whose_body_was_set_aside_and_emptied_is_new_to_an_audit_once_it_is_ours(
    store: LandingStore, database_url: str
) -> None:
    store.add([event(10)], 0)
    store.add([event(11, "other")], 0)
    with contextlib.closing(LandingStore(database_url, quarantine_max_mb=1)) as full:
        refuse_much(full)
        assert found_by_audit(full, event(10), event(11, "other")) == []
        # The audit has brought the body again.
        refuse_much(full)
    with contextlib.closing(LandingStore(database_url, tenant="other")) as changed:
        assert found_by_audit(changed, event(10), event(11, "other")) == [11]
        assert released(changed) == [11]


def found_by_audit(store: LandingStore, *events: FulfillmentEvent) -> list[int]:
    """Return the logical timestamps that an audit to which NewStore delivers these finds lost."""
    audit = str(time.monotonic_ns())
    store.audits.begin(audit, Period(0, 1))
    store.add_audited([(audit, event) for event in events])
    return [arrival.logical_timestamp for part in store.audits.lost(audit) for arrival in part]


@pytest.mark.parametrize(
    "arguments",
    [["metrics"], ["quarantine", "list"], ["quarantine", "retry"], ["prune", "--keep-days=0"], ["audit"]],
    ids=lambda arguments: arguments[0],
)
def test_a_command_never_makes_a_store_another_tenants(
    tmp_path: Path, store: LandingStore, database_url: str, arguments: list[str]
) -> None:
    settings = {"landing_url": database_url, "tenant": "other", "client_id": "c", "client_secret": "s"}
    assert run_plugin("newstore-event-receiver", tmp_path, settings, "metrics").code == 0
    store.add([event(10), event(11, "other")], 0)
    done = run_plugin("newstore-event-receiver", tmp_path, settings, *arguments)
    assert (done.code, "tenant: the landing store is demo's, not other's" in done.log) == (2, True), done.log
    store.add([event(12)], 0)
    assert (released(store), len(set_aside(store))) == ([10, 12], 1)


def test_what_came_under_a_wrong_tenant_and_was_emptied_is_a_hole_once_the_tenant_is_right(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    mistyped = functools.partial(LandingStore, database_url, tenant="mistyped", quarantine_max_mb=1)
    demo = functools.partial(LandingStore, database_url, tenant="demo")
    with contextlib.closing(mistyped()) as wrong:
        wrong.add([event(10), event(11), event(12, "third")], 0)
        refuse_much(wrong)
        assert len(set_aside(wrong)) == 3
        assert wrong.quarantine.holes().pairs == []
    with contextlib.closing(demo()) as right:
        assert right.quarantine.holes().pairs == [[10, 11]]
        assert "2 events that came while this landing store was another tenant's are gone" in caplog.text
        assert found_by_audit(right, event(10)) == [10]
        assert (released(right), right.quarantine.holes().pairs) == ([10], [[11, 11]])
    with contextlib.closing(mistyped()) as wrong:
        assert wrong.quarantine.holes().pairs == []
    with contextlib.closing(demo()) as right:
        assert (released(right), right.quarantine.holes().pairs) == ([10], [[11, 11]])


def test_of_what_was_emptied_and_comes_again_under_a_wrong_tenant_the_body_is_kept(database_url: str) -> None:
    with contextlib.closing(LandingStore(database_url, tenant="mistyped", quarantine_max_mb=1)) as wrong:
        wrong.add([event(10)], 0)
        refuse_much(wrong)
        wrong.add([event(10)], 0)
        assert len(set_aside(wrong)) == 1
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert (released(right), right.quarantine.holes().pairs) == ([10], [])


def test_an_emptied_event_that_does_not_say_whose_it_is_counts_as_ours(database_url: str) -> None:
    with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
        wrong.add([event(-10)], 0)
        with wrong.transaction() as connection:
            connection.execute(quarantine.update().values(reason="of another version", body=b""))
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert right.quarantine.holes().pairs == [[-10, -10]]


def test_pruned_events_of_a_former_tenant_move_no_mark_and_are_known_when_it_comes_back(
    store: LandingStore, database_url: str
) -> None:
    store.add([event(at) for at in range(50_000, 50_020)], 0)
    store.retention.note(store.plan_release(Bookmark(reader_id="r"), now=2**42).end)
    assert store.retention.prune(0) == 20
    pruned = store.retention.pruned()
    with contextlib.closing(LandingStore(database_url, tenant="other")) as changed:
        assert changed.retention.pruned() is None
        assert changed.add([event(at, "other") for at in (49_490, 49_501, 49_503)], 0).total() == 3
        assert changed.plan_release(Bookmark(), now=2**42).through == 49_503
        assert (released(changed), changed.quarantine.count()) == ([49_490, 49_501, 49_503], 0)
        assert changed.add([event(50_001)], 0).set_aside.total() == 1
    LandingStore(database_url, tenant="third").close()
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as back:
        assert back.retention.pruned() == pruned
        assert back.plan_release(Bookmark(), now=2**42).through == 50_019
        assert (back.add([event(50_001), event(50_002)], 0).total(), released(back)) == (0, [])


@pytest.mark.parametrize("is_stored_first", [False, True])
def test_a_long_body_comes_back_whole_when_the_tenant_is_set_right(database_url: str, *, is_stored_first: bool) -> None:
    long = check_event(json.dumps(an_event(10) | {"note": "x" * (LONGEST_BODY + 1)}).encode())
    with contextlib.closing(LandingStore(database_url, tenant="demo" if is_stored_first else "mistyped")) as store:
        store.add([long, event(11)], 0)
    LandingStore(database_url, tenant="mistyped").close()
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert (released(right), right.quarantine.count()) == ([10, 11], 0)


def test_what_cannot_be_read_any_more_is_a_hole_and_stops_no_start(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as store:
        store.add([event(10), event(11), event(12)], 0)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
        wrong.add([event(13), event(14, "third")], 0)
        with wrong.transaction() as connection:
            # As an earlier version cut long bodies.
            connection.execute(quarantine.update().where(quarantine.c.id != 1).values(body=b'{"tenant":"demo","na'))
    for _ in range(2):
        with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
            assert (released(right), right.quarantine.holes().pairs) == ([10], [[11, 13]])
        LandingStore(database_url, tenant="mistyped").close()
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        right.add([event(11), event(13)], 0)
        assert (released(right), right.quarantine.holes().pairs) == ([10, 11, 13], [[12, 12]])
    assert "3 events that came while" in caplog.text


@pytest.mark.parametrize("is_discarded_again", [False, True])
def test_what_was_refused_and_discarded_and_then_comes_whole_under_a_wrong_tenant_is_set_aside(
    database_url: str, *, is_discarded_again: bool
) -> None:
    refused = json.dumps(an_event(10, fulfillment_location_id=None)).encode()
    whole = check_event(json.dumps(an_event(10)).encode())
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as store:
        store.add_rejected(refused, path="/events", reason="no location", received_at=0)
        store.quarantine.remove(1)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
        wrong.add([whole], 0)
        assert len(set_aside(wrong)) == 1
        if is_discarded_again:
            wrong.quarantine.remove(2)
            wrong.add([whole], 0)
            assert set_aside(wrong) == []
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert (released(right), right.quarantine.holes().pairs) == ([] if is_discarded_again else [10], [])


def test_events_of_another_tenant_stay_within_the_limit_and_those_stored_first_are_kept(
    store: LandingStore, database_url: str
) -> None:
    store.add([event(10), event(11)], 0)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped", quarantine_max_mb=1)) as wrong:
        for at in range(100, 140):
            body = an_event(at, request=f"fr-{at}", note="x" * 200_000) | {"tenant": "third"}
            wrong.add([check_event(json.dumps(body).encode())])
        with wrong.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.sum(sa.func.length(quarantine.c.body)))) <= 3 * 2**20
            # The newest are whole.
            assert connection.scalar(sa.select(sa.func.length(quarantine.c.body)).order_by(quarantine.c.id.desc()))
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        assert released(right) == [10, 11]


@pytest.mark.parametrize("is_confirmed", [False, True])
@pytest.mark.parametrize("is_discarded", [False, True])
def test_a_wrong_tenant_and_back_is_no_loss(
    store: LandingStore,
    database_url: str,
    caplog: pytest.LogCaptureFixture,
    *,
    is_confirmed: bool,
    is_discarded: bool,
) -> None:
    store.add([event(10), event(11)], 0)
    bookmark = store.plan_release(Bookmark(reader_id="r"), now=2**42).end
    if is_confirmed:
        store.retention.note(bookmark)
    for _ in range(2):
        with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
            if is_discarded and len(set_aside(wrong)) == 2:
                wrong.quarantine.remove(2)
        with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
            # Whether a run has passed them meanwhile nobody knows: they are sent again.
            assert released(right, bookmark) == ([10] if is_discarded else [10, 11])
            assert right.losses.open() == []
    assert "restored from an older copy" not in caplog.text


def test_a_loss_is_seen_where_an_event_had_been_put_back_as_well(store: LandingStore, database_url: str) -> None:
    store.add([event(10), event(11)], 0)
    LandingStore(database_url, tenant="mistyped").close()
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        bookmark = right.plan_release(Bookmark(reader_id="r"), now=2**42).end
        elsewhere = dataclasses.replace(bookmark, position=2, arrival=f"{event(12).event_id}@0")
        right.plan_release(elsewhere, now=2**42)
        assert [loss.evidence for loss in right.losses.open()] == [event(12).event_id]


def test_after_a_wrong_tenant_who_begins_again_is_told_which_events_came_late(
    store: LandingStore, database_url: str
) -> None:
    store.add([event(10), event(12)], 0)
    first = store.plan_release(Bookmark(reader_id="r"), now=2**42).end
    store.add([event(11)], 0)
    store.retention.note(store.plan_release(first, now=2**42).end)
    with contextlib.closing(LandingStore(database_url, tenant="mistyped")) as wrong:
        wrong.retention.prune(0)
    with contextlib.closing(LandingStore(database_url, tenant="demo")) as right:
        late = right.plan_release(Bookmark(), now=2**42).late
        assert late is not None
        assert late.lowest == 11
