"""`on_hand_updated_column`: a run reads only rows changed since the last cut NewStore has acknowledged."""

from __future__ import annotations

import datetime as dt
import functools
import time
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.run.clocks import Now
from mapper_newstore_stock.run.erp_tables import ErpTables
from mapper_newstore_stock.run.sources import Sources

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import a_completion

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


#: A number that grows with every change, as some ERPs have it.
VERSIONS = "SELECT fulfillment_node_id, product_id, quantity, as_of_logical_timestamp, quantity AS version FROM erp"


class Table:
    """An ERP's table with a column that says when a row was last written."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_engine(url)
        kind = "TIMESTAMPTZ" if self._engine.dialect.name == "postgresql" else "TEXT"
        self._run(
            "CREATE TABLE erp (fulfillment_node_id TEXT, product_id TEXT PRIMARY KEY, quantity INTEGER,"
            f" as_of_logical_timestamp BIGINT, updated_at {kind})"
        )

    def write(self, product: str, quantity: int, second: int) -> None:
        self.write_at(product, quantity, f"2026-01-01 00:00:{second:02d}+00:00")

    def write_at(self, product: str, quantity: int, moment: str, node: str = "DC01") -> None:
        self.remove(product)
        self._run(f"INSERT INTO erp VALUES ('{node}', '{product}', {quantity}, NULL, '{moment}')")

    def remove(self, product: str) -> None:
        self._run(f"DELETE FROM erp WHERE product_id = '{product}'")

    def close(self) -> None:
        self._engine.dispose()

    def _run(self, statement: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement))


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    table = Table(database_url)
    yield table
    table.close()


@pytest.fixture
def day(tmp_path: Path, table: Table, caplog: pytest.LogCaptureFixture) -> ShopDay:
    caplog.set_level("INFO")
    day = ShopDay(tmp_path, on_hand_url=table.url, on_hand_table="erp", on_hand_updated_column="updated_at")
    table.write("A", 1, 1)
    table.write("B", 2, 2)
    day.run()
    return day


def quantities(cuts: list[t.Any]) -> list[dict[str, int]]:
    return [{product: number for (_node, product), number in cut.quantities.items()} for cut in cuts]


def test_only_rows_updated_since_are_read(day: ShopDay, table: Table, caplog: pytest.LogCaptureFixture) -> None:
    table.write("A", 5, 3)
    caplog.clear()
    assert quantities(day.run()) == [{"A": 5}]
    # The last row again, because another may have been given the same moment.
    assert "2 on-hand rows read, changed since 2026-01-01 00:00:02" in caplog.text


def test_a_cut_newstore_did_not_get_does_not_move_the_cursor(day: ShopDay, table: Table) -> None:
    table.write("A", 5, 3)
    day.run(acknowledge=0)
    table.write("B", 7, 4)
    assert quantities(day.run()) == [{"A": 5, "B": 7}]


def test_without_a_state_all_rows_are_read_and_removed_ones_noticed(day: ShopDay, table: Table) -> None:
    table.remove("A")
    day.state = {}
    day.settings["max_vanished_percent"] = 100
    assert quantities(day.run()) == [{"A": 0, "B": 2}]


def test_another_setting_reads_all_rows(day: ShopDay, caplog: pytest.LogCaptureFixture) -> None:
    day.settings["ignored_products"] = ["B"]
    caplog.clear()
    day.run()
    assert "1 on-hand rows read, all of them, for the first time with these settings\n" in caplog.text


def test_a_zone_that_is_corrected_is_that_of_rows_that_were_read_before(tmp_path: Path, table: Table) -> None:
    in_singapore = "SELECT *, '2025-03-04 20:30:00' AS taken_at FROM erp"
    day = ShopDay(
        tmp_path,
        on_hand_url=table.url,
        on_hand_query=in_singapore,
        on_hand_as_of="taken_at",
        on_hand_updated_column="updated_at",
    )
    table.write("A", 9, 1)
    table.write("B", 2, 2)
    # It left the shelf ten minutes after the number was taken, at 12:30 in UTC.
    (cut,) = day.run(a_completion(40, "A"))
    assert quantities([cut]) == [{"A": 9, "B": 2}]
    day.settings["taken_at_timezone"] = "Asia/Singapore"
    assert quantities(day.run()) == [{"A": 8}]
    assert day.run() == []


def test_separators_that_are_corrected_are_those_of_rows_that_were_read_before(tmp_path: Path, table: Table) -> None:
    in_text = "SELECT fulfillment_node_id, product_id, quantity || '.000' AS quantity, as_of_logical_timestamp, "
    query = in_text + "updated_at FROM erp"
    day = ShopDay(tmp_path, on_hand_url=table.url, on_hand_query=query, on_hand_updated_column="updated_at")
    table.write("A", 1, 1)
    table.write("B", 2, 2)
    assert day.run() == []
    day.settings["decimal_separator"] = "."
    assert quantities(day.run()) == [{"A": 1, "B": 2}]
    day.settings["decimal_separator"] = None
    day.settings["thousands_separator"] = "."
    assert quantities(day.run()) == [{"A": 1000, "B": 2000}]


def test_a_node_that_a_source_owns_now_is_read_whole(tmp_path: Path, table: Table) -> None:
    source = {"name": "wms", "on_hand_url": table.url, "on_hand_table": "erp", "on_hand_updated_column": "updated_at"}
    day = ShopDay(tmp_path, on_hand_sources=[{**source, "nodes": ["NYC*"]}])
    table.write("A", 1, 1)
    table.write("B", 2, 2)
    table.write_at("C", 3, "2026-01-01 00:00:03+00:00", node="NYC1")
    assert quantities(day.run()) == [{"C": 3}]
    day.settings["on_hand_sources"] = [{**source, "nodes": ["NYC*", "DC01"]}]
    assert quantities(day.run()) == [{"A": 1, "B": 2}]


def test_a_reading_that_finds_nothing_is_no_empty_list(
    day: ShopDay, table: Table, caplog: pytest.LogCaptureFixture
) -> None:
    for product in ("A", "B"):
        table.remove(product)
    caplog.clear()
    assert day.run() == []
    assert "0 on-hand rows read, changed since 2026-01-01 00:00:02" in caplog.text


def test_a_removed_row_is_found_when_all_rows_are_read_again(
    day: ShopDay, table: Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table.remove("A")
    day.settings["max_vanished_percent"] = 50
    assert day.run() == []
    hours_pass(monkeypatch, 23.9)
    assert day.run() == []
    hours_pass(monkeypatch, 24.1)
    assert quantities(day.run()) == [{"A": 0}]
    assert "1 on-hand rows read, all of them, as every 24 hours (full_read_hours)\n" in caplog.text
    caplog.clear()
    day.run()
    assert "changed since 2026-01-01 00:00:02" in caplog.text


def test_a_row_that_was_missed_is_found_when_all_rows_are_read_again(
    day: ShopDay, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write("A", 4, 1)
    assert day.run() == []
    hours_pass(monkeypatch, 25)
    assert quantities(day.run()) == [{"A": 4}]


def test_how_often_all_rows_are_read_is_a_setting(
    day: ShopDay, table: Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    day.settings["full_read_hours"] = 0
    table.write("A", 4, 1)
    assert quantities(day.run()) == [{"A": 4}]
    assert "2 on-hand rows read, all of them, as in every run (full_read_hours: 0)\n" in caplog.text
    day.settings["full_read_hours"] = 0.5
    table.write("A", 3, 1)
    assert day.run() == []
    hours_pass(monkeypatch, 0.51)
    assert quantities(day.run()) == [{"A": 3}]


def test_a_clock_that_was_set_back_delays_no_full_reading(
    day: ShopDay, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write("A", 4, 1)
    hours_pass(monkeypatch, -1)
    assert quantities(day.run()) == [{"A": 4}]


@pytest.mark.parametrize("minutes", [1, 60])
def test_all_rows_are_read_where_the_clock_of_the_rows_was_set_back(
    day: ShopDay, table: Table, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    there = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
    now = Now(int(there.timestamp() * 1000), there.replace(tzinfo=None))
    monkeypatch.setattr(ErpTables, "now", lambda _erp, _place: now)
    # Below what was read before.
    table.write("A", 7, 0)
    is_set_back = minutes == 1
    assert [cut.quantities for cut in day.run()] == ([{("DC01", "A"): 7}] if is_set_back else [])
    assert ("because a clock was set back" in caplog.text) is is_set_back


def test_a_full_reading_that_was_refused_is_repeated(
    day: ShopDay, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.remove("A")
    hours_pass(monkeypatch, 25)
    for _ in range(2):
        with pytest.raises(OnHandError, match="max_vanished_percent"):
            day.run()
    table.write("A", 8, 3)
    assert quantities(day.run()) == [{"A": 8}]


def test_a_source_may_be_read_whole_more_often_than_the_others(
    tmp_path: Path, table: Table, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    table.write("A", 1, 1)
    shared = {"on_hand_url": table.url, "on_hand_table": "erp", "on_hand_updated_column": "updated_at"}
    mine = {
        **shared,
        "on_hand_query": "SELECT 'NYC1' AS fulfillment_node_id, product_id, quantity, updated_at, "
        "as_of_logical_timestamp FROM erp",
    }
    del mine["on_hand_table"]
    sources = [
        {"name": "erp", "nodes": ["DC*"], **shared},
        {"name": "wms", "nodes": ["NYC*"], "full_read_hours": 1, **mine},
    ]
    day = ShopDay(tmp_path, on_hand_sources=sources)
    day.run()
    caplog.clear()
    hours_pass(monkeypatch, 2)
    day.run()
    assert "1 on-hand rows read of erp, changed since 2026-01-01 00:00:01" in caplog.text
    assert "1 on-hand rows read of wms, all of them, as every 1 hours (full_read_hours)" in caplog.text


def test_a_value_in_the_future_is_an_error(day: ShopDay, table: Table) -> None:
    table.write_at("A", 5, "2099-01-01 00:00:00+00:00")
    said = (
        r"^erp, row \d \(DC01, A\): updated_at is 2099-01-01 00:00:00\+00:00, in the future: it is .* there\. .* "
        r"set taken_at_timezone to the zone of times that name none$"
    )
    with pytest.raises(OnHandError, match=said):
        day.run()
    table.write("B", 7, 4)
    with pytest.raises(OnHandError, match=said):
        day.run()
    table.write("A", 5, 3)
    assert quantities(day.run()) == [{"A": 5, "B": 7}]


def test_a_value_in_the_future_of_what_is_ignored_stops_nothing_and_moves_no_cursor(day: ShopDay, table: Table) -> None:
    table.write_at("A", 5, "2099-01-01 00:00:00+00:00")
    day.settings["ignored_products"] = ["A"]
    day.run()
    table.write("B", 7, 4)
    assert quantities(day.run()) == [{"B": 7}]


def test_what_is_within_the_skew_is_in_no_future_and_moves_no_cursor(day: ShopDay, table: Table) -> None:
    soon = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=100)
    table.write_at("A", 5, soon.isoformat(sep=" "))
    assert quantities(day.run()) == [{"A": 5}]
    table.write_at("B", 7, (soon - dt.timedelta(seconds=150)).isoformat(sep=" "))
    assert quantities(day.run()) == [{"B": 7}]


def test_versions_have_no_future(tmp_path: Path, table: Table, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    day = ShopDay(tmp_path, on_hand_url=table.url, on_hand_updated_column="version", on_hand_query=VERSIONS)
    table.write("A", 30, 1)
    table.write("B", 2099, 1)
    for _ in range(3):
        day.run()
    assert "1 on-hand rows read, changed since 2099\n" in caplog.text


def test_a_csv_has_no_such_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it needs a database"):
        ShopDay(tmp_path, on_hand_updated_column="updated_at")


def hours_pass(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Let the next runs be that much later than this moment."""
    later = time.time() + hours * 3600
    monkeypatch.setattr("mapper_newstore_stock.run.stock_run.Sources", functools.partial(Sources, now=lambda: later))
