"""Upper limits of this machine: the same records without Singer, SQL rules or a network."""

from __future__ import annotations

import sqlite3
import time
import typing as t
import zipfile

import msgspec
import psycopg

from tests.benchmarks.measuring import Measured, in_turns
from tests.shop.postgresql import PostgreSql

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.benchmarks.measuring import Report

INSERTED_AT_ONCE = 10_000
#: The ledger's completed units, in the order of their key.
TABLE = (
    "CREATE TABLE unit (fulfillment_node_id TEXT, product_id TEXT, logical_timestamp BIGINT, event_id TEXT,"
    " units INTEGER, PRIMARY KEY (fulfillment_node_id, product_id, logical_timestamp, event_id))"
)


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure each limit with `size` records."""
    with PostgreSql() as server:
        ways: dict[str, Callable[[], None]] = {
            "msgspec, decode and encode": lambda: _decode_and_encode(size),
            "SQLite, inserts": lambda: _insert(directory / "limit.db", size),
            "PostgreSQL, COPY": lambda: _copy(server.new_database(), size),
            "zip, writing": lambda: _zip(directory / "limit.zip", size),
        }
        report.add("limits", size, in_turns({name: _timed(way) for name, way in ways.items()}, rounds), {})


def _timed(way: Callable[[], None]) -> Callable[[], Measured]:
    def run() -> Measured:
        begun = time.perf_counter()
        way()
        return Measured(time.perf_counter() - begun, 0.0)

    return run


def _rows(size: int) -> Iterator[tuple[str, str, int, str, int]]:
    return (("DC01", f"SKU-{at:09}", at, f"fulfillment_request.items_completed:fr-{at}:{at}", 1) for at in range(size))


def _decode_and_encode(size: int) -> None:
    line = msgspec.json.encode({"type": "RECORD", "stream": "stock", "record": dict.fromkeys("abcdefgh", "SKU-1")})
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    for _ in range(size):
        encode(decode(line))


def _insert(path: Path, size: int) -> None:
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"{TABLE} WITHOUT ROWID")
        connection.executemany("INSERT INTO unit VALUES (?, ?, ?, ?, ?)", _rows(size))
    connection.close()


def _copy(url: str, size: int) -> None:
    with psycopg.connect(url.replace("+psycopg", "")) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        with cursor.copy("COPY unit FROM STDIN") as copy:
            for row in _rows(size):
                copy.write_row(row)


def _zip(path: Path, size: int) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("stock.json", "w") as file:
        encode = msgspec.json.Encoder().encode
        for first in range(0, size, INSERTED_AT_ONCE):
            numbers = range(first, min(first + INSERTED_AT_ONCE, size))
            file.write(encode([{"product_id": f"SKU-{number:09}", "quantity": number % 50} for number in numbers]))
