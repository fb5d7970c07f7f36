"""Transport is not content: what did not arrive whole or decoded is never judged (design rule 18)."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import sqlite3
import typing as t
import urllib.parse
import zlib

import pytest
import requests
from tap_newstore_fulfillment.landing.tables import FAR_AHEAD

from tests.shop.raw_http import H2C, post_request, read_answer, send
from tests.shop.receiver import Receiver
from tests.tap.events import an_event

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALL_SECONDS = 30
MAX_BODY_BYTES = 10 * 2**20
KEY = "a-key-only-newstore-knows"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("receiver")


@pytest.fixture(scope="module")
def receiver(directory: Path) -> Iterator[Receiver]:
    with Receiver(directory, api_key=KEY) as receiver:
        yield receiver


@pytest.fixture
def landed(directory: Path) -> t.Callable[[str], list[t.Any]]:
    """Return what gives the rows of a query on the landing store."""

    def query(statement: str) -> list[t.Any]:
        with contextlib.closing(sqlite3.connect(directory / "landing.db")) as connection:
            return connection.execute(statement).fetchall()

    return query


def raw(at: int, **fields: t.Any) -> bytes:
    return json.dumps(an_event(at, request=f"fr-{at}", **fields)).encode()


def kept(landed: t.Callable[[str], list[t.Any]], at: int) -> bool:
    return bool(landed(f"SELECT 1 FROM fulfillment_event WHERE logical_timestamp = {at}"))


def quarantined(landed: t.Callable[[str], list[t.Any]]) -> int:
    # Which event is far ahead depends on which tests were here before.
    return int(landed(f"SELECT count(*) FROM quarantine WHERE kind <> '{FAR_AHEAD}'")[0][0])


def answers(receiver: Receiver) -> dict[str, int]:
    text = requests.get(f"{receiver.url}/metrics", timeout=CALL_SECONDS).text
    return {status: int(float(count)) for status, count in re.findall(r'answers_total\{status="(\w+)"\} (\S+)', text)}


@pytest.mark.parametrize("chunk", [None, 100, 1])
@pytest.mark.parametrize(
    "offer", [H2C, ("Connection: Upgrade", "Upgrade: websocket"), ("Connection: upgrade", "Upgrade: x")]
)
def test_the_event_behind_an_offer_to_upgrade_is_taken(
    receiver: Receiver, landed: t.Any, offer: tuple[str, ...], chunk: int | None
) -> None:
    at = 1000 + len(offer[-1]) * 10 + (chunk or 0)
    answer = send(receiver.url, post_request(raw(at), *offer, chunk=chunk, key=KEY))
    assert (answer.status, kept(landed, at)) == (200, True)


def test_the_offer_may_come_in_any_pieces_and_the_connection_goes_on(receiver: Receiver, landed: t.Any) -> None:
    first, second = post_request(raw(2001), *H2C, key=KEY), post_request(raw(2002), *H2C, chunk=7, key=KEY)
    for cut in range(1, len(first), 17):
        assert send(receiver.url, first, pieces=[cut]).status == 200
    parts = urllib.parse.urlsplit(receiver.url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), CALL_SECONDS) as connection:
        for request in (first, second, post_request(raw(2003), key=KEY)):
            connection.sendall(request)
            assert read_answer(connection).status == 200
    assert [kept(landed, at) for at in (2001, 2002, 2003)] == [True] * 3


@pytest.mark.parametrize("chunk", [None, 50])
@pytest.mark.parametrize("offer", [(), H2C])
def test_a_body_that_is_cut_off_is_neither_an_event_nor_none(
    receiver: Receiver, landed: t.Any, offer: tuple[str, ...], chunk: int | None
) -> None:
    before = quarantined(landed)
    whole = post_request(raw(3000), *offer, chunk=chunk, key=KEY)
    for cut in (len(whole) - 1, len(whole) - 30, len(whole) - 200):
        assert send(receiver.url, whole[:cut], ends=True).status in (0, 503)
    assert (kept(landed, 3000), quarantined(landed)) == (False, before)


@pytest.mark.parametrize("chunk", [None, 50])
def test_who_has_sent_all_and_ends_its_side_is_answered(receiver: Receiver, landed: t.Any, chunk: int | None) -> None:
    at = 5300 + (chunk or 0)
    answer = send(receiver.url, post_request(raw(at), key=KEY, chunk=chunk), ends=True)
    assert (answer.status, kept(landed, at)) == (200, True)
    assert send(receiver.url, post_request(raw(at), key="wrong", chunk=chunk), ends=True).status == 401


def test_what_is_not_http_is_answered_503_and_counted(receiver: Receiver, landed: t.Any) -> None:
    before, kept_before = answers(receiver).get("503", 0), quarantined(landed)
    damaged = post_request(raw(3100), chunk=50, key=KEY).replace(b"\r\n32\r\n", b"\r\nzz\r\n", 1)
    assert send(receiver.url, damaged).status == 503
    assert send(receiver.url, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status == 503
    assert send(receiver.url, b"CONNECT events.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n").status == 503
    assert (kept(landed, 3100), quarantined(landed)) == (False, kept_before)
    assert answers(receiver)["503"] - before == 3


WITHOUT_A_LENGTH = f"POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "request_",
    [
        WITHOUT_A_LENGTH,
        post_request(b"", key=KEY),
        post_request(b"", chunk=9, key=KEY),
        post_request(b" \r\n", key=KEY),
        post_request(gzip.compress(b""), "Content-Encoding: gzip", key=KEY),
    ],
    ids=["no length", "length 0", "no chunk", "blank", "packed"],
)
def test_a_post_without_any_body_is_sent_again(receiver: Receiver, landed: t.Any, request_: bytes) -> None:
    before = quarantined(landed)
    assert send(receiver.url, request_).status == 503
    assert quarantined(landed) == before


ENCODED: dict[str, t.Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "GZIP": lambda body: gzip.compress(body[:20]) + gzip.compress(body[20:]),
    "deflate": zlib.compress,
    "identity": bytes,
    "gzip, gzip": lambda body: gzip.compress(gzip.compress(body)),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_content_encoding_is_decoded(receiver: Receiver, landed: t.Any, encoding: str) -> None:
    at = 4000 + list(ENCODED).index(encoding)
    request = post_request(ENCODED[encoding](raw(at)), f"Content-Encoding: {encoding}", key=KEY)
    assert (send(receiver.url, request).status, kept(landed, at)) == (200, True)


TWICE = (gzip.compress(gzip.compress(raw(4200))), ("Content-Encoding: gzip", "Content-Encoding: gzip"))
BEHIND_NONE = (gzip.compress(raw(4201)), ("Content-Encoding: identity", "Content-Encoding: gzip"))
BEFORE_NONE = (gzip.compress(raw(4202)), ("Content-Encoding: gzip", "Content-Encoding:"))
HEADER_TAKEN_AWAY = (gzip.compress(raw(4203)), ())


@pytest.mark.parametrize("chunk", [None, 7])
@pytest.mark.parametrize("sent", [TWICE, BEHIND_NONE, BEFORE_NONE, HEADER_TAKEN_AWAY], ids=range(4200, 4204))
def test_codings_may_come_in_several_fields_or_in_none(
    receiver: Receiver, landed: t.Any, request: t.Any, sent: tuple[bytes, tuple[str, ...]], chunk: int | None
) -> None:
    at = int(request.node.callspec.id.split("-")[0])
    assert send(receiver.url, post_request(sent[0], *sent[1], chunk=chunk, key=KEY)).status == 200
    assert kept(landed, at)


@pytest.mark.parametrize("fields", [("gzip, chunked",), ("gzip", "chunked")], ids=["one field", "two fields"])
def test_a_transfer_coding_that_is_not_understood_is_sent_again(
    receiver: Receiver, landed: t.Any, fields: tuple[str, ...]
) -> None:
    before = quarantined(landed)
    request = post_request(gzip.compress(raw(4300)), chunk=50, key=KEY)
    codings = "".join(f"Transfer-Encoding: {field}\r\n" for field in fields).encode()
    answer = send(receiver.url, request.replace(b"Transfer-Encoding: chunked\r\n", codings))
    assert (answer.status, kept(landed, 4300), quarantined(landed)) == (503, False, before)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(raw(4100))[:-9]),
        ("gzip", raw(4100)),
        ("br", raw(4100)),
        ("gzip", b""),
        ("deflate", b"x"),
        # Each part costs a copy of the rest: so many would stop the receiver for minutes.
        ("gzip", gzip.compress(b"") * 300_000 + gzip.compress(raw(4100))),
    ],
    ids=["cut off", "not packed", "unknown", "empty", "not deflate", "many parts"],
)
def test_what_cannot_be_decoded_is_sent_again(receiver: Receiver, landed: t.Any, encoding: str, body: bytes) -> None:
    before = quarantined(landed)
    answer = send(receiver.url, post_request(body, f"Content-Encoding: {encoding}", key=KEY))
    assert (answer.status, kept(landed, 4100), quarantined(landed)) == (503, False, before)
    assert "Content-Encoding" in json.loads(answer.body)["error"]


def test_a_body_that_unpacks_beyond_the_limit_is_answered_413_and_its_beginning_kept(
    receiver: Receiver, landed: t.Any
) -> None:
    huge = raw(4200)[:-2] + b" " * MAX_BODY_BYTES + b"}}"
    for body, header in ((huge, "X: y"), (gzip.compress(huge), "Content-Encoding: gzip")):
        assert send(receiver.url, post_request(body, header, key=KEY)).status == 413
        kept_body, holes = landed("SELECT body, holes FROM quarantine ORDER BY id DESC LIMIT 1")[0]
        assert (kept_body, json.loads(holes)) == (huge[:1000], [[4200, 4200]])


@pytest.mark.parametrize("path", ["/events/", "/fulfillment_request/"])
def test_a_slash_at_the_end_is_taken(receiver: Receiver, landed: t.Any, path: str) -> None:
    at = 5000 + len(path)
    assert receiver.post(raw(at), path).status_code == 200
    assert kept(landed, at)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/Events", 404), ("POST", "/newstore/events", 404), ("GET", "/events", 405), ("PUT", "/metrics", 405)],
)
def test_any_other_path_or_method_is_logged_and_counted(
    receiver: Receiver, method: str, path: str, status: int
) -> None:
    before = answers(receiver).get(str(status), 0)
    url = f"{receiver.url}{path}?token=secret"
    answer = requests.request(
        method, url, data=raw(1), headers={"Authorization": f"Bearer {KEY}"}, timeout=CALL_SECONDS
    )
    assert answer.status_code == status
    assert answers(receiver)[str(status)] == before + 1
    logged = [json.loads(line) for line in receiver.process.output.splitlines() if line.startswith("{")]
    (line,) = [line for line in logged if (line.get("method"), line.get("path")) == (method, path)]
    assert (line["status"], line["level"]) == (status, "warning")
    assert "secret" not in receiver.process.output


@pytest.mark.parametrize("host", ["[", "[x]", "x/y?"])
def test_a_host_header_changes_no_answer(receiver: Receiver, landed: t.Any, host: str) -> None:
    named = {"Host": host, "Authorization": f"Bearer {KEY}"}
    before = quarantined(landed)

    def status(body: bytes | None, path: str = "/events") -> int:
        return requests.request("POST", receiver.url + path, data=body, headers=named, timeout=CALL_SECONDS).status_code

    assert [status(raw(5200)), status(b"temp"), status(raw(5201), "/x")] == [200, 400, 404]
    assert quarantined(landed) == before + 1
    assert landed("SELECT path FROM quarantine ORDER BY id DESC LIMIT 1") == [("/events",)]
    assert "Traceback" not in receiver.process.output


def test_nothing_is_kept_of_who_has_no_key_and_it_is_counted(receiver: Receiver, landed: t.Any) -> None:
    before, rows = answers(receiver).get("401", 0), quarantined(landed)
    for body in (raw(6000), b"temp", b"x" * 100_000):
        assert receiver.post(body, key="wrong").status_code == 401
        assert send(receiver.url, post_request(body, *H2C)).status == 401
    assert (kept(landed, 6000), quarantined(landed)) == (False, rows)
    assert answers(receiver)["401"] == before + 6
