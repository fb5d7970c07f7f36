"""Requests under way hold no more memory than they may, however many there are: strangers' give way to whole ones."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
import typing as t
import urllib.parse

import pytest

from tests.shop.process import wait_until
from tests.shop.raw_http import post_request, read_answer, send
from tests.shop.receiver import Receiver
from tests.tap.door import KEY, a_door
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from pathlib import Path

CALL_SECONDS = 30
IDLE = 5_000
WHOLE = post_request(json.dumps(an_event(12)).encode(), key=KEY)
HALF_A_HEAD = b"POST /events HTTP/1.1\r\nA: " + b"x" * 50_000
LARGE = json.dumps(an_event(13, more="x" * 400_000)).encode()


def connect(url: str) -> socket.socket:
    parts = urllib.parse.urlsplit(url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), CALL_SECONDS)


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(100) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_half_sent_heads_together_hold_no_more_than_they_may(tmp_path: Path) -> None:
    with a_door(tmp_path, most_bytes=1_000_000) as door, contextlib.ExitStack() as opened:
        halves = [opened.enter_context(connect(door)) for _ in range(60)]
        for half in halves:
            half.sendall(HALF_A_HEAD)
        assert send(door, WHOLE).status == 200
        # A part of each head that is parsed at once is not counted.
        wait_until(lambda: sum(map(is_closed, halves)) >= 28, "half of them closed")
        closed = [is_closed(half) for half in halves]
        # Those that had waited longest went, and no more than had to.
        assert closed == sorted(closed, reverse=True)
        assert sum(closed) <= 45


def test_so_do_half_sent_bodies_of_whoever_has_the_key(tmp_path: Path) -> None:
    with a_door(tmp_path, most_bytes=1_000_000) as door, contextlib.ExitStack() as opened:
        halves = [opened.enter_context(connect(door)) for _ in range(10)]
        for half in halves:
            half.sendall(post_request(LARGE, key=KEY)[:-1])
        assert send(door, WHOLE).status == 200
        wait_until(lambda: sum(map(is_closed, halves)) >= 7, "most of them closed")
        halves[-1].settimeout(CALL_SECONDS)
        halves[-1].sendall(LARGE[-1:])
        assert read_answer(halves[-1]).status == 200


def test_what_finds_no_room_at_all_is_to_be_sent_again(tmp_path: Path) -> None:
    with a_door(tmp_path, most_bytes=200_000) as door:
        with contextlib.suppress(ConnectionError):
            assert send(door, post_request(LARGE, key=KEY)).status in (0, 503)
        for _ in range(20):
            assert send(door, WHOLE).status == 200


def test_what_has_been_answered_holds_nothing(tmp_path: Path) -> None:
    with a_door(tmp_path, most_bytes=1_000_000) as door, connect(door) as connection:
        for _ in range(10):
            connection.sendall(post_request(LARGE, key=KEY))
            assert read_answer(connection).status == 200
        # A wrong key is answered before the body has come, which is thrown away.
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                connection.sendall(post_request(LARGE, key="another"))
                assert read_answer(connection).status == 401
        assert send(door, WHOLE).status == 200


@pytest.mark.parametrize(("headers", "status"), [(190, 200), (210, 431)])
def test_headers_may_be_many_but_not_thousands(tmp_path: Path, headers: int, status: int) -> None:
    with a_door(tmp_path) as door:
        body = json.dumps(an_event(12)).encode()
        assert send(door, post_request(body, *[f"A{number}: 1" for number in range(headers)], key=KEY)).status == status


def test_five_thousand_idle_connections_keep_no_event_out(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = IDLE + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine lets a process open {hard} files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        with Receiver(tmp_path, api_key=KEY) as receiver, contextlib.ExitStack() as opened:
            idle = []
            slowest = 0.0
            for number in range(IDLE):
                idle.append(opened.enter_context(connect(receiver.url)))
                if number % 250 == 0:
                    begun = time.monotonic()
                    assert receiver.post(an_event(number), key=KEY).status_code == 200
                    slowest = max(slowest, time.monotonic() - begun)
            assert slowest < 5
            # None of them had to go: there is room for as many.
            assert not any(is_closed(connection) for connection in idle[-1_000:])
            assert len(receiver.process.output) < 10_000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
