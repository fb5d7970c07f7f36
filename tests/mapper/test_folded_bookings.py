"""Bookings of units that were folded away: how long they are remembered, and those that may be taken back."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
import sqlalchemy as sa

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import SKU, SqlErp, a_completion, a_day, booked_by

if t.TYPE_CHECKING:
    from pathlib import Path

KEEP_DAYS = 10
BY_REQUEST = booked_by("fulfillment_request_id", "product_id", "units")


@pytest.fixture
def day(tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
    return a_day(tmp_path, database_url, erp, ledger_keep_days=KEEP_DAYS, **BY_REQUEST)


def ask(day: ShopDay, *statements: str) -> list[t.Any]:
    """Do statements in the ledger, and return the rows of the last one."""
    engine = sa.create_engine(day.settings["ledger_url"], poolclass=sa.NullPool)
    rows: list[t.Any] = []
    with engine.begin() as connection:
        for statement in statements:
            result = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in result] if result.returns_rows else []
    return rows


def let_days_pass(day: ShopDay, days: float = KEEP_DAYS + 1) -> None:
    """Let all runs so far have been so many days ago."""
    for run, started_at in ask(day, "SELECT run, started_at FROM run"):
        before = (dt.datetime.fromisoformat(started_at) - dt.timedelta(days=days)).isoformat(timespec="seconds")
        ask(day, f"UPDATE run SET started_at = '{before}' WHERE run = {run}")
    ask(day, "UPDATE ledger SET folded_at = NULL")


def remembered(day: ShopDay) -> list[tuple[str, int]]:
    return ask(day, "SELECT reference, units FROM folded_booking ORDER BY 1")


def units_kept(day: ShopDay) -> list[int]:
    return [at for (at,) in ask(day, "SELECT logical_timestamp FROM completed_unit ORDER BY 1")]


def book_and_fold(day: ShopDay, erp: SqlErp) -> None:
    day.run(a_completion(11))
    erp.book(request="fr-11")
    erp.count(*SKU, 9)
    assert day.run() == []
    let_days_pass(day)
    assert day.run() == []


class TestForgotten:
    """A folded booking is forgotten when the ERP has not listed it for `ledger_keep_days`."""

    def test_listed_it_is_remembered_for_ever(self, day: ShopDay, erp: SqlErp) -> None:
        book_and_fold(day, erp)
        assert (remembered(day), units_kept(day)) == ([("fr-11", 1)], [])
        for _ in range(3):
            let_days_pass(day)
            assert day.run() == []
        assert remembered(day) == [("fr-11", 1)]

    def test_not_listed_for_that_long_it_is_forgotten(self, day: ShopDay, erp: SqlErp) -> None:
        book_and_fold(day, erp)
        erp.unbook()
        assert day.run() == []
        let_days_pass(day, KEEP_DAYS - 1)
        assert day.run() == []
        assert remembered(day) == [("fr-11", 1)]
        let_days_pass(day)
        assert day.run() == []
        assert remembered(day) == []

    def test_a_list_that_is_short_for_a_run_is_not_held_against_it(self, day: ShopDay, erp: SqlErp) -> None:
        book_and_fold(day, erp)
        erp.unbook()
        assert day.run() == []
        let_days_pass(day, KEEP_DAYS - 1)
        erp.book(request="fr-11")
        assert day.run() == []
        let_days_pass(day, 2)
        assert day.run() == []
        erp.unbook()
        assert day.run() == []
        assert remembered(day) == [("fr-11", 1)]
        # It proves no second unit of its request.
        erp.book(request="fr-11")
        (cut,) = day.run(a_completion(12, fulfillment_request_id="fr-11"))
        assert cut.quantities == {SKU: 8}


def test_a_source_says_nothing_of_what_another_one_has_booked(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    stores = SqlErp(tmp_path / "stores.db")
    stores.count("NYC1", "SKU-1", 10)
    sources = [
        {"name": name, "nodes": [nodes], "on_hand_url": url, "on_hand_table": "stock", **BY_REQUEST}
        for name, nodes, url in (("warehouse", "DC*", erp.url), ("stores", "NYC*", stores.url))
    ]
    day = ShopDay(tmp_path, ledger_url=database_url, ledger_keep_days=KEEP_DAYS, on_hand_sources=sources)
    day.run(a_completion(11), a_completion(12, node="NYC1"))
    erp.book(request="fr-11")
    erp.count(*SKU, 9)
    stores.book(request="fr-12")
    stores.count("NYC1", "SKU-1", 9)
    assert day.run() == []
    let_days_pass(day)
    assert day.run() == []
    assert day.run() == []
    assert ask(day, "SELECT count(*), count(unlisted_run) FROM folded_booking") == [(2, 0)]
    stores.unbook()
    assert day.run() == []
    let_days_pass(day)
    assert day.run() == []
    assert remembered(day) == [("fr-11", 1)]


class TestTakenBack:
    """Bookings that may be taken back at any time keep their units in the ledger."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
        return a_day(tmp_path, database_url, erp, ledger_keep_days=0, booked_reversible=True, **BY_REQUEST)

    def test_a_booking_that_is_taken_back_long_after_is_missing_again(self, day: ShopDay, erp: SqlErp) -> None:
        book_and_fold(day, erp)
        assert units_kept(day) == [11]
        erp.unbook()
        assert day.run()[0].quantities == {SKU: 8}
        erp.count(*SKU, 10)
        (cut,) = day.run()
        assert cut.quantities == {SKU: 9}

    def test_what_old_cuts_said_is_forgotten_all_the_same(self, day: ShopDay, erp: SqlErp) -> None:
        book_and_fold(day, erp)
        assert ask(day, "SELECT count(*) FROM cut_item") == [(0,)]
