"""Commands around NewStore's event stream: every call of its API, by id, with the exit code a script goes by."""

from __future__ import annotations

import json
import re
import typing as t

import pytest
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver.command import receive

from tests.shop.plugin import run_plugin
from tests.shop.process import wait_until
from tests.shop.receiver import Receiver
from tests.tap.registration import KEY, Operator

if t.TYPE_CHECKING:
    from pathlib import Path

    import click

    from tests.sandbox.webhook import Webhook
    from tests.shop.newstore import NewStore

BASE = "/api/v1/org/integrations/eventstream"
NOWHERE = ("--callback-url", "http://127.0.0.1:9/events")
UNKNOWN = "0" * 36


@pytest.fixture
def registered(operator: Operator) -> Operator:
    operator.succeed("register", *NOWHERE)
    return operator


def shown(operator: Operator, *command: str) -> t.Any:
    return json.loads(operator.succeed(*command, "--format", "json"))


def rejections(newstore: NewStore, operator: Operator, webhook: Webhook, *statuses: int) -> list[str]:
    """Let the webhook reject events, and return their ids; it answers with the statuses from then on."""
    operator.succeed("register", "--callback-url", webhook.url)
    webhook.statuses = [400, 400]
    newstore.sell("DC01", "A")
    newstore.wait_for_delivery()
    webhook.statuses = list(statuses)
    return [row["id"] for row in shown(operator, "rejected", "list")["rejected_events"]]


def test_list_shows_all_integrations_without_keys(newstore: NewStore, registered: Operator) -> None:
    by_hand = {"id": "by-hand", "integration_type": "permanent", "callback_parameters": {"callback_url": "http://x"}}
    assert newstore.call("POST", BASE, body=by_hand).status_code == 200
    found = shown(registered, "list")["integrations"]
    assert [(one["id"], one["status"]) for one in found] == [("newstore-stock-sync", "running"), ("by-hand", "running")]
    table = registered.succeed("list", COLUMNS="200")
    assert "Integrations: 2 of 25" in table
    assert re.search("by-hand.*webhook http://x.*every event", table)


def test_update_changes_the_key_and_the_stream_goes_on(tmp_path: Path, newstore: NewStore, operator: Operator) -> None:
    with Receiver(tmp_path, api_key="the-new-key") as receiver:
        operator.succeed("register", "--callback-url", receiver.events_url)
        newstore.sell("DC01", "A")
        operator.settings["receiver_api_key"] = "the-new-key"
        output = operator.succeed("update", "--callback-url", receiver.events_url)
        assert output == f"newstore-stock-sync: updated, webhook {receiver.events_url}, running\n"
        newstore.wait_for_delivery()
    assert [entry["action"] for entry in shown(operator, "logs")["entries"]] == ["started", "updated"]


def test_update_makes_an_integration_made_by_hand_ask_for_fulfilment_requests_only(
    newstore: NewStore, operator: Operator
) -> None:
    by_hand = {"id": "by-hand", "integration_type": "permanent", "callback_parameters": {"callback_url": "http://x"}}
    newstore.call("POST", BASE, body=by_hand)
    operator.succeed("update", "--id", "by-hand", "--fulfillment-only")
    assert shown(operator, "status", "--id", "by-hand")["filter_conditions"] == {
        "entity_filter": ["fulfillment_request"]
    }


def test_status_ends_with_1_when_an_integration_is_stopped(registered: Operator) -> None:
    registered.succeed("status")
    registered.succeed("stop")
    done = registered.call("status", "--format", "json")
    assert (done.code, json.loads(done.output)["status"]) == (1, "stopped")
    assert "newstore-stock-sync: stopped, NewStore delivers nothing" in done.log
    registered.succeed("start")
    registered.succeed("status")


def test_starting_twice_and_stopping_twice_is_no_error(registered: Operator) -> None:
    for command in ("start", "stop", "stop", "start"):
        registered.succeed(command)


def test_delete_frees_the_id_and_must_be_told_which(registered: Operator) -> None:
    assert registered.call("delete").code == 2
    assert registered.succeed("delete", "--id", "newstore-stock-sync") == "newstore-stock-sync: deleted\n"
    assert shown(registered, "list") == {"integrations": []}
    registered.succeed("register", *NOWHERE)


def test_logs_say_what_became_of_an_integration(registered: Operator) -> None:
    registered.succeed("stop")
    entries = shown(registered, "logs")["entries"]
    assert [(entry["action"], entry["reason"]) for entry in entries] == [
        ("started", "registered"),
        ("stopped", "_stop"),
    ]
    assert "_stop" in registered.succeed("logs")


def test_register_reads_the_status_it_got(newstore: NewStore, operator: Operator) -> None:
    stopped = {"id": "newstore-stock-sync", "integration_type": "permanent", "status": "stopped"}
    answer = {**stopped, "callback_parameters": {"callback_url": "http://127.0.0.1:9/events"}}
    newstore.set_faults(calls=[{"method": "POST", "path": BASE, "status": 200, "body": answer}])
    done = operator.call("register", *NOWHERE)
    assert (done.code, done.output) == (1, "")
    assert "registered, webhook http://127.0.0.1:9/events, but NewStore says it is stopped" in done.log


def test_rejected_events_are_listed_and_shown(newstore: NewStore, operator: Operator, webhook: Webhook) -> None:
    first, second = rejections(newstore, operator, webhook)
    envelopes = [json.loads(operator.succeed("rejected", "show", event_id)) for event_id in (first, second)]
    assert [envelope["payload"]["logical_timestamp"] for envelope in envelopes] == [1, 2]
    assert first in operator.succeed("rejected", "list", COLUMNS="200")


def test_retry_delivers_rejected_events_and_ends_with_1_if_one_is_rejected_again(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    first, second = rejections(newstore, operator, webhook, 400, 200)
    done = operator.call("rejected", "retry")
    assert (done.code, done.output) == (1, "1 delivered, 1 rejected again\n")
    assert f"{first}: the receiver rejected it again" in done.log
    assert "ERROR newstore-stock-sync: the receiver rejected 1 of 2 events again. " in done.log
    assert done.log.endswith(" [NSS-142]\n")
    assert operator.succeed("rejected", "retry", first) == "1 delivered, 0 rejected again\n"
    assert shown(operator, "rejected", "list") == {"rejected_events": []}
    assert webhook.timestamps[-1] == 1
    assert operator.call("rejected", "retry", second).code == 1


def test_rejected_events_are_deleted_one_or_all(newstore: NewStore, operator: Operator, webhook: Webhook) -> None:
    first, _second = rejections(newstore, operator, webhook)
    assert operator.call("rejected", "delete").code == 2
    assert operator.succeed("rejected", "delete", first) == "1 deleted\n"
    assert operator.succeed("rejected", "delete", "--all") == "1 deleted\n"
    assert operator.call("rejected", "show", first).code == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "--id", "Newstore"), "'Newstore': expected 1 to 50 characters of a-z, 0-9 and -"),
        (("status", "--id", ""), "'': expected 1 to 50 characters"),
        (("register", "--id", "x" * 51, *NOWHERE), "expected 1 to 50 characters"),
        (("replay", "--id", "again!", "--from", "2025-01-01T00:00Z", *NOWHERE), "'again!': expected 1 to 50"),
        (("delete", "--id", "a/b"), "'a/b': expected 1 to 50 characters"),
        (("logs", "--id", "a b"), "'a b': expected 1 to 50 characters"),
        (("rejected", "list", "--id", "ä"), "'ä': expected 1 to 50 characters"),
        (("rejected", "show", "1"), "'1': expected the 36 characters that `rejected list` shows"),
        (("rejected", "retry", UNKNOWN, UNKNOWN[:-1]), "expected the 36 characters"),
        (("rejected", "delete", "../" + UNKNOWN[3:]), "expected the 36 characters"),
        (("update",), "--callback-url, --s3-bucket, --fulfillment-only: expected one of them"),
        (("update", *NOWHERE, "--s3-bucket", "b"), "--callback-url, --s3-bucket: expected one of them"),
        (("register", "--s3-bucket", "b", "--s3-region", "r", "--s3-prefix", "a/"), "--s3-prefix a/: NewStore takes"),
        (("register", "--s3-bucket", "b", "--s3-region", "r", "--s3-prefix", "a" * 65), "NewStore takes up to 64"),
        (("register", "--s3-bucket", "b", "--s3-region", "r", "--s3-prefix", "a b"), "NewStore takes up to 64"),
    ],
)
def test_what_newstore_would_refuse_is_not_sent(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    nobody = {"tenant": "demo", "client_id": "c", "client_secret": "s", "api_url": "http://127.0.0.1:9"}
    keys = {"NEWSTORE_S3_ACCESS_KEY_ID": "id", "NEWSTORE_S3_SECRET_ACCESS_KEY": "secret"}
    done = run_plugin("newstore-event-receiver", tmp_path, {**nobody, "receiver_api_key": KEY}, *arguments, **keys)
    assert done.code == 2, done.log
    assert said in " ".join(done.log.split())
    assert "Traceback" not in done.log


@pytest.mark.parametrize(
    ("key", "said"), [("k" * 1025, "NewStore takes up to 1024 characters"), ("a-key\n", "no header can carry it")]
)
def test_a_key_that_cannot_work_is_not_sent(tmp_path: Path, newstore: NewStore, key: str, said: str) -> None:
    done = Operator(tmp_path, newstore, receiver_api_key=key).call("register", *NOWHERE)
    assert done.code == 2
    assert f"receiver_api_key: {said}" in done.log


def test_a_replay_has_a_valid_id_and_is_deleted_when_it_is_done(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    newstore.sell("DC01", "A")
    output = operator.succeed("replay", "--from", "2020-01-01T00:00:00Z", "--callback-url", webhook.url)
    (name,) = set(re.findall(r"^([a-z0-9-]{1,50}): ", output, re.MULTILINE))
    assert re.fullmatch(r"stock-replay-20200101t000000-\d{8}t\d{6}", name)
    assert output.endswith(f"{name}: done and deleted\n")
    assert sorted(webhook.timestamps) == [1, 2]
    assert shown(operator, "list") == {"integrations": []}


def test_a_replay_whose_events_are_rejected_stays_and_ends_with_1(
    newstore: NewStore, operator: Operator, webhook: Webhook
) -> None:
    newstore.sell("DC01", "A")
    webhook.statuses = [400]
    arguments = ("replay", "--id", "again", "--from", "2020-01-01T00:00:00Z", "--callback-url", webhook.url)
    done = operator.call(*arguments)
    assert done.code == 1
    assert "again: done, but the receiver rejected 1 events" in done.log
    assert operator.succeed("rejected", "retry", "--id", "again") == "1 delivered, 0 rejected again\n"
    assert operator.call(*arguments).code == 1
    operator.succeed("delete", "--id", "again")
    operator.succeed(*arguments)


def test_a_replay_may_be_left_to_itself(newstore: NewStore, operator: Operator, webhook: Webhook) -> None:
    newstore.sell("DC01", "A")
    period = ("--from", "2020-01-01T00:00:00Z", "--wait-minutes", "0")
    output = operator.succeed("replay", "--id", "again", *period, "--callback-url", webhook.url)
    assert output.startswith("again: replays 2020-01-01T00:00:00.000Z to ")
    newstore.wait_for_delivery()
    wait_until(lambda: operator.call("status", "--id", "again").code == 1, "end of the replay")
    operator.succeed("delete", "--id", "again")


def test_passing_faults_of_newstore_are_waited_out(newstore: NewStore, registered: Operator) -> None:
    for method, path, command in (
        ("GET", BASE, ("list",)),
        ("GET", f"{BASE}/*", ("status",)),
        ("PATCH", f"{BASE}/*", ("update", "--fulfillment-only")),
        ("DELETE", f"{BASE}/*", ("delete", "--id", "newstore-stock-sync")),
    ):
        newstore.set_faults(calls=[{"method": method, "path": path, "status": 500}])
        registered.succeed(*command)


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("list",),
        ("logs",),
        ("rejected", "list"),
        ("update", "--fulfillment-only"),
        ("quarantine", "list"),
        ("backlog",),
        ("prune", "--keep-days", "1"),
    ],
)
def test_a_configuration_file_may_come_before_every_command(
    tmp_path: Path, newstore: NewStore, registered: Operator, command: tuple[str, ...]
) -> None:
    del newstore
    config = tmp_path / "before.json"
    landing_url = f"sqlite:///{tmp_path / 'landing.db'}"
    config.write_text(json.dumps({**registered.settings, "landing_url": landing_url}), encoding="utf-8")
    LandingStore(landing_url).close()
    done = run_plugin("newstore-event-receiver", tmp_path, None, "--config", str(config), *command)
    assert done.code == 0, done.log


@pytest.mark.parametrize("group", ["quarantine", "rejected"])
def test_a_configuration_file_may_stand_between_a_group_and_its_command(
    tmp_path: Path, registered: Operator, group: str
) -> None:
    config = tmp_path / "between.json"
    landing_url = f"sqlite:///{tmp_path / 'landing.db'}"
    config.write_text(json.dumps({**registered.settings, "landing_url": landing_url}), encoding="utf-8")
    LandingStore(landing_url).close()
    done = run_plugin("newstore-event-receiver", tmp_path, None, group, "--config", str(config), "list")
    assert done.code == 0, done.log


def test_every_group_and_every_command_takes_a_configuration_file() -> None:
    def without(command: click.Command, name: str) -> list[str]:
        below = [each for part, one in getattr(command, "commands", {}).items() for each in without(one, part)]
        return below if any("--config" in option.opts for option in command.params) else [name, *below]

    assert without(receive, "newstore-event-receiver") == []


def test_a_file_after_a_command_overrides_one_before_it(tmp_path: Path, newstore: NewStore, operator: Operator) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**operator.settings, "tenant": "nobody", "auth_url": None}), encoding="utf-8")
    right = tmp_path / "right.json"
    right.write_text(json.dumps(operator.settings), encoding="utf-8")
    newstore.call("POST", BASE, body={"id": "x", "integration_type": "permanent"})
    files = ("--config", str(wrong), "rejected", "--config", str(right), "list")
    done = run_plugin("newstore-event-receiver", tmp_path, None, *files, "--id", "x")
    assert "resource_not_found" in done.log


@pytest.mark.parametrize("command", [("status",), ("backlog",), ("check",)])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON: Expecting property name"),
        ("[" * 200_000, "not JSON: nested too deeply"),
        ("[]", "expected a JSON object"),
    ],
)
def test_a_configuration_file_that_cannot_be_read_ends_with_2_and_is_named(
    tmp_path: Path, command: tuple[str, ...], text: str, said: str
) -> None:
    config = tmp_path / "odd.json"
    config.write_text(text, encoding="utf-8")
    done = run_plugin("newstore-event-receiver", tmp_path, None, *command, "--config", str(config))
    assert done.code == 2, done.log
    assert f"--config {config}: {said}" in done.log + done.output
    assert "Traceback" not in done.log
