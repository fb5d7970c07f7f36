"""A landing store, a ledger and a state of an earlier version go on to the numbers that are true."""

from __future__ import annotations

import csv
import json
import typing as t

import pytest

from tests.shop.erp import HEADER
from tests.shop.plugin import run_plugin
from tests.upgrades.stores import VERSIONS, kind_of, load

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.name)
def test_they_go_on_to_the_true_numbers(version: Path, new_database: Callable[[str], str], tmp_path: Path) -> None:
    kind = kind_of(new_database("any"))
    shop = json.loads((version / f"{kind}.json").read_text(encoding="utf-8"))
    landing, ledger = (load(new_database(name), version / f"{name}.{kind}.sql") for name in ("landing", "ledger"))
    with (tmp_path / "on_hand.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEADER, *shop["on_hand"]])
    (tmp_path / "state.json").write_text(json.dumps(shop["state"]), encoding="utf-8")

    settings: dict[str, t.Any] = {"landing_url": landing, "settle_seconds": 0}
    tapped = run_plugin("tap-newstore-fulfillment", tmp_path, settings, "--state", str(tmp_path / "state.json"))
    assert tapped.code == 0, tapped.log
    settings = {"ledger_url": ledger, "on_hand_url": str(tmp_path / "on_hand.csv")}
    mapped = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=tapped.output)
    assert mapped.code == 0, mapped.log

    said = {f"{row['fulfillment_node_id']}/{row['product_id']}": row["quantity"] for row in mapped.records}
    # Only what the state does not confirm goes out again.
    assert said == {key: shop["shelf"][key] for key in ("DC01/SKU-1", "NYC1/SKU-3")}
    times = shop["logical_timestamps"]
    ranges = {(row["logical_timestamp_start"], row["logical_timestamp_end"]) for row in mapped.records}
    assert ranges == {(times["not_imported"], times["ahead"])}
