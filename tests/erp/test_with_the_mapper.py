"""ERP and mapper together over random days: NewStore never promises too much, and at rest all are equal.

Events arrive in any order and later than NewStore promises. Both pipelines read what has arrived, one after the other,
as the job `newstore-both-ways` runs them. The mapper has its own ledger, the ERP a real PostgreSQL.
"""

from __future__ import annotations

import os
import tempfile
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from newstore_erp_postgresql import stock

from tests.mapper.shop_day import ShopDay, completed
from tests.shop.erp_database import ErpDatabase

if t.TYPE_CHECKING:
    from tests.shop.postgresql import PostgreSql

DAYS = int(os.environ.get("ERP_DAYS", "8"))
PRODUCTS = ("A", "B")
TABLES = "stock_changes, stock_movement, stock_on_hand"
#: What may happen next: a unit of A or B ships, one of the first three waiting events arrives, goods arrive, a product
#: is counted, or both pipelines run, with or without an event that arrives between them.
STEP = st.sampled_from(
    [
        "ship A",
        "ship A",
        "ship B",
        "come 0",
        "come 0",
        "come 1",
        "come 2",
        "goods A",
        "count A",
        "run",
        "run",
        "run late",
    ]
)


class Shop:
    """A shelf, undelivered events, the ERP's database and a mapper that reads it."""

    form: t.ClassVar[dict[str, t.Any]] = {"on_hand_as_of": "column"}

    def __init__(self, directory: Path, erp: ErpDatabase) -> None:
        self._erp = erp
        self._day = ShopDay(directory, on_hand_url=erp.url, on_hand_table="newstore.stock_on_hand", **self.form)
        self._ledger = self._day.settings["ledger_url"]
        self._timestamp = 0
        self._waiting: list[dict[str, t.Any]] = []
        self._came: list[dict[str, t.Any]] = []
        self._read = {"mapper": 0, "erp": 0}
        self.shelf = dict.fromkeys(PRODUCTS, 100)
        self.sent: dict[str, int] = {}
        for product, units in self.shelf.items():
            erp.count("DC01", product, units)

    def do(self, step: str) -> None:
        what, _, which = step.partition(" ")
        if what == "ship":
            self._timestamp += 1
            self.shelf[which] -= 1
            self._waiting.append(completed(self._timestamp, which))
        elif what == "come" and self._waiting:
            self._came.append(self._waiting.pop(min(int(which), len(self._waiting) - 1)))
        elif what == "goods":
            self.shelf[which] += 5
            self._erp.receive_goods("DC01", which, 5)
        elif what == "count":
            self._erp.count("DC01", which, self.shelf[which], self._timestamp or None)
        elif what == "run":
            self._to_newstore()
            if which:
                self.do("come 2")
            self._to_the_erp()

    def come_to_rest(self) -> None:
        """Deliver everything and one event of another product, then run until all is settled."""
        while self._waiting:
            self.do("come 0")
        for _ in range(2):
            self.do("run")
        self.do("ship B")
        self.do("come 0")
        self.do("run")
        # Beside a row as it stands a late event counts until the row changes once more (design rule 4).
        for product in PRODUCTS:
            self.do(f"goods {product}")
        for _ in range(3):
            self.do("run")

    def erps_numbers(self) -> dict[str, int]:
        return {key[1]: row["quantity"] for key, row in self._erp.numbers().items()}

    def _to_newstore(self) -> None:
        events = sorted(self._new("mapper"), key=lambda event: event["logical_timestamp"])
        for cut in self._day.run(*events):
            self.sent |= {key[1]: quantity for key, quantity in cut.quantities.items()}
        for product, quantity in self.sent.items():
            # To the mapper, units it cannot know of yet are still on the shelf.
            unknown = sum(event["items"][0]["product_id"] == product for event in self._waiting)
            assert quantity <= self.shelf[product] + unknown, product

    def _to_the_erp(self) -> None:
        events = self._new("erp")
        self._erp.load(
            *((e["event_id"], "DC01", e["items"][0]["product_id"], e["logical_timestamp"], -1, -1) for e in events)
        )
        self._book()

    def _book(self) -> None:
        stock.apply(self._erp.url, stock.taken_by(self._ledger))

    def _new(self, reader: str) -> list[dict[str, t.Any]]:
        new = self._came[self._read[reader] :]
        self._read[reader] = len(self._came)
        return new


class BooksInAnyOrder(Shop):
    """The ERP books half of what waits, the highest timestamps first, and lists it."""

    form: t.ClassVar[dict[str, t.Any]] = {"on_hand_as_of": "booked", "booked_table": "newstore.stock_booked"}

    def come_to_rest(self) -> None:
        super().come_to_rest()
        while self._erp.waiting():
            self.do("run")
        self.do("run")

    def _book(self) -> None:
        self._erp.book_latest((sum(self._erp.waiting().values()) + 1) // 2)


@pytest.fixture(scope="module")
def erp(postgresql: PostgreSql) -> ErpDatabase:
    return ErpDatabase(postgresql.new_database())


@pytest.mark.parametrize("kind", [Shop, BooksInAnyOrder])
@given(steps=st.lists(STEP, max_size=24))
@example(steps=["ship A", "ship A", "come 1", "run", "run late", "run", "goods A"])
@example(steps=["ship A", "ship A", "come 1", "run", "count A", "come 0", "run", "run"])
@example(steps=["ship A", "come 0", "run", "ship A", "ship A", "run late", "come 0", "run"])
@example(steps=["ship A", "run late", "ship A", "ship A", "come 2", "run late"])
@settings(max_examples=DAYS, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_newstore_is_never_told_too_much_and_at_rest_all_are_equal(
    erp: ErpDatabase, kind: type[Shop], steps: list[str]
) -> None:
    with erp.engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {', '.join(f'newstore.{name}' for name in TABLES.split(', '))}"))
    with tempfile.TemporaryDirectory() as directory:
        shop = kind(Path(directory), erp)
        for step in steps:
            shop.do(step)
        shop.come_to_rest()
        assert shop.erps_numbers() == shop.shelf
        assert shop.sent == shop.shelf
