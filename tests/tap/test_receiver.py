"""The receiver as NewStore sees it: a real process, real HTTP."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
import typing as t

import pytest
import requests

from tests.shop.process import Process, command, environment
from tests.shop.receiver import Receiver
from tests.tap.events import an_event, an_older_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "a-key-only-newstore-knows"
#: Runs the receiver, which gets SIGTERM when a function is called: before or in the middle of it.
TOLD_TO_END = """
import click, os, signal, socket
from tap_newstore_fulfillment.receiver import command

holder, name = {when}
does = getattr(holder, name)

def do_and_be_told(*given):
    setattr(holder, name, does)
    done = does(*given)
    os.kill(os.getpid(), signal.SIGTERM)
    return done

setattr(holder, name, do_and_be_told)
command.main()
"""
AS_IT_LISTENS = 'click, "echo"'
#: A loop has a pair of sockets to wake itself up.
AS_THE_LOOP_IS_MADE = 'socket, "socketpair"'


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("receiver")


@pytest.fixture(scope="module")
def receiver(directory: Path) -> Iterator[Receiver]:
    with Receiver(directory, api_key=KEY) as receiver:
        yield receiver


def rows(directory: Path, query: str) -> list[t.Any]:
    with contextlib.closing(sqlite3.connect(directory / "landing.db")) as connection, connection:
        return connection.execute(query).fetchall()


def kept(directory: Path, at: int) -> int:
    return int(rows(directory, f"SELECT count(*) FROM fulfillment_event WHERE logical_timestamp = {at}")[0][0])


def test_an_event_is_stored_when_it_is_answered_200(receiver: Receiver, directory: Path) -> None:
    assert receiver.post(an_event(101)).status_code == 200
    assert kept(directory, 101) == 1


def test_a_duplicate_is_answered_200_and_kept_once(receiver: Receiver, directory: Path) -> None:
    assert [receiver.post(an_event(102)).status_code for _ in range(3)] == [200, 200, 200]
    assert kept(directory, 102) == 1


def test_both_webhooks_keep_the_same_event_once(receiver: Receiver, directory: Path) -> None:
    assert receiver.post(an_older_event(103), "/fulfillment_request").status_code == 200
    assert receiver.post(an_event(103)).status_code == 200
    assert kept(directory, 103) == 1


@pytest.mark.adapter_mistake("let anybody post to the webhook")
@pytest.mark.parametrize("key", ["wrong", KEY[:-1], KEY + "x"])
def test_a_wrong_key_is_answered_401_and_nothing_is_kept(receiver: Receiver, directory: Path, key: str) -> None:
    assert receiver.post(an_event(104), key=key).status_code == 401
    assert kept(directory, 104) == 0


def test_a_missing_key_is_answered_401(receiver: Receiver) -> None:
    assert requests.post(receiver.events_url, json=an_event(105), timeout=30).status_code == 401


@pytest.mark.fault("F19")
def test_a_malformed_body_is_answered_400_with_the_field_and_kept_byte_for_byte(
    receiver: Receiver, directory: Path
) -> None:
    raw = json.dumps(an_event(106, items=[{"id": "1", "product_id": []}])).encode() + b"\n \t"
    answer = receiver.post(raw)
    message = "payload.items[0].product_id: expected str, got array"
    assert (answer.status_code, answer.json()) == (400, {"error": message})
    assert (raw, message, "/events") in rows(directory, "SELECT body, reason, path FROM quarantine")


def test_bytes_that_are_not_text_are_quarantined_too(receiver: Receiver, directory: Path) -> None:
    assert receiver.post(b"\x00\xff\xfe").status_code == 400
    assert (b"\x00\xff\xfe",) in rows(directory, "SELECT body FROM quarantine")


def test_the_receiver_goes_on_after_a_rejected_body(receiver: Receiver) -> None:
    assert [receiver.post(b"temp").status_code, receiver.post(an_event(107)).status_code] == [400, 200]


@pytest.mark.fault("F19")
def test_a_body_beyond_the_limit_is_answered_413(receiver: Receiver) -> None:
    assert receiver.post(b" " * (10 * 2**20 + 1)).status_code == 413


def test_health_is_200_while_the_store_answers(receiver: Receiver) -> None:
    assert requests.get(f"{receiver.url}/healthz", timeout=30).status_code == 200


def test_the_log_contains_neither_bodies_nor_keys(receiver: Receiver) -> None:
    receiver.post(an_event(108, "SECRET-PRODUCT", items=[{"id": "SECRET-ITEM"}]))
    output = receiver.process.output
    assert "payload.items[0].product_id: required" in output
    assert KEY not in output
    assert "SECRET-" not in output


def test_what_was_answered_200_survives_a_kill(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        answers = [receiver.post(an_event(at, request=f"fr-{at}")).status_code for at in range(50)]
        receiver.process.kill()
    assert answers == [200] * 50
    assert rows(tmp_path, "SELECT count(*) FROM fulfillment_event") == [(50,)]


@pytest.mark.fault("F2")
def test_a_store_that_cannot_be_written_is_answered_503_and_nothing_is_lost(tmp_path: Path) -> None:
    with Receiver(tmp_path) as receiver:
        rows(tmp_path, "ALTER TABLE fulfillment_event RENAME TO away")
        answer = receiver.post(an_event(1))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        rows(tmp_path, "ALTER TABLE away RENAME TO fulfillment_event")
        assert receiver.post(an_event(1)).status_code == 200


def start_failing(settings: dict[str, t.Any], directory: Path) -> tuple[int, str]:
    config = directory / "config.json"
    config.write_text(json.dumps(settings), encoding="utf-8")
    process = Process([command("newstore-event-receiver"), "--config", str(config)], directory / "log")
    return process.wait(), process.output


@pytest.mark.adapter_mistake("let anybody post to the webhook")
def test_off_the_loopback_interface_a_key_is_required(tmp_path: Path) -> None:
    code, output = start_failing(
        {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_host": "0.0.0.0"}, tmp_path
    )
    assert code == 2
    assert "receiver_api_key: required when receiver_host is 0.0.0.0" in output


@pytest.mark.adapter_mistake("let anybody post to the webhook")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
@pytest.mark.parametrize("key", [None, "", " "])
def test_on_the_loopback_interface_too_unless_it_is_said_to_be_open(tmp_path: Path, host: str, key: str | None) -> None:
    settings = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_host": host, "receiver_port": 0}
    keys = {} if key is None else {"receiver_api_key": key, "receiver_previous_api_key": key}
    code, output = start_failing({**settings, **keys}, tmp_path)
    assert code == 2
    assert f"receiver_api_key: required when receiver_host is {host}, or anybody could post" in output
    assert "receiver_open" in output


@pytest.mark.skipif(not socket.has_ipv6, reason="an address of IPv6 is listened on")
def test_the_urls_it_says_are_urls_with_ipv6_too(tmp_path: Path) -> None:
    with Receiver(tmp_path, api_key=KEY, receiver_host="::1", metrics_port=0) as receiver:
        of_events, of_metrics = re.findall(r"http://\[::1\]:\d+", receiver.process.output)
        assert requests.post(f"{of_events}/events", timeout=30).status_code == 401
        assert requests.get(f"{of_metrics}/healthz", timeout=30).ok


@pytest.mark.parametrize("setting", ["receiver_api_key", "receiver_previous_api_key"])
@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\t1", "k€y"])
def test_a_key_no_post_could_bring_is_refused_and_not_shown(tmp_path: Path, setting: str, key: str) -> None:
    settings = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_api_key": KEY, setting: key}
    code, output = start_failing(settings, tmp_path)
    assert code == 2
    assert f"{setting}: no header can carry it" in output
    assert KEY not in output


def test_off_the_loopback_interface_it_cannot_be_open(tmp_path: Path) -> None:
    settings = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_host": "0.0.0.0"}
    assert start_failing({**settings, "receiver_open": True}, tmp_path)[0] == 2


def test_an_open_receiver_with_a_key_requires_it(tmp_path: Path) -> None:
    with Receiver(tmp_path, receiver_open=True, receiver_api_key=KEY) as receiver:
        assert [receiver.post(an_event(1)).status_code, receiver.post(an_event(1), key=KEY).status_code] == [401, 200]


def test_a_port_in_use_is_a_clear_error(receiver: Receiver, tmp_path: Path) -> None:
    port = int(receiver.url.rpartition(":")[2])
    code, output = start_failing(
        {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_port": port, "receiver_open": True}, tmp_path
    )
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}" in output
    assert "Traceback" not in output


def test_a_missing_landing_url_exits_with_2(tmp_path: Path) -> None:
    code, output = start_failing({}, tmp_path)
    assert code == 2
    assert "'landing_url' is a required property" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("when", "said"), [(AS_IT_LISTENS, []), (AS_THE_LOOP_IS_MADE, ["info: Started server process"])]
)
def test_a_receiver_told_to_end_before_it_serves_ends_with_0(tmp_path: Path, when: str, said: list[str]) -> None:
    config = tmp_path / "config.json"
    settings = {"landing_url": f"sqlite:///{tmp_path / 'landing.db'}", "receiver_api_key": KEY, "receiver_port": 0}
    config.write_text(json.dumps(settings), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", TOLD_TO_END.format(when=when), "--config", str(config)],
        check=False,
        capture_output=True,
        env=environment(),
        text=True,
        timeout=60,
    )
    assert "listening on" in ended.stdout
    logged = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [f"{line['level']}: {line['message'].partition(' [')[0]}" for line in logged] == said
    assert ended.returncode == 0
