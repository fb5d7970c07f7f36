"""A foreign stock stream: a CSV of the ERP, through Meltano's map transformer, into NewStore."""

from __future__ import annotations

import csv
import json
import subprocess
import typing as t

import pytest

from tests.shop.plugin import run_plugin
from tests.shop.process import command, environment
from tests.target.stock_messages import PROPERTIES, a_record, a_schema, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore

RUN_SECONDS = 120
#: The ERP's own columns become those of a stock record; everything a CSV holds is text.
MAPPING = {
    "stream_maps": {
        "erp_stock": {
            "__alias__": "stock",
            "__key_properties__": ["fulfillment_node_id", "product_id"],
            "__filter__": "int(QTY) >= 0",
            "fulfillment_node_id": "WAREHOUSE",
            "product_id": "MATERIAL",
            "quantity": "int(QTY)",
            "__else__": None,
        }
    }
}


def read_csv(path: Path) -> str:
    """Return a CSV's rows as a tap would: every column is a string."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    properties = {name: {"type": ["string", "null"]} for name in rows[0]}
    schema = {"type": "SCHEMA", "stream": "erp_stock", "schema": {"properties": properties}, "key_properties": []}
    records = [{"type": "RECORD", "stream": "erp_stock", "record": row} for row in rows]
    state = {"type": "STATE", "value": {"bookmarks": {"erp_stock": {"rows": len(rows)}}}}
    return "".join(json.dumps(message) + "\n" for message in [schema, *records, state])


def test_a_csv_of_the_erp_goes_through_the_map_transformer_into_newstore(newstore: NewStore, tmp_path: Path) -> None:
    source = tmp_path / "erp.csv"
    source.write_text("WAREHOUSE,MATERIAL,QTY\nDC01,A,7\nNYC1,A,2\nDC01,B,0\nDC01,C,-1\n", encoding="utf-8")
    config = tmp_path / "mapping.json"
    config.write_text(json.dumps(MAPPING), encoding="utf-8")
    mapped = subprocess.run(
        [command("meltano-map-transform"), "--config", str(config)],
        input=read_csv(source),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        env=environment(),
        check=True,
    )
    done = run_plugin("target-newstore-stock", tmp_path, newstore.target_settings, messages=mapped.stdout)
    assert done.code == 0, done.log
    assert done.messages[-1] == {"bookmarks": {"erp_stock": {"rows": 4}}}
    rows = {(row["fulfillment_node_id"], row["product_id"]): row["on_hand"] for row in newstore.truth()["keys"]}
    assert rows == {("DC01", "A"): 7, ("NYC1", "A"): 2, ("DC01", "B"): 0}
    assert newstore.ranges() == [None]


@pytest.mark.parametrize("kind", ["number", "integer"])
def test_whole_floats_of_a_numeric_column_are_quantities(newstore: NewStore, tmp_path: Path, kind: str) -> None:
    schema = a_schema()
    schema["schema"] = {"properties": {**PROPERTIES, "quantity": {"type": [kind, "null"]}}}
    records = [a_record("A", 7.0), a_record("B", -0.0), a_record("C", 2.0**53 - 1)]
    done = run_plugin(
        "target-newstore-stock", tmp_path, newstore.target_settings, messages=[schema, *records, a_state(1)]
    )
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    (job,) = newstore.imports("finished")
    quantities = {item["product_id"]: item["quantity"] for item in job["items"]}
    assert quantities == {"A": 7, "B": 0, "C": 2**53 - 1}
    assert {type(quantity) for quantity in quantities.values()} == {int}


@pytest.mark.parametrize("quantity", [5, None])
def test_a_row_that_its_tap_calls_deleted_is_sent_as_0(
    newstore: NewStore, tmp_path: Path, quantity: int | None
) -> None:
    schema = a_schema()
    deleted = {"_sdc_deleted_at": {"type": ["string", "null"]}, "quantity": {"type": ["integer", "null"]}}
    schema["schema"] = {"properties": {**PROPERTIES, **deleted}}
    gone = a_record("A", quantity, _sdc_deleted_at="2026-01-01T00:00:00Z")
    there = a_record("B", 4, _sdc_deleted_at=None)
    messages = [schema, gone, there, a_state(1)]
    done = run_plugin("target-newstore-stock", tmp_path, newstore.target_settings, messages=messages)
    assert done.code == 0, done.log
    assert {key: newstore.on_hand("DC01", key) for key in ("A", "B")} == {"A": 0, "B": 4}


def test_an_activate_version_of_a_stream_without_schema_is_one_line(newstore: NewStore, tmp_path: Path) -> None:
    message = {"type": "ACTIVATE_VERSION", "stream": "nobodys", "version": 3}
    messages = [a_schema(), message, a_record("A", 7), a_state(1)]
    done = run_plugin("target-newstore-stock", tmp_path, newstore.target_settings, messages=messages)
    assert (done.code, done.output) == (1, "")
    assert "an ACTIVATE_VERSION message names the stream 'nobodys', which has no SCHEMA" in done.log
    assert "Traceback" not in done.log
