"""What one product the ERP's list does not have costs a run (design rule 13): beside the same run without it.

Its completion is in the middle of the run's, so the range is split around it. It is held for good: the next run is
measured too.
"""

from __future__ import annotations

import json
import sqlite3
import typing as t

from tests.benchmarks.bookings import Shop
from tests.benchmarks.ledger import NODES, ROWS_PER_EVENT, record, schema, state
from tests.shop.postgresql import PostgreSql

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

#: How many times the time a run may take.
MOST_TIME = 1.2
ALL_KNOWN, ONE_UNKNOWN = "all known", "one unknown"
ON_SQLITE, ON_POSTGRESQL = "ledger on SQLite", "ledger on PostgreSQL"
RUNS = ("first run", "next run")


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure `size` events beside five times as many keys, twice: the unknown product's run, and the next one."""
    erp = directory / "erp.db"
    _write_erp(erp, size * ROWS_PER_EVENT)
    nothing = directory / "nothing.jsonl"
    nothing.write_text(schema() + state(1), encoding="utf-8")
    measured: list[dict[str, list[Measured]]] = [{}, {}]
    with PostgreSql() as server:
        for number in range(rounds):
            for place, ledger in _ledgers(directory, number, server).items():
                for way in (ALL_KNOWN, ONE_UNKNOWN):
                    settings = {"on_hand_url": f"sqlite:///{erp}", "on_hand_table": "stock", "ledger_url": ledger()}
                    shop = Shop(directory, settings)
                    shop.run(nothing)
                    for part, figures in enumerate(measured):
                        events = directory / "events.jsonl"
                        _write_events(events, size, part, has_unknown=way == ONE_UNKNOWN and not part)
                        figures.setdefault(f"{way}, {place}", []).append(shop.run(events))
    required = {
        (f"{ONE_UNKNOWN}, {place}", f"{ALL_KNOWN}, {place}"): 1 / MOST_TIME for place in (ON_SQLITE, ON_POSTGRESQL)
    }
    for run, figures in zip(RUNS, measured, strict=True):
        report.add(f"held keys: {run}", size, figures, required)


def _ledgers(directory: Path, number: int, server: PostgreSql) -> dict[str, Callable[[], str]]:
    files = iter(range(2))
    return {
        ON_SQLITE: lambda: f"sqlite:///{directory / f'held-{number}-{next(files)}.db'}",
        ON_POSTGRESQL: server.new_database,
    }


def _write_events(path: Path, size: int, part: int, *, has_unknown: bool) -> None:
    """Write events of keys all over the table; odd timestamps are completions, one of them of an unknown product."""
    first, keys = part * size, size * ROWS_PER_EVENT
    with path.open("w", encoding="utf-8") as file:
        file.write(schema())
        for at in range(first + 1, first + size + 1):
            event = record(at, _key(at, keys))
            if has_unknown and at == first + size // 2 + 1:
                event["record"]["items"][0]["product_id"] = "NOBODY-KNOWS-IT"
            file.write(json.dumps(event) + "\n")
        file.write(state(first + size))


def _key(number: int, size: int) -> int:
    # 7919 is prime, so every number occurs once.
    return number * 7919 % size


def _write_erp(path: Path, size: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INTEGER,"
            " as_of_logical_timestamp INTEGER)"
        )
        keys = (_key(number, size) for number in range(size))
        rows = ((f"DC{key % NODES:02d}", f"SKU-{key // NODES:06d}", 100_000, None) for key in keys)
        connection.executemany("INSERT INTO stock VALUES (?, ?, ?, ?)", rows)
    connection.close()
