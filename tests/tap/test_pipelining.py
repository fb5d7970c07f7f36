"""Requests that come before earlier ones are answered: all are answered in order, and few are kept."""

from __future__ import annotations

import contextlib
import gc
import json
import re
import socket
import threading
import time
import typing as t
import urllib.parse

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.shop.process import wait_until
from tests.shop.raw_http import H2C, post_request, read_answer, send
from tests.shop.receiver import Receiver
from tests.tap.door import KEY, a_door
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

CALL_SECONDS = 30
#: The end of the connection overtook its answer.
CUT_OFF = 0
WRONG_PATH = b"GET /x HTTP/1.1\r\n\r\n"
WHOLE = post_request(json.dumps(an_event(12)).encode(), key=KEY)


def connect(url: str) -> socket.socket:
    """Connect with little room for answers."""
    parts = urllib.parse.urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.settimeout(CALL_SECONDS)
    connection.connect((str(parts.hostname), int(parts.port or 0)))
    return connection


def fill(connection: socket.socket, request: bytes = WRONG_PATH) -> None:
    """Send requests until no more are taken, and read no answer; the kernel takes some millions of bytes itself."""
    connection.settimeout(1)
    requests, sent = request * (3_000_000 // len(request)), 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        while True:
            sent += connection.send(requests[sent % len(requests) :])


def requests_kept() -> int:
    """Count the requests this process holds: what earlier tests left for the collector is no longer held."""
    gc.collect()
    return sum(isinstance(kept, RequestResponseCycle) for kept in gc.get_objects())


@pytest.mark.parametrize("headers", [(), H2C], ids=["plain", "offering"])
def test_all_are_answered_in_order(tmp_path: Path, headers: tuple[str, ...]) -> None:
    large = post_request(json.dumps(an_event(13, more="x" * 100_000)).encode(), *headers, key=KEY)
    small = post_request(json.dumps(an_event(12)).encode(), *headers, key=KEY)
    sent = (WRONG_PATH + small) * 300 + (large + WRONG_PATH) * 3 + WRONG_PATH * 3_000
    statuses = [404, 200] * 300 + [200, 404] * 3 + [404] * 3_000
    with a_door(tmp_path) as door, connect(door) as connection:
        sending = threading.Thread(target=connection.sendall, args=(sent,))
        sending.start()
        received = b""
        while received.count(b"HTTP/1.1 ") < len(statuses) and (part := connection.recv(65536)):
            received += part
        sending.join()
    assert [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", received)] == statuses


def test_however_many_come_few_are_kept(tmp_path: Path) -> None:
    with a_door(tmp_path) as door, connect(door) as connection:
        before = requests_kept()
        fill(connection)
        assert requests_kept() - before < 150
        assert send(door, WHOLE).status == 200


def is_reset(connection: socket.socket) -> bool:
    """Return whether the other side has given up a connection, without taking an answer from it."""
    connection.settimeout(0)
    try:
        connection.send(WRONG_PATH)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return False


def test_what_is_queued_counts_as_held(tmp_path: Path) -> None:
    with a_door(tmp_path, most_bytes=300_000) as door, connect(door) as connection:
        before = requests_kept()
        fill(connection)
        assert read_answer(connection).status in {503, CUT_OFF}
        assert requests_kept() - before < 100
        assert send(door, WHOLE).status == 200


def test_what_is_queued_closes_nobody_who_holds_nothing(tmp_path: Path) -> None:
    with a_door(tmp_path, most_bytes=300_000) as door, connect(door) as other, connect(door) as connection:
        fill(connection)
        assert read_answer(connection).status in {503, CUT_OFF}
        other.sendall(WHOLE)
        assert read_answer(other).status == 200


def test_who_takes_no_answer_is_closed(tmp_path: Path) -> None:
    with a_door(tmp_path, seconds=0.5) as door, connect(door) as connection:
        fill(connection)
        wait_until(lambda: is_reset(connection), "connection given up")
        assert send(door, WHOLE).status == 200


def test_who_takes_no_answer_keeps_nobody_out(tmp_path: Path) -> None:
    with a_door(tmp_path, most=3) as door, contextlib.ExitStack() as opened:
        for _ in range(3):
            fill(opened.enter_context(connect(door)))
        assert send(door, WHOLE).status == 200
        assert send(door, WHOLE).status == 200


def test_who_takes_no_answer_holds_up_no_shutdown(tmp_path: Path) -> None:
    with Receiver(tmp_path, api_key=KEY) as receiver, connect(receiver.url) as connection:
        assert send(receiver.url, WHOLE).status == 200
        fill(connection)
        begun = time.monotonic()
        assert receiver.process.stop() == 0
        assert time.monotonic() - begun < 8
        assert "Traceback" not in receiver.process.output


def test_a_body_that_comes_after_its_answer_is_no_request_under_way(tmp_path: Path) -> None:
    refused = post_request(b"x" * 100, key="another")
    with a_door(tmp_path, seconds=0.5) as door, connect(door) as connection:
        connection.sendall(refused[:-1])
        assert read_answer(connection).status == 401
        connection.sendall(refused[-1:])
        assert read_answer(connection).status == 0
