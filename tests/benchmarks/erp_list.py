"""The ERP's list as a file, compared with the list of the run before: beside DuckDB doing only the comparison.

All figures are rows per CPU second of whole processes. The busy run is one in which nearly every row and every unit is
new, on both databases.
"""

from __future__ import annotations

import contextlib
import csv
import json
import sqlite3
import sys
import typing as t

import psycopg
import sqlalchemy as sa

from tests.benchmarks.bookings import Shop
from tests.benchmarks.ledger import NODES, record, schema, state
from tests.benchmarks.measuring import Measured, in_turns, run_process
from tests.shop.postgresql import PostgreSql

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.measuring import Report

ROWS_PER_EVENT = 5
#: One row of so many has changed: 0.4 %.
CHANGED = 250
#: CPU seconds a run may take for a million rows, and how many times DuckDB's own comparison.
MOST_SECONDS, MOST_TIMES = 1.0, 2.5
#: The same of Parquet, where a comparison alone need write no lines, nor start a mapper.
MOST_TIMES_OF_PARQUET = 6.0
#: The first cut of all rows, CPU seconds for a million.
MOST_FIRST = 4.0
NOTHING, SOME, ALL = "nothing changed", "0.4 % changed", "first cut"
ALLOWED, DUCKDB = "allowed", "DuckDB's comparison of CSV and Parquet"
COMPARISON = """
import sys, duckdb
new, old = sys.argv[1:]
one = duckdb.connect()
row = "SELECT * FROM read_csv(?, all_varchar = true) EXCEPT SELECT * FROM read_parquet(?)"
print(one.execute(f"SELECT count(*) FROM ({row})", [new, old]).fetchone())
"""
TO_PARQUET = """
import sys, duckdb
rows = f"SELECT * FROM read_csv('{sys.argv[1]}', all_varchar = true)"
duckdb.execute(f"COPY ({rows}) TO '{sys.argv[2]}' (FORMAT parquet)")
"""
#: The same rows as a warehouse exports them, with numbers that are numbers.
TO_TYPED_PARQUET = TO_PARQUET.replace(
    "SELECT *",
    "SELECT * REPLACE (quantity::INTEGER AS quantity, as_of_logical_timestamp::BIGINT AS as_of_logical_timestamp)",
)
OF_PARQUET, DUCKDB_OF_PARQUET = (
    "DuckDB's comparison of Parquet and Parquet",
    COMPARISON.replace("read_csv(?, all_varchar = true)", "read_parquet(?)"),
)
#: A table of the ERP's, CPU seconds of this side for a million rows.
MOST_SECONDS_OF_A_TABLE = 1.6
IN_POSTGRESQL, IN_SQLITE = "PostgreSQL", "SQLite"
TABLE = (
    "CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INTEGER, as_of_logical_timestamp BIGINT)"
)
CHANGE = f"UPDATE stock SET quantity = quantity + 1 WHERE CAST(substr(product_id, 5) AS integer) % {CHANGED} = 0"
#: The busy run: rows, keys with events, and runs, of which the first fills the ledger.
BUSY_ROWS, BUSY_EVENTS, BUSY_KEYS, BUSY_RUNS = 100_000, 20_000, 5_000, 3
ON_SQLITE, ON_POSTGRESQL, MOST_BUSY = "ledger on SQLite", "ledger on PostgreSQL", 1.5


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure lists of five rows for each of `size` events, then the busy run."""
    rows = size * ROWS_PER_EVENT
    lists = [directory / f"{number}.csv" for number in range(2)]
    for number, path in enumerate(lists):
        _write(path, rows, changed=number)
    parquet = directory / "0.parquet"
    run_process([sys.executable, "-c", TO_PARQUET, str(lists[0]), str(parquet)])
    nothing = directory / "nothing.jsonl"
    nothing.write_text(schema() + state(1), encoding="utf-8")
    read = directory / "on_hand.csv"
    shop = Shop(directory, {"on_hand_url": str(read), "ledger_url": f"sqlite:///{directory / 'ledger.db'}"})

    def run(number: int) -> Measured:
        read.unlink(missing_ok=True)
        read.hardlink_to(lists[number])
        return shop.run(nothing).cpu

    first = run(0)
    report.add(
        "ERP's list: first cut", rows, {ALL: [first], ALLOWED: [_allowed(rows, MOST_FIRST)]}, {(ALL, ALLOWED): 1}
    )
    now = iter(range(1, 1_000_000))
    compare = [sys.executable, "-c", COMPARISON, str(lists[1]), str(parquet)]
    ways = {SOME: lambda: run(next(now) % 2), DUCKDB: lambda: run_process(compare).cpu}
    required = {(SOME, DUCKDB): 1 / MOST_TIMES, (SOME, ALLOWED): 1}
    measured = {**in_turns(ways, rounds), ALLOWED: [_allowed(rows, MOST_SECONDS)]}
    report.add("ERP's list", rows, {**measured, NOTHING: [run((next(now) - 1) % 2)]}, required)
    _measure_parquet(report, lists, rows, rounds, directory)
    _measure_tables(report, lists[0], rows, directory)
    _measure_busy(report, directory)


def _measure_parquet(report: Report, lists: list[Path], rows: int, rounds: int, directory: Path) -> None:
    """Measure the same rows as a Parquet file, beside DuckDB doing only the comparison of two such files."""
    written = [path.with_name(f"{path.stem}-typed.parquet") for path in lists]
    for path, parquet in zip(lists, written, strict=True):
        run_process([sys.executable, "-c", TO_TYPED_PARQUET, str(path), str(parquet)])
    read, ledger = directory / "on_hand.parquet", f"sqlite:///{directory / 'parquet.db'}"
    shop = Shop(directory, {"on_hand_url": str(read), "ledger_url": ledger})

    def run(number: int) -> Measured:
        read.unlink(missing_ok=True)
        read.hardlink_to(written[number])
        return shop.run(directory / "nothing.jsonl").cpu

    first, now = run(0), iter(range(1, 1_000_000))
    compare = [sys.executable, "-c", DUCKDB_OF_PARQUET, str(written[1]), str(written[0])]
    ways = {SOME: lambda: run(next(now) % 2), OF_PARQUET: lambda: run_process(compare).cpu}
    measured = {**in_turns(ways, rounds), ALLOWED: [_allowed(rows, MOST_SECONDS)]}
    measured |= {NOTHING: [run((next(now) - 1) % 2)], ALL: [first]}
    report.add(
        "ERP's list: Parquet", rows, measured, {(SOME, OF_PARQUET): 1 / MOST_TIMES_OF_PARQUET, (SOME, ALLOWED): 1}
    )


def _measure_tables(report: Report, rows: Path, count: int, directory: Path) -> None:
    """Measure the same rows as a table; what the server does is not counted."""
    measured: dict[str, list[Measured]] = {}
    with PostgreSql() as server, contextlib.closing(sqlite3.connect(directory / "erp.db")) as lite:
        url = server.new_database()
        driver = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(driver, autocommit=True) as erp:
            erp.execute(TABLE)
            lite.execute(TABLE)
            with rows.open("rb") as file, erp.cursor().copy("COPY stock FROM STDIN (FORMAT csv, HEADER)") as copy:
                while block := file.read(1 << 20):
                    copy.write(block)
            lite.executemany("INSERT INTO stock VALUES (?, ?, ?, nullif(?, ''))", _values(rows))
            lite.commit()
            for name, place in ((IN_POSTGRESQL, url), (IN_SQLITE, f"sqlite:///{directory / 'erp.db'}")):
                ledger = f"sqlite:///{directory / f'{name}.db'}"
                shop = Shop(directory, {"on_hand_url": place, "on_hand_table": "stock", "ledger_url": ledger})
                for happens in (ALL, SOME, NOTHING):
                    if happens == SOME:
                        erp.execute(CHANGE)
                        lite.execute(CHANGE)
                        lite.commit()
                    measured[f"{name}, {happens}"] = [shop.run(directory / "nothing.jsonl").cpu]
    allowed = {ALLOWED: [_allowed(count, MOST_SECONDS_OF_A_TABLE)]}
    required = {(f"{name}, {SOME}", ALLOWED): 1.0 for name in (IN_POSTGRESQL, IN_SQLITE)}
    report.add("ERP's list: a table", count, {**measured, **allowed}, required)


def _values(rows: Path) -> Iterator[list[str]]:
    with rows.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


def _allowed(rows: int, seconds: float) -> Measured:
    return Measured(rows / 1e6 * seconds, 0)


def _measure_busy(report: Report, directory: Path) -> None:
    """Measure runs in which nearly all rows have changed and many keys have new units."""
    erp, events = directory / "busy.csv", directory / "busy.jsonl"
    measured: dict[str, list[Measured]] = {}
    with PostgreSql() as server:
        urls = {ON_SQLITE: f"sqlite:///{directory / 'busy.db'}", ON_POSTGRESQL: server.new_database()}
        for name, url in urls.items():
            shop = Shop(directory, {"on_hand_url": str(erp), "ledger_url": url})
            for number in range(BUSY_RUNS):
                _write(erp, BUSY_ROWS + ROWS_PER_EVENT, added=number)
                _write_events(events, number * BUSY_EVENTS)
                run = shop.run(events)
                if number:
                    measured.setdefault(name, []).append(run)
    report.add("ERP's list: busy run", BUSY_ROWS, measured, {(ON_POSTGRESQL, ON_SQLITE): 1 / MOST_BUSY})


def _write_events(path: Path, first: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(schema())
        for number in range(first + 1, first + BUSY_EVENTS + 1):
            file.write(json.dumps(record(2 * number + 1, number * 7 % BUSY_KEYS)) + "\n")
        file.write(state(2 * (first + BUSY_EVENTS) + 1))


def _write(path: Path, size: int, *, changed: int = 0, added: int = 0) -> None:
    """Write a list; `changed` is added to one quantity of 250, `added` to all."""
    with path.open("w", encoding="utf-8") as file:
        file.write("fulfillment_node_id,product_id,quantity,as_of_logical_timestamp\n")
        for key in range(size):
            quantity = 1000 + key * 7919 % 50 + added + (changed if key % CHANGED == 0 else 0)
            file.write(f"DC{key % NODES:02d},SKU-{key // NODES:06d},{quantity},\n")
