"""How long each page of `newstore-stock-ledger serve` takes on a ledger of many keys and months of imports."""

from __future__ import annotations

import time
import typing as t

import requests
import sqlalchemy as sa
from mapper_newstore_stock.ledger import opening
from mapper_newstore_stock.ledger.database import open_ledger_engine

from tests.benchmarks.measuring import Measured
from tests.shop.postgresql import PostgreSql
from tests.shop.process import Process, command

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Report

#: Ninety days of a run each quarter of an hour, and what each of them sent.
CUTS, KEYS_A_CUT = 8_640, 100
HELD, TIMES, SECONDS = 10_000, 20, 60
MOST_SEARCH, MOST_PAGE = 0.2, 0.3
PAGES = {
    "search, a product in 20 locations": "/keys?q=SKU-10200000",
    "search, many products": "/keys?q=SKU-1",
    "search, a location": "/keys?q=DC2",
    "search, nothing": "/keys?q=ZZZ",
    "overview": "/",
    "key": "/key?node=DC10&product=SKU-10000000",
    "imports": "/imports",
    "attention": "/attention",
    "health": "/health",
}
NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count} - 1) "
#: A key as the statements below make it of a number.
KEY = "'DC' || (10 + n % 20), 'SKU-' || (10000000 + n / 20)"
STATEMENTS = {
    f"""INSERT INTO on_hand (fulfillment_node_id, product_id, quantity, changed_run, sent_quantity, sent_cut)
     {NUMBERS} SELECT {KEY}, 10, 1, 10, 1 FROM numbers ORDER BY 1, 2""": "size",
    f"""INSERT INTO cut_item (cut, fulfillment_node_id, product_id, quantity, on_hand, completed, added_back)
     {NUMBERS} SELECT 1, {KEY}, 10, 10, 0, 0 FROM numbers ORDER BY 2, 3""": "size",
    f"""INSERT INTO completed_unit
     (fulfillment_node_id, product_id, logical_timestamp, event_id, units, late, run, cut)
     {NUMBERS} SELECT {KEY}, n + 100, 'completed-' || n, 1, n % 50 = 0, 2, 2 FROM numbers WHERE n % 5 = 0
     ORDER BY 1, 2""": "size",
    f"""INSERT INTO run (run, run_id, host, process, started_at, acknowledged_cut, taken_through)
     {NUMBERS} SELECT n + 1, 'r' || n, 'host', 1, '2026-01-01T00\\:00\\:00+00\\:00', n, n FROM numbers""": "cuts",
    f"""INSERT INTO cut (cut, run, logical_timestamp_start, logical_timestamp_end, mark, size)
     {NUMBERS} SELECT n + 1, n + 1, n * 100, n * 100 + 99, n * 100 + 99, 100 FROM numbers""": "cuts",
    f"""INSERT INTO cut_item (cut, fulfillment_node_id, product_id, quantity, on_hand, completed, added_back)
     {NUMBERS} SELECT 2 + n / {KEYS_A_CUT}, {KEY.replace("n ", f"n % {KEYS_A_CUT} ")}, 9, 10, 1, 0 FROM numbers
     ORDER BY 1, 2, 3""": "items",
    f"""INSERT INTO held_key (fulfillment_node_id, product_id, kind, reason, since)
     {NUMBERS} SELECT 'DC10', 'NEW-' || n, 'held', 'no row', '2026-01-01T00\\:00\\:00+00\\:00' FROM numbers""": "held",
}


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure each page on a ledger of so many keys; the rates are pages a second.

    Raises:
        RuntimeError: a page takes longer than it may.
    """
    del rounds
    with PostgreSql() as server:
        urls = {"SQLite": f"sqlite:///{directory / 'ledger.db'}", "PostgreSQL": server.new_database()}
        for name, url in urls.items():
            fill(url, size)
            words = [command("newstore-stock-ledger"), "--ledger-url", url, "serve", "--port", "0"]
            with Process(words, directory / f"{name}.log") as process:
                served = process.wait_for(r"listening on (http://\S+)")[1]
                measured = {f"{page}, {name}": [_ask(served + path)] for page, path in PAGES.items()}
            report.add(f"page: {size:,} keys", 1, measured, {})
            _check(measured)


def fill(url: str, size: int) -> None:
    """Write a ledger of so many keys."""
    engine = open_ledger_engine(url)
    counts = {"size": size, "cuts": CUTS, "items": (CUTS - 1) * KEYS_A_CUT, "held": HELD}
    with engine.connect() as connection:
        opening.open_schema(connection)
        for statement, count in STATEMENTS.items():
            connection.execute(sa.text(statement.format(count=counts[count])))
        connection.commit()
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()


def _ask(url: str) -> Measured:
    """Return the longest of several answers, the first left out: the database has read nothing by then."""
    session, longest = requests.Session(), 0.0
    for number in range(TIMES):
        begun = time.perf_counter()
        session.get(url, timeout=SECONDS).raise_for_status()
        longest = max(longest, time.perf_counter() - begun) if number else 0.0
    return Measured(longest, 0.0)


def _check(measured: dict[str, list[Measured]]) -> None:
    for page, (slowest,) in measured.items():
        most = MOST_SEARCH if page.startswith("search") else MOST_PAGE
        if slowest.seconds > most:
            raise RuntimeError(f"{page}: {slowest.seconds * 1000:.0f} ms, more than {most * 1000:.0f}")
