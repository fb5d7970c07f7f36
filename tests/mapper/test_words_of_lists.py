"""What is said of a list that cannot be read: once where it is, and what answered."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import OnHandError

from tests.mapper.shop_day import STREAM, ShopDay
from tests.shop.plugin import run_plugin
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from pathlib import Path


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


def test_a_file_of_sqlite_that_is_missing_is_said_to_be_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "erp.db"
    said = refusal(tmp_path, on_hand_url=f"sqlite:///{path}", on_hand_table="stock")
    assert said == f"on_hand_url: cannot read stock: there is no file {path}"
    assert not path.exists()


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
