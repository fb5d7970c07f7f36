"""Many keys: how they are taken, and how they are distributed over cuts."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.run.erp_rows import INDEXED_ROWS

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path


def key(number: int) -> tuple[str, str]:
    return "DC01", f"SKU-{number:04}"


def a_day(directory: Path, ledger_url: str, keys: int, **settings: t.Any) -> ShopDay:
    day = ShopDay(directory, ledger_url=ledger_url, **settings)
    day.erp.replace({key(number): (10, None) for number in range(keys)})
    return day


def test_keys_without_completions_fill_the_last_range_and_then_cuts_of_their_own(
    tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url, keys=9, max_cut_items=3)
    cuts = day.run(completed(10, "SKU-0005"))
    assert [cut.range for cut in cuts] == [(10, 10), None, None]
    assert [[*cut.quantities] for cut in cuts] == [
        [key(0), key(1), key(5)],
        [key(2), key(3), key(4)],
        [key(6), key(7), key(8)],
    ]
    assert day.run() == []


def test_a_full_last_range_takes_no_more_keys(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url, keys=4, max_cut_items=1)
    cuts = day.run(completed(10, "SKU-0003", "SKU-0001"))
    assert [[*cut.quantities] for cut in cuts] == [[key(1), key(3)], [key(0)], [key(2)]]
    assert day.run() == []


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("acknowledged", range(4))
def test_a_first_run_fills_one_cut_after_the_other_and_only_those_newstore_lacks_go_out_again(
    tmp_path: Path, database_url: str, acknowledged: int, *, ahead: bool
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, max_cut_items=3, negative_on_hand="zero")
    keys = [(node, f"SKU-{number}") for node in ("DC01", "DC02") for number in range(4)]
    day.erp.replace({key: (number - 1, None) for number, key in enumerate(reversed(keys))})
    said = {key: max(len(keys) - number - 2, 0) for number, key in enumerate(keys)}
    events = []
    if ahead:
        # Its key has a unit that the ERP's number contains already.
        (node, product), number = keys[2], said[keys[2]]
        day.erp.count(node, product, number, as_of=25)
        events = [completed(20, product, node=node, released=False)]
        said[node, product] = number + 1
    cuts = day.run(*events, through=10, acknowledge=acknowledged)
    assert [[*cut.quantities] for cut in cuts] == [keys[:3], keys[3:6], keys[6:]]
    assert {key: quantity for cut in cuts for key, quantity in cut.quantities.items()} == said
    again = [key for cut in day.run(through=10) for key in cut.quantities]
    assert again == keys[acknowledged * 3 :]
    assert day.run(through=10) == []


def test_rows_that_are_indexed_and_their_units_all_count(tmp_path: Path, database_url: str) -> None:
    many = INDEXED_ROWS + 1
    day = a_day(tmp_path, database_url, keys=many)
    (cut,) = day.run(*(completed(10 + number, f"SKU-{number:04}") for number in range(many)))
    assert cut.range == (10, 9 + many)
    assert cut.quantities == {key(number): 9 for number in range(many)}
    assert day.run() == []
