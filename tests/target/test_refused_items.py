"""Items NewStore refused in a finished job: harmless if it does not know them, else the run fails and names them."""

from __future__ import annotations

import typing as t

import pytest
from target_newstore_stock.import_api import JobError
from target_newstore_stock.records import StockRecord
from target_newstore_stock.refused_items import find_refused
from target_newstore_stock.stock_file import StockFile, encode_item

from tests.target.runs import run_target, summary_of
from tests.target.stock_messages import a_cut, a_state, acknowledged

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from target_newstore_stock.keys import Key

    from tests.shop.newstore import NewStore

KNOWN = {("DC01", "A"): 9, ("NYC1", "A"): 2, ("DC01", "B"): 0}


def refused(product: str, node: str = "DC01", **more: str) -> dict[str, str]:
    return {"fulfillment_node_id": node, "product_id": product, **more}


@pytest.mark.fault("F11")
def test_products_newstore_does_not_know_are_noted_and_the_run_goes_on(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_stock("DC01", "A", 10)
    newstore.set_faults(refused_items=[refused("GONE"), refused("LOST", entity_id="DC01/LOST")])
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7, "GONE": 3, "LOST": 2}, (1, 2)), a_state(1))
    assert (done.code, acknowledged(done.messages)) == (0, [1]), done.log
    (line,) = (line for line in done.log.splitlines() if "refused items" in line)
    assert "WARNING" in line
    assert "NewStore does not know DC01/GONE; DC01/LOST, so nothing of them can be sold" in line
    assert newstore.on_hand("DC01", "A") == 7
    assert (summary_of(done)["refused"], summary_of(done)["items"]) == (2, 3)


@pytest.mark.fault("F11")
@pytest.mark.adapter_mistake("treated status 200 as success when every row had failed")
def test_products_newstore_sells_fail_the_run_with_the_units_at_risk_and_the_next_run_sends_them_again(
    newstore: NewStore, tmp_path: Path
) -> None:
    newstore.set_all_stock({("DC01", "A"): 10, ("DC01", "B"): 4})
    newstore.set_faults(refused_items=[refused("A", reason="no such unit"), refused("B"), refused("GONE")])
    cut = [*a_cut(1, {"A": 7, "B": 6, "GONE": 3}, (1, 2)), a_state(1)]
    done = run_target(newstore, tmp_path, *cut)
    assert (done.code, done.output) == (1, "")
    (line,) = (line for line in done.log.splitlines() if "ERROR" in line)
    assert "DC01/A: was to hold 7, shows 10, 3 units at risk" in line
    assert "DC01/B: was to hold 6, shows 4, 0 units at risk" in line
    assert "3 units at risk in all" in line
    assert "NewStore does not know DC01/GONE" in line
    assert "The next run sends them again" in line
    assert ["DC01", "A", "7", "10", "3"] in [row.split() for row in done.log.splitlines()]
    assert summary_of(done)["refused"] == 3
    newstore.set_faults(refused_items=[])
    done = run_target(newstore, tmp_path, *cut)
    assert (done.code, acknowledged(done.messages)) == (0, [1])
    assert newstore.on_hand("DC01", "A") == 7


def test_errors_that_name_no_item_of_the_file_fail_the_run(newstore: NewStore, tmp_path: Path) -> None:
    newstore.set_faults(next_import_errors=[{"entity_id": "ELSEWHERE", "reason": "no"}])
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1))
    assert (done.code, done.output) == (1, "")
    assert "refused items: availability ELSEWHERE: no" in done.log
    assert summary_of(done)["refused"] == 1


@pytest.fixture
def file() -> Iterator[StockFile]:
    file = StockFile()
    for node, product, quantity in (("DC01", "A", 7), ("DC01", "B", 1), ("DC01", "C", 1), ("NYC1", "A", 5)):
        record = StockRecord(node, product, quantity)
        file.add(record, encode_item(record))
    yield file
    file.close()


def read_known(keys: Iterable[Key]) -> dict[Key, int]:
    return {key: KNOWN[key] for key in keys if key in KNOWN}


@pytest.mark.parametrize(
    ("entity_id", "at_risk", "unknown"),
    [
        ("A", [(("DC01", "A"), 2), (("NYC1", "A"), 0)], []),
        ("DC01/A", [(("DC01", "A"), 2)], []),
        ("A:DC01", [(("DC01", "A"), 2)], []),
        ("NYC1_A", [(("NYC1", "A"), 0)], []),
        ("B", [(("DC01", "B"), 0)], []),
        ("C", [], [("DC01", "C")]),
        ("C|DC01", [], [("DC01", "C")]),
    ],
)
def test_an_error_names_a_key_by_its_product_or_with_its_node(
    file: StockFile, entity_id: str, at_risk: list[tuple[Key, int]], unknown: list[Key]
) -> None:
    found = find_refused([JobError("no", "availability", entity_id)], file, read_known)
    assert [(key.key, key.units) for key in found.at_risk] == at_risk
    assert (found.unknown, found.unnamed) == (unknown, [])


@pytest.mark.parametrize("entity_id", ["", None, "D", 12])
def test_an_error_that_names_no_key_is_kept_as_it_is(file: StockFile, entity_id: object) -> None:
    error = JobError("no", "availability", entity_id)
    assert find_refused([error], file, read_known).unnamed == [error]
