"""Lists behind http: read from the host that is named, whole, in calls that end; no secret is shown."""

from __future__ import annotations

import time
import typing as t

import pytest
from fsspec.implementations.http import HTTPFileSystem
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.run import web_lists

from tests.mapper.parquet_files import parquet_bytes
from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.test_mapper import records, schema, state
from tests.shop.plugin import run_plugin
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIST = b"fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\nDC01,SKU-1,10,\n"
PATH = "/stock.csv"
#: What a server says that knows no ranges, so that a list is read in one call.
WHOLE = {"Accept_Ranges": "none"}


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    # Its clients are kept, with the limits they were made with.
    HTTPFileSystem.clear_instance_cache()
    with ScriptedHttp().serving() as server:
        server.answers[PATH] = answer(200, LIST, **WHOLE)
        yield server
    HTTPFileSystem.clear_instance_cache()


def day_of(directory: Path, server: ScriptedHttp, path: str = PATH) -> ShopDay:
    """Return a shop whose ERP's list is behind a server, for a user with a password."""
    return ShopDay(directory, on_hand_url=f"http://shop:hunter2@{server.url.removeprefix('http://')}{path}")


def refusal(day: ShopDay) -> str:
    """Return the one line in which a run is refused."""
    with pytest.raises(OnHandError) as caught:
        day.run(completed(11))
    text = str(caught.value)
    assert text.isprintable()
    assert "hunter2" not in text
    return text


def test_a_list_is_read_from_a_server(tmp_path: Path, server: ScriptedHttp) -> None:
    (cut,) = day_of(tmp_path, server).run(completed(11))
    assert cut.quantities == {("DC01", "SKU-1"): 9}


@pytest.mark.parametrize("accepts", ["none", "bytes"])
def test_a_parquet_list_is_read_from_a_server(tmp_path: Path, server: ScriptedHttp, accepts: str) -> None:
    path = tmp_path / "stock.parquet"
    content = parquet_bytes(path, ("DC01", "SKU-1", 10, None))
    server.answers["/stock.parquet?signature=s"] = answer(200, content, Accept_Ranges=accepts)
    day = day_of(tmp_path, server, "/stock.parquet?signature=s")
    (cut,) = day.run(completed(11))
    assert cut.quantities == {("DC01", "SKU-1"): 9}
    server.answers["/stock.parquet?signature=s"] = answer(200, content[:-9], Accept_Ranges=accepts)
    said = refusal(day)
    assert "/stock.parquet: it is no Parquet file, or is cut, damaged or still being written" in said
    assert "signature" not in said


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_of_a_list_is_followed(tmp_path: Path, server: ScriptedHttp, status: int) -> None:
    with ScriptedHttp().serving() as stranger:
        stranger.answers[PATH] = answer(200, LIST, **WHOLE)
        server.answers[PATH] = answer(status, Location=f"{stranger.url}{PATH}?signature=hunter2")
        said = refusal(day_of(tmp_path, server))
        assert f"{status}, a redirect to {stranger.url}{PATH}, which is not followed" in said
        assert stranger.requests == []


def test_a_list_that_comes_byte_by_byte_is_waited_for_no_longer_than_a_call_may_take(
    tmp_path: Path, server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_lists, "CALL_SECONDS", 0.5)
    server.byte_seconds[PATH] = 0.05
    begun = time.monotonic()
    refusal(day_of(tmp_path, server))
    assert time.monotonic() - begun < 10


def test_a_part_of_a_list_is_not_longer_than_a_part_may_be(
    tmp_path: Path, server: ScriptedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_lists, "LONGEST_ANSWER", 1_000)
    server.answers[PATH] = answer(206, LIST + b"DC01,SKU-2,1,\n" * 1_000)
    assert "more than 1000 bytes" in refusal(day_of(tmp_path, server))


def test_a_list_that_is_cut_short_by_its_server_is_refused(tmp_path: Path, server: ScriptedHttp) -> None:
    server.answers[PATH] = answer(200, LIST, **WHOLE).removesuffix(b"SKU-1,10,\n")
    refusal(day_of(tmp_path, server))


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_an_error_of_the_server_is_one_line(tmp_path: Path, server: ScriptedHttp, status: int) -> None:
    server.answers[PATH] = answer(status, b"\x1b[2J\r\nhunter2")
    refusal(day_of(tmp_path, server))


def test_no_password_of_a_list_is_shown_however_much_is_said(tmp_path: Path, server: ScriptedHttp) -> None:
    settings = day_of(tmp_path, server).settings
    messages = [schema(), *records(completed(10)), state(10, 1)]
    done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=messages, LOGLEVEL="debug")
    assert [record["quantity"] for record in done.records] == [9], done.log
    assert "DEBUG" in done.log
    assert "hunter2" not in done.log
