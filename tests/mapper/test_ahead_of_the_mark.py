"""ERP rows ahead of the mark (design rule 4): NewStore still subtracts what no range has reached."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

SKU = ("DC01", "SKU-1")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*SKU, 10)
    return day


def ahead(at: int, *products: str) -> dict[str, t.Any]:
    return completed(at, *products, released=False)


@pytest.mark.fault("F14")
def test_known_units_the_row_contains_already_are_added_back(day: ShopDay) -> None:
    day.erp.count(*SKU, 7, as_of=12)
    (cut,) = day.run(completed(10), ahead(11), ahead(12), through=10)
    assert (cut.quantities, cut.range) == ({SKU: 9}, (10, 10))


def test_units_the_row_does_not_contain_yet_are_not_added_back(day: ShopDay) -> None:
    day.erp.count(*SKU, 8, as_of=11)
    (cut,) = day.run(completed(10), ahead(11), ahead(12), through=10)
    assert cut.quantities == {SKU: 9}


@pytest.mark.fault("F14")
def test_unknown_units_are_not_added_back(day: ShopDay) -> None:
    day.erp.count(*SKU, 7, as_of=12)
    (cut,) = day.run(completed(10), through=10)
    assert cut.quantities == {SKU: 7}


def test_before_anything_was_declared_every_known_unit_in_the_row_is_added_back(day: ShopDay) -> None:
    day.erp.count(*SKU, 8, as_of=11)
    (cut,) = day.run(ahead(10), ahead(11))
    assert (cut.quantities, cut.range) == ({SKU: 10}, None)


def test_an_erp_that_is_always_current_gets_every_known_unit_beyond_the_mark_back(
    tmp_path: Path, database_url: str
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="current")
    day.erp.count(*SKU, 7)
    (cut,) = day.run(completed(10), ahead(11), ahead(12), through=10)
    assert (cut.quantities, cut.range) == ({SKU: 9}, (10, 10))


def test_a_released_unit_is_no_longer_added_back_and_its_range_goes_out(day: ShopDay) -> None:
    day.erp.count(*SKU, 7, as_of=12)
    day.run(completed(10), ahead(11), ahead(12), through=10)
    (cut,) = day.run(completed(11), completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (11, 12))


def test_a_unit_that_stays_ahead_is_remembered_and_sends_nothing_new(day: ShopDay) -> None:
    day.erp.count(*SKU, 7, as_of=12)
    day.run(completed(10), ahead(11), ahead(12), through=10)
    assert day.run(ahead(11), ahead(12), through=10) == []
    assert day.run(through=10) == []


def test_a_unit_counts_as_completed_when_another_key_moves_the_mark_beyond_it(day: ShopDay) -> None:
    day.erp.count("DC01", "OTHER", 5)
    day.erp.count(*SKU, 9, as_of=11)
    day.run(ahead(11))
    (cut,) = day.run(completed(14, "OTHER"))
    assert (cut.quantities, cut.range) == ({SKU: 9, ("DC01", "OTHER"): 4}, (11, 14))


def test_a_unit_below_a_range_that_was_only_tried_counts_as_late(day: ShopDay) -> None:
    day.erp.count("DC01", "OTHER", 5)
    day.erp.count(*SKU, 9, as_of=11)
    day.run(completed(14, "OTHER"), acknowledge=0)
    day.state = {}
    (cut,) = day.run(ahead(11), completed(14, "OTHER"))
    assert (cut.quantities[SKU], cut.range) == (8, (11, 14))


def test_every_part_of_a_split_cut_is_computed_at_the_same_mark(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, max_cut_items=1)
    day.erp.count("DC01", "A", 7, as_of=13)
    day.erp.count("DC01", "B", 5)
    parts = day.run(completed(10, "A"), completed(11, "B"), completed(12, "A"), ahead(13, "A"), through=12)
    assert [(part.range, part.quantities) for part in parts] == [
        ((10, 10), {("DC01", "A"): 8}),
        ((11, 11), {("DC01", "B"): 4}),
        ((12, 12), {("DC01", "A"): 8}),
    ]


def test_a_unit_ahead_alone_moves_no_mark_and_no_range(day: ShopDay) -> None:
    day.run(completed(10))
    day.run(ahead(20), through=10)
    day.erp.count(*SKU, 12)
    (cut,) = day.run(through=10)
    assert (cut.quantities, cut.range) == ({SKU: 11}, None)
    assert cut.state["bookmarks"]["stock"]["mark"] == 10


def test_switching_to_a_current_erp_computes_every_number_anew(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="current")
    day.erp.count(*SKU, 10)
    day.settings["on_hand_as_of"] = "column"
    day.run(completed(10))
    day.settings["on_hand_as_of"] = "current"
    (cut,) = day.run()
    assert cut.quantities == {SKU: 10}


@pytest.mark.fault("F16")
def test_a_unit_that_comes_as_not_released_when_the_tap_goes_back_was_known_before(
    tmp_path: Path, database_url: str
) -> None:
    stands: dict[str, t.Any] = {"vanished_rows": "keep", "max_vanished_percent": 100}
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="current", **stands)
    day.erp.count("DC01", "OTHER", 5)
    day.erp.count(*SKU, 9)
    day.run(completed(10), acknowledge=0)
    day.run(completed(10), completed(11), acknowledge=0)
    day.erp.remove(*SKU)
    # The row was read when both were known.
    (cut,) = day.run(completed(10), ahead(11))
    assert cut.quantities[SKU] == 9
