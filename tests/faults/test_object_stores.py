"""A staging place that is slow, or down for a while (fault F21). A full disk while zipping is in test_stock_file.py."""

from __future__ import annotations

import http.server
import threading
import time
import typing as t

import pytest
import requests

from tests.shop.newstore import NewStore
from tests.shop.plugin import Finished, run_plugin
from tests.target.stock_messages import a_cut, a_schema, a_state, acknowledged

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.object_store import ObjectStore

MESSAGES = [a_schema(), *a_cut(1, {"A": 7}, (1, 2)), a_state(1)]
BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


class Front(http.server.ThreadingHTTPServer):
    """A proxy in front of an S3 server that refuses or delays writes on demand.

    Attributes:
        refusals: How many of the next writes are answered 503.
        seconds: How long each write takes.
    """

    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = endpoint
        self.refusals = 0
        self.seconds = 0.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _forward(self) -> None:
        front = t.cast("Front", self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.command == "PUT" and front.refusals > 0:
            front.refusals -= 1
            self._answer(503, {"Content-Type": "application/xml"}, BUSY)
            return
        if self.command == "PUT":
            # The slow store itself: nothing is waited for.
            time.sleep(front.seconds)
        answer = requests.request(
            self.command, front.endpoint + self.path, headers=dict(self.headers), data=body, timeout=30
        )
        kept = {name: value for name, value in answer.headers.items() if name.lower() in ("content-type", "etag")}
        self._answer(answer.status_code, kept, answer.content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _forward  # noqa: N815 - named by http.server

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002 - named by http.server
        """Log nothing."""


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        yield newstore


@pytest.fixture
def front(object_store: ObjectStore) -> Iterator[Front]:
    with Front(object_store.endpoint) as front:
        thread = threading.Thread(target=front.serve_forever, daemon=True)
        thread.start()
        yield front
        front.shutdown()
        thread.join()


def run_target(newstore: NewStore, store: ObjectStore, front: Front, directory: Path) -> Finished:
    place = {"staging_url": f"s3://{store.bucket}/stock", "staging_link": "presigned"}
    variables = {**store.variables, "AWS_ENDPOINT_URL": front.url, "AWS_MAX_ATTEMPTS": "1"}
    return run_plugin(
        "target-newstore-stock", directory, {**newstore.target_settings, **place}, messages=MESSAGES, **variables
    )


@pytest.mark.fault("F21")
def test_f21_an_object_store_that_is_down_is_one_error_and_the_next_run_repeats_the_cut(
    newstore: NewStore, object_store: ObjectStore, front: Front, tmp_path: Path
) -> None:
    front.refusals = 10_000
    done = run_target(newstore, object_store, front, tmp_path)
    assert (done.code, done.output) == (1, "")
    assert "staging_url: cannot write" in done.log
    assert "reduce your request rate" in done.log
    assert "Traceback" not in done.log
    assert newstore.imports() == []
    front.refusals, front.seconds = 0, 1.0
    done = run_target(newstore, object_store, front, tmp_path)
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    assert newstore.on_hand("DC01", "A") == 7
