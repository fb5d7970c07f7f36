"""What the ledger forgets, and what it refuses from then on."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger.database import open_engine

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.test_held_keys import held

if t.TYPE_CHECKING:
    from pathlib import Path

SKU = ("DC01", "SKU-1")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url, ledger_keep_days=0)
    day.erp.count(*SKU, 10)
    return day


def units_kept(day: ShopDay) -> list[int]:
    engine = open_engine(day.settings["ledger_url"])
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT logical_timestamp FROM completed_unit ORDER BY 1").all()
    engine.dispose()
    return [row[0] for row in rows]


def a_day_with_one_unit_folded(day: ShopDay) -> None:
    day.run(completed(10), completed(11))
    day.erp.count(*SKU, 9, as_of=10)
    assert day.run() == []
    assert units_kept(day) == [11]


def test_what_newstore_and_the_erp_both_have_is_folded_away(day: ShopDay) -> None:
    a_day_with_one_unit_folded(day)
    (cut,) = day.run(completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (12, 12))


def test_what_newstore_has_not_acknowledged_stays(day: ShopDay) -> None:
    day.run(completed(10), acknowledge=0)
    day.erp.count(*SKU, 9, as_of=10)
    day.run(acknowledge=0)
    assert units_kept(day) == [10]


def test_what_the_erp_does_not_contain_stays(day: ShopDay) -> None:
    day.run(completed(10))
    day.run()
    assert units_kept(day) == [10]


def test_a_late_unit_that_is_still_subtracted_stays(day: ShopDay) -> None:
    day.erp.count(*SKU, 8, as_of=14)
    day.run(completed(10), completed(14))
    day.run(completed(12))
    day.run()
    assert units_kept(day) == [12]


def test_units_younger_than_ledger_keep_days_stay(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, ledger_keep_days=1)
    day.erp.count(*SKU, 9, as_of=10)
    day.run(completed(10))
    day.run()
    assert units_kept(day) == [10]


@pytest.mark.parametrize("days", [999_999, 10**10])
def test_a_number_of_days_beyond_the_calendar_keeps_all(tmp_path: Path, database_url: str, days: int) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, ledger_keep_days=days)
    day.erp.count(*SKU, 9, as_of=10)
    (cut,) = day.run(completed(10))
    assert cut.quantities == {SKU: 9}
    day.run()
    assert units_kept(day) == [10]


@pytest.mark.fault("F26")
@pytest.mark.parametrize("released", [True, False])
def test_what_was_folded_does_not_count_again_when_all_events_come_again(day: ShopDay, released: bool) -> None:
    a_day_with_one_unit_folded(day)
    day.state = {}
    (cut,) = day.run(completed(10, released=released), completed(11))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))
    assert units_kept(day) == [11]


@pytest.mark.fault("F26")
def test_a_new_event_from_before_what_was_folded_is_late(day: ShopDay) -> None:
    a_day_with_one_unit_folded(day)
    (cut,) = day.run(completed(9))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (9, 9))


def test_of_one_event_only_the_units_that_were_folded_are_known(day: ShopDay) -> None:
    day.erp.count("DC01", "SKU-2", 5)
    day.run(completed(10, "SKU-1", "SKU-2"), completed(11))
    day.erp.count(*SKU, 9, as_of=10)
    day.run()
    assert units_kept(day) == [10, 11]
    day.state = {}
    (cut,) = day.run(completed(10, "SKU-1", "SKU-2"), completed(11))
    assert cut.quantities == {SKU: 8, ("DC01", "SKU-2"): 4}


def test_what_an_earlier_version_folded_without_a_trace_is_refused(day: ShopDay) -> None:
    a_day_with_one_unit_folded(day)
    engine = open_engine(day.settings["ledger_url"])
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM folded_unit")
        connection.exec_driver_sql("UPDATE ledger SET horizon = 10")
    engine.dispose()
    day.state = {}
    with pytest.raises(LedgerError, match="start_logical_timestamp of the tap to 11"):
        day.run(completed(10), completed(11))


def test_an_erp_row_that_goes_back_before_what_was_folded_is_stale_and_the_last_one_stands(day: ShopDay) -> None:
    a_day_with_one_unit_folded(day)
    day.erp.count(*SKU, 10, as_of=9)
    (cut,) = day.run(completed(12))
    assert cut.quantities == {SKU: 7}
    assert [(product, kind) for product, kind, _ in held(day)] == [("SKU-1", "stale")]
    day.erp.count(*SKU, 8, as_of=11)
    assert day.run() == []
    assert held(day) == []


@pytest.mark.parametrize("is_named", [False, True])
def test_units_stay_while_no_source_can_be_read_and_are_folded_when_one_is_back(
    tmp_path: Path, database_url: str, is_named: bool
) -> None:
    path = tmp_path / "on_hand.csv"
    sources = [{"name": "erp", "nodes": ["*"], "on_hand_url": str(path)}]
    where: dict[str, t.Any] = {"on_hand_sources": sources} if is_named else {}
    day = ShopDay(tmp_path, ledger_url=database_url, ledger_keep_days=0, max_on_hand_age_minutes=60, **where)
    day.erp.count(*SKU, 9, as_of=10)
    day.run(completed(10))
    path.rename(tmp_path / "away")
    (cut,) = day.run(completed(11))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))
    assert units_kept(day) == [10, 11]
    (tmp_path / "away").rename(path)
    assert day.run() == []
    assert units_kept(day) == [11]


def test_a_key_that_is_in_no_list_need_not_say_that_it_contains_what_was_folded(day: ShopDay) -> None:
    day.settings.update(on_hand_as_of="taken_at", max_vanished_percent=50)
    day.erp.count("DC01", "SKU-2", 5, as_of=10)
    day.run(completed(10, published_at="2025-03-04T12:00:00Z"))
    day.run()
    assert units_kept(day) == []
    day.erp.remove(*SKU)
    assert [cut.quantities for cut in day.run()] == [{SKU: 0}]
    day.settings.update(on_hand_as_of="column")
    (cut,) = day.run(completed(11, "SKU-2"))
    assert cut.quantities == {("DC01", "SKU-2"): 4}
    day.erp.count(*SKU, 3, as_of=11)
    assert [cut.quantities for cut in day.run()] == [{SKU: 3}]
