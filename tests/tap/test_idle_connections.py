"""Connections that are idle, slow or endless keep nobody else from the door (docs: what the front must bound)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import resource
import socket
import sqlite3
import time
import typing as t
import urllib.parse

import pytest
import requests
from tap_newstore_fulfillment.receiver.serving import AcceptFailures

from tests.shop.raw_http import post_request, read_answer, send
from tests.shop.receiver import Receiver
from tests.tap.door import KEY, a_door
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

CALL_SECONDS = 30
WHOLE = post_request(json.dumps(an_event(12)).encode(), key=KEY)


def connect(url: str) -> socket.socket:
    parts = urllib.parse.urlsplit(url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), CALL_SECONDS)


def ends_within(connection: socket.socket, seconds: float) -> bool:
    """Return whether the other side closes a connection in time, without an answer."""
    connection.settimeout(seconds)
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("sent", [b"", b"\r\n", WHOLE[:20], WHOLE[:-1]], ids=["nothing", "newline", "line", "body"])
def test_a_connection_that_has_not_sent_a_whole_request_in_time_is_closed(tmp_path: Path, sent: bytes) -> None:
    with a_door(tmp_path, seconds=0.5) as door, connect(door) as connection:
        connection.sendall(sent)
        assert ends_within(connection, 10)
        assert send(door, WHOLE).status == 200


def test_one_that_sends_a_byte_now_and_then_is_closed_too(tmp_path: Path) -> None:
    with a_door(tmp_path, seconds=1) as door, connect(door) as connection:
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in WHOLE[:-1]:
                connection.sendall(bytes([byte]))
                if ends_within(connection, 0.05):
                    break
        assert ends_within(connection, 10)
        assert time.monotonic() - begun < 10


def test_a_whole_request_is_answered_however_often_it_comes_on_one_connection(tmp_path: Path) -> None:
    with a_door(tmp_path, seconds=1) as door, connect(door) as connection:
        until = time.monotonic() + 3
        while time.monotonic() < until:
            connection.sendall(WHOLE)
            assert read_answer(connection).status == 200
        connection.sendall(WHOLE * 3)
        assert read_answer(connection).status == 200


def test_with_too_many_connections_the_one_that_has_waited_longest_goes(tmp_path: Path) -> None:
    with a_door(tmp_path, most=5) as door, contextlib.ExitStack() as opened:
        idle = [opened.enter_context(connect(door)) for _ in range(5)]
        idle[0].sendall(WHOLE)
        assert read_answer(idle[0]).status == 200
        assert send(door, WHOLE).status == 200
        assert ends_within(idle[1], 10)
        idle[4].sendall(WHOLE)
        assert read_answer(idle[4]).status == 200


def test_a_thousand_idle_connections_keep_no_event_out(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        receiver = Receiver(tmp_path, api_key=KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with receiver, contextlib.ExitStack() as opened:
        idle = [opened.enter_context(connect(receiver.url)) for _ in range(1_020)]
        begun = time.monotonic()
        assert receiver.post(an_event(11)).status_code == 200
        assert time.monotonic() - begun < 5
        assert not ends_within(idle[0], 0.1)
        assert len(receiver.process.output) < 10_000


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 90_000,
        b"POST /events HTTP/1.1\r\nA: " + b"x" * 90_000,
        b"POST /events HTTP/1.1\r\n" + b"A: 1\r\n" * 12_000,
        b"POST /events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"A: 1\r\n" * 12_000,
        b"POST /events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 90_000,
    ],
    ids=["line", "header", "headers", "trailers", "extension"],
)
def test_headers_without_end_are_answered_431(tmp_path: Path, head: bytes) -> None:
    with a_door(tmp_path) as door:
        assert send(door, head).status in ((431, 401) if b"chunked" in head else (431,))
        with connect(door) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(head)
            for _ in range(10_000):
                connection.sendall(b"x" * 10_000)
            pytest.fail("100 MB were taken")
        assert send(door, WHOLE).status == 200


def test_headers_of_60_kb_are_taken(tmp_path: Path) -> None:
    with a_door(tmp_path) as door:
        request = post_request(json.dumps(an_event(12)).encode(), *[f"A{n}: {'x' * 600}" for n in range(99)], key=KEY)
        assert send(door, request).status == 200


@pytest.mark.parametrize("size", [66_000, 78_000])
def test_longer_ones_are_answered_431_though_they_end_at_once(tmp_path: Path, size: int) -> None:
    body = json.dumps(an_event(12)).encode()
    long = "A: " + "x" * size
    whole = post_request(body, key=KEY, chunk=len(body))
    with a_door(tmp_path) as door:
        assert send(door, post_request(body, long, key=KEY)).status == 431
        assert send(door, f"GET /{'x' * size} HTTP/1.1\r\n\r\n".encode()).status == 431
        assert send(door, whole[:-2] + f"{long}\r\n\r\n".encode()).status == 431
        with connect(door) as connection:
            connection.sendall(WHOLE + post_request(body, long, key=KEY))
            assert read_answer(connection).status in (200, 431)
            assert read_answer(connection).status in (431, 0)


@pytest.mark.parametrize("size", [66_000, 78_000])
@pytest.mark.parametrize("last", [False, True], ids=["first chunk", "last chunk"])
def test_a_long_chunk_extension_is_answered_431_though_it_ends(tmp_path: Path, size: int, *, last: bool) -> None:
    body = json.dumps(an_event(12)).encode()
    whole = post_request(body, key=KEY, chunk=len(body))
    line = b"\r\n0\r\n" if last else b"\r\n%x\r\n" % len(body)
    assert whole.count(line) == 1
    with a_door(tmp_path) as door:
        assert send(door, whole.replace(line, line[:-2] + b";" + b"x" * size + b"\r\n")).status == 431
        assert send(door, whole.replace(line, line[:-2] + b";x=y\r\n")).status == 200


def test_headers_of_60_kb_are_taken_before_a_body_in_chunks(tmp_path: Path) -> None:
    body = json.dumps(an_event(12)).encode()
    with a_door(tmp_path) as door:
        headers = [f"A{n}: {'x' * 600}" for n in range(99)]
        assert send(door, post_request(body, *headers, key=KEY, chunk=50)).status == 200


@pytest.mark.parametrize("sent", [WHOLE[:20], WHOLE[:-1]], ids=["head", "body"])
def test_a_half_sent_request_holds_up_no_shutdown(tmp_path: Path, sent: bytes) -> None:
    with Receiver(tmp_path, api_key=KEY) as receiver, connect(receiver.url) as connection:
        connection.sendall(sent)
        assert receiver.post(an_event(11)).status_code == 200
        begun = time.monotonic()
        assert receiver.process.stop() == 0
        assert time.monotonic() - begun < 8
        assert "Traceback" not in receiver.process.output


def test_a_locked_store_holds_up_no_shutdown(tmp_path: Path) -> None:
    with Receiver(tmp_path, api_key=KEY) as receiver, contextlib.ExitStack() as opened:
        assert receiver.post(an_event(11)).status_code == 200
        store = opened.enter_context(contextlib.closing(sqlite3.connect(tmp_path / "landing.db", isolation_level=None)))
        store.execute("BEGIN IMMEDIATE")
        senders = [opened.enter_context(connect(receiver.url)) for _ in range(2)]
        for sender in senders:
            sender.sendall(WHOLE)
            # Each in a transaction of its own: what is asked later is answered later.
            assert requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).ok
        begun = time.monotonic()
        assert receiver.process.stop() == 0
        assert time.monotonic() - begun < 8
        assert [read_answer(sender).status for sender in senders] == [503, 503]
        assert "Traceback" not in receiver.process.output
        assert "Exception" not in receiver.process.output


@pytest.mark.parametrize(
    ("junk", "said"),
    [(b"x\r\n\r\n", "what came is not HTTP"), (b"GET / HTTP/1.1\r\n" + b"A: 1\r\n" * 300, "Answered 431")],
    ids=["junk", "headers"],
)
def test_what_strangers_send_is_logged_once_a_minute(
    tmp_path: Path, junk: bytes, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    with a_door(tmp_path) as door:
        for _ in range(20):
            assert send(door, junk).status in (503, 431)
    assert [said in record.getMessage() for record in caplog.records] == [True]


def test_failures_to_accept_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    failures = AcceptFailures(lambda: now)
    error = OSError(errno.EMFILE, "Too many open files")
    context = {"message": "socket.accept() out of system resource", "exception": error}
    loop = asyncio.new_event_loop()
    with contextlib.closing(loop), caplog.at_level(logging.ERROR):
        for now in (0.0, 0.1, 59.0, 61.0):  # noqa: B007 - the clock reads it
            failures(loop, context)
        failures(loop, {"message": "something else"})
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0] == "Connections cannot be accepted: Too many open files (1 times since this was last said)"
    assert texts[1].endswith("(3 times since this was last said)")
    assert texts[2] == "something else"
