"""What a warehouse exports as Parquet, from its directory or bucket to NewStore's numbers."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.parquet_files import KINDS, NAMES, a_parquet, parquet_bytes
from tests.mapper.shop_day import STREAM
from tests.mapper.your_erp import settings_of
from tests.shop.pipeline import Pipeline
from tests.shop.plugin import Finished, run_plugin

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.object_store import ObjectStore

KEY = ("DC01", "SKU-1")
NO_EVENTS = [
    {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": ["event_id"]},
    {"type": "STATE", "value": {"bookmarks": {STREAM: {"replication_key_value": 1, "position": 1, "store_id": "s"}}}},
]


def test_each_export_of_a_warehouse_is_a_directory_of_parts(tmp_path: Path) -> None:
    exports = tmp_path / "exports"
    settings = settings_of("## A warehouse that exports Parquet")
    settings["on_hand_url"] = settings["on_hand_url"].replace("s3://exports", str(exports))

    def export(number: int, quantity: int, *, is_whole: bool = True) -> None:
        for part, row in enumerate([(*KEY, quantity), ("DC01", "SKU-2", 1)]):
            path = exports / "stock" / f"run={number}" / f"part-{part}.parquet"
            a_parquet(path, row, kinds=KINDS[:3], names=NAMES[:3])
        if is_whole:
            (exports / "stock" / f"run={number}" / "_SUCCESS").touch()

    with Pipeline(tmp_path, mapper=settings) as shop:
        shop.newstore.add_location("DC01")
        shop.newstore.set_stock(*KEY, 10)
        export(1, 10)
        shop.newstore.sell(*KEY)
        assert shop.run().codes == (0, 0, 0), shop.log
        assert shop.newstore.numbers(*KEY)["on_hand"] == 9
        export(2, 30, is_whole=False)
        assert shop.run().codes == (0, 0, 0), shop.log
        assert shop.newstore.numbers(*KEY)["on_hand"] == 9
        (exports / "stock" / "run=2" / "_SUCCESS").touch()
        assert shop.run().codes == (0, 0, 0), shop.log
        assert shop.newstore.numbers(*KEY)["on_hand"] == 29


@pytest.mark.parametrize("name", ["stock/", "nightly/*/", "stock/0.parquet"])
def test_a_list_in_a_bucket(tmp_path: Path, object_store: ObjectStore, name: str) -> None:
    directory = "nightly/2/" if "*" in name else "stock/"

    def run() -> Finished:
        settings = {"ledger_url": f"sqlite:///{tmp_path / 'ledger.db'}", "on_hand_as_of": "taken_at"}
        settings["on_hand_url"] = f"s3://{object_store.bucket}/{name}"
        return run_plugin("mapper-newstore-stock", tmp_path, settings, messages=NO_EVENTS, **object_store.variables)

    def put(key: str, *rows: t.Sequence[t.Any]) -> None:
        object_store.put(key, parquet_bytes(tmp_path / "part.parquet", *rows, kinds=KINDS[:3], names=NAMES[:3]))

    put("nightly/1/0.parquet", (*KEY, 1))
    for key in (directory, f"{directory}_SUCCESS"):
        object_store.put(key, b"")
    put(f"{directory}0.parquet", (*KEY, 5))
    put(f"{directory}1.parquet", ("DC01", "SKU-2", 7))
    sent = {record["product_id"]: record["quantity"] for record in run().records}
    assert sent == ({"SKU-1": 5} if name.endswith(".parquet") else {"SKU-1": 5, "SKU-2": 7})
    object_store.put(f"{directory}0.parquet", b"PAR1 cut")
    refused = run()
    assert refused.code == 1
    said = f"on_hand_url: cannot read s3://{object_store.bucket}/{directory}0.parquet: it is no Parquet file, or is cut"
    assert said in refused.log
    assert "Traceback" not in refused.log
