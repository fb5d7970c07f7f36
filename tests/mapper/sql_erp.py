"""An ERP on SQLite, completions it may have booked, and moments around a noon."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import typing as t

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

SKU, SHOES = ("DC01", "SKU-1"), ("DC01", "SHOES")
NOON = dt.datetime(2025, 3, 4, 12, tzinfo=dt.UTC)


def at(minutes: float) -> str:
    """Return a moment, in minutes from noon."""
    return (NOON + dt.timedelta(minutes=minutes)).isoformat()


class SqlErp:
    """An ERP on SQLite: a table of numbers, and one of bookings by request, product and units."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._path = path
        self._script(
            # Somebody may write while a run reads.
            "PRAGMA journal_mode = WAL;"
            "CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INTEGER, counted_at TEXT);"
            "CREATE TABLE booked (event_id TEXT, request TEXT, order_id TEXT, sku TEXT, node TEXT, qty INTEGER);"
        )

    def count(self, node: str, product: str, quantity: int | str, taken_at: str = "") -> None:
        self.remove(node, product)
        self._execute("INSERT INTO stock VALUES (?, ?, ?, ?)", node, product, quantity, taken_at)

    def remove(self, node: str, product: str) -> None:
        self._execute("DELETE FROM stock WHERE fulfillment_node_id = ? AND product_id = ?", node, product)

    def book(self, event_id: str = "", request: str = "", order: str = "", sku: str = "SKU-1", units: int = 1) -> None:
        self._execute("INSERT INTO booked VALUES (?, ?, ?, ?, 'DC01', ?)", event_id, request, order, sku, units)

    def unbook(self) -> None:
        self._execute("DELETE FROM booked")

    def _script(self, statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self._path)) as connection:
            connection.executescript(statements)

    def _execute(self, statement: str, *values: object) -> None:
        with contextlib.closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement, values)


def a_day(tmp_path: Path, database_url: str, erp: SqlErp, **settings: t.Any) -> ShopDay:
    return ShopDay(tmp_path, ledger_url=database_url, on_hand_url=erp.url, on_hand_table="stock", **settings)


def booked_by(*columns: str) -> dict[str, t.Any]:
    names = {"event_id": "event_id", "fulfillment_request_id": "request", "order_id": "order_id"}
    names |= {"product_id": "sku", "units": "qty", "fulfillment_node_id": "node"}
    named = {name: names[name] for name in columns}
    return {"on_hand_as_of": "booked", "booked_table": "booked", "booked_columns": named}


def a_completion(timestamp: int, *products: str, **fields: t.Any) -> dict[str, t.Any]:
    """Return a record of the tap as it comes, with all that a unit can be proven by."""
    known = {
        "fulfillment_request_id": f"fr-{timestamp}",
        "order_id": f"order-{timestamp}",
        "published_at": at(timestamp),
    }
    return completed(timestamp, *products, **{**known, **fields})
