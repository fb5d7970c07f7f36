"""The columns of a list become others, or the list another kind: what was kept of it is not compared."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import sqlite3
import time
import typing as t

import pytest

from tests.mapper.both_ways import BothWays
from tests.mapper.on_hand_lists import HEADER
from tests.mapper.parquet_files import KINDS, NAMES, TEXT, parquet_bytes
from tests.mapper.shop_day import Ledgers, completed
from tests.mapper.sql_erp import SKU, SqlErp, a_completion

if t.TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("short_lists_are_kept")
NOW = time.time()
#: What the ERP says of the booking of one unit, if it has a column for it.
SAID = {
    "event_id": "of somebody else",
    "fulfillment_request_id": "fr-11",
    "order_id": "order-11",
    "product_id": "SKU-1",
    "units": 1,
    "fulfillment_node_id": "DC01",
}


def book_in(path: Path, columns: str) -> None:
    """Write the table of bookings anew, with these columns and one booking of what each of them says."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE booked")
        connection.execute(f"CREATE TABLE booked ({columns})")
        values = [SAID[name] for name in columns.split(", ")]
        connection.execute(f"INSERT INTO booked VALUES ({', '.join('?' * len(values))})", values)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("order_id, product_id", "event_id, product_id"),
        ("order_id, product_id", "fulfillment_request_id, product_id"),
        ("order_id, product_id", "order_id, product_id, units"),
        ("order_id, product_id, units", "order_id, product_id"),
        ("order_id, product_id", "order_id, product_id, fulfillment_node_id"),
        ("order_id, product_id, units", "order_id, product_id, fulfillment_node_id"),
        ("order_id, product_id", "event_id, order_id, product_id"),
        ("event_id", "event_id, product_id, units"),
        ("event_id, product_id", "event_id"),
    ],
)
def test_columns_that_become_others_say_something_else(
    before: str, after: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    path = tmp_path / "erp.db"
    erp = SqlErp(path)
    erp.count(*SKU, 9)
    book_in(path, before)
    settings: dict[str, t.Any] = {"on_hand_table": "stock", "on_hand_as_of": "booked", "booked_table": "booked"}
    ways = BothWays(tmp_path / "ledgers", caplog, ledgers, on_hand_url=erp.url, **settings)
    ways.run(a_completion(11), a_completion(12))
    ways.run()
    assert ways.bookings_compared == 1
    book_in(path, after)
    ways.run()
    assert ways.bookings_compared == 1
    ways.run()
    assert ways.bookings_compared == 2


def moment(seconds: float) -> str:
    """Return the time some seconds ago."""
    return dt.datetime.fromtimestamp(NOW - seconds, dt.UTC).isoformat()


def published(path: Path, content: bytes, seconds: float) -> None:
    """Write a file as it was some seconds ago."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - seconds, NOW - seconds))


def test_the_newest_list_may_be_of_another_kind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    ways = BothWays(tmp_path, caplog, ledgers, on_hand_url=str(tmp_path / "erp" / "stock*"))
    kinds = ["csv", "parquet", "parquet", "csv", "csv", "parquet"]
    for number, kind in enumerate(kinds):
        file = tmp_path / "erp" / f"stock{number}.{kind}"
        rows = [("DC01", "A", 5, None), ("DC01", "B", 6 + number, None)]
        lines = [HEADER, *(f"{node},{product},{quantity}," for node, product, quantity, _ in rows)]
        content = parquet_bytes(file, *rows) if kind == "parquet" else "".join(f"{line}\n" for line in lines).encode()
        published(file, content, len(kinds) - number)
        assert ways.run()[0][0][1]["DC01", "B"] == 6 + number
    assert ways.compared == 2


@pytest.mark.parametrize("others", [[], [("DC01", "B", 4)]])
def test_rows_that_begin_to_say_when_are_others(
    others: list[tuple[str, str, int]], tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: t.Any
) -> None:
    file = tmp_path / "erp.parquet"
    settings: dict[str, t.Any] = {"on_hand_as_of": "taken_at", "max_held_percent": 100, "clock_skew_seconds": 0}
    ways = BothWays(tmp_path, caplog, ledgers, on_hand_url=str(file), **settings)
    names = [*NAMES[:3], "taken_at"]
    rows = [("DC01", "SKU-1", 10), *others]
    published(file, parquet_bytes(file, *rows, names=names[:3], kinds=KINDS[:3]), 100)
    unit = {"published_at": moment(500), "fulfillment_request_id": "fr", "order_id": "order"}
    ways.run(completed(11, **unit))
    for quantity in (4, 3):
        dated = [("DC01", "SKU-1", 10, None), ("DC01", "B", quantity, moment(50))]
        published(file, parquet_bytes(file, *dated, names=names, kinds=(*KINDS[:3], TEXT)), 40)
        ways.run()
    assert ways.compared == 1
