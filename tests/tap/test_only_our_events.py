"""Only our events count: those of other entities and other tenants move nothing (design rule 15)."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import sqlite3
import time
import typing as t

import pytest
import requests
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.plugin import Finished, run_plugin
from tests.shop.raw_http import post_request, read_answer
from tests.shop.receiver import Receiver
from tests.tap.events import an_event, an_older_event
from tests.tap.export_files import ExportDirectory, ExportTap, timestamps
from tests.tap.tenants import event, released, set_aside

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CALL_SECONDS = 30
AN_ORDER = {
    "tenant": "demo",
    "name": "order.created",
    "published_at": "2025-03-04T09:15:02.117Z",
    "payload": {"id": "o-1", "customer_name": "Ada SECRET Lovelace", "items": [{"id": 1}], "total": 1.5},
}


@pytest.fixture
def store(database_url: str) -> Iterator[LandingStore]:
    store = LandingStore(database_url)
    yield store
    store.close()


def metrics(receiver: Receiver, name: str) -> dict[str, float]:
    text = requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).text
    return {
        label: float(count) for label, count in re.findall(rf'^{name}\{{\w+="([^"]*)"\}} (\S+)$', text, re.MULTILINE)
    }


@pytest.mark.fault("F31")
def test_events_of_other_entities_are_answered_200_counted_by_name_and_nowhere_kept(
    tmp_path: Path, database_url: str
) -> None:
    bodies = [AN_ORDER, AN_ORDER, AN_ORDER | {"name": "inventory_transaction.created", "payload": None}]
    older = {"event": {"name": "order_created", "payload": AN_ORDER["payload"]}}
    with Receiver(tmp_path, landing_url=database_url) as receiver:
        assert [receiver.post(body).status_code for body in (*bodies, older, an_event(10))] == [200] * 5
        assert metrics(receiver, "newstore_events_ignored_total") == {
            "order.created": 2,
            "inventory_transaction.created": 1,
            "order_created": 1,
        }
        assert "SECRET" not in receiver.process.output
    with contextlib.closing(LandingStore(database_url)) as store:
        assert (released(store), store.quarantine.count()) == ([10], 0)


def test_an_event_of_another_entity_is_answered_with_the_group_under_way(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver, contextlib.closing(sqlite3.connect(tmp_path / "landing.db")) as other:
        host, port = receiver.url.removeprefix("http://").split(":")
        with contextlib.ExitStack() as resources:
            connections = [
                resources.enter_context(socket.create_connection((host, int(port)), CALL_SECONDS)) for _ in range(2)
            ]
            other.execute("BEGIN IMMEDIATE")
            for connection, body in zip(connections, (an_event(10), AN_ORDER), strict=True):
                connection.sendall(post_request(json.dumps(body).encode()))
                # Asked later, answered later.
                ignored = metrics(receiver, "newstore_events_ignored_total")
            assert ignored == {"order.created": 1}
            assert not select.select(connections, [], [], 0)[0]
            other.rollback()
            assert [read_answer(connection)[0] for connection in connections] == [200, 200]


def test_no_sender_can_make_metrics_grow_without_end(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        names = [f"order.number_{number}" for number in range(150)] + ['order."}', "x" * 500]
        assert {receiver.post(AN_ORDER | {"name": name}).status_code for name in names} == {200}
        counted = metrics(receiver, "newstore_events_ignored_total")
    assert sum(counted.values()) == len(names)
    assert (len(counted), counted["other"]) == (101, 52)


def test_events_of_other_entities_in_export_files_are_counted_and_nowhere_kept(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path)
    exports.put("1-data-a.export", AN_ORDER, an_event(10), AN_ORDER | {"name": "order.updated"}, AN_ORDER)
    done = tap.run()
    assert (timestamps(done), tap.rejected()) == ([10], [])
    assert "3 events of other entities are not kept: order.created 2, order.updated 1" in done.log
    with contextlib.closing(LandingStore(tap.settings["landing_url"])) as store:
        assert store.quarantine.count() == 0
    assert "SECRET" not in done.log + done.output


@pytest.mark.fault("F31")
@pytest.mark.parametrize("tenant", ["demo", None])
def test_another_tenants_event_is_set_aside_and_moves_no_mark(database_url: str, tenant: str | None) -> None:
    with contextlib.closing(LandingStore(database_url, tenant=tenant)) as store:
        assert store.add([event(10), event(11)], 0).total() == 2
        added = store.add([event(12), event(99, "other"), event(13, None)], 0)
        assert (added.total(), added.set_aside.total()) == (2, 1)
        store.add([event(99, "other")], 0)
        assert released(store) == [10, 11, 12, 13]
        assert store.plan_release(Bookmark(), now=2**42).through == 13
        whence = " (setting tenant)" if tenant else ". If it is not, set tenant"
        assert set_aside(store) == [f"an event of tenant other; this landing store is demo's{whence}"]
        assert store.quarantine.holes().pairs == []


def test_the_first_tenant_named_is_the_stores_for_all_that_use_it(store: LandingStore, database_url: str) -> None:
    store.add([event(9, None), event(10), event(11, "other")], 0)
    with contextlib.closing(LandingStore(database_url)) as second:
        second.add([event(12, "other"), event(13)], 0)
    assert released(store) == [9, 10, 13]
    assert len(set_aside(store)) == 2


def test_a_refused_body_is_a_hole_whatever_tenant_it_names(store: LandingStore) -> None:
    store.add([event(10)])
    # Garbled as it is, its tenant may be, too.
    body = {name: value for name, value in an_event(12).items() if name != "name"} | {"tenant": "other"}
    store.quarantine.add(json.dumps(body).encode(), path="/events", reason="name: required", received_at=1)
    assert store.quarantine.holes().pairs == [[12, 12]]


def test_two_receivers_that_learn_the_tenant_at_once_agree(store: LandingStore, database_url: str) -> None:
    with contextlib.closing(LandingStore(database_url)) as second:
        store.add([event(10)], 0)
        second.add([event(11, "other")], 0)
        assert (released(second), len(set_aside(second))) == ([10], 1)


def test_with_another_tenant_set_events_change_places(store: LandingStore, database_url: str) -> None:
    store.add([event(10), event(11, "other"), event(12, None)], 0)
    for tenant, expected in (("other", [11, 12]), ("demo", [10, 12]), ("other", [11, 12])):
        with contextlib.closing(LandingStore(database_url, tenant=tenant)) as changed:
            assert released(changed) == expected
            assert len(set_aside(changed)) == 1


def test_a_receiver_that_runs_on_heeds_a_tenant_set_elsewhere(store: LandingStore, database_url: str) -> None:
    store.add([event(10)], 0)
    LandingStore(database_url, tenant="other").close()
    store.add([event(11)], 0)
    store.add([event(12), event(13, "other")], 0)
    assert released(store) == [13]
    assert len(set_aside(store)) == 3


def test_positions_are_not_given_out_again_when_events_are_taken_out(store: LandingStore, database_url: str) -> None:
    store.add([event(10), event(11)], 0)
    bookmark = store.plan_release(Bookmark(reader_id="r"), now=2**42).end
    LandingStore(database_url, tenant="other").close()
    store.add([event(12, "other")], 0)
    assert released(store, bookmark) == [12]
    plan = store.plan_release(bookmark, now=2**42)
    assert (plan.start.position, plan.position) == (bookmark.position, bookmark.position + 1)
    store.retention.note(plan.end)
    assert store.retention.pruned() is None


def test_how_long_something_has_been_set_aside_is_told(tmp_path: Path, database_url: str) -> None:
    def oldest() -> float:
        text = requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).text
        return float(re.findall(r"^newstore_oldest_set_aside_timestamp_seconds (\S+)$", text, re.MULTILINE)[0])

    with Receiver(tmp_path, landing_url=database_url, tenant="demo") as receiver:
        assert receiver.post(an_event(10)).status_code == 200
        assert oldest() == 0
        before = time.time()
        receiver.post(an_event(9) | {"tenant": "other"})
        first = oldest()
        assert before - 1 < first < time.time() + 1
        receiver.post(b"not an event")
        assert oldest() == first


def test_an_events_tenant_is_checked_by_the_receiver(tmp_path: Path, database_url: str) -> None:
    with Receiver(tmp_path, landing_url=database_url, tenant="demo") as receiver:
        answers = [receiver.post(an_event(at) | {"tenant": tenant}) for at, tenant in ((10, "demo"), (9, "other"))]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert receiver.post(an_older_event(11), "/fulfillment_request").status_code == 200
        assert metrics(receiver, "newstore_set_aside")["another tenant"] == 1
        completed = {"fulfillment_request.items_completed": 0}
        assert metrics(receiver, "newstore_events_duplicate_total") == completed
    done = run_tap(tmp_path, database_url)
    assert [record["logical_timestamp"] for record in done.records] == [10, 11]


def run_tap(directory: Path, url: str) -> Finished:
    done = run_plugin("tap-newstore-fulfillment", directory, {"landing_url": url, "settle_seconds": 0})
    assert done.code == 0, done.log
    return done


def test_another_tenants_lines_in_export_files_are_set_aside(tmp_path: Path) -> None:
    exports = ExportDirectory(tmp_path / "exports")
    tap = ExportTap(tmp_path, exports.path, tenant="demo")
    exports.put("1-data-a.export", an_event(10), an_event(99) | {"tenant": "other"}, an_event(11))
    assert timestamps(tap.run()) == [10, 11]
    with contextlib.closing(LandingStore(tap.settings["landing_url"])) as store:
        assert len(set_aside(store)) == 1
