"""The token of a comparison lives minutes, a comparison may take hours: it is renewed ahead, and when it is refused."""

from __future__ import annotations

import typing as t

import pytest
import requests
from mapper_newstore_stock import availabilities
from mapper_newstore_stock.availabilities import AvailabilityList, call, signed_in
from mapper_newstore_stock.bearer import Bearer, Token
from mapper_newstore_stock.comparison.insights import InsightReader, Pace
from mapper_newstore_stock.errors import ServerError

from tests.mapper.comparing import compare, import_cuts
from tests.mapper.shop_day import ShopDay
from tests.shop.newstore import NewStore
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


PAGE = "/v0/availabilities"
GOOD = answer(200, b'{"items": []}')
REFUSED = answer(403, b'{"message": "the token is expired"}')


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        server.answers[PAGE] = GOOD
        yield server


def sign_in(server: ScriptedHttp, clock: Clock, expires_in: object = 300) -> requests.Session:
    server.answers["/token"] = a_token("t1", expires_in)
    return signed_in(f"{server.url}/token", "c", "hush-hush", clock=clock)


def a_token(token: str, expires_in: object = 300) -> bytes:
    return answer(200, f'{{"access_token": "{token}", "expires_in": {expires_in}}}'.encode())


def ask(session: requests.Session, server: ScriptedHttp) -> object:
    return call(session, server.url + PAGE, AvailabilityList, json={})


def asked(server: ScriptedHttp) -> list[str]:
    """Return what was asked: `token`, or the token that a call carried."""
    heads = [(request.line.split()[1], request.head) for request in server.requests]
    return ["token" if path == "/token" else head.split("Bearer ")[1].splitlines()[0] for path, head in heads]


@pytest.mark.parametrize(
    ("expires_in", "good", "over"), [(300, 269, 271), (20, 9, 11), ('"300"', 269, 271), (299.5, 269, 270)]
)
def test_a_token_is_renewed_before_it_expires(server: ScriptedHttp, expires_in: object, good: int, over: int) -> None:
    clock = Clock()
    session = sign_in(server, clock, expires_in)
    server.answers["/token"] = a_token("t2", expires_in)
    for clock.now in (1000, 1000 + good, 1000 + over, 1000 + over + good):
        ask(session, server)
    assert asked(server) == ["token", "t1", "t1", "token", "t2", "t2"]


@pytest.mark.parametrize("expires_in", ["null", 0, -5])
def test_a_token_of_unknown_life_lives_until_it_is_refused(server: ScriptedHttp, expires_in: object) -> None:
    clock = Clock()
    session = sign_in(server, clock, expires_in)
    clock.now += 10**6
    ask(session, server)
    assert asked(server) == ["token", "t1"]


@pytest.mark.parametrize("refused", [answer(401, b""), answer(401), REFUSED])
def test_a_refused_token_is_renewed_once(server: ScriptedHttp, refused: bytes) -> None:
    session = sign_in(server, Clock())
    server.answers |= {PAGE: refused, "/token": a_token("t2")}
    with pytest.raises(ServerError, match=r"answered 40[13]"):
        ask(session, server)
    assert asked(server) == ["token", "t1", "token", "t2"]


def test_a_limit_per_address_asks_for_no_token(server: ScriptedHttp) -> None:
    session = sign_in(server, Clock())
    server.answers[PAGE] = answer(403, b"<html>")
    with pytest.raises(ServerError, match="answered 403"):
        ask(session, server)
    assert asked(server) == ["token", "t1"]


def test_a_client_that_is_refused_meanwhile_is_one_line(server: ScriptedHttp) -> None:
    session = sign_in(server, Clock())
    server.answers |= {PAGE: REFUSED, "/token": answer(401, b'{"error": "invalid_client"}')}
    with pytest.raises(ServerError, match="/token answered 401"):
        ask(session, server)


def test_a_refusal_drops_the_token_that_was_refused_and_not_a_newer_one() -> None:
    tokens = iter(("t1", "t2", "t3"))
    bearer = Bearer(lambda: Token(next(tokens), 300.0))
    first = bearer(requests.Request("GET", "http://host").prepare())
    for _ in range(2):
        bearer.drop(first)
        assert bearer.header() == "Bearer t2"


def test_each_repetition_of_a_question_for_insights_takes_its_turn(
    server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availabilities, "PAUSES", (0.001,) * 3)
    turns: list[float] = []

    class Counted(Pace):
        def wait(self) -> None:
            turns.append(len(server.requests))

    session = sign_in(server, Clock())
    path = "/v0/stock/insights?product_id=A&fulfillment_node_id=DC01"
    server.answers |= {path: answer(429, Retry_After="0"), "/token": a_token("t2")}
    with pytest.raises(ServerError, match="answered 429"):
        InsightReader(session, server.url, Counted())([("DC01", "A")])
    assert len(turns) == len(server.requests) - 1 == 4
    server.answers[path] = REFUSED
    turns.clear()
    with pytest.raises(ServerError, match="answered 403"):
        InsightReader(session, server.url, Counted())([("DC01", "A")])
    assert len(turns) == 2


def test_a_comparison_outlives_its_token(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    with NewStore(tmp_path, import_seconds=0, token_seconds=1) as newstore:
        newstore.add_location("DC01")
        keys = [("DC01", f"SKU-{number}") for number in range(200)]
        day.erp.replace(dict.fromkeys(keys, (10, None)))
        assert import_cuts(newstore, tmp_path, day.run()) == 0
        newstore.hold_all_back(keys, reservations=1)
        done = compare(day, newstore)
        asked = newstore.insights()
    assert (done.code, set(done.causes.values()), len(done.rows)) == (0, {"reservations"}, 200), done.log
    assert asked["refused"] == 0
    assert asked["most_in_a_second"] <= 90
