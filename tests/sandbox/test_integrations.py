"""Event-stream configuration: which sink gets which events (wire contract, section 4)."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import pytest

from tests.shop.event_stream_contract import ContractProxy
from tests.shop.newstore import NewStore
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.webhook import Webhook
    from tests.shop.object_store import ObjectStore

BASE = "/api/v1/org/integrations/eventstream"
BUCKET = {
    "aws_access_key_id": "the-key-id",
    "aws_secret_access_key": "the-secret",
    "aws_region": "us-east-1",
    "bucket": "stock",
    "key_prefix": "events",
}
BOTH_FILTERS = {"event_filter": ["order.created"], "entity_filter": ["order"]}
#: Changes of a registration: a bucket instead of a webhook.
TO_BUCKET = {"callback_parameters": None, "s3_parameters": BUCKET}


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    """A NewStore without a webhook of its own, held to the table of newstore-api.md."""
    with NewStore(tmp_path) as newstore, ContractProxy(newstore.url) as proxy:
        newstore.add_location("DC01")
        newstore.url = proxy.url
        yield newstore
        assert proxy.violations() == []


def a_registration(name: str, url: str, **changes: t.Any) -> dict[str, t.Any]:
    """Return the body of a registration; a change to None leaves a field out."""
    body = {
        "id": name,
        "integration_type": "permanent",
        "filter_conditions": {"entity_filter": ["fulfillment_request"]},
        "callback_parameters": {"callback_url": url, "api_key": "k"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def register(newstore: NewStore, name: str, url: str, **changes: t.Any) -> None:
    answer = newstore.call("POST", BASE, body=a_registration(name, url, **changes))
    assert answer.status_code == 200, answer.text


def entries(newstore: NewStore, name: str) -> list[dict[str, str]]:
    return list(newstore.call("GET", f"{BASE}/{name}/logs").json()["entries"])


def status(newstore: NewStore, name: str) -> str:
    return str(newstore.call("GET", f"{BASE}/{name}").json()["status"])


def test_a_registered_webhook_gets_the_events_published_from_then_on(newstore: NewStore, webhook: Webhook) -> None:
    newstore.sell("DC01", "A")
    register(newstore, "one", webhook.url)
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [3, 4]
    assert webhook.keys == {"Bearer k"}
    assert status(newstore, "one") == "running"


def test_a_stopped_integration_goes_on_where_it_stopped(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    assert newstore.call("POST", f"{BASE}/one/_stop").status_code == 200
    newstore.sell("DC01", "A")
    assert status(newstore, "one") == "stopped"
    newstore.pause_delivery()
    newstore.resume_delivery()
    assert webhook.bodies == []
    assert newstore.call("POST", f"{BASE}/one/_start").status_code == 200
    newstore.wait_for_delivery()
    assert webhook.timestamps == [1, 2]


def test_a_temporary_integration_replays_a_period(newstore: NewStore, webhook: Webhook) -> None:
    newstore.sell("DC01", "A")
    middle = dt.datetime.now(tz=dt.UTC)
    wait_until(lambda: dt.datetime.now(tz=dt.UTC) - middle > dt.timedelta(milliseconds=5), "the next milliseconds")
    newstore.sell("DC01", "A")
    period = {"starts_at": "2020-01-01T00:00:00Z", "ends_at": middle.isoformat()}
    register(newstore, "again", webhook.url, integration_type="temporary", **period)
    newstore.wait_for_delivery()
    assert webhook.timestamps == [1, 2]
    wait_until(lambda: status(newstore, "again") == "stopped", "end of the period")
    assert "ends_at has passed" in [entry["reason"] for entry in entries(newstore, "again")]


def test_a_filter_for_another_entity_gets_nothing(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "orders", webhook.url, filter_conditions={"entity_filter": ["order"]})
    register(newstore, "requests", webhook.url)
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [1, 2]


def test_integrations_do_not_affect_each_other(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "broken", "http://127.0.0.1:9/events")
    register(newstore, "one", webhook.url)
    newstore.sell("DC01", "A")
    wait_until(lambda: webhook.timestamps == [1, 2], "delivery")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": ""}, "id: required"),
        ({"integration_type": "daily"}, "integration_type: expected one of permanent, temporary"),
        ({"integration_type": "temporary"}, "starts_at: required"),
        (
            {"integration_type": "temporary", "starts_at": "2025-01-02T00:00:00", "ends_at": "2025-01-01T00:00:00Z"},
            "starts_at: expected a time zone",
        ),
        ({"filter_conditions": {}}, "filter_conditions.entity_filter: expected a list of entities"),
        ({"callback_parameters": None}, "callback_parameters, s3_parameters: expected one of them"),
        ({"callback_parameters": {}}, "callback_url: required"),
        ({"id": "x" * 51}, "id: expected 1 to 50 characters of a-z, 0-9 and -"),
        ({"id": "Events"}, "id: expected 1 to 50 characters of a-z, 0-9 and -"),
        ({"source": "x"}, "source: unknown field"),
        ({"filter_conditions": {"event_filter": [], "entity_filter": []}}, "filter_conditions.entity_filter: expected"),
        ({"filter_conditions": BOTH_FILTERS}, "filter_conditions.event_filter, entity_filter: expected one of them"),
        ({"filter_conditions": {"event_filter": "order.created"}}, "filter_conditions.event_filter: expected a list"),
        ({"filter_conditions": {"name": ["x"]}}, "filter_conditions.name: unknown field"),
        ({"callback_parameters": {"callback_url": "http://x", "api_key": "k" * 1025}}, "callback_parameters.api_key"),
        ({"s3_parameters": BUCKET}, "callback_parameters, s3_parameters: expected one of them"),
        ({**TO_BUCKET, "s3_parameters": {**BUCKET, "key_prefix": "a/"}}, "s3_parameters.key_prefix: expected up to 64"),
        (
            {**TO_BUCKET, "s3_parameters": {**BUCKET, "key_prefix": "a" * 65}},
            "s3_parameters.key_prefix: expected up to",
        ),
        ({**TO_BUCKET, "s3_parameters": {**BUCKET, "key_prefix": "a?b"}}, "s3_parameters.key_prefix: expected up to"),
    ],
)
def test_an_invalid_registration_is_400(newstore: NewStore, changes: dict[str, t.Any], said: str) -> None:
    answer = newstore.call("POST", BASE, body=a_registration("one", "http://127.0.0.1:9", **changes))
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(said)


def test_an_id_is_registered_once_and_an_unknown_one_is_404(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    assert newstore.call("POST", BASE, body=a_registration("one", webhook.url)).status_code == 409
    event = f"/rejected_events/{'0' * 36}"
    paths = [("GET", ""), ("DELETE", ""), ("POST", "/_start"), ("POST", "/_stop"), ("GET", "/logs"), ("PATCH", "")]
    paths += [("GET", "/rejected_events"), ("GET", event), ("DELETE", event), ("POST", f"{event}/_retry")]
    for method, path in paths:
        body = {"filter_conditions": {"entity_filter": ["order"]}} if method == "PATCH" else None
        answer = newstore.call(method, f"{BASE}/two{path}", body=body)
        assert (answer.status_code, answer.json()["error_code"]) == (404, "resource_not_found")
    for method, path in paths[-3:]:
        assert newstore.call(method, f"{BASE}/one{path}").status_code == 404


def test_starting_what_runs_and_stopping_what_is_stopped_changes_nothing(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    for action, shown in (("_start", "running"), ("_stop", "stopped"), ("_stop", "stopped"), ("_start", "running")):
        answer = newstore.call("POST", f"{BASE}/one/{action}")
        assert (answer.status_code, answer.json()["status"]) == (200, shown)
    assert [entry["action"] for entry in entries(newstore, "one")] == ["started", "stopped", "started"]


def test_there_are_at_most_25_and_stopped_ones_count(newstore: NewStore, webhook: Webhook) -> None:
    for number in range(25):
        register(newstore, f"number-{number}", webhook.url)
    newstore.call("POST", f"{BASE}/number-0/_stop")
    answer = newstore.call("POST", BASE, body=a_registration("one-more", webhook.url))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "too_many_integrations")
    assert newstore.call("DELETE", f"{BASE}/number-0").status_code == 200
    register(newstore, "one-more", webhook.url)
    ids = [one["id"] for one in newstore.call("GET", BASE).json()["integrations"]]
    assert ids == [*(f"number-{number}" for number in range(1, 25)), "one-more"]


def test_a_deleted_integration_gets_nothing_more(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    register(newstore, "two", webhook.url)
    newstore.call("DELETE", f"{BASE}/one")
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [1, 2]


def test_answers_hold_no_keys(newstore: NewStore) -> None:
    register(newstore, "one", "http://127.0.0.1:9/events")
    register(newstore, "two", "", **TO_BUCKET)
    shown = newstore.call("GET", BASE).text
    assert "api_key" not in shown
    assert not any(secret in shown for secret in BUCKET.values() if secret not in ("us-east-1", "stock", "events"))


def test_a_permanent_integration_may_begin_in_the_past(newstore: NewStore, webhook: Webhook) -> None:
    newstore.sell("DC01", "A")
    register(newstore, "one", webhook.url, starts_at="2020-01-01T00:00:00Z")
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [1, 2, 3, 4]
    assert status(newstore, "one") == "running"


def test_a_change_of_key_and_filter_counts_from_then_on(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    only = {"event_filter": ["fulfillment_request.items_completed"], "entity_filter": []}
    changes = {"callback_parameters": {"callback_url": webhook.url, "api_key": "new"}, "filter_conditions": only}
    answer = newstore.call("PATCH", f"{BASE}/one", body=changes)
    assert (answer.status_code, answer.json()["filter_conditions"]) == (200, only)
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    assert webhook.timestamps == [1, 2, 4]
    assert webhook.keys == {"Bearer k", "Bearer new"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "body: expected callback_parameters, s3_parameters, filter_conditions"),
        ({"id": "other"}, "id: unknown field"),
        ({"ends_at": "2025-01-01T00:00:00Z"}, "ends_at: unknown field"),
        ({"callback_parameters": {"callback_url": "http://x"}, "s3_parameters": BUCKET}, "callback_parameters, s3"),
        ({"filter_conditions": {}}, "filter_conditions.entity_filter: expected a list"),
        ({"filter_conditions": BOTH_FILTERS}, "filter_conditions.event_filter, entity_filter: expected one of them"),
    ],
)
def test_an_invalid_change_is_400(newstore: NewStore, webhook: Webhook, changes: dict[str, t.Any], said: str) -> None:
    register(newstore, "one", webhook.url)
    answer = newstore.call("PATCH", f"{BASE}/one", body=changes)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(said)


def test_rejected_events_are_listed_shown_retried_and_deleted(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    webhook.statuses = [400, 400, 400]
    newstore.sell("DC01", "A")
    newstore.order("DC01", "A", force=True)
    newstore.wait_for_delivery()
    rejected = f"{BASE}/one/rejected_events"
    first, second, third = (row["id"] for row in newstore.call("GET", rejected).json()["rejected_events"])
    assert newstore.call("GET", f"{rejected}/{first}").json()["payload"]["logical_timestamp"] == 1
    webhook.statuses = [400, 200]
    assert newstore.call("POST", f"{rejected}/{first}/_retry").status_code == 502
    assert newstore.call("POST", f"{rejected}/{second}/_retry").status_code == 200
    assert newstore.call("DELETE", f"{rejected}/{third}").status_code == 200
    assert [row["id"] for row in newstore.call("GET", rejected).json()["rejected_events"]] == [first]


def test_only_the_last_30_rejected_events_are_kept(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    webhook.statuses = [400] * 32
    for _ in range(16):
        newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    rows = newstore.call("GET", f"{BASE}/one/rejected_events").json()["rejected_events"]
    assert len(rows) == 30
    oldest = newstore.call("GET", f"{BASE}/one/rejected_events/{rows[0]['id']}").json()
    assert oldest["payload"]["logical_timestamp"] == 3


def test_the_api_requires_a_token(newstore: NewStore) -> None:
    assert newstore.call("GET", f"{BASE}/one", token="made-up").status_code == 403


def test_a_bucket_gets_export_files(tmp_path: Path, object_store: ObjectStore) -> None:
    sink = {
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
        "aws_region": "us-east-1",
        "bucket": object_store.bucket,
        "key_prefix": "events",
    }
    with NewStore(tmp_path, object_store.variables, export_seconds=0.1) as newstore:
        newstore.add_location("DC01")
        register(newstore, "bucket", "", callback_parameters=None, s3_parameters=sink)
        newstore.sell("DC01", "A")
        newstore.wait_for_delivery()
    keys = object_store.keys()
    assert all(key.startswith("events/demo/") and key.endswith(".export") for key in keys)
    bodies = [object_store.client.get_object(Bucket=object_store.bucket, Key=key)["Body"].read() for key in keys]
    lines = b"".join(bodies).splitlines()
    assert [json.loads(line)["payload"]["logical_timestamp"] for line in lines] == [1, 2]
