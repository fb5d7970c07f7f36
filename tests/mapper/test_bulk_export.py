"""The bulk availability export: read in pieces, sorted on disk, beside the ledger's numbers."""

from __future__ import annotations

import gzip
import json
import random
import time
import tracemalloc
import typing as t

import pytest
from mapper_newstore_stock import http_session
from mapper_newstore_stock.comparison import bulk_export
from mapper_newstore_stock.comparison.bulk_export import beside, items_in, read_export
from mapper_newstore_stock.comparison.causes import Line
from mapper_newstore_stock.errors import ServerError

from tests.mapper.comparing import compare, compare_at, import_cuts
from tests.mapper.shop_day import ShopDay
from tests.shop.newstore import NewStore
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BULK = "/v0/d/availabilities/bulk"
#: An item with a number no shop has.
MUCH = b'[{"product_id": "A", "fulfillment_node_id": "DC01", "atp": %s}]'
ODD = ["A", '"}, {"', "}", "},", "ü\\", "x{y", "], [", "4711"]


def in_pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_list_is_the_same_in_pieces_of_any_size(size: int, indent: int | None) -> None:
    chance = random.Random(size)
    rows = [(chance.choice(ODD), chance.choice(ODD), chance.randrange(-5, 10**6)) for _ in range(200)]
    items = [{"product_id": row[1], "fulfillment_node_id": row[0], "atp": row[2], "more": {"a": [1]}} for row in rows]
    text = json.dumps(items, indent=indent).encode()
    assert list(items_in(in_pieces(text, size))) == rows


def test_ids_that_are_numbers_are_text_and_an_empty_list_is_one() -> None:
    assert list(items_in([b' [{"product_id": 1, "fulfillment_node_id": 2, "atp": 3}] '])) == [("2", "1", 3)]
    assert list(items_in([b"[]"])) == []


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[", b'[{"product_id": 1, "fulfillment_node_id": 2}]', b'[{"product_id": 1', b"[1]", b"[]["]
)
def test_what_is_no_whole_list_of_items_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever words
        list(items_in(in_pieces(text, 2)))


def test_keys_are_found_in_an_export_of_any_order() -> None:
    chance = random.Random(5)
    keys = [(node, product) for node in sorted(ODD) for product in sorted(ODD)]
    rows = [(*key, number) for number, key in enumerate(keys) if number % 3]
    rows += [(*keys[1], 99), (*keys[1], -1), ("Z", "not in the ledger", 5)]
    chance.shuffle(rows)
    lines = [Line(*key, 1, 1, 1) for key in sorted(keys)]
    highest = {key: atp for *key_, atp in sorted(rows, key=lambda row: row[2]) for key in [tuple(key_)]}
    assert [(line.key, atp) for line, atp in beside(lines, rows)] == [(key, highest.get(key)) for key in sorted(keys)]


def test_a_whole_shop_is_compared_by_one_export(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.replace({("DC01", f"SKU-{number}"): (10, None) for number in range(2_500)})
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        assert import_cuts(newstore, tmp_path, day.run()) == 0
        newstore.set_faults(bulk_seconds=1)
        newstore.order("DC01", "SKU-7")
        newstore.set_stock("DC01", "SKU-9", 12)
        day.run()
        done = compare(day, newstore, "--bulk", "--visible-minutes=0")
        assert done.causes == {"SKU-7": "allocations", "SKU-9": "unexplained"}
        assert (done.code, newstore.insights()["calls"]) == (1, 2)
        whole = compare(day, newstore, "--bulk", "--all")
        assert len(whole.rows) == 2_500
        assert whole.rows["SKU-1"]["cause"] == "agrees"


def test_no_token_goes_where_the_link_of_an_export_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password hush-hush\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "A", 10)
    day.run()
    with ScriptedHttp().serving() as server:
        rows = json.dumps([{"product_id": "A", "fulfillment_node_id": "DC01", "atp": 10}]).encode()
        server.answers[BULK] = answer(200, b'{"availability_export_id": "1-a"}')
        server.answers[f"{BULK}/1-a"] = answer(200, f'{{"state": "done", "link": "{server.url}/file?key=s"}}'.encode())
        server.answers["/file?key=s"] = answer(200, gzip.compress(rows))
        done = compare_at(day, server.settings, "--bulk")
        assert (done.code, done.rows) == (0, {}), done.log
        (fetched,) = [request for request in server.requests if "/file" in request.line]
    assert "authorization" not in fetched.head.casefold()


@pytest.mark.parametrize(
    ("asked", "shown", "file", "says"),
    [
        (b"{}", b"", b"", "missing required field `availability_export_id`"),
        (b'{"availability_export_id": "../x"}', b"", b"", "'../x' is no export's id"),
        ('{"availability_export_id": "ab²é"}'.encode(), b"", b"", "'ab\\xb2\\xe9' is no export's id"),
        (b'{"availability_export_id": ""}', b"", b"", "'' is no export's id"),
        (b'{"availability_export_id": "1"}', b'{"state": "failed"}', b"", "export 1 is 'failed'"),
        (b'{"availability_export_id": "1"}', b"LINK", b"<html>", "not a list of availabilities: it does not begin"),
        (b'{"availability_export_id": "1"}', b"LINK", b'[{"product_id": "A"}]', "missing required field"),
        (b'{"availability_export_id": "1"}', b"LINK", b'[{"product_id": "A", ', "not a list of availabilities"),
        (b'{"availability_export_id": "1"}', b"LINK", b"\x1f\x8bno", "not a list of availabilities"),
        (b'{"availability_export_id": "1"}', b"GONE", b"", "answered 404"),
        (b'{"availability_export_id": "1"}', b"LINK", MUCH % b"9007199254740993", "Expected `int` <= 9007199254740992"),
        (b'{"availability_export_id": "1"}', b"LINK", MUCH % b"-10000000000000000000", "Expected `int` >= -90"),
        (b'{"availability_export_id": "1"}', b"LINK", MUCH % b"1e400", "Number out of range"),
    ],
)
def test_an_export_that_cannot_be_used_is_one_line(
    tmp_path: Path, asked: bytes, shown: bytes, file: bytes, says: str
) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "A", 10)
    day.run()
    with ScriptedHttp().serving() as server:
        server.answers |= {BULK: answer(200, asked), "/file": answer(200, file), "/gone": answer(404)}
        links = {b"LINK": "/file", b"GONE": "/gone"}
        link = f'{{"link": "{server.url}{links[shown]}"}}'.encode() if shown in links else shown
        server.answers[f"{BULK}/1"] = answer(200, link)
        done = compare_at(day, server.settings, "--bulk")
    assert (done.code, done.rows) == (1, {})
    assert says in done.log
    assert done.log.count("\n") == 1


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        yield server


def refusal(server: ScriptedHttp) -> str:
    """Return the one line in which the file of an export is refused; its link has a user and a signature."""
    with pytest.raises(ServerError) as caught:
        list(read_export(f"http://shop:hush-hush@{server.url.removeprefix('http://')}/file?sig=hush-hush"))
    text = str(caught.value)
    assert text.isprintable()
    assert f"GET {server.url}/file" in text
    assert "hush-hush" not in text
    return text


FILE = "/file?sig=hush-hush"


def test_an_export_that_is_elsewhere_is_refused_by_the_name_of_that_place(server: ScriptedHttp) -> None:
    for status in (301, 302, 303, 307, 308):
        server.answers[FILE] = answer(status, Location="http://a:hush-hush@elsewhere/x?sig=hush-hush")
        assert f"answered {status}, a redirect to http://elsewhere/x, which is not followed" in refusal(server)


def chunks(body: bytes) -> bytes:
    """Return an answer that comes in chunks of a byte."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"


@pytest.mark.parametrize("body", [answer(200, b"[" + b" " * 2_000), chunks(b"[" + b" " * 2_000)])
@pytest.mark.parametrize("byte_seconds", [0.02, 0.001], ids=["slow head", "slow body"])
def test_an_export_that_comes_byte_by_byte_is_waited_for_no_longer_than_a_call_may_take(
    server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch, byte_seconds: float, body: bytes
) -> None:
    monkeypatch.setattr(http_session, "LONGEST_CALL_SECONDS", 0.5)
    server.answers[FILE], server.byte_seconds[FILE] = body, byte_seconds
    begun = time.monotonic()
    assert "no whole answer: Timeout" in refusal(server)
    assert time.monotonic() - begun < 1.9


def test_an_export_is_not_read_for_ever(server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_export, "EXPORT_SECONDS", 0)
    server.answers[FILE] = answer(200, b"[]")
    assert "no whole answer: Timeout" in refusal(server)


@pytest.mark.parametrize("encoding", [{}, {"Content_Encoding": "gzip"}])
def test_a_little_gzip_that_holds_much_takes_little_memory(server: ScriptedHttp, encoding: dict[str, str]) -> None:
    server.answers[FILE] = answer(200, gzip.compress(b"[" + b" " * 2**26), **encoding)
    tracemalloc.start()
    try:
        assert "an item has no end" in refusal(server)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_what_follows_the_end_of_a_gzip_is_not_kept(server: ScriptedHttp) -> None:
    server.answers[FILE] = answer(200, gzip.compress(b"[]") + b"x" * 2**25)
    assert list(read_export(f"{server.url}{FILE}")) == []
