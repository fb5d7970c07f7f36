"""NewStore's rules for tokens, limits and faults (newstore-api.md, section 1)."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
import typing as t

import pytest
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import ApiError
from target_newstore_stock.import_api import ImportApi

if t.TYPE_CHECKING:
    from collections.abc import Iterator

JSON_ERROR = b'{"error_code": "nope", "message": "not today", "request_id": "r-1"}'
PROBLEM = b'{"type": "about:blank", "title": "Bad", "status": 400, "detail": "the field x"}'


class Answer(t.NamedTuple):
    """A scripted answer; without a status the connection is closed instead."""

    status: int | None
    body: bytes = b"{}"
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed


class Server(http.server.ThreadingHTTPServer):
    """Answers with tokens, and with the script everywhere else."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Answer] = []
        self.tokens = 0
        self.token_answer: dict[str, t.Any] = {"expires_in": 300, "token_type": "Bearer"}
        self.calls: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing: the connection was closed on purpose."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.path == "/token":
            self.server.tokens += 1
            body = {"access_token": f"token-{self.server.tokens}", **self.server.token_answer}
            self._answer(Answer(200, json.dumps(body).encode()))
        else:
            self.do_GET()

    def do_GET(self) -> None:
        self.server.calls.append((self.command, self.headers["Authorization"]))
        self._answer(self.server.script.pop(0) if self.server.script else Answer(200, b'{"ok": true}'))

    def _answer(self, answer: Answer) -> None:
        if answer.status is None:
            self.connection.close()
            return
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def authenticator(server: Server) -> NewStoreAuthenticator:
    return NewStoreAuthenticator(client_id="id", client_secret="hush", auth_endpoint=f"{server.url}/token")


@pytest.fixture
def client(server: Server, authenticator: NewStoreAuthenticator, pauses: list[float]) -> NewStoreClient:
    return NewStoreClient(server.url, authenticator, sleep=pauses.append)


def tokens(server: Server) -> list[str]:
    return [authorization.removeprefix("Bearer ") for _, authorization in server.calls]


def test_a_token_is_kept_while_it_is_valid(client: NewStoreClient, server: Server) -> None:
    for _ in range(3):
        client.get("/x")
    assert tokens(server) == ["token-1"] * 3


@pytest.mark.parametrize(("age", "then"), [(269, "token-1"), (271, "token-2")])
def test_a_token_is_renewed_before_it_expires(
    client: NewStoreClient, authenticator: NewStoreAuthenticator, server: Server, age: int, then: str
) -> None:
    client.get("/x")
    assert authenticator.last_refreshed is not None
    authenticator.last_refreshed -= dt.timedelta(seconds=age)
    client.get("/x")
    assert tokens(server) == ["token-1", then]


@pytest.mark.fault("F13")
@pytest.mark.parametrize("refusal", [Answer(401, b""), Answer(403, JSON_ERROR)])
def test_a_refused_token_is_renewed_once(
    client: NewStoreClient, server: Server, pauses: list[float], refusal: Answer
) -> None:
    server.script = [refusal]
    assert client.get("/x") == {"ok": True}
    assert tokens(server) == ["token-1", "token-2"]
    assert pauses == []


def test_a_call_that_stays_forbidden_shows_newstores_own_words(client: NewStoreClient, server: Server) -> None:
    server.script = [Answer(403, JSON_ERROR)] * 2
    with pytest.raises(ApiError, match="GET /x: NewStore answered 403: error_code: nope, message: not today"):
        client.get("/x")
    assert len(server.calls) == 2


@pytest.mark.fault("F13")
def test_a_limited_ip_address_waits_five_minutes(client: NewStoreClient, server: Server, pauses: list[float]) -> None:
    server.script = [Answer(403, b"<html>")]
    assert client.get("/x") == {"ok": True}
    assert pauses == [300]
    assert tokens(server) == ["token-1", "token-1"]


@pytest.mark.fault("F13")
def test_a_429_waits_as_long_as_newstore_asks(client: NewStoreClient, server: Server, pauses: list[float]) -> None:
    server.script = [Answer(429, JSON_ERROR, {"Retry-After": "7"})]
    assert client.get("/x") == {"ok": True}
    assert pauses == [7]


@pytest.mark.fault("F13")
@pytest.mark.parametrize("fault", [Answer(500, b"oops"), Answer(503, JSON_ERROR), Answer(None)])
def test_a_passing_fault_is_tried_again_with_growing_pauses(
    client: NewStoreClient, server: Server, pauses: list[float], fault: Answer
) -> None:
    server.script = [fault] * 2
    assert client.get("/x") == {"ok": True}
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]


def test_a_fault_that_stays_is_one_error(client: NewStoreClient, server: Server) -> None:
    server.script = [Answer(500, b"oops")] * 20
    with pytest.raises(ApiError, match="GET /x: NewStore answered 500: oops"):
        client.get("/x")
    assert 2 <= len(server.calls) < 10


@pytest.mark.parametrize("fault", [Answer(500, b"oops"), Answer(429), Answer(None)])
def test_what_must_not_be_repeated_is_sent_once(client: NewStoreClient, server: Server, fault: Answer) -> None:
    server.script = [fault]
    with pytest.raises(ApiError):
        client.post_once("/x", {})
    assert len(server.calls) == 1


def test_a_refusal_is_not_repeated_and_shows_a_problem_body(client: NewStoreClient, server: Server) -> None:
    server.script = [Answer(400, PROBLEM)]
    with pytest.raises(ApiError, match="title: Bad, detail: the field x"):
        client.post("/x", {})
    assert len(server.calls) == 1


def test_an_answer_that_is_not_json_is_an_error(client: NewStoreClient, server: Server) -> None:
    server.script = [Answer(200, b"<html>")] * 20
    with pytest.raises(ApiError, match="the answer is not JSON"):
        client.get("/x")


def test_a_token_endpoint_without_a_token_is_an_error(client: NewStoreClient, server: Server) -> None:
    server.token_answer = {"access_token": None}
    with pytest.raises(ApiError, match="did not answer with a token"):
        client.get("/x")


@pytest.mark.parametrize(
    "odd",
    [5, 0, True, False, "text", "", {"items": 3}, {"items": ""}, {"errors": {"a": 1}}, {"items": None, "errors": 7}],
)
def test_errors_of_a_job_that_are_no_list_are_no_answer_of_the_import_api(
    client: NewStoreClient, server: Server, odd: t.Any
) -> None:
    server.script = [Answer(200, json.dumps(odd).encode())]
    with pytest.raises(ApiError, match=r"^/v0/d/import: not an answer of the import API: Expected `array`, got `\w+`"):
        ImportApi(client, "p").errors("0b5cbd3e-1")


@pytest.mark.parametrize("none", [None, [], {}, {"items": []}, {"items": None}, {"errors": []}])
def test_a_job_may_have_no_errors(client: NewStoreClient, server: Server, none: t.Any) -> None:
    server.script = [Answer(200, json.dumps(none).encode())]
    assert ImportApi(client, "p").errors("0b5cbd3e-1") == []


@pytest.mark.parametrize("name", ["", "items", "errors"])
def test_an_error_of_a_job_may_be_of_any_shape(client: NewStoreClient, server: Server, name: str) -> None:
    listed = ["no such unit", {"reason": "no", "entity_id": "DC01/A"}, None, 5]
    server.script = [Answer(200, json.dumps({name: listed} if name else listed).encode())]
    errors = ImportApi(client, "p").errors("0b5cbd3e-1")
    assert [error.reason for error in errors] == ["no such unit", "no", None, 5]
