"""Form `taken_at`: a number contains what was published before it was taken (docs/design.md, the forms of proof)."""

from __future__ import annotations

import csv
import os
import re
import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.run.erp_inputs import check_source

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import NOON, SKU, SqlErp, a_completion, a_day, at

if t.TYPE_CHECKING:
    from pathlib import Path


def a_config(layout: str) -> t.Any:
    """Return the settings of files whose names say in a layout when they were taken, with all defaults."""
    settings = {"ledger_url": "sqlite://", "on_hand_url": "stock-*.csv", "on_hand_as_of": "taken_at"}
    return MapperNewStoreStock(config={**settings, "taken_at_format": layout}).config


class TestTakenAt:
    """Form `taken_at`: a unit is contained when it was published before the number was taken."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
        columns = {"taken_at": "counted_at"}
        return a_day(
            tmp_path, database_url, erp, on_hand_as_of="taken_at", on_hand_columns=columns, clock_skew_seconds=120
        )

    def test_what_was_published_before_it_is_in_the_number(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, at(30))
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    @pytest.mark.fault("F23")
    def test_what_was_published_within_the_skew_is_not(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, at(13))
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 8}
        erp.count(*SKU, 9, at(13.001))
        (cut,) = day.run()
        assert cut.quantities == {SKU: 9}

    def test_a_late_event_is_judged_by_its_publication(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 8, at(30))
        day.run(a_completion(12))
        (cut,) = day.run(a_completion(11))
        assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))

    def test_a_unit_that_learns_later_when_it_was_published_is_proven_then(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, at(30))
        dated = {name: day.settings[name] for name in ("on_hand_as_of", "on_hand_columns")}
        day.settings.update(on_hand_as_of="current", on_hand_columns={})
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 9}
        day.settings.update(dated)
        (cut,) = day.run()
        assert cut.quantities == {SKU: 8}
        # The tap was told to go back: now its times are kept.
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 9}

    @pytest.mark.parametrize("published", [None, "0001-01-01T00:00:00", "yesterday"])
    def test_an_event_without_a_time_is_never_proven(self, day: ShopDay, erp: SqlErp, published: str | None) -> None:
        erp.count(*SKU, 9, at(30))
        (cut,) = day.run(a_completion(11, published_at=published))
        assert cut.quantities == {SKU: 9 if published == "0001-01-01T00:00:00" else 8}

    def test_a_time_without_a_zone_is_as_late_as_it_may_be(self, day: ShopDay, erp: SqlErp) -> None:
        unit = a_completion(11, published_at=at(11)[: len("2025-03-04T09:15:02")])
        for minutes, left in ((30, 8), (12 * 60 + 13.1, 9)):
            erp.count(*SKU, 9, at(minutes))
            (cut,) = day.run(unit)
            assert cut.quantities == {SKU: left}

    def test_a_number_from_the_future_is_refused(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, "2999-01-01T00:00:00Z")
        with pytest.raises(OnHandError, match=r"stock, row 1 \(DC01, SKU-1\): counted_at is 2999.*, in the future"):
            day.run(a_completion(11))

    def test_the_column_needs_no_setting_when_it_is_called_taken_at(self, day: ShopDay, erp: SqlErp) -> None:
        query = "SELECT *, counted_at AS taken_at FROM stock"
        day.settings.update(on_hand_columns={}, on_hand_table=None, on_hand_query=query)
        erp.count(*SKU, 9, at(30))
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    def test_a_database_that_does_not_say_when_is_told_what_to_name(self, day: ShopDay) -> None:
        day.settings["on_hand_columns"] = {}
        with pytest.raises(OnHandError, match=r"taken_at.*on_hand_columns: name the column for taken_at"):
            day.run(a_completion(11))

    @pytest.mark.parametrize("value", ["", "soon", None, 12])
    def test_a_number_without_a_time_is_not_taken_and_its_key_is_held(
        self, day: ShopDay, erp: SqlErp, caplog: pytest.LogCaptureFixture, value: t.Any
    ) -> None:
        erp.count(*SKU, 9, value)
        assert day.run(a_completion(11)) == []
        said = r"stock, row 1 \(DC01, SKU-1\): counted_at is .*: expected a time.*; the key is held"
        assert re.search(said, caplog.text)

    def test_a_time_without_a_zone_is_read_in_the_zone_that_is_set(self, day: ShopDay, erp: SqlErp) -> None:
        day.settings["taken_at_timezone"] = "America/New_York"
        erp.count(*SKU, 9, "2025-03-04 07:30:00")
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}


class TestNightlyFile:
    """A CSV that somebody writes now and then, and that says by itself when."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str) -> ShopDay:
        return ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="taken_at", clock_skew_seconds=0)

    def write(self, path: Path, quantity: int, minutes: float = 0) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("fulfillment_node_id", "product_id", "quantity"), (*SKU, quantity)])
        os.utime(path, (NOON.timestamp() + minutes * 60,) * 2)

    @pytest.mark.fault("F23")
    def test_its_modification_time_counts(self, day: ShopDay) -> None:
        self.write(day.erp.path, 9, 30)
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}
        # The next file has the same number: nothing came in, nothing was shipped that it did not contain.
        self.write(day.erp.path, 8, 60)
        assert day.run() == []
        self.write(day.erp.path, 8, 70)
        assert day.run() == []

    def test_a_newer_file_with_the_same_number_proves_more(self, day: ShopDay) -> None:
        self.write(day.erp.path, 9, 30)
        day.run(a_completion(40))
        self.write(day.erp.path, 9, 60)
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 9}, None)

    def test_the_lag_is_taken_off(self, day: ShopDay) -> None:
        day.settings["on_hand_lag_seconds"] = 1800
        self.write(day.erp.path, 9, 30)
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 8}

    def test_the_newest_whole_file_counts_by_its_name(self, day: ShopDay, tmp_path: Path) -> None:
        day.settings.update(
            on_hand_url=str(tmp_path / "stock-*.csv"),
            taken_at_format="stock-%Y%m%d-%H%M.csv",
            taken_at_timezone="Europe/Berlin",
            on_hand_done_marker=".done",
        )
        lists = {"stock-20250304-1310.csv": 10, "stock-20250304-1330.csv": 9, "stock-20250304-1400.csv": 3}
        for name, quantity in lists.items():
            self.write(tmp_path / name, quantity)
            if quantity != 3:
                (tmp_path / f"{name}.done").touch()
        # 13:30 in Berlin is 12:30 UTC.
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    def test_a_column_taken_at_counts_before_the_time_of_a_copy(self, day: ShopDay) -> None:
        day.erp.path.write_text(
            f"fulfillment_node_id,product_id,quantity,taken_at\nDC01,SKU-1,9,{at(30)}\n", encoding="utf-8"
        )
        os.utime(day.erp.path, (NOON.timestamp() + 3600,) * 2)
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    def test_a_name_without_a_time_is_refused(self, day: ShopDay) -> None:
        day.settings.update(taken_at_format="stock-%Y%m%d.csv")
        self.write(day.erp.path, 9)
        with pytest.raises(OnHandError, match=r"on_hand\.csv: its name is not as taken_at_format says"):
            day.run(a_completion(11))

    @pytest.mark.parametrize("layout", ["stock-%d.csv", "stock-%m%d.csv", "stock-%Y%m.csv", "stock-%Y-%d.csv", "%H%M"])
    def test_a_format_without_year_month_or_day_is_refused(self, layout: str) -> None:
        with pytest.raises(ConfigurationError, match=f"taken_at_format: {layout} leaves out"):
            check_source(a_config(layout))

    @pytest.mark.parametrize("layout", ["stock-%Y%m%d.csv", "%d%b%y", "%G-%V-%u", "%Y-%j", "%c"])
    def test_a_format_with_all_three_is_taken(self, layout: str) -> None:
        check_source(a_config(layout))

    def test_no_file_is_said_so(self, day: ShopDay, tmp_path: Path) -> None:
        day.settings.update(on_hand_url=str(tmp_path / "stock-*.csv"))
        with pytest.raises(OnHandError, match="no file matches"):
            day.run(a_completion(11))

    def test_a_file_from_the_future_is_refused(self, day: ShopDay) -> None:
        self.write(day.erp.path, 9, 60 * 24 * 365 * 50)
        with pytest.raises(OnHandError, match="in the future"):
            day.run(a_completion(11))
