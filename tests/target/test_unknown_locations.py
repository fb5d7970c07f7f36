"""A location NewStore does not know is left out of the file, and never created by accident."""

from __future__ import annotations

import json
import typing as t

import pytest
from target_newstore_stock.errors import RecordError
from target_newstore_stock.records import StockRecord
from target_newstore_stock.stock_file import StockFile, encode_item

from tests.target.runs import run_target, summary_of
from tests.target.stock_messages import a_cut, a_record, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore
    from tests.shop.plugin import Finished

Message = dict[str, t.Any]


def a_mixed_cut(number: int = 1, covered: tuple[int, int] | None = None) -> list[Message]:
    """Return a cut of two known nodes, and one that NewStore does not know."""
    nodes = ({"DC01": {"A": 7}}, {"DC99": {"A": 8, "B": 9}}, {"NYC1": {"B": 5}})
    parts = [a_cut(number, rows, covered, size=4, node=node) for part in nodes for node, rows in part.items()]
    return [record for part in parts for record in part]


def said_of(done: Finished) -> str:
    lines = (line for line in done.log.splitlines() if "run_summary" not in line)
    (line,) = (line for line in lines if "does not know these fulfillment nodes" in line)
    return line


@pytest.mark.fault("F19")
def test_items_of_an_unknown_node_are_left_out_with_a_warning_and_counted(newstore: NewStore, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    cut = [*a_mixed_cut(covered=(3, 9)), a_state(1)]
    done = run_target(newstore, tmp_path, *cut, report_path=str(report), verify="fail")
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    assert "WARNING" in said_of(done)
    assert "nodes: DC99. Their 2 items are left out" in said_of(done)
    (job,) = newstore.imports("finished")
    assert job["head"] == {
        "store_mapping": [
            {"fulfillment_node_id": "DC01", "store_id": ""},
            {"fulfillment_node_id": "NYC1", "store_id": "NYC1"},
        ],
        "completed_fulfillment_requests": {"logical_timestamp_start": 3, "logical_timestamp_end": 9},
    }
    assert [(item["fulfillment_node_id"], item["quantity"]) for item in job["items"]] == [("DC01", 7), ("NYC1", 5)]
    summary, row = summary_of(done), json.loads(report.read_text())
    assert (summary["items"], summary["left_out"], row["items"], row["left_out"]) == (2, 2, 2, 2)


def test_plain_records_of_an_unknown_node_are_left_out_too(newstore: NewStore, tmp_path: Path) -> None:
    records = [a_record("A", 1), a_record("A", 2, node="DC99"), a_record("A", 3), a_record("B", 4)]
    done = run_target(newstore, tmp_path, *records, a_state(1))
    assert done.code == 0, done.log
    (job,) = newstore.imports("finished")
    assert [(item["product_id"], item["quantity"]) for item in job["items"]] == [("A", 3), ("B", 4)]
    assert summary_of(done)["left_out"] == 1


@pytest.mark.fault("F19")
def test_a_cut_of_unknown_nodes_alone_needs_no_import_and_is_acknowledged(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}, node="DC99"), a_state(1), *a_cut(2, {"A": 6}), a_state(2))
    assert (done.code, acknowledged(done.messages)) == (0, [1, 2])
    assert "Nothing of cut 1 no range is left to import" in done.log
    assert [job["items"][0]["quantity"] for job in newstore.imports()] == [6]
    assert (summary_of(done)["imports"], summary_of(done)["left_out"]) == (1, 1)


def test_an_unknown_node_stops_the_cut_before_anything_is_uploaded_if_it_is_to(
    newstore: NewStore, tmp_path: Path
) -> None:
    done = run_target(newstore, tmp_path, *a_mixed_cut(), a_state(1), unknown_locations="fail")
    assert (done.code, done.output) == (1, "")
    assert "an import would create them for ever: DC99" in said_of(done)
    assert newstore.imports() == []
    assert list(newstore.staging.iterdir()) == []


def test_a_node_that_newstore_sells_from_is_not_left_out_although_its_list_lacks_it(
    newstore: NewStore, tmp_path: Path
) -> None:
    shown = newstore.call("GET", "/v0/locations").json()
    newstore.add_location("DC99")
    newstore.set_stock("DC99", "B", 3)
    newstore.set_faults(calls=[{"method": "GET", "path": "/v0/locations", "status": 200, "body": shown}])
    done = run_target(newstore, tmp_path, *a_mixed_cut(covered=(3, 9)), a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "GET /v0/locations does not name DC99, but NewStore promises 3 of DC99/B" in done.log
    assert newstore.imports() == []


@pytest.mark.parametrize("create", [False, True])
def test_a_node_that_store_mapping_names_is_imported(newstore: NewStore, tmp_path: Path, create: bool) -> None:
    settings = {"store_mapping": "DC99=", "create_locations": create}
    done = run_target(newstore, tmp_path, *a_mixed_cut(), a_state(1), **settings)
    assert done.code == 0, done.log
    assert summary_of(done)["left_out"] == 0
    known = {row["id"]: row["type"] for row in newstore.call("GET", "/v0/locations").json()["locations"]}
    assert known["DC99"] == "dc"


def a_file(*records: tuple[str, str, int]) -> StockFile:
    file = StockFile()
    for node, product, quantity in records:
        record = StockRecord(node, product, quantity)
        file.add(record, encode_item(record))
    return file


def test_repeated_records_and_unknown_nodes_are_both_left_out() -> None:
    file = a_file(("X", "A", 1), ("DC01", "A", 2), ("X", "A", 3), ("DC01", "A", 4), ("DC01", "B", 5))
    file.keep_last_of_repeated_keys()
    assert file.leave_out({"X"}) == 1
    assert [(item.product_id, item.quantity) for item in file.read_items()] == [("A", 4), ("B", 5)]
    assert (file.items, file.nodes) == (2, {"DC01"})
    file.close()


def test_a_key_that_occurs_twice_is_refused_wherever_it_is() -> None:
    file = a_file(("X", "A", 1), ("X", "A", 2))
    with pytest.raises(RecordError, match="X/A occurs twice"):
        file.refuse_repeated_keys()
    file.close()
