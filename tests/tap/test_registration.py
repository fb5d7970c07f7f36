"""Registering with NewStore: the real commands, the sandbox's API, and a receiver that gets the events."""

from __future__ import annotations

import datetime as dt
import json
import typing as t

import pytest

from tests.shop.newstore import NewStore
from tests.shop.plugin import run_plugin
from tests.shop.receiver import Receiver
from tests.tap.export_files import ExportTap, timestamps
from tests.tap.registration import KEY, Operator

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.object_store import ObjectStore


def events_of(directory: Path, receiver: Receiver) -> list[int]:
    settings = {"landing_url": receiver.landing_url, "settle_seconds": 0}
    return timestamps(run_plugin("tap-newstore-fulfillment", directory, settings))


def test_a_registered_receiver_gets_the_events(tmp_path: Path, newstore: NewStore, operator: Operator) -> None:
    with Receiver(tmp_path, api_key=KEY) as receiver:
        output = operator.succeed("register", "--callback-url", receiver.events_url)
        assert output == f"newstore-stock-sync: registered and started, webhook {receiver.events_url}\n"
        newstore.sell("DC01", "A")
        newstore.wait_for_delivery()
        assert events_of(tmp_path, receiver) == [1, 2]


def test_stop_holds_events_back_and_start_delivers_them(tmp_path: Path, newstore: NewStore, operator: Operator) -> None:
    with Receiver(tmp_path, api_key=KEY) as receiver:
        operator.succeed("register", "--callback-url", receiver.events_url)
        assert operator.succeed("stop").startswith("newstore-stock-sync: stopped")
        newstore.sell("DC01", "A")
        assert events_of(tmp_path, receiver) == []
        assert operator.succeed("start") == "newstore-stock-sync: started\n"
        newstore.wait_for_delivery()
        assert events_of(tmp_path, receiver) == [1, 2]


def test_replay_delivers_past_events_and_changes_no_stored_ones(
    tmp_path: Path, newstore: NewStore, operator: Operator
) -> None:
    began = dt.datetime.now(tz=dt.UTC) - dt.timedelta(seconds=1)
    newstore.sell("DC01", "A")
    with Receiver(tmp_path, api_key=KEY) as receiver:
        to_receiver = ("--callback-url", receiver.events_url)
        operator.succeed("register", *to_receiver)
        newstore.sell("DC01", "A")
        newstore.wait_for_delivery()
        assert events_of(tmp_path, receiver) == [3, 4]
        output = operator.succeed("replay", "--from", began.isoformat(), "--id", "again", *to_receiver)
        assert output.startswith(f"again: replays {began:%Y-%m-%dT%H:%M:%S}")
        assert output.endswith("again: done and deleted\n")
        assert events_of(tmp_path, receiver) == [1, 2, 3, 4]
        assert "again" not in operator.succeed("list", "--format", "json")


def test_status_shows_newstores_answer_without_secrets(operator: Operator) -> None:
    operator.succeed("register", "--callback-url", "http://127.0.0.1:9/events")
    shown = json.loads(operator.succeed("status", "--format", "json"))
    assert shown["status"] == "running"
    assert shown["integration_type"] == "permanent"
    assert shown["filter_conditions"] == {"entity_filter": ["fulfillment_request"]}
    assert shown["callback_parameters"] == {"callback_url": "http://127.0.0.1:9/events"}
    assert "integration_type: permanent\n" in operator.succeed("status")


def test_a_registered_bucket_is_a_source_of_the_tap(tmp_path: Path, object_store: ObjectStore) -> None:
    with NewStore(tmp_path, object_store.variables, export_seconds=0.1) as newstore:
        newstore.add_location("DC01")
        operator = Operator(tmp_path, newstore)
        bucket = ("--s3-bucket", object_store.bucket, "--s3-prefix", "events", "--s3-region", "us-east-1")
        keys = {"NEWSTORE_S3_ACCESS_KEY_ID": "testing", "NEWSTORE_S3_SECRET_ACCESS_KEY": "s3-secret"}
        output = operator.succeed("register", *bucket, **keys)
        assert output.endswith(f"export files below s3://{object_store.bucket}/events\n")
        assert "aws_secret_access_key" not in operator.succeed("status", "--format", "json")
        newstore.sell("DC01", "A")
        newstore.wait_for_delivery()
    tap = ExportTap(tmp_path, f"s3://{object_store.bucket}/events", object_store.variables)
    assert timestamps(tap.run()) == [1, 2]


def test_newstores_own_words_are_reported_in_one_line(operator: Operator) -> None:
    done = operator.call("stop", "--id", "nobody")
    assert done.code == 1
    assert "NewStore answered 404: error_code: resource_not_found, message: no integration nobody" in done.log
    operator.succeed("register", "--callback-url", "http://127.0.0.1:9/events")
    again = operator.call("register", "--callback-url", "http://127.0.0.1:9/events")
    assert again.code == 1
    assert "error_code: integration_exists" in again.log


def test_a_refused_client_is_told_why(tmp_path: Path, newstore: NewStore) -> None:
    done = Operator(tmp_path, newstore, client_secret="wrong").call("status")
    assert done.code == 1
    assert "NewStore gives no token for this client_id and client_secret" in done.log
    assert "Invalid client or Invalid client credentials" in done.log


def test_no_answer_is_reported_in_one_line(tmp_path: Path, newstore: NewStore) -> None:
    nobody = "http://127.0.0.1:9"
    done = Operator(tmp_path, newstore, api_url=nobody).call("status")
    assert done.code == 1
    assert f"GET {nobody}/api/v1/org/integrations/eventstream/newstore-stock-sync: no answer" in done.log


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({"tenant": "", "client_secret": ""}, ("status",), "tenant, client_secret: required to call NewStore"),
        ({}, ("register",), "--callback-url, --s3-bucket: expected one of them"),
        ({}, ("register", "--callback-url", "http://example.com/events"), "expected https://"),
        ({"receiver_api_key": ""}, ("register", "--callback-url", "https://example.com/events"), "receiver_api_key"),
        (
            {},
            ("register", "--s3-bucket", "b"),
            "--s3-region, NEWSTORE_S3_ACCESS_KEY_ID, NEWSTORE_S3_SECRET_ACCESS_KEY: required",
        ),
        ({}, ("replay", "--from", "yesterday", "--callback-url", "http://127.0.0.1:9"), "Invalid isoformat string"),
        ({}, ("replay", "--from", "2025-01-01", "--callback-url", "http://127.0.0.1:9"), "a time zone is missing"),
        (
            {},
            ("replay", "--from", "2025-01-02T00:00Z", "--to", "2025-01-01T00:00Z", "--callback-url", "http://[::1]/"),
            "--to: expected a time after --from",
        ),
    ],
)
def test_a_missing_or_wrong_value_exits_with_2_and_is_named(
    tmp_path: Path, newstore: NewStore, settings: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    done = Operator(tmp_path, newstore, **settings).call(*arguments)
    assert done.code == 2
    assert message in " ".join(done.log.split())


def test_settings_come_from_variables_and_from_a_file_after_the_command(tmp_path: Path, newstore: NewStore) -> None:
    settings = newstore.client_settings
    config = tmp_path / "after.json"
    config.write_text(json.dumps({"tenant": "nobody", "client_id": settings["client_id"]}), encoding="utf-8")
    variables = {
        f"TAP_NEWSTORE_FULFILLMENT_{name.upper()}": str(settings[name])
        for name in ("tenant", "client_secret", "api_url", "auth_url")
    }
    done = run_plugin("newstore-event-receiver", tmp_path, None, "status", "--config", str(config), **variables)
    assert done.code == 1
    assert "resource_not_found" in done.log
