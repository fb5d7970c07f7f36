"""What nobody foresaw ends in quarantine, and if even that fails, it is answered 500 and counted."""

from __future__ import annotations

import asyncio
import contextlib
import json
import typing as t

import pytest
from tap_newstore_fulfillment.errors import StoreUnavailableError
from tap_newstore_fulfillment.export_files import ingestion
from tap_newstore_fulfillment.landing.added import Added
from tap_newstore_fulfillment.landing.quarantine import new_row
from tap_newstore_fulfillment.receiver import app as receiver_app
from tap_newstore_fulfillment.receiver.app import create_app
from tap_newstore_fulfillment.receiver.metrics import ReceiverMetrics

from tests.tap.events import an_event
from tests.tap.test_ingestion import Reader

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = json.dumps(an_event(11)).encode()


class OddStore:
    """A landing store that fails as nobody has foreseen.

    Args:
        add: What is raised when events are stored.
        reject: What is raised when a body is refused; None: it is kept.
    """

    def __init__(self, add: Exception, reject: Exception | None = None) -> None:
        self._add, self._reject = add, reject
        self.refused: list[tuple[bytes, str]] = []

    def add(self, events: object) -> t.NoReturn:
        del events
        raise self._add

    def in_loop(self) -> t.Any:
        return None

    def add_rejected(self, body: bytes, *, path: str, reason: str, received_at: int) -> None:
        del path, received_at
        if self._reject:
            raise self._reject
        self.refused.append((body, reason))

    def check(self) -> None:
        return None


class LoopStore(OddStore):
    """One that stores in the event loop, which calls back later."""

    def in_loop(self) -> t.Any:
        def begin(events: t.Any, ended: t.Any) -> None:
            asyncio.get_running_loop().call_soon(ended, Added(event.event_name for event in events))

        return begin


def call(store: OddStore, body: bytes) -> tuple[int, str]:
    """Post a body to the receiver's application; return the status, and the metrics afterwards."""

    async def run() -> tuple[int, str]:
        app = create_app(store, ())
        async with app.router.lifespan_context(app):
            # The server logs what comes after the answer.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(ask(app, "POST", "/events", body), 10)
            status = sent[0]["status"]
            sent.clear()
            await ask(app, "GET", "/metrics", b"")
            return status, b"".join(part.get("body", b"") for part in sent).decode()

    async def ask(app: t.Any, method: str, path: str, content: bytes) -> None:
        async def receive() -> dict[str, t.Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: t.Any) -> None:
            sent.append(message)

        headers = [(b"content-length", str(len(content)).encode())]
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": headers,
            "query_string": b"",
            "root_path": "",
        }
        await app(scope, receive, send)

    sent: list[dict[str, t.Any]] = []
    return asyncio.run(run())


def test_an_error_nobody_foresaw_puts_the_body_into_quarantine() -> None:
    store = OddStore(RuntimeError("odd"))
    status, metrics = call(store, BODY)
    assert (status, store.refused) == (400, [(BODY, "an error nobody foresaw: RuntimeError")])
    assert 'newstore_answers_total{status="400"} 1.0' in metrics


def test_a_check_that_fails_as_nobody_foresaw_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store = OddStore(RuntimeError("odd"))
    monkeypatch.setattr(receiver_app, "check_event", failing)
    assert call(store, BODY)[0] == 400
    assert store.refused == [(BODY, "an error nobody foresaw: ZeroDivisionError")]


@pytest.mark.parametrize("does", ["count", "fail to count"])
def test_what_the_loop_has_stored_is_answered_even_if_it_cannot_be_counted(
    does: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if does == "fail to count":
        monkeypatch.setattr(ReceiverMetrics, "count_stored", failing)
    assert call(LoopStore(RuntimeError("not by a thread")), BODY)[0] == 200


def test_without_a_quarantine_it_is_sent_again() -> None:
    assert call(OddStore(RuntimeError("odd"), StoreUnavailableError("down")), BODY)[0] == 503


def test_an_answer_of_500_is_counted() -> None:
    status, metrics = call(OddStore(RuntimeError("odd"), RuntimeError("odder")), BODY)
    assert status == 500
    assert 'newstore_answers_total{status="500"} 1.0' in metrics


def test_a_body_of_which_nobody_foresaw_anything_still_makes_its_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_newstore_fulfillment.landing.discards.check_event", failing)
    assert new_row(BODY, path="/events", reason="x", received_at=0)["holes"] == "[[11, 11]]"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.store.close()


def test_a_line_of_which_nobody_foresaw_anything_holds_up_no_run(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.put("1-data-a.export", BODY + b"\n")
    with monkeypatch.context() as patch:
        patch.setattr(ingestion, "check_event", failing)
        reader.read()
    assert reader.unread() == []
    assert reader.store.quarantine.holes().pairs == [[11, 11]]
    assert "ZeroDivisionError" in reader.store.quarantine.list()[0].reason


def failing(*_given: object) -> t.NoReturn:
    raise ZeroDivisionError
