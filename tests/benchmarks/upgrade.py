"""The upgrade of a large ledger of 0.1.0's layout."""

from __future__ import annotations

import functools
import typing as t

import sqlalchemy as sa

from tests.benchmarks.measuring import run_process
from tests.shop.postgresql import PostgreSql
from tests.shop.process import command
from tests.upgrades.stores import VERSIONS, kind_of, load

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.measuring import Measured, Report

NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :size - 1) "
#: A key as the statements below make it of a number.
KEY = "'DC' || (10 + n % 20), 'SKU-' || (10000000 + n / 20)"
#: Of five keys one has a completed unit; of ten units one came late.
KEYS = f"INSERT INTO on_hand {NUMBERS} SELECT {KEY}, 10, NULL, 1, 10, 2 FROM numbers ORDER BY 1, 2"
UNITS = (
    f"INSERT INTO completed_unit {NUMBERS} SELECT {KEY}, n + 100,"
    " 'fulfillment_request.items_completed:00000000-0000-0000-0000-' || (100000000000 + n) || ':' || n,"
    " 1, n % 50 = 0, 2, 2 FROM numbers WHERE n % 5 = 0 ORDER BY 1, 2"
)


def measure(report: Report, size: int, rounds: int, directory: Path) -> None:
    """Measure `newstore-stock-ledger upgrade` of a ledger of so many keys."""
    del rounds
    with PostgreSql() as server:
        urls = {"SQLite": f"sqlite:///{directory / 'ledger.db'}", "PostgreSQL": server.new_database()}
        measured: dict[str, list[Measured]] = {}
        for name, url in urls.items():
            fill(load(url, VERSIONS[0] / f"ledger.{kind_of(url)}.sql"), size)
            upgrade = functools.partial(run_process, [command("newstore-stock-ledger"), "--ledger-url", url, "upgrade"])
            measured[f"ledger of 0.1.0 on {name}"] = [upgrade()]
        report.add("upgrade: ledger, keys", size, measured, {})


def fill(url: str, size: int) -> None:
    """Add keys to a ledger of 0.1.0, and completed units for some of them."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in (KEYS, UNITS):
            connection.execute(sa.text(statement), {"size": size})
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()
