"""Answers of NewStore that are not what its documents say: one line names the call, and nothing goes on with them."""

from __future__ import annotations

import json
import typing as t

import pytest
from tap_newstore_fulfillment.errors import NewStoreError
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.receiver.event_stream import EventStream
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi

from tests.shop.plugin import run_plugin
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.shop.plugin import Finished

BASE = "/api/v1/org/integrations/eventstream"
OURS = f"{BASE}/newstore-stock-sync"
LOGS, REJECTED = f"{OURS}/logs", f"{OURS}/rejected_events"
ID = 36 * "0"
#: What is asked, by the path that is answered oddly.
COMMANDS: dict[str, list[tuple[str, ...]]] = {
    BASE: [("list",), ("list", "--format=json")],
    OURS: [("status",), ("update", "--fulfillment-only"), ("audit",), ("check",)],
    LOGS: [("logs",)],
    REJECTED: [("rejected", "list"), ("rejected", "retry"), ("rejected", "delete", "--all")],
    f"{REJECTED}/{ID}": [("rejected", "show", ID)],
}
ASKED: dict[str, Callable[[EventStream], object]] = {
    BASE: EventStream.integrations,
    OURS: lambda stream: stream.get("newstore-stock-sync"),
    LOGS: lambda stream: stream.logs("newstore-stock-sync"),
    REJECTED: lambda stream: stream.rejected("newstore-stock-sync"),
    f"{REJECTED}/{ID}": lambda stream: stream.rejected_event("newstore-stock-sync", ID),
}
NO_OBJECT: list[t.Any] = [[], 5, "text", None]
NO_ROWS: list[t.Any] = [{}, 5, "text", {"0": {}}, [5], ["x"], [None], [[]]]
NO_INTEGRATION: list[t.Any] = [
    {"status": 5},
    {"status": "running", "callback_parameters": "x"},
    {"status": "running", "callback_parameters": {"callback_url": [1]}},
    {"status": "running", "s3_parameters": 7},
    {"status": "running", "s3_parameters": {"bucket": 7}},
    {"status": "running", "filter_conditions": [1]},
    {"status": "running", "filter_conditions": {"entity_filter": 5}},
]
ODD: dict[str, list[t.Any]] = {
    BASE: [
        *NO_OBJECT,
        {},
        *({"integrations": rows} for rows in NO_ROWS),
        *({"integrations": [o]} for o in NO_INTEGRATION),
    ],
    OURS: [*NO_OBJECT, *NO_INTEGRATION],
    LOGS: [*NO_OBJECT, {}, *({"entries": rows} for rows in NO_ROWS)],
    REJECTED: [
        *NO_OBJECT,
        {},
        *({"rejected_events": rows} for rows in NO_ROWS),
        *({"rejected_events": [{"id": name}]} for name in (None, 5, "", "../../x", f"{ID}\n", "0")),
        {"rejected_events": [{"created_at": "today"}]},
    ],
    f"{REJECTED}/{ID}": NO_OBJECT,
}


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        yield server


def call(directory: Path, server: ScriptedHttp, *arguments: str) -> Finished:
    settings = {**server.settings, "landing_url": f"sqlite:///{directory / 'landing.db'}", "receiver_open": True}
    done = run_plugin("newstore-event-receiver", directory, settings, *arguments)
    assert "Traceback" not in done.log + done.output
    assert "nobody foresaw" not in done.log
    return done


@pytest.mark.parametrize("path", ASKED)
def test_an_answer_that_is_none_is_an_error_that_names_the_call(server: ScriptedHttp, path: str) -> None:
    stream = EventStream(NewStoreApi(server.settings))
    for odd in (b"", b"<html>", b"[" * 100_000, *(json.dumps(content).encode() for content in ODD[path])):
        server.answers[path] = answer(200, odd)
        with pytest.raises(NewStoreError) as refused:
            ASKED[path](stream)
        assert f"GET {path}: NewStore answered 200, but not as expected: " in str(refused.value), odd


@pytest.mark.parametrize("odd", [b"", b"<html>", *(json.dumps(content).encode() for content in NO_INTEGRATION)])
def test_after_a_change_whose_answer_is_none_the_integration_is_asked_for(server: ScriptedHttp, odd: bytes) -> None:
    stream = EventStream(NewStoreApi(server.settings))
    server.answers[BASE] = answer(200, odd)
    server.answers[OURS] = answer(200, b'{"status": "stopped"}')
    assert stream.register({"id": "newstore-stock-sync"}) == {"status": "stopped"}
    server.answers[BASE] = answer(200, b'{"status": "running"}')
    assert stream.register({"id": "newstore-stock-sync"}) == {"status": "running"}


@pytest.mark.parametrize(("path", "command"), [(path, command) for path in COMMANDS for command in COMMANDS[path]])
def test_every_command_says_it_in_one_line_and_goes_on_with_nothing(
    tmp_path: Path, server: ScriptedHttp, path: str, command: tuple[str, ...]
) -> None:
    LandingStore(f"sqlite:///{tmp_path / 'landing.db'}").close()
    server.answers[path] = answer(200, b"5")
    done = call(tmp_path, server, *command)
    assert done.code == (3 if command == ("audit",) else 1)
    assert f"{path}: NewStore answered 200, but not as expected: " in done.log + done.output
    assert all(request.line.startswith(("GET", "POST /token", "PATCH")) for request in server.requests)


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        (BASE, {"integrations": None}, "Integrations: 0 of 25"),
        (BASE, {"integrations": [{}]}, "Integrations: 1 of 25"),
        (BASE, {"integrations": [{"id": "x", "callback_parameters": None, "filter_conditions": None}]}, "unknown sink"),
        (BASE, {"integrations": [{"id": "x", "filter_conditions": {"entity_filter": None}}]}, "every event"),
        (LOGS, {"entries": None}, "newstore-stock-sync"),
        (LOGS, {"entries": [{"created_at": 5, "action": ["x"]}]}, "5"),
        (REJECTED, {"rejected_events": []}, "Rejected: 0"),
        (REJECTED, {"rejected_events": [{"id": ID, "created_at": None}]}, ID),
    ],
)
def test_what_an_answer_leaves_open_is_no_fault(
    tmp_path: Path, server: ScriptedHttp, path: str, content: dict[str, t.Any], said: str
) -> None:
    server.answers[path] = answer(200, json.dumps(content).encode())
    done = call(tmp_path, server, *COMMANDS[path][0])
    assert done.code == 0, done.log
    assert said in done.output
