"""`on_hand_updated_column`: a run reads only rows changed since the last cut NewStore has acknowledged."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.ledger.database import open_engine

from tests.mapper.shop_day import ShopDay

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
        values = f"('DC01', '{product}', {quantity}, NULL, '2026-01-01 00:00:{second:02d}+00:00')"
        self._run(f"DELETE FROM erp WHERE product_id = '{product}'")
        self._run(f"INSERT INTO erp VALUES {values}")

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
    assert "1 on-hand rows read\n" in caplog.text


def test_a_csv_has_no_such_column(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="it needs a database"):
        ShopDay(tmp_path, on_hand_updated_column="updated_at")
