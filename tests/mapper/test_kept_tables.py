"""A SQL source is compared with its rows of the last run: what comes of it is what comes of reading all of them.

TABLES says how many random tables are read both ways (`make fuzz`: ten thousand).
"""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import typing as t

import psycopg
import pytest
import sqlalchemy as sa
from mapper_newstore_stock.run.line_diff import CannotCompareError
from mapper_newstore_stock.run.sql_rows import rows_of

from tests.mapper.both_ways import BothWays
from tests.mapper.shop_day import Ledgers, completed

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

pytestmark = pytest.mark.usefixtures("short_lists_are_kept")
TABLES = int(os.environ.get("TABLES", "60"))
TABLES_OF_A_STORY = 8
PRODUCTS = ("A", "Ä", "名", '"q"', "a\nb", "a\tb", "a\\b", "a=b", "50%", " A", "x" * 256, "", None, "12", "tester")
NODES = ("DC01", "NYC1", "IGNORED", " DC01", "", None)
#: What only SQLite keeps in such columns as it is.
LOOSE = ("7", "x", 12.0, 0.5, b"8", 2**62, 1e300)
HAPPENS = ("quantity", "quantity", "says", "new", "new", "gone", "moved", "twice")


class Table:
    """The ERP's table, and what happens to it.

    Args:
        seed: Gives all of it.
        write: Executes a statement on the ERP's database.
        loose: Quantities besides whole numbers.
    """

    def __init__(self, seed: int, write: t.Callable[..., object], loose: tuple[t.Any, ...]) -> None:
        self.chance = random.Random(seed)
        self._write = write
        self._odd = loose if self.chance.random() < 0.4 else ()
        self.products: list[str] = []
        for _ in range(self.chance.randint(2, 12)):
            self._add()

    def _add(self) -> None:
        chance = self.chance
        node: str | None = chance.choice(NODES[:2])
        product: str | None = f"SKU-{chance.randrange(10**6)}"
        if self._odd and chance.random() < 0.2:
            node, product = chance.choice(NODES), chance.choice(PRODUCTS)
        self.products.append(product or "A")
        self._write("INSERT INTO stock VALUES ({0}, {0}, {0}, {0})", node, product, self._quantity(), self._says())

    def _quantity(self) -> t.Any:
        if self._odd and self.chance.random() < 0.2:
            return self.chance.choice([*self._odd, None, -2, 10**11, 10**11 - 1])
        return self.chance.randrange(20)

    def _says(self) -> int | None:
        return self.chance.choice([None, None, 5])

    def go_on(self) -> None:
        """Let the ERP change some rows."""
        for _ in range(self.chance.choice([0, 1, 1, 2, 4])):
            product = self.chance.choice(self.products)
            match self.chance.choice(HAPPENS):
                case "quantity":
                    self._write("UPDATE stock SET quantity = {0} WHERE product_id = {0}", self._quantity(), product)
                case "says":
                    self._write("UPDATE stock SET as_of_logical_timestamp = {0} WHERE product_id = {0}", 5, product)
                case "new":
                    self._add()
                case "gone":
                    self._write("DELETE FROM stock WHERE product_id = {0}", product)
                case "moved":
                    self._write("UPDATE stock SET product_id = {0} WHERE product_id = {0}", product, product)
                case "twice" if self.chance.random() < 0.2:
                    self._write("INSERT INTO stock SELECT * FROM stock WHERE product_id = {0}", product)


class Erp(t.NamedTuple):
    """An ERP.

    Attributes:
        url: Its SQLAlchemy URL.
        write: Executes a statement.
        loose: Quantities it may hold besides whole numbers.
    """

    url: str
    write: t.Callable[..., object]
    loose: tuple[t.Any, ...]


@contextlib.contextmanager
def sqlite_erp(path: Path) -> Iterator[Erp]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TABLE stock (fulfillment_node_id, product_id, quantity, as_of_logical_timestamp INTEGER)"
        )
        yield Erp(f"sqlite:///{path}", lambda text, *values: connection.execute(text.format("?"), values), LOOSE)


@contextlib.contextmanager
def postgresql_erp(server: PostgreSql) -> Iterator[Erp]:
    url = server.new_database()
    address = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE stock (fulfillment_node_id text, product_id varchar(300), quantity numeric,"
            " as_of_logical_timestamp bigint)"
        )
        yield Erp(url, lambda text, *values: connection.execute(text.format("%s"), values), (0.5, "NaN", 10**20))


@pytest.mark.fault("F35")
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_both_ways_send_and_say_the_same_of_a_table(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers], request: t.Any
) -> None:
    server = request.getfixturevalue("postgresql") if database == "postgresql" else None
    tables = compared = 0
    for seed in range(TABLES // TABLES_OF_A_STORY // 2):
        with postgresql_erp(server) if server else sqlite_erp(tmp_path / f"{seed}.db") as erp:
            table = Table(seed, erp.write, erp.loose)
            ways = BothWays(tmp_path / str(seed), caplog, ledgers, on_hand_url=erp.url, **settings(table, seed))
            for step in range(TABLES_OF_A_STORY):
                try:
                    ways.run(completed(step + 1, table.chance.choice(table.products)))
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, table {step}") from error
                table.go_on()
        tables, compared = tables + TABLES_OF_A_STORY, compared + ways.compared
    assert compared > tables / 8


def settings(table: Table, seed: int) -> dict[str, t.Any]:
    query = "SELECT * FROM stock WHERE product_id IS NULL OR product_id NOT LIKE 'no%'"
    return {
        "ignored_nodes": ["IGN*"],
        "ignored_products": ["test*"],
        "vanished_rows": table.chance.choice(["zero", "keep"]),
        "max_vanished_percent": 90,
        "max_held_percent": 90,
        "negative_on_hand": "zero",
        **({"on_hand_query": query} if seed % 2 else {"on_hand_table": "stock"}),
    }


@pytest.mark.parametrize(
    "line", ["DC01,A,5,", "5", '["DC01",["grams","5"]]', '["DC01",["decimal","x"]]', '["DC01",[5]]']
)
def test_a_line_that_no_row_was_written_as_is_not_read(line: str) -> None:
    with pytest.raises(CannotCompareError):
        list(rows_of([(1, line.encode() + b"\n")]))
