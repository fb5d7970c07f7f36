"""`diff` and `report` know the target's settings as the target does: from its options or variables."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.comparing import compare, import_cuts
from tests.mapper.shop_day import ShopDay
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shop(t.NamedTuple):
    """A shop whose numbers are right at NewStore."""

    day: ShopDay
    newstore: NewStore


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    day = ShopDay(tmp_path)
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        for product in ("A", "B"):
            day.erp.count("DC01", product, 10)
        assert import_cuts(newstore, tmp_path, day.run()) == 0
        assert day.run() == []
        yield Shop(day, newstore)


@pytest.mark.parametrize("nodes", ['["DC02", "DC01"]', "DC02, DC01", "DC01"])
def test_future_inventory_is_where_the_target_is_told_it_is(shop: Shop, nodes: str) -> None:
    shop.newstore.hold_back("DC01", "A", future=5)
    assert compare(shop.day, shop.newstore).code == 1
    given = compare(shop.day, shop.newstore, f"--future-inventory-nodes={nodes}")
    assert (given.code, given.causes) == (0, {"A": "future"})
    known = compare(shop.day, shop.newstore, future_inventory_nodes=nodes)
    assert (known.code, known.causes) == (0, {"A": "future"})
    # The option stands above the variable; what is named one by one is added.
    elsewhere = ("--future-inventory-nodes=DC02", "--visible-minutes=0")
    other = compare(shop.day, shop.newstore, *elsewhere, future_inventory_nodes=nodes)
    assert other.causes == {"A": "unexplained"}
    assert compare(shop.day, shop.newstore, *elsewhere, "--future-node=DC01").code == 0


@pytest.mark.parametrize("nodes", ['{"DC01": 1}', "[1]", '["DC01"'])
def test_a_list_of_nodes_that_is_none_is_one_line(shop: Shop, nodes: str) -> None:
    done = compare(shop.day, shop.newstore, f"--future-inventory-nodes={nodes}")
    assert (done.code, done.rows) == (2, {})
    assert "--future-inventory-nodes" in done.log
    assert 'expected names, as ["DC01", "DC02"] or DC01,DC02' in done.log
    assert done.log.count("\n") == 1


@pytest.mark.parametrize("mode", ["bogus", "ATP"])
def test_a_mode_that_is_none_is_refused_with_the_choices(shop: Shop, mode: str) -> None:
    for done in (compare(shop.day, shop.newstore, f"--mode={mode}"), compare(shop.day, shop.newstore, mode=mode)):
        assert (done.code, done.rows) == (2, {}), done.log
        assert "'none', 'atp'" in done.log


@pytest.mark.parametrize("mode", ["none", "atp", ""])
def test_a_mode_may_come_from_the_targets_variable(shop: Shop, mode: str) -> None:
    assert compare(shop.day, shop.newstore, mode=mode).code == 0


@pytest.mark.parametrize(
    "option", ["--visible-minutes=nan", "--visible-minutes=inf", "--visible-minutes=-1", "--visible-minutes=1e300"]
)
def test_minutes_that_are_none_are_refused(shop: Shop, option: str) -> None:
    done = compare(shop.day, shop.newstore, option)
    assert (done.code, done.rows) == (2, {})
    assert "--visible-minutes" in done.log
