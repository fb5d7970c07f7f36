"""What tap, mapper and target make of answers no NewStore would give: secrets go to nobody else, and a call ends."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import email.utils
import gzip
import re
import time
import typing as t

import msgspec
import pytest
from mapper_newstore_stock import http_session as of_mapper
from mapper_newstore_stock.availabilities import AvailabilityList, signed_in
from mapper_newstore_stock.availabilities import call as call_as_mapper
from mapper_newstore_stock.errors import MapperError
from mapper_newstore_stock.report.command import quarantined
from mapper_newstore_stock.run.clocks import newstore_difference
from mapper_newstore_stock.serve.stream_health import stream_health
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.receiver import http_session as of_tap
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi
from target_newstore_stock import http_session as of_target
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import TargetError

from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE = "/page"
ERRORS = (TapError, MapperError, TargetError)


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        yield server


@pytest.fixture
def stranger() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as stranger:
        stranger.answers[PAGE] = answer(200)
        yield stranger


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture(params=["tap", "mapper", "target"])
def call(request: pytest.FixtureRequest, server: ScriptedHttp, pauses: list[float]) -> Callable[[], object]:
    """Return what calls NewStore once, as tap, mapper and target."""
    if request.param == "tap":
        api = NewStoreApi(server.settings, pauses.append)
        return lambda: api.get(PAGE)
    if request.param == "mapper":
        return lambda: ask_as_mapper(server, pauses)
    authenticator = NewStoreAuthenticator(
        client_id="c", client_secret="hush-hush", auth_endpoint=server.settings["auth_url"]
    )
    client = NewStoreClient(server.url, authenticator, sleep=pauses.append)
    return lambda: client.get(PAGE)


def ask_as_mapper(server: ScriptedHttp, pauses: list[float]) -> object:
    """Sign in and ask, as `newstore-stock-ledger diff` does."""
    with signed_in(server.settings["auth_url"], "c", "hush-hush", pauses.append) as session:
        return msgspec.to_builtins(
            call_as_mapper(session, server.url + PAGE, AvailabilityList, sleep=pauses.append, json={})
        )


def error_of(call: Callable[[], object]) -> str:
    """Return the one line a call ends with."""
    with pytest.raises(ERRORS) as caught:
        call()
    text = str(caught.value)
    assert text.isprintable()
    assert "hush-hush" not in text
    return text


@pytest.mark.fault("F38")
@pytest.mark.parametrize("path", ["/token", PAGE])
def test_a_redirect_is_an_error_at_once_and_no_secret_goes_where_it_points(
    call: Callable[[], object],
    server: ScriptedHttp,
    stranger: ScriptedHttp,
    pauses: list[float],
    path: str,
) -> None:
    for status in (301, 302, 303, 307, 308):
        server.answers[path] = answer(status, Location=f"{stranger.url}{path}?signature=hush-hush")
        assert f"{status}, a redirect to {stranger.url}{path}, which is not followed" in error_of(call)
    assert (stranger.requests, pauses) == ([], [])


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://[::1", "http://[::1"),
        ("//user:hush-hush@host/x", "//host/x"),
        ("http://user:hush@hush-hush@host/x", "http://host/x"),
        ("", "nowhere"),
        ("\x1b[2J\x7f", "?[2J?"),
        ("/" + 8000 * "x", "/" + 199 * "x"),
    ],
)
def test_a_redirect_names_any_location_in_one_line(
    call: Callable[[], object], server: ScriptedHttp, location: str, said: str
) -> None:
    server.answers[PAGE] = answer(307, Location=location)
    assert f"a redirect to {said}, which" in error_of(call)


def test_no_password_of_a_netrc_takes_the_place_of_newstores_token(
    call: Callable[[], object], server: ScriptedHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password hush-hush\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.answers[PAGE] = answer(200, b'{"items": []}')
    call()
    sent = [re.findall(r"(?mi)^authorization: (.*?)\r?$", request.head) for request in server.requests]
    assert sent == [[], ["Bearer t"]]


def test_a_user_in_a_url_is_sent_with_it(server: ScriptedHttp) -> None:
    server.answers["/metrics"] = answer(200, b"newstore_bodies_quarantined_total 3.0\n")
    quarantined(f"http://shop:a%40b@{server.url.removeprefix('http://')}")
    (request,) = server.requests
    assert f"Basic {base64.b64encode(b'shop:a@b').decode()}" in request.head


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what a call may take, in all packages."""
    for module in (of_tap, of_mapper, of_target):
        monkeypatch.setattr(module, "LONGEST_CALL_SECONDS", 0.5)
        monkeypatch.setattr(module, "LONGEST_ANSWER", 10_000)


@pytest.mark.fault("F38")
@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("path", ["/token", PAGE])
def test_an_answer_that_comes_byte_by_byte_holds_a_call_no_longer_than_its_deadline(
    call: Callable[[], object], server: ScriptedHttp, path: str
) -> None:
    server.answers[PAGE] = answer(200)
    # Each byte comes well within any limit of one wait, the head as well as the body.
    server.byte_seconds[path] = 0.05
    begun = time.monotonic()
    assert "Timeout" in error_of(call)
    assert time.monotonic() - begun < 6


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("path", ["/token", PAGE])
def test_an_answer_without_end_is_not_read_to_its_end(
    call: Callable[[], object], server: ScriptedHttp, path: str
) -> None:
    for long in (answer(200, b"x" * 20_000), answer(200, gzip.compress(b"x" * 10**6), Content_Encoding="gzip")):
        server.answers[path] = long
        assert "AnswerTooLongError" in error_of(call)


DEEP = b"[" * 100_000 + b"]" * 100_000
LINES = b"\x1b[2J\r\nERROR all is well\n\xff" + b"x" * 5_000


@pytest.mark.parametrize("body", [DEEP, b'{"error": ' + DEEP + b"}", LINES, b"", b"null", b"\xff\xfe"])
@pytest.mark.parametrize("path", ["/token", PAGE])
def test_an_error_of_any_content_is_one_short_line(
    call: Callable[[], object], server: ScriptedHttp, path: str, body: bytes
) -> None:
    server.answers[path] = answer(400, body)
    assert len(error_of(call)) < 500


@pytest.mark.parametrize(
    "body",
    [
        DEEP,
        b'{"access_token": ' + DEEP + b"}",
        b'{"access_token": "a\\nX-Other: b"}',
        b'{"access_token": "\xc3\xa9"}',
        b'{"access_token": ""}',
        b'{"access_token": 5}',
        b"[]",
    ],
)
def test_what_is_no_token_is_one_line(call: Callable[[], object], server: ScriptedHttp, body: bytes) -> None:
    server.answers["/token"] = answer(200, body)
    text = error_of(call)
    assert "token" in text
    assert "X-Other" not in text


@pytest.mark.parametrize("seconds", [b"1e400", b"NaN", b"-1", b"0", b"1" + b"0" * 400, b'"x"', b"null", b"[]"])
def test_a_token_of_any_life_serves_or_is_one_line(
    call: Callable[[], object], server: ScriptedHttp, seconds: bytes
) -> None:
    server.answers["/token"] = answer(200, b'{"access_token": "t", "expires_in": ' + seconds + b"}")
    server.answers[PAGE] = answer(200, b'{"items": []}')
    with contextlib.suppress(*ERRORS):
        assert call() == {"items": []}


@pytest.mark.parametrize("asked", ["²", "-1", "soon", "Thu, 99 Foo 2026", "1.5", ""])
def test_a_retry_after_that_says_nothing_changes_nothing(
    call: Callable[[], object], server: ScriptedHttp, pauses: list[float], asked: str
) -> None:
    server.answers[PAGE] = answer(429, b"{}", Retry_After=asked)
    error_of(call)
    assert pauses[:2] == [0.5, 1.0]


def test_a_retry_after_may_be_a_date_and_has_a_limit(
    request: pytest.FixtureRequest, call: Callable[[], object], server: ScriptedHttp, pauses: list[float]
) -> None:
    # Somebody waits for the tap's commands: they end, and say how long NewStore asks to wait.
    does_wait = request.node.callspec.params["call"] != "tap"
    server.answers[PAGE] = answer(429, b"{}", Retry_After=email.utils.formatdate(time.time() + 30, usegmt=True))
    error_of(call)
    assert 20 < pauses[0] <= 30
    for far in (email.utils.formatdate(2**33, usegmt=True), "9" * 5_000):
        pauses.clear()
        server.answers[PAGE] = answer(429, b"{}", Retry_After=far)
        error_of(call)
        assert 60 <= pauses[0] <= 300 if does_wait else pauses == []


def test_the_report_takes_only_numbers_of_a_receiver(server: ScriptedHttp, stranger: ScriptedHttp) -> None:
    def ask() -> object:
        return quarantined(f"http://shop:hush-hush@{server.url.removeprefix('http://')}")

    counter = b"newstore_bodies_quarantined_total "
    for good, number in ((b"3.0", 3), (b"1.2e+06", 1_200_000)):
        server.answers["/metrics"] = answer(200, b"# HELP\n" + counter + good + b"\n")
        assert ask() == number
    for bad in (b"inf", b"NaN", b"many", b"\xff", b"", b"1e999", b"-1"):
        server.answers["/metrics"] = answer(200, counter + bad + b"\n")
        assert "counts no quarantined bodies" in error_of(ask)
    server.answers["/metrics"] = answer(500, LINES)
    assert len(error_of(ask)) < 500
    server.answers["/metrics"] = answer(307, Location=f"{stranger.url}{PAGE}")
    assert "which is not followed" in error_of(ask)
    assert stranger.requests == []


@pytest.mark.parametrize("bad", ["1.2.3", "1e", "e", "--1", "1e999", "9" * 400, "NaN", "inf", "soon"])
def test_pages_about_the_stream_show_no_figure_that_is_none(server: ScriptedHttp, bad: str) -> None:
    newest = "newstore_newest_event_timestamp_seconds"
    now = dt.datetime.fromtimestamp(1_700_000_600, dt.UTC)
    for said, shown in (("1.7e+09", "10 min ago"), (bad, "none yet")):
        server.answers["/metrics"] = answer(200, f"{newest} {said}\nnewstore_newest_event_lag_seconds -0.5\n".encode())
        assert stream_health(server.url, now)["Newest event"] == shown
        assert stream_health(server.url, now)["Its lag"] == "-0.5 s"


@pytest.mark.parametrize("said", ["soon", "Thu, 99 Foo 2026", "Thu, 99 Feb 2026 00:00:00 GMT", "²", ""])
def test_a_clock_that_tells_no_time_is_one_line(server: ScriptedHttp, said: str) -> None:
    server.answers[PAGE] = answer(200, Date=said)
    url = f"http://shop:hush-hush@{server.url.removeprefix('http://')}{PAGE}"
    assert "does not tell NewStore's time" in error_of(lambda: newstore_difference(url))


def test_a_redirect_tells_the_time_and_is_not_followed(server: ScriptedHttp, stranger: ScriptedHttp) -> None:
    now = email.utils.formatdate(usegmt=True)
    server.answers[PAGE] = answer(302, b"", Location=f"{stranger.url}{PAGE}", Date=now)
    assert newstore_difference(f"{server.url}{PAGE}").certain < 3_000
    assert stranger.requests == []


@pytest.mark.usefixtures("limits")
def test_a_clock_that_answers_byte_by_byte_is_not_waited_for(server: ScriptedHttp) -> None:
    server.answers[PAGE], server.byte_seconds[PAGE] = answer(200), 0.05
    assert "Timeout" in error_of(lambda: newstore_difference(f"{server.url}{PAGE}"))


@pytest.mark.parametrize("host", ["a..b", 64 * "a", "[", "a b", "\u2100", "127.0.0.1:99999", ""])
def test_a_host_that_is_none_is_one_line(host: str, server: ScriptedHttp) -> None:
    settings = {**server.settings, "api_url": f"http://{host}"}
    authenticator = NewStoreAuthenticator(
        client_id="c", client_secret="hush-hush", auth_endpoint=server.settings["auth_url"]
    )
    calls: list[Callable[[], object]] = [
        lambda: NewStoreApi(settings).get("/x"),
        lambda: NewStoreClient(f"http://{host}", authenticator).post_once("/x", {}),
        lambda: signed_in(f"http://{host}/x", "c", "hush-hush"),
        lambda: newstore_difference(f"http://{host}/x"),
    ]
    for each in calls:
        error_of(each)
