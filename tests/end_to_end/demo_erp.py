"""A day in a shop whose stock is kept in an ERP on PostgreSQL, in both directions: `make demo-erp`.

Three locations, 200 products; orders, shipments, failures, a delivery of goods, a count that corrects a number. The ERP
books in an order of its own: half of what waits, the highest timestamps first. Landing store, ledger and ERP are
PostgreSQL databases. At every moment NewStore's numbers must be those of the shelf, and at the end those of the ERP and
the ledger too; otherwise the exit code is 1.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import typing as t

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from tests.end_to_end.meltano_job import PROJECT, in_sandbox, run_job
from tests.shop.erp_database import ErpDatabase
from tests.shop.newstore import NewStore
from tests.shop.plugin import run_plugin
from tests.shop.postgresql import PostgreSql
from tests.shop.process import command, environment
from tests.shop.receiver import Receiver

#: By day the ERP gets the changes and books them itself; in the evening it books all that is left.
BY_DAY = "newstore-stock-sync tap-newstore-fulfillment newstore-allocations target-postgres"
IN_THE_EVENING = "newstore-both-ways"
#: The numbers, each with the highest timestamp booked in it: what the form `column` is not for.
WITH_THE_HIGHEST = """
SELECT fulfillment_node_id, product_id, quantity, (
    SELECT max(logical_timestamp) FROM newstore.stock_movement AS m
    WHERE m.fulfillment_node_id = s.fulfillment_node_id AND m.product_id = s.product_id
        AND booked_at IS NOT NULL AND on_hand_delta < 0
) AS as_of_logical_timestamp FROM newstore.stock_on_hand AS s
"""
LOCATIONS = {"DC01": "dc", "NYC1": "store", "LON1": "store"}
PRODUCTS = [f"SKU-{number:03}" for number in range(1, 201)]
KEYS = [(node, product) for node in LOCATIONS for product in PRODUCTS]
#: The key whose count finds two units fewer than the books say.
MISCOUNTED = ("NYC1", "SKU-001")
Key = tuple[str, str]

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Day:
    """A day in four parts, each followed by a run of both directions.

    Args:
        directory: Where the demo keeps its files; emptied first.
        console: Where the day is printed.
        parts: Only these parts of the day; default: all.

    Attributes:
        page: Path of the HTML page written at the end.
        sold_twice: Units that would have been sold twice, at each moment, if a number contained all up to the highest
            timestamp booked in it.
        units_lost_by_the_erp: Units removed from the ERP's books unnoticed; any but 0 must be found at the end.
    """

    def __init__(self, directory: Path, console: Console, parts: tuple[str, ...] = ()) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._directory = directory
        self._parts = parts
        self._console = console
        self._random = random.Random(1)
        self._open: list[str] = []
        self._wrong: list[str] = []
        self._table = Table(title="Units, all locations")
        columns = ("moment", "shelf", "ERP's books", "NewStore", "right keys", 'sold twice by "as of the highest"')
        for column in columns:
            self._table.add_column(column, justify="left" if column == "moment" else "right")
        self.page = directory / "report.html"
        self.sold_twice: list[int] = []
        self.units_lost_by_the_erp = 0

    def live(self) -> bool:
        """Run the day; return whether all numbers were right at its end."""
        with contextlib.ExitStack() as running:
            server = running.enter_context(PostgreSql())
            self._landing, self._ledger = server.new_database(), server.new_database()
            self._erp = ErpDatabase(server.new_database())
            receiver = running.enter_context(Receiver(self._directory, landing_url=self._landing))
            self._newstore = running.enter_context(NewStore(self._directory, webhook_url=receiver.events_url))
            self._receiver_url = receiver.url
            self._open_the_shop()
            receiver.post(b"not an event")
            steps: dict[str, Callable[[], None]] = {
                "morning": lambda: self._trade("morning", orders=120, shipped=80, failed=5),
                "delivery": self._take_delivery,
                "noon": lambda: self._trade("noon", orders=120, shipped=100, failed=10),
                "count": self._count,
                "afternoon": lambda: self._trade("afternoon", orders=120, shipped=120, failed=5),
                "evening": lambda: self._trade("evening", orders=0, shipped=20, failed=0),
            }
            for name in self._parts or steps:
                steps[name]()
            if self.units_lost_by_the_erp:
                self._erp.receive_goods(*KEYS[-1], -self.units_lost_by_the_erp)
            self._check_the_end()
            self._write_page()
        self._console.print(self._table)
        for wrong in self._wrong:
            self._console.print(f"[bold red]wrong[/]: {wrong}")
        if not self._wrong:
            self._console.print(f"ERP, ledger and NewStore are equal to the unit in {len(KEYS)} keys.")
            self._console.print(
                f"NewStore was right at every moment. As of the highest timestamp booked in each number, up to "
                f"{max(self.sold_twice)} units would have been sold twice."
            )
        self._console.print(f"Page: {self.page}", soft_wrap=True)
        return not self._wrong

    def _open_the_shop(self) -> None:
        for node, kind in LOCATIONS.items():
            self._newstore.add_location(node, kind)
        stock = {key: self._random.randint(5, 40) for key in KEYS}
        self._newstore.set_all_stock(stock)
        self._erp.count_all(stock)
        self._console.print(f"{len(LOCATIONS)} locations, {len(PRODUCTS)} products, {sum(stock.values())} units.")

    def _trade(self, part: str, *, orders: int, shipped: int, failed: int) -> None:
        """Take orders, ship and fail some of the open ones, and run both directions."""
        for _ in range(orders):
            node = self._random.choice(list(LOCATIONS))
            self._open.append(self._newstore.order(node, *self._random.choices(PRODUCTS, k=self._random.randint(1, 3))))
        self._random.shuffle(self._open)
        for _ in range(failed):
            self._newstore.fail(self._open.pop())
        for _ in range(min(shipped, len(self._open))):
            self._newstore.ship(self._open.pop())
        self._newstore.wait_for_delivery()
        self._console.print(f"{part.capitalize()}: {orders} orders, {shipped} shipped, {failed} failed.")
        self._wrong += run_job(IN_THE_EVENING if part == "evening" else BY_DAY, self._console, self._settings())
        if part != "evening":
            self._erp.book_latest(sum(self._erp.waiting().values()) // 2)
        self._look(part)

    def _take_delivery(self) -> None:
        keys = self._random.sample(KEYS, 60)
        for key in keys:
            self._newstore.receive_goods(*key, 12)
            self._erp.receive_goods(*key, 12)
        self._console.print(f"A delivery: 12 units more in {len(keys)} keys.")

    def _count(self) -> None:
        """Count a product of which two units are missing that nobody has booked."""
        self._newstore.receive_goods(*MISCOUNTED, -2)
        name, counted = "/".join(MISCOUNTED), int(self._newstore.numbers(*MISCOUNTED)["shelf"])
        book, waiting = self._erp.numbers()[MISCOUNTED]["quantity"], self._erp.waiting().get(MISCOUNTED, 0)
        self._erp.count(*MISCOUNTED, counted)
        self._console.print(
            f"{name} is counted: {counted}. The books said {book}, with {waiting} units not booked yet."
        )
        if book - waiting - counted != 2:
            self._wrong.append(f"the books of {name} said {book} at the count, expected {counted + waiting + 2}")

    def _settings(self) -> dict[str, str]:
        """Return the settings that differ from the environment `sandbox` in meltano.yml."""
        return {
            **in_sandbox(self._directory, self._newstore),
            "TAP_NEWSTORE_FULFILLMENT_LANDING_URL": self._landing,
            "MAPPER_NEWSTORE_STOCK_LEDGER_URL": self._ledger,
            "MAPPER_NEWSTORE_STOCK_ON_HAND_URL": self._erp.url,
            "MAPPER_NEWSTORE_STOCK_ON_HAND_TABLE": "newstore.stock_on_hand",
            "MAPPER_NEWSTORE_STOCK_ON_HAND_UPDATED_COLUMN": "updated_at",
            "MAPPER_NEWSTORE_STOCK_ON_HAND_AS_OF": "booked",
            "MAPPER_NEWSTORE_STOCK_BOOKED_TABLE": "newstore.stock_booked",
            "TARGET_POSTGRES_SQLALCHEMY_URL": self._erp.url,
            "NEWSTORE_ERP_POSTGRESQL_DATABASE_URL": self._erp.url,
            "NEWSTORE_ERP_POSTGRESQL_LEDGER_URL": self._ledger,
        }

    def _newstores_rows(self) -> dict[Key, dict[str, t.Any]]:
        rows = self._newstore.truth()["keys"]
        return {(row["fulfillment_node_id"], row["product_id"]): row for row in rows}

    def _look(self, moment: str) -> None:
        newstore, erp = self._newstores_rows(), self._erp.numbers()
        right = sum(newstore[key]["on_hand"] == newstore[key]["shelf"] for key in KEYS)
        if right < len(KEYS):
            self._wrong.append(f"{moment}: NewStore's numbers are those of the shelf in {right} of {len(KEYS)} keys")
        by_highest = self._with_the_highest(moment)
        self.sold_twice.append(sum(max(0, by_highest[key] - newstore[key]["shelf"]) for key in KEYS))
        totals = [
            sum(row["shelf"] for row in newstore.values()),
            sum(row["quantity"] for row in erp.values()),
            sum(row["on_hand"] for row in newstore.values()),
            right,
            self.sold_twice[-1],
        ]
        self._table.add_row(moment, *map(str, totals))

    def _with_the_highest(self, moment: str) -> dict[Key, int]:
        """Return what the mapper would send if a number contained all up to the highest timestamp booked in it."""
        settings = {
            "ledger_url": f"sqlite:///{self._directory / f'{moment}.db'}",
            "on_hand_url": self._erp.url,
            "on_hand_query": WITH_THE_HIGHEST,
            "on_hand_as_of": "column",
        }
        done = run_plugin("mapper-newstore-stock", self._directory, settings, messages=self._events().decode())
        assert done.code == 0, done.log
        return {(row["fulfillment_node_id"], row["product_id"]): row["quantity"] for row in done.records}

    def _check_the_end(self) -> None:
        """Compare ERP, ledger and NewStore with each other and with the true shelf."""
        newstore, erp, ledger = self._newstores_rows(), self._erp.numbers(), self._ledgers_numbers()
        for key in KEYS:
            seen = {
                "shelf": newstore[key]["shelf"],
                "ERP": erp[key]["quantity"],
                "ledger": ledger.get(key),
                "NewStore": newstore[key]["on_hand"],
            }
            if len(set(seen.values())) > 1:
                self._wrong.append(f"{'/'.join(key)}: {seen}")
            if erp[key]["allocated"] != newstore[key]["allocations"]:
                allocations = newstore[key]["allocations"]
                self._wrong.append(f"{'/'.join(key)}: {erp[key]['allocated']} allocated, NewStore says {allocations}")
        if self._newstore.truth()["ever_oversold"]:
            self._wrong.append("NewStore promised more than was on the shelf")

    def _ledgers_numbers(self) -> dict[Key, int]:
        engine = sa.create_engine(self._ledger, poolclass=sa.NullPool)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT fulfillment_node_id, product_id, quantity FROM latest").all()
        return {(row[0], row[1]): row[2] for row in rows}

    def _write_page(self) -> None:
        """Write the page from the ledger, the tap's events, the receiver and NewStore."""
        settings = self._newstore.target_settings
        arguments = ["--ledger-url", self._ledger, "report", "--html", str(self.page)]
        arguments += ["--receiver-url", self._receiver_url, "--events", "-"]
        for key in (MISCOUNTED, *self._erp.busiest_keys(2)):
            arguments += ["--key", "/".join(key)]
        for name in ("api_url", "auth_url", "client_id", "client_secret"):
            arguments += [f"--{name.replace('_', '-')}", settings[name]]
        written = subprocess.run(
            [command("newstore-stock-ledger"), *arguments],
            input=self._events(),
            env=environment(),
            capture_output=True,
            check=False,
        )
        if written.returncode:
            self._wrong.append(f"the page was not written: {written.stderr.decode().strip()}")

    def _events(self) -> bytes:
        """Return all the tap's messages."""
        config = self._directory / "tap.json"
        config.write_text(json.dumps({"landing_url": self._landing, "settle_seconds": 0}), encoding="utf-8")
        tap = [command("tap-newstore-fulfillment"), "--config", str(config)]
        with (self._directory / "tap.log").open("wb") as log:
            return subprocess.run(tap, env=environment(), stdout=subprocess.PIPE, stderr=log, check=True).stdout


def main() -> int:
    """Run the day in the checkout's `.sandbox/erp` directory."""
    return 0 if Day(PROJECT / ".sandbox" / "erp", Console()).live() else 1


if __name__ == "__main__":
    sys.exit(main())
