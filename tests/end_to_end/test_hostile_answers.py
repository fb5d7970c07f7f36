"""What tap and target make of answers no NewStore would give: secrets go to nobody else, and a call ends."""

from __future__ import annotations

import typing as t

import pytest
from tap_newstore_fulfillment.errors import TapError
from tap_newstore_fulfillment.receiver.newstore_api import NewStoreApi
from target_newstore_stock.auth import NewStoreAuthenticator
from target_newstore_stock.client import NewStoreClient
from target_newstore_stock.errors import TargetError

from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = "/page"


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


@pytest.fixture(params=["tap", "target"])
def call(request: pytest.FixtureRequest, server: ScriptedHttp, pauses: list[float]) -> Callable[[], object]:
    """Return what calls NewStore once, as tap and as target."""
    if request.param == "tap":
        api = NewStoreApi(server.settings, pauses.append)
        return lambda: api.get(PAGE)
    authenticator = NewStoreAuthenticator(
        client_id="c", client_secret="hush-hush", auth_endpoint=server.settings["auth_url"]
    )
    client = NewStoreClient(server.url, authenticator, sleep=pauses.append)
    return lambda: client.get(PAGE)


def error_of(call: Callable[[], object]) -> str:
    """Return the one line a call ends with."""
    with pytest.raises((TapError, TargetError)) as caught:
        call()
    text = str(caught.value)
    assert text.isprintable()
    assert "hush-hush" not in text
    return text


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
