"""Published events and their delivery (wire contract, section 4)."""

from __future__ import annotations

import re
import typing as t

import pytest
import requests

from tests.shop.newstore import NewStore
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.webhook import Webhook


@pytest.fixture
def newstore(tmp_path: Path, webhook: Webhook) -> Iterator[NewStore]:
    with a_newstore(tmp_path, webhook) as newstore:
        yield newstore


def a_newstore(directory: Path, webhook: Webhook, **options: t.Any) -> NewStore:
    newstore = NewStore(directory, webhook_url=webhook.url, first_logical_timestamp=7, **options)
    newstore.add_location("DC01")
    newstore.set_stock("DC01", "A", 100)
    return newstore


def test_an_order_publishes_each_step_with_the_next_logical_timestamp(newstore: NewStore, webhook: Webhook) -> None:
    first = newstore.order("DC01", "A", "A")
    newstore._post(f"orders/{first}/ready", {})
    newstore.ship(first)
    newstore.fail(newstore.order("DC01", "A"))
    newstore.wait_for_delivery()
    assert [(body["name"], len(body["payload"]["items"])) for body in webhook.bodies] == [
        ("fulfillment_request.assigned", 2),
        ("fulfillment_request.items_ready_for_handover", 2),
        ("fulfillment_request.items_completed", 2),
        ("fulfillment_request.assigned", 1),
        ("fulfillment_request.items_failed", 1),
    ]
    assert webhook.timestamps == [7, 8, 9, 10, 11]


def test_the_envelope_of_the_event_stream(newstore: NewStore, webhook: Webhook) -> None:
    order = newstore.order("DC01", "A")
    newstore.wait_for_delivery()
    (body,) = webhook.bodies
    assert body.keys() == {"tenant", "name", "published_at", "payload"}
    assert body["tenant"] == "demo"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["published_at"])
    payload = body["payload"]
    assert payload.keys() == {
        "id",
        "order_id",
        "logical_timestamp",
        "fulfillment_location_id",
        "associate_id",
        "service_level",
        "items",
    }
    assert (payload["order_id"], payload["fulfillment_location_id"]) == (order, "DC01")
    assert [item.keys() for item in payload["items"]] == [{"id", "product_id"}]


def test_the_shape_of_the_older_webhook(tmp_path: Path, webhook: Webhook) -> None:
    with a_newstore(tmp_path, webhook, webhook_shape="legacy") as newstore:
        newstore.sell("DC01", "A")
        newstore.wait_for_delivery()
    assert [body.keys() for body in webhook.bodies] == [{"published_at", "event"}] * 2
    names = [body["event"]["name"] for body in webhook.bodies]
    assert names == ["fulfillment_request_assigned", "fulfillment_request_completed"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", webhook.bodies[0]["published_at"])


def test_the_key_is_sent(tmp_path: Path, webhook: Webhook) -> None:
    with a_newstore(tmp_path, webhook, webhook_key="k") as newstore:
        newstore.order("DC01", "A")
        newstore.wait_for_delivery()
    assert webhook.keys == {"Bearer k"}


def test_a_400_rejects_the_event_and_the_stream_goes_on(newstore: NewStore, webhook: Webhook) -> None:
    webhook.statuses = [400]
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [7, 8]
    delivery = newstore._get("delivery")
    assert (delivery["accepted"], len(delivery["rejected"])) == (1, 1)


def test_only_the_last_thirty_rejected_events_are_kept(newstore: NewStore, webhook: Webhook) -> None:
    webhook.statuses = [400] * 32
    for _ in range(32):
        newstore.order("DC01", "A")
    newstore.wait_for_delivery()
    rejected = newstore._get("delivery")["rejected"]
    assert [event["payload"]["logical_timestamp"] for event in rejected] == list(range(9, 39))


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_on_any_other_answer_the_stream_waits_and_sends_the_same_event_again(
    newstore: NewStore, webhook: Webhook, status: int
) -> None:
    webhook.statuses = [status]
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [7, 7, 8]


def test_redelivery_sends_everything_again_in_another_order(newstore: NewStore, webhook: Webhook) -> None:
    for _ in range(5):
        newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    newstore.redeliver(times=2, seed=3)
    again = webhook.timestamps[10:]
    assert sorted(again) == sorted(list(range(7, 17)) * 2)
    assert again != sorted(again)


def test_paused_deliveries_wait(newstore: NewStore, webhook: Webhook) -> None:
    newstore.pause_delivery()
    newstore.order("DC01", "A")
    assert requests.get(f"{newstore.url}/sandbox/delivery/wait?seconds=0.2", timeout=30).status_code == 504
    assert webhook.bodies == []
    newstore.resume_delivery()
    newstore.wait_for_delivery()
    assert webhook.timestamps == [7]


def test_an_order_beyond_what_is_available_needs_force(newstore: NewStore) -> None:
    body = {"fulfillment_node_id": "DC01", "items": [{"product_id": "A", "quantity": 101}]}
    url = f"{newstore.url}/sandbox/orders"
    assert requests.post(url, json=body, timeout=30).status_code == 409
    assert requests.post(url, json={**body, "force": True}, timeout=30).status_code == 201


def test_units_are_shipped_once(newstore: NewStore) -> None:
    order = newstore.order("DC01", "A")
    newstore.ship(order)
    for move in ("ship", "fail", "ready"):
        assert requests.post(f"{newstore.url}/sandbox/orders/{order}/{move}", timeout=30).status_code == 409


def test_single_units_of_an_order_can_be_moved(newstore: NewStore, webhook: Webhook) -> None:
    newstore._post("orders", {"fulfillment_node_id": "DC01", "items": [{"product_id": "A", "quantity": 3}]})
    wait_until(lambda: webhook.bodies, "delivery")
    payload = webhook.bodies[0]["payload"]
    newstore._post(f"orders/{payload['order_id']}/ship", {"item_ids": [payload["items"][0]["id"]]})
    newstore._post(f"orders/{payload['order_id']}/fail", {})
    newstore.wait_for_delivery()
    assert [len(body["payload"]["items"]) for body in webhook.bodies] == [3, 1, 2]
    assert newstore.numbers("DC01", "A") | {"shelf": 99, "allocations": 1} == newstore.numbers("DC01", "A")
