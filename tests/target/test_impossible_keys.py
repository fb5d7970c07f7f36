"""Keys no NewStore can have are named and left out before the zip; quantities beyond any shelf stop the import."""

from __future__ import annotations

import typing as t

import pytest

from tests.target.runs import run_target, summary_of
from tests.target.stock_messages import a_cut, a_record, a_state, acknowledged

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore

GOOD = {"A": 7, "B": 5}


def items_of(newstore: NewStore) -> dict[str, int]:
    (job,) = newstore.imports("finished")
    return {item["product_id"]: item["quantity"] for item in job["items"]}


@pytest.mark.parametrize(
    ("product", "shown"),
    [
        ("N\x00L", r"DC01/N\x00L"),
        ("SKU\r\nX-Other: b", r"DC01/SKU\r\nX-Other: b"),
        ("\x1b[2J", r"DC01/\x1b[2J"),
        ("D\x7fL", r"DC01/D\x7fL"),
        ("C\x85", r"DC01/C\x85"),
        ("L\u2028S", r"DC01/L\u2028S"),
        ("A=B", "DC01/A=B"),
        ("100%", "DC01/100%"),
        ("x" * 256, "DC01/" + "x" * 60),
    ],
)
def test_a_product_no_newstore_can_have_is_left_out_and_the_others_go_out(
    newstore: NewStore, tmp_path: Path, product: str, shown: str
) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {**GOOD, product: 9}, (3, 9)), a_state(1))
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    assert items_of(newstore) == GOOD
    assert f"1 items are left out: {shown}" in done.log
    assert summary_of(done)["left_out"] == 1


def test_a_node_no_newstore_can_have_is_created_by_nobody(newstore: NewStore, tmp_path: Path) -> None:
    records = [a_record("A", 7), a_record("A", 8, node="DC\n01"), a_record("A", 9, node="dc01 ")]
    done = run_target(newstore, tmp_path, *records, create_locations="stores")
    assert done.code == 0, done.log
    (job,) = newstore.imports("finished")
    assert [row["fulfillment_node_id"] for row in job["head"]["store_mapping"]] == ["DC01"]
    assert summary_of(done)["left_out"] == 2


def test_a_cut_of_impossible_keys_alone_is_acknowledged_and_nothing_is_imported(
    newstore: NewStore, tmp_path: Path
) -> None:
    for settings in ({}, {"dry_run": True}):
        done = run_target(newstore, tmp_path, *a_cut(1, {"A=B": 9}), a_state(1), **settings)
        assert done.code == 0, done.log
    assert newstore.imports() == []


def test_a_product_beyond_the_contract_that_newstore_sells_goes_out(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_stock("DC01", "A=B", 3)
    done = run_target(newstore, tmp_path, *a_cut(1, {**GOOD, "A=B": 9}), a_state(1))
    # The sandbox keeps to the contract: that it fails the job shows that the number was sent.
    assert done.code == 1
    assert "are left out" not in done.log
    assert "A=B" in done.log


@pytest.mark.parametrize("quantity", [2**63, 2**64, 10**400, -1])
def test_a_quantity_beyond_any_shelf_stops_the_import_and_names_its_key(
    newstore: NewStore, tmp_path: Path, quantity: int
) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {**GOOD, "SKU\n1": quantity}, (3, 9)), a_state(1))
    assert (done.code, done.messages, newstore.imports()) == (1, [], [])
    assert r"not a stock record (DC01/SKU\n1)" in done.log
    assert "Traceback" not in done.log


def test_the_largest_quantity_goes_out(newstore: NewStore, tmp_path: Path) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 2**63 - 1}), a_state(1))
    assert done.code == 0, done.log
    assert items_of(newstore) == {"A": 2**63 - 1}


@pytest.mark.parametrize("other", ["sku-1", "SKU-1 ", " SKU-1", "\uff33KU-1", "Sku-1"])
def test_keys_that_newstore_may_take_for_one_are_named_and_sent(newstore: NewStore, tmp_path: Path, other: str) -> None:
    done = run_target(newstore, tmp_path, *a_cut(1, {"SKU-1": 1, other: 2, "SKU-2": 3}), a_state(1))
    assert done.code == 0, done.log
    assert items_of(newstore) == {"SKU-1": 1, other: 2, "SKU-2": 3}
    assert "2 keys differ from another one only in case, blanks or the form of a letter: " in done.log
    assert "DC01/SKU-2" not in done.log
