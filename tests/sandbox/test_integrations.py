"""Event-stream configuration: which sink gets which events (wire contract, section 4)."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import pytest

from tests.shop.newstore import NewStore
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.sandbox.webhook import Webhook
    from tests.shop.object_store import ObjectStore

BASE = "/api/v1/org/integrations/eventstream"


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    """A NewStore without a webhook of its own."""
    with NewStore(tmp_path) as newstore:
        newstore.add_location("DC01")
        yield newstore


def a_registration(name: str, url: str, **changes: t.Any) -> dict[str, t.Any]:
    return {
        "id": name,
        "integration_type": "permanent",
        "filter_conditions": {"entity_filter": ["fulfillment_request"]},
        "callback_parameters": {"callback_url": url, "api_key": "k"},
        **changes,
    }


def register(newstore: NewStore, name: str, url: str, **changes: t.Any) -> None:
    answer = newstore.call("POST", BASE, body=a_registration(name, url, **changes))
    assert answer.status_code == 201, answer.text


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
    assert status(newstore, "again") == "finished"


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
    ],
)
def test_an_invalid_registration_is_400(newstore: NewStore, changes: dict[str, t.Any], said: str) -> None:
    answer = newstore.call("POST", BASE, body=a_registration("one", "http://127.0.0.1:9", **changes))
    assert (answer.status_code, answer.json()["message"]) == (400, said)


def test_an_id_is_registered_once_and_an_unknown_one_is_404(newstore: NewStore, webhook: Webhook) -> None:
    register(newstore, "one", webhook.url)
    assert newstore.call("POST", BASE, body=a_registration("one", webhook.url)).status_code == 409
    for method, path in (("GET", ""), ("POST", "/_start"), ("POST", "/_stop")):
        assert newstore.call(method, f"{BASE}/two{path}").status_code == 404
    assert newstore.call("POST", f"{BASE}/one/_start").status_code == 409


def test_there_are_at_most_25(newstore: NewStore, webhook: Webhook) -> None:
    for number in range(25):
        register(newstore, f"number-{number}", webhook.url)
    answer = newstore.call("POST", BASE, body=a_registration("one more", webhook.url))
    assert (answer.status_code, answer.json()["error_code"]) == (409, "too_many_integrations")


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
