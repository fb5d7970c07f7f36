"""Calls to NewStore's API: what is retried, and what is reported (wire contract, section 1)."""

from __future__ import annotations

import http.server
import threading
import typing as t

import pytest
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = b'{"access_token": "t", "expires_in": 300}'
TOKEN_EXPIRED = b'{"error_code": "token_expired", "message": "token expired", "request_id": "r-1"}'


class Answer(t.NamedTuple):
    status: int
    body: bytes = b"{}"
    retry_after: str = ""


#: The connection is reset instead.
RESET = Answer(0)


class Server(http.server.ThreadingHTTPServer):
    """Issues a token, and answers everything else from a script."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Answer] = []
        self.token_script: list[Answer] = []
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
        if self.path == "/token":
            self.server.tokens += 1
            answer = self.server.token_script.pop(0) if self.server.token_script else Answer(200, TOKEN)
        else:
            self.server.calls.append((self.command, self.path, self.headers["Authorization"]))
            answer = self.server.script.pop(0)
        if answer == RESET:
            self.close_connection = True
            return
        self.send_response(answer.status)
        if answer.retry_after:
            self.send_header("Retry-After", answer.retry_after)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def do_PATCH(self) -> None:
        self.do_POST()

    def do_DELETE(self) -> None:
        self.do_POST()

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
        *2 * [Answer(403, b'{"title": "Forbidden", "detail": "no such scope"}')],
    ]
    with pytest.raises(TapError, match="too many calls; wait 5 minutes") as limited:
        api.get("/one")
    assert "Run again after that" in limited.value.with_to_do()
    assert "client_id" not in limited.value.with_to_do()
    with pytest.raises(TapError, match="title: Forbidden, detail: no such scope"):
        api.get("/one")


def test_an_answer_that_is_not_json_counts_as_empty(server: Server, api: NewStoreApi) -> None:
    server.script = [Answer(204, b"")]
    assert api.post("/one/_stop") == {}


def test_hosts_come_from_the_tenant() -> None:
    api = NewStoreApi({"tenant": "acme-staging", "client_id": "c", "client_secret": "s"})
    assert api._api_url == "https://acme-staging.p.newstore.net"
    assert api._auth_url == "https://id.p.newstore.net/auth/realms/acme-staging/protocol/openid-connect/token"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_refused_token_is_replaced_and_the_call_made_once_more(
    server: Server, api: NewStoreApi, waits: list[float], method: str, status: int
) -> None:
    call: Callable[[], object] = {
        "GET": lambda: api.get("/one"),
        "POST": lambda: api.create("/one", {}),
        "PATCH": lambda: api.patch("/one", {}),
        "DELETE": lambda: api.delete("/one"),
    }[method]
    server.token_script = [Answer(200, TOKEN), Answer(200, TOKEN.replace(b'"t"', b'"new"'))]
    server.script = [Answer(status, TOKEN_EXPIRED), Answer(200)]
    call()
    assert server.calls == [(method, "/one", "Bearer t"), (method, "/one", "Bearer new")]
    assert waits == []


def test_a_client_that_is_refused_with_a_new_token_too_is_told_so(server: Server, api: NewStoreApi) -> None:
    server.script = [Answer(401, TOKEN_EXPIRED)] * 3
    with pytest.raises(TapError, match="401: error_code: token_expired") as refused:
        api.get("/one")
    assert "Let the API client (client_id) use this API" in refused.value.with_to_do()
    assert (len(server.calls), server.tokens) == (2, 2)


def test_an_ip_limit_is_waited_out_by_who_has_the_time(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [Answer(403, b"blocked"), Answer(201)]
    with api.patient_for(600):
        api.create("", {"id": "one"})
    assert (waits, server.tokens) == ([300.0], 1)


@pytest.mark.parametrize("status", [429, 503])
def test_a_longer_pause_than_anybody_waits_for_is_said(
    server: Server, api: NewStoreApi, waits: list[float], status: int
) -> None:
    server.script = [Answer(status, retry_after="300"), Answer(status, retry_after="300"), Answer(200)]
    with pytest.raises(TapError, match=str(status)) as limited:
        api.get("/one")
    assert "NewStore asks to wait 300 s: run again after that" in limited.value.with_to_do()
    assert waits == []
    with api.patient_for(600):
        api.get("/one")
    assert waits == [300.0]


def test_a_time_that_is_over_is_that_of_any_call(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [Answer(403, b"blocked"), Answer(503), Answer(200)]
    with api.patient_for(600):
        with api.patient_for(0), pytest.raises(TapError, match="wait 5 minutes"):
            api.get("/one")
        with api.patient_for(0):
            api.get("/one")
    assert waits == [0.5]


def test_a_reset_connection_is_tried_again(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [RESET, Answer(200), RESET, RESET, Answer(200), RESET, Answer(200)]
    api.get("/one")
    api.patch("/one", {})
    api.post("/one/_start")
    assert waits == [0.5, 0.5, 1.0, 0.5]


def test_what_was_sent_and_must_not_happen_twice_is_not_sent_again_after_a_reset(
    server: Server, api: NewStoreApi, waits: list[float]
) -> None:
    server.script = [RESET, Answer(200)]
    with pytest.raises(TapError, match="no answer: ConnectionError"):
        api.create("", {"id": "one"})
    assert waits == []


def test_what_was_never_sent_is_tried_again(server: Server, waits: list[float]) -> None:
    api = NewStoreApi({**server.settings, "api_url": "http://127.0.0.1:1"}, waits.append)
    with pytest.raises(TapError, match="no answer: ConnectionError"):
        api.create("", {"id": "one"})
    assert waits == [0.5, 1.0, 2.0]


def test_what_a_reset_call_had_deleted_counts_as_deleted(server: Server, api: NewStoreApi) -> None:
    server.script = [RESET, Answer(404), Answer(404)]
    api.delete("/one")
    with pytest.raises(TapError, match="404"):
        api.delete("/one")


def test_a_pause_of_a_minute_is_waited_for(server: Server, api: NewStoreApi, waits: list[float]) -> None:
    server.script = [Answer(429, retry_after="60"), Answer(200)]
    api.get("/one")
    assert waits == [60.0]


@pytest.mark.parametrize("fault", [Answer(503), Answer(429, retry_after="7"), RESET])
def test_passing_faults_of_the_token_call_are_waited_out(
    server: Server, api: NewStoreApi, waits: list[float], fault: Answer
) -> None:
    server.token_script, server.script = [fault], [Answer(200)]
    api.create("", {"id": "one"})
    assert waits == [float(fault.retry_after or 0.5)]


def test_a_token_call_that_is_down_is_told_from_a_refused_client(server: Server, api: NewStoreApi) -> None:
    server.token_script = [Answer(503)] * 4
    with pytest.raises(TapError, match=r"NewStore gives no token \(http://.*/token, status 503\)") as down:
        api.get("/one")
    assert "Run again in some minutes" in down.value.with_to_do()
    server.token_script = [Answer(401, b'{"error": "invalid_client"}')]
    with pytest.raises(TapError, match=r"no token for this client_id and client_secret .*invalid_client") as refused:
        api.get("/one")
    assert "Correct tenant, client_id" in refused.value.with_to_do()
