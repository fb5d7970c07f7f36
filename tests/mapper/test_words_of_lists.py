"""What is said of a list that cannot be read: once where it is, and what answered."""

from __future__ import annotations

import gzip
import typing as t
import zipfile

import pytest
from mapper_newstore_stock.errors import OnHandError

from tests.mapper.shop_day import STREAM, ShopDay, completed
from tests.mapper.test_mapper import records, schema, state
from tests.mapper.test_whole_lists import zipped
from tests.shop.plugin import run_plugin
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from pathlib import Path

LIST = b"fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\nDC01,SKU-1,10,\n"


def refusal(directory: Path, **settings: t.Any) -> str:
    """Return what the mapper says of its list."""
    day = ShopDay(directory, **settings)
    with pytest.raises(OnHandError) as refused:
        day.run()
    return str(refused.value)


def test_a_file_that_is_missing_is_named_once(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.csv")
    assert refusal(tmp_path, on_hand_url=path) == f"on_hand_url: cannot read {path}: No such file or directory"
    marked = refusal(tmp_path, on_hand_url=path, max_on_hand_age_minutes=5)
    assert marked.count(path) == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "it answered 401 (Unauthorized)"),
        (403, "it answered 403 (Forbidden)"),
        (404, "it answered 404 (Not Found)"),
    ],
)
def test_the_status_of_an_answer_is_named(status: int, said: str, tmp_path: Path) -> None:
    with ScriptedHttp().serving() as erp:
        erp.answers["/on_hand.csv"] = answer(status, b"no")
        url = f"{erp.url}/on_hand.csv"
        assert refusal(tmp_path, on_hand_url=url) == f"on_hand_url: cannot read {url}: {said}"


def test_a_server_that_does_not_answer_is_named_once(tmp_path: Path) -> None:
    said = refusal(tmp_path, on_hand_url="http://127.0.0.1:1/on_hand.csv")
    assert said.startswith("on_hand_url: cannot read http://127.0.0.1:1/on_hand.csv: no answer: ")
    assert said.count("http://") == 1


@pytest.mark.parametrize("name", ["stock.csv.gz", "stock.zip"])
def test_an_archive_that_cannot_be_reached_is_not_called_damaged(name: str, tmp_path: Path) -> None:
    with ScriptedHttp().serving() as erp:
        erp.answers[f"/{name}"] = answer(404, b"no")
        url = f"{erp.url}/{name}"
        assert refusal(tmp_path, on_hand_url=url) == f"on_hand_url: cannot read {url}: it answered 404 (Not Found)"
    said = refusal(tmp_path, on_hand_url=f"http://127.0.0.1:1/{name}")
    assert said == f"on_hand_url: cannot read http://127.0.0.1:1/{name}: no answer: Connection refused"


def test_a_host_that_has_no_address_is_said_to_have_none(tmp_path: Path) -> None:
    said = refusal(tmp_path, on_hand_url="http://erp.invalid/on_hand.csv")
    assert said.startswith("on_hand_url: cannot read http://erp.invalid/on_hand.csv: no answer: ")
    assert "resolution" in said or "not known" in said


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:1/stock-*.csv", "zip://*.csv::/nowhere/stock.zip"])
def test_a_place_that_is_opened_at_once_and_is_down_is_one_line(url: str, tmp_path: Path) -> None:
    settings = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_url": url}
    done = run_plugin(
        "mapper-newstore-stock", tmp_path, settings, messages=[schema(), *records(completed(10)), state(10, 1)]
    )
    assert done.code == 1
    assert f"on_hand_url: cannot look at {url}: " in done.log
    assert "[NSS-210]" in done.log
    assert "Traceback" not in done.log


@pytest.mark.parametrize("asked", [{"max_on_hand_age_minutes": 60}, {"on_hand_as_of": "taken_at"}])
def test_a_place_that_does_not_say_when_a_file_was_written_says_who_asks(
    asked: dict[str, t.Any], tmp_path: Path
) -> None:
    with ScriptedHttp().serving() as erp:
        erp.answers["/on_hand.csv"] = answer(200, LIST)
        said = refusal(tmp_path, on_hand_url=f"{erp.url}/on_hand.csv", **asked)
        assert "/on_hand.csv: nothing there says when a file was written, which" in said


def test_a_done_marker_asks_no_server_when_a_file_was_written(tmp_path: Path) -> None:
    with ScriptedHttp().serving() as erp:
        erp.answers |= {"/on_hand.csv": answer(200, LIST), "/on_hand.csv.done": answer(200, b"")}
        day = ShopDay(tmp_path, on_hand_url=f"{erp.url}/on_hand.csv", on_hand_done_marker=".done")
        (cut,) = day.run(completed(11))
        assert cut.quantities == {("DC01", "SKU-1"): 9}
        del erp.answers["/on_hand.csv.done"]
        with pytest.raises(OnHandError, match=r"has a \.done beside it yet"):
            day.run(completed(12))


def test_a_file_that_an_archive_does_not_hold_is_not_found(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "stock.zip", "w") as archive:
        archive.writestr("a.csv", LIST)
    said = refusal(tmp_path, on_hand_url=f"zip://b.csv::{tmp_path / 'stock.zip'}")
    assert said.endswith(": not found: b.csv")


@pytest.mark.parametrize(("name", "say"), [("s?.csv", "No such file or directory"), ("s[1].csv", "No such file")])
def test_a_path_with_marks_that_are_no_pattern_here_is_not_found(name: str, say: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    assert refusal(tmp_path, on_hand_url=path).startswith(f"on_hand_url: cannot read {path}: {say}")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(LIST), "it is packed with gzip: let its name end in .gz"),
        (
            zipped(a_csv=LIST),
            "it is a zip archive or a workbook of Excel: end an archive's name in .zip, save a workbook as CSV",
        ),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 500, "it is an Excel workbook: save it as CSV"),
    ],
    ids=["gzip", "zip", "workbook"],
)
def test_a_file_that_is_no_text_says_what_it_is(content: bytes, said: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_bytes(content)
    assert said in refusal(tmp_path, on_hand_url=str(path), csv_encoding=encoding)


def test_a_file_of_sqlite_that_is_missing_is_said_to_be_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "erp.db"
    said = refusal(tmp_path, on_hand_url=f"sqlite:///{path}", on_hand_table="stock")
    assert said == f"on_hand_url: cannot read stock: there is no file {path}"
    assert not path.exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"ignored_nodes": ["DC*"]},
            "the on-hand list has no row of what is managed here: ignored_nodes leave out all",
        ),
        ({"ignored_products": ["SKU-*"]}, "ignored_products leave out all it has"),
        ({}, "the on-hand list is empty"),
    ],
)
def test_a_list_of_which_no_row_counts_says_what_leaves_them_out(
    settings: dict[str, t.Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "stock.csv"
    path.write_bytes(LIST if settings else LIST.replace(b"DC01,SKU-1,10,", b"Total,,10,"))
    assert said in refusal(tmp_path, on_hand_url=str(path), **settings)


def test_keys_that_come_twice_are_counted_and_twenty_are_named(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    lines = [f"DC01,SKU-{number:02},1,\n" for number in range(25)] * 2
    day.erp.path.write_text("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n" + "".join(lines))
    with pytest.raises(OnHandError, match=r"names these keys more than once: DC01/SKU-00, .*DC01/SKU-19 and 5 more"):
        day.run()


def test_after_an_error_nothing_is_left_open(database_url: str, tmp_path: Path) -> None:
    settings = {"ledger_url": database_url, "on_hand_url": "nowhere.csv"}
    begun = {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": ["event_id"]}
    messages = [begun, {"type": "STATE", "value": {}}]
    done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=messages, PYTHONWARNINGS="always")
    assert done.code == 1
    assert "ResourceWarning" not in done.log
