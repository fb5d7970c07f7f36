"""Calls to NewStore's API: what is retried, and what is reported (wire contract, section 1)."""

from __future__ import annotations

import http.server
import threading
import typing as t

import pytest
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

if t.TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = b'{"access_token": "t", "expires_in": 300}'


class Answer(t.NamedTuple):
    status: int
    body: bytes = b"{}"
    retry_after: str = ""


class Server(http.server.ThreadingHTTPServer):
    """Issues a token, and answers everything else from a script."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Answer] = []
        self.tokens = 0
        self.calls: list[tuple[str, str, str | None]] = []

    @property
    def settings(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server_port}"
        secrets = {"client_id": "c", "client_secret": "s"}
        return {"tenant": "demo", **secrets, "api_url": url, "auth_url": f"{url}/token"}


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.do_GET()

    def do_GET(self) -> None:
        answer = Answer(200, TOKEN)
        if self.path == "/token":
            self.server.tokens += 1
        else:
            self.server.calls.append((self.command, self.path, self.headers["Authorization"]))
            answer = self.server.script.pop(0)
        self.send_response(answer.status)
        if answer.retry_after:
            self.send_header("Retry-After", answer.retry_after)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def api(server: Server, waits: list[float]) -> NewStoreApi:
    return NewStoreApi(server.settings, waits.append)


def test_a_call_carries_the_token(server: Server, api: NewStoreApi) -> None:
    server.script = [Answer(200, b'{"id": "one"}'), Answer(200)]
    assert api.get("/one") == {"id": "one"}
    api.post("/one/_start")
    assert server.calls == [("GET", "/one", "Bearer t"), ("POST", "/one/_start", "Bearer t")]


def test_a_token_is_renewed_ahead_of_its_end(server: Server) -> None:
    now = 0.0
    api = NewStoreApi(server.settings, clock=lambda: now)
    server.script = [Answer(200)] * 4
    for now, tokens in ((0.0, 1), (239.0, 1), (240.0, 2), (241.0, 2)):  # noqa: B007 - the clock reads it
        api.get("/one")
        assert server.tokens == tokens


def test_a_transient_error_is_retried_with_growing_pauses(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [Answer(503), Answer(500), Answer(200)]
    api.get("/one")
    assert waits == [0.5, 1.0]


def test_retry_after_is_honoured(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [Answer(429, retry_after="7"), Answer(201)]
    api.create("", {"id": "one"})
    assert waits == [7.0]


def test_what_may_have_been_created_is_not_created_again(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [Answer(503, b'{"error_code": "down", "message": "not today", "request_id": "r-1"}')]
    with pytest.raises(TapError, match="503: error_code: down, message: not today, request_id: r-1"):
        api.create("", {"id": "one"})
    assert waits == []


def test_it_gives_up_after_four_tries(server: Server, api: NewStoreApi) -> None:
    server.script = [Answer(502, b"<html>\nbad gateway</html>")] * 5
    with pytest.raises(TapError, match="502: <html> bad gateway</html>"):
        api.get("/one")
    assert len(server.calls) == 4


def test_a_blocked_ip_address_is_told_from_a_refused_client(server: Server, api: NewStoreApi) -> None:
    server.script = [
        Answer(403, b"blocked"),
        Answer(403, b'{"title": "Forbidden", "detail": "no such scope"}'),
    ]
    with pytest.raises(TapError, match="too many calls; wait 5 minutes"):
        api.get("/one")
    with pytest.raises(TapError, match="title: Forbidden, detail: no such scope"):
        api.get("/one")


def test_an_answer_that_is_not_json_counts_as_empty(server: Server, api: NewStoreApi) -> None:
    server.script = [Answer(204, b"")]
    assert api.post("/one/_stop") == {}


def test_hosts_come_from_the_tenant() -> None:
    api = NewStoreApi({"tenant": "acme-staging", "client_id": "c", "client_secret": "s"})
    assert api._api_url == "https://acme-staging.p.newstore.net"
    assert api._auth_url == "https://id.p.newstore.net/auth/realms/acme-staging/protocol/openid-connect/token"
