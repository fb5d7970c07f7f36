"""What NewStore says may repeat what it was told: no command shows a secret of it, or a URL with what may be one."""

from __future__ import annotations

import json
import typing as t

import pytest
from tap_newstore_fulfillment.receiver.shown import shown, without

from tests.shop.plugin import run_plugin
from tests.shop.scripted_http import ScriptedHttp, answer
from tests.tap.registration import KEY

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.shop.plugin import Finished

BASE = "/api/v1/org/integrations/eventstream"
OTHERS = "of-somebody-else"
URL = f"https://user:{OTHERS}@example.com/events?token={OTHERS}"
SAID = f"POST {URL} with Bearer {KEY}: 401"
S3 = {"NEWSTORE_S3_ACCESS_KEY_ID": "s3-key-id", "NEWSTORE_S3_SECRET_ACCESS_KEY": "s3-secret"}
#: What nobody may read, from wherever it comes.
SECRETS = (OTHERS, KEY, "hush-hush", *S3.values())
INTEGRATION = {"id": "by-hand", "status": "running", "note": SAID, "callback_parameters": {"callback_url": URL}}
COMMANDS = {
    "": ("list",),
    "/newstore-stock-sync": ("status",),
    "/newstore-stock-sync/logs": ("logs",),
    "/newstore-stock-sync/rejected_events": ("rejected", "list"),
}
TO_BUCKET = ("register", "--s3-bucket", "b", "--s3-region", "r")


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        yield server


@pytest.fixture
def call(tmp_path: Path, server: ScriptedHttp) -> Callable[..., Finished]:
    """Return what runs a command and looks that it shows no secret."""

    def run(*arguments: str) -> Finished:
        settings = {**server.settings, "receiver_api_key": KEY}
        done = run_plugin("newstore-event-receiver", tmp_path, settings, *arguments, **S3)
        assert not [secret for secret in SECRETS if secret in done.log + done.output], done
        assert "Traceback" not in done.log
        return done

    return run


@pytest.mark.parametrize("options", [(), ("--format", "json")])
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("", {"integrations": [INTEGRATION]}),
        ("/newstore-stock-sync", INTEGRATION),
        ("/newstore-stock-sync/logs", {"entries": [{"created_at": "today", "action": "failed", "reason": SAID}]}),
        ("/newstore-stock-sync/rejected_events", {"rejected_events": [{"id": 36 * "0", "said": SAID}]}),
    ],
)
def test_no_command_shows_a_secret_of_an_answer(
    server: ScriptedHttp,
    call: Callable[..., Finished],
    path: str,
    content: dict[str, t.Any],
    options: tuple[str, ...],
) -> None:
    server.answers[BASE + path] = answer(200, json.dumps(content).encode())
    done = call(*COMMANDS[path], *options)
    assert done.code == 0, done.log
    assert "https://example.com/events" in done.output or (path.endswith("events") and not options)


@pytest.mark.parametrize("body", ['{{"error_code": "bad", "message": "client {0}"}}', "{0}", "<html>{0} and {0}"])
@pytest.mark.parametrize("secret", ["hush-hush", KEY, S3["NEWSTORE_S3_SECRET_ACCESS_KEY"], "t0ken-of-today"])
def test_no_error_repeats_a_secret_that_newstore_was_told(
    server: ScriptedHttp, call: Callable[..., Finished], body: str, secret: str
) -> None:
    server.answers["/token"] = answer(200, b'{"access_token": "t0ken-of-today", "expires_in": 300}')
    server.answers[BASE] = answer(400, body.format(secret).encode())
    done = call(*TO_BUCKET)
    assert done.code == 1
    assert "NewStore answered 400: " in done.log
    assert "***" in done.log
    assert secret not in done.log


def test_nor_does_the_refusal_of_a_token(server: ScriptedHttp, call: Callable[..., Finished]) -> None:
    told = {"error": "invalid_client", "error_description": "secret hush-hush is wrong"}
    server.answers["/token"] = answer(401, json.dumps(told).encode())
    assert "error_description: secret *** is wrong, error: invalid_client" in call("status").log


def test_of_a_url_only_its_place_is_shown_after_a_change(server: ScriptedHttp, call: Callable[..., Finished]) -> None:
    server.answers[BASE] = answer(200, json.dumps({"status": "running"}).encode())
    done = call("register", "--callback-url", URL)
    assert done.output == "newstore-stock-sync: registered and started, webhook https://example.com/events\n"
    server.answers[f"{BASE}/newstore-stock-sync"] = answer(200, json.dumps(INTEGRATION).encode())
    done = call("update", "--callback-url", URL)
    assert done.output == "newstore-stock-sync: updated, webhook https://example.com/events, running\n"


def test_a_secret_as_short_as_a_syllable_is_hidden_where_it_stands_alone() -> None:
    assert without("stop s, please", ["s"]) == "stop ***, please"
    assert without("key=a-long-secret1", ["a-long-secret", "secret"]) == "key=***1"


def test_keys_are_hidden_by_their_names_and_all_else_stays() -> None:
    value = {"api_key": "x", "aws_secret_access_key": "", "rows": [{"access_token": 5, "at": "a@b", "n": None}]}
    hidden = {"api_key": "***", "aws_secret_access_key": "", "rows": [{"access_token": "***", "at": "a@b", "n": None}]}
    assert shown(value, ()) == hidden
