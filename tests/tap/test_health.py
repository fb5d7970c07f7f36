"""`/healthz` says ok or not, within a second, to whoever asks; `/metrics` stands where NewStore does not reach."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
import typing as t

import psycopg
import pytest
import requests
from tap_newstore_fulfillment.landing.store import LandingStore

from tests.shop.process import wait_until
from tests.shop.receiver import Receiver
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

KEY = "a-key"
CALL_SECONDS = 30
JUNK = 60


@contextlib.contextmanager
def held(url: str) -> Iterator[None]:
    """Keep everybody else from writing to a landing store."""
    with contextlib.closing(LandingStore(url)) as store, store.transaction():
        yield


def health(receiver: Receiver) -> tuple[int, dict[str, str], float]:
    begun = time.monotonic()
    answer = requests.get(f"{receiver.url}/healthz", timeout=CALL_SECONDS)
    return answer.status_code, answer.json(), time.monotonic() - begun


def test_it_is_answered_within_two_seconds_behind_any_junk(tmp_path: Path, database_url: str) -> None:
    with (
        Receiver(tmp_path, landing_url=database_url) as receiver,
        concurrent.futures.ThreadPoolExecutor(JUNK) as pool,
    ):
        with held(database_url):
            junk = [pool.submit(receiver.post, b"junk") for _ in range(JUNK)]
            # The last of them has been sent when the first few wait in the store.
            concurrent.futures.wait(junk, timeout=1)
            looks = [health(receiver) for _ in range(3)]
        assert [(status, body) for status, body, _ in looks] == [(200, {"status": "ok"})] * 3
        assert max(seconds for _, _, seconds in looks) < 2
        assert {post.result().status_code for post in junk} <= {400, 503}


def test_it_says_nothing_of_the_database_and_the_log_says_all_once(tmp_path: Path, own_postgresql: PostgreSql) -> None:
    with Receiver(tmp_path, landing_url=own_postgresql.new_database()) as receiver:
        own_postgresql.stop()
        try:
            looks = [health(receiver)[:2] for _ in range(2)]
        finally:
            own_postgresql.start()
        assert looks == [(503, {"error": "not healthy"})] * 2
        assert receiver.process.output.count("Not healthy: the landing store cannot be read: ") == 1
        assert health(receiver)[:2] == (200, {"status": "ok"})
        receiver.process.wait_for("Healthy again")


def test_a_store_that_hangs_is_not_healthy_after_a_second(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    with Receiver(tmp_path, landing_url=url) as receiver:
        assert health(receiver)[0] == 200
        with psycopg.connect(url.replace("+psycopg", "")) as other:
            other.execute("LOCK TABLE landing_store IN ACCESS EXCLUSIVE MODE")
            status, body, seconds = health(receiver)
            assert (status, body) == (503, {"error": "not healthy"})
            assert seconds < 2
        wait_until(lambda: health(receiver)[0] == 200, "health")


def test_with_a_metrics_port_neither_stands_where_newstore_posts(tmp_path: Path) -> None:
    with Receiver(tmp_path, api_key=KEY, metrics_port=0) as receiver:
        inside = receiver.process.wait_for(r"/healthz and /metrics on (http://127.0.0.1:\d+)")[1]
        for path in ("/healthz", "/metrics"):
            assert requests.get(receiver.url + path, timeout=CALL_SECONDS).status_code == 404
            assert requests.get(inside + path, timeout=CALL_SECONDS).status_code == 200
        assert receiver.post(an_event(1)).status_code == 200
        assert 'newstore_answers_total{status="200"} 1.0' in requests.get(f"{inside}/metrics", timeout=30).text


def test_a_metrics_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with Receiver(tmp_path, api_key=KEY) as other:
        port = int(other.url.rpartition(":")[2])
        (tmp_path / "second").mkdir()
        with pytest.raises(AssertionError, match=rf"ended with 2 .*\n.*cannot listen on 127.0.0.1:{port}"):
            Receiver(tmp_path / "second", api_key=KEY, metrics_port=port)
