"""Bookings are compared with those of the last run: what comes of it is what comes of reading all of them.

BOOKINGS says how many random lists are read both ways (`make fuzz`: ten thousand).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.tables import ledger as ledger_table
from mapper_newstore_stock.ledger.tables import run as run_table

from tests.mapper.both_ways import BOOKINGS_COMPARED, BothWays, meddle, messages
from tests.mapper.sql_erp import SKU, SqlErp, a_completion, a_day, booked_by

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.mapper.shop_day import Ledgers, ShopDay

pytestmark = pytest.mark.usefixtures("short_lists_are_kept")
LISTS = int(os.environ.get("BOOKINGS", "200"))
LISTS_OF_A_STORY = 12
KEEP_DAYS = 10
PRODUCTS = ("SKU-1", "SKU-2", "名")
FORMS: list[dict[str, t.Any]] = [
    booked_by("event_id"),
    booked_by("event_id", "product_id", "units"),
    booked_by("fulfillment_request_id", "product_id", "units"),
    booked_by("order_id", "product_id", "units", "fulfillment_node_id"),
    {**booked_by("order_id", "product_id"), "booked_reversible": True},
]
WITHOUT_BOOKINGS = {"on_hand_as_of": "current", "booked_table": None, "booked_columns": None}
#: Products and units of bookings that cannot be used, or only just.
ODD = [("SKU-1", None), ("SKU-1", -1), ("SKU-1", "x"), (None, 1), ("SKU-1", 1.0), (" SKU-1", 1)]
ODD += [("SKU-1", 10**11), ("SKU-1", 10**11 - 1)]


class Story:
    """A shop whose ERP books what it likes.

    Args:
        seed: Gives all of it.
        directory: For the ERP's database.
    """

    def __init__(self, seed: int, directory: Path) -> None:
        self.chance = random.Random(seed)
        self.erp = SqlErp(directory / "erp.db")
        self._path = directory / "erp.db"
        self._last = 100
        self._events: list[dict[str, t.Any]] = []
        self._ahead: list[dict[str, t.Any]] = []
        for product in PRODUCTS:
            self.erp.count("DC01", product, 50)
            self.erp.count("NYC1", product, 50)

    def events(self) -> list[dict[str, t.Any]]:
        """Return what NewStore sends next: new events, late ones, some ahead of the mark, and some again."""
        chance, events = self.chance, []
        for _ in range(chance.choice([0, 0, 1, 2, 3])):
            self._last += 10
            at = self._last - (chance.randrange(1, 90) if chance.random() < 0.2 else 0)
            products = chance.choices(PRODUCTS, k=chance.randint(1, 3))
            event = a_completion(
                at,
                *products,
                node=chance.choice(["DC01", "NYC1"]),
                event_id=f"event-{len(self._events)}",
                fulfillment_request_id=f"fr-{chance.randrange(8)}",
                order_id=f"order-{chance.randrange(5)}",
                released=chance.random() < 0.8,
            )
            self._events.append(event)
            events.append(event)
        if self._events and chance.random() < 0.3:
            events.append({**chance.choice(self._events), "released": True})
        if self._ahead and chance.random() < 0.5:
            events.append({**self._ahead.pop(), "released": True})
        self._ahead += [event for event in events if not event["released"]]
        return events

    def go_on(self, ways: BothWays) -> None:
        """Let the ERP, the time or somebody do something."""
        for _ in range(self.chance.choice([0, 1, 1, 2, 4])):
            what, likely = self.chance.choice(HAPPENS)
            if self._events and self.chance.random() < likely:
                what(self, ways)

    def book(self, _ways: BothWays) -> None:
        """Let the ERP book an event, rightly or not."""
        event = self.chance.choice(self._events)
        product = self.chance.choice([event["items"][0]["product_id"], *PRODUCTS])
        node = self.chance.choice([event["fulfillment_location_id"], "DC01"])
        known = (event["event_id"], event["fulfillment_request_id"], event["order_id"])
        units = self.chance.choice([0, 1, 1, 1, 2, 5, 10**11 - 1])
        self._write("INSERT INTO booked VALUES (?, ?, ?, ?, ?, ?)", *known, product, node, units)

    def book_early(self, _ways: BothWays) -> None:
        """Let the ERP book what NewStore has not sent yet."""
        event = f"event-{len(self._events) + self.chance.randrange(3)}"
        known = (event, f"fr-{self.chance.randrange(8)}", f"order-{self.chance.randrange(5)}")
        units = self.chance.choice([1, 2])
        self._write("INSERT INTO booked VALUES (?, ?, ?, ?, 'DC01', ?)", *known, self.chance.choice(PRODUCTS), units)

    def book_twice(self, _ways: BothWays) -> None:
        self._write("INSERT INTO booked SELECT * FROM booked ORDER BY event_id LIMIT 1")

    def take_back(self, _ways: BothWays) -> None:
        self._write("DELETE FROM booked WHERE rowid % 3 = ?", self.chance.randrange(3))

    def take_all_back(self, _ways: BothWays) -> None:
        self._write("DELETE FROM booked")

    def book_what_nobody_knows(self, _ways: BothWays) -> None:
        name = f"somebody-{self.chance.randrange(4)}"
        self._write("INSERT INTO booked VALUES (?, ?, ?, 'SKU-1', 'DC01', 1)", name, name, name)

    def book_oddly(self, _ways: BothWays) -> None:
        self._write("INSERT INTO booked VALUES ('odd', 'odd', 'odd', ?, 'DC01', ?)", *self.chance.choice(ODD))

    def mend(self, _ways: BothWays) -> None:
        self._write("DELETE FROM booked WHERE event_id = 'odd'")

    def count(self, _ways: BothWays) -> None:
        self._write("UPDATE stock SET quantity = ? WHERE product_id = 'SKU-2'", self.chance.randrange(40, 60))

    def change_the_form(self, ways: BothWays) -> None:
        form = self.chance.choice([*FORMS, WITHOUT_BOOKINGS])
        for day, _ in ways.days:
            day.settings.update({"booked_reversible": False, **form})

    def let_days_pass(self, ways: BothWays) -> None:
        """Let all runs so far have been longer ago than units are kept."""
        passed = dt.timedelta(days=KEEP_DAYS + 1)
        for _, engine in ways.days:
            with engine.begin() as connection:
                for number, began in connection.execute(sa.select(run_table.c.run, run_table.c.started_at)).all():
                    before = (dt.datetime.fromisoformat(began) - passed).isoformat(timespec="seconds")
                    connection.execute(run_table.update().where(run_table.c.run == number).values(started_at=before))
                connection.execute(ledger_table.update().values(folded_at=None))

    def lose_a_state(self, ways: BothWays) -> None:
        lost = a_completion(self._last + 1, event_id=f"event-{len(self._events)}")
        for day, _ in ways.days:
            with contextlib.suppress(OnHandError):
                day.run(lost, lose_last_state=True)

    def _write(self, statement: str, *values: object) -> None:
        with contextlib.closing(sqlite3.connect(self._path)) as connection, connection:
            connection.execute(statement, values)


#: What may happen, and how likely it does.
HAPPENS = (
    *[(Story.book, 1.0)] * 6,
    *[(Story.book_early, 1.0)] * 3,
    (Story.book_twice, 1.0),
    (Story.take_back, 1.0),
    (Story.take_all_back, 0.3),
    (Story.book_what_nobody_knows, 1.0),
    (Story.book_oddly, 0.5),
    (Story.mend, 1.0),
    (Story.count, 1.0),
    (Story.change_the_form, 0.3),
    (Story.let_days_pass, 0.5),
    (Story.lose_a_state, 0.5),
)


@pytest.mark.fault("F35")
def test_both_ways_prove_and_say_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]
) -> None:
    lists = compared = 0
    for seed in range(LISTS // LISTS_OF_A_STORY):
        compared += tell(seed, tmp_path / str(seed), caplog, ledgers)
        lists += LISTS_OF_A_STORY
    assert compared > lists / 4


def tell(seed: int, directory: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers]) -> int:
    """Run one shop both ways; return how often only some bookings were looked at."""
    directory.mkdir()
    story = Story(seed, directory)
    settings: dict[str, t.Any] = {"ledger_keep_days": KEEP_DAYS, "max_vanished_percent": 90, "max_held_percent": 90}
    settings |= {"on_hand_url": story.erp.url, "on_hand_table": "stock"}
    ways = BothWays(directory / "ledgers", caplog, ledgers, **settings, **story.chance.choice(FORMS))
    kept: list[bytes] = []
    for step in range(LISTS_OF_A_STORY):
        try:
            ways.run(*story.events())
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, list {step}") from error
        for file in (directory / "ledgers" / "lists").glob("*.bookings-*"):
            meddle(file, kept, story.chance)
        story.go_on(ways)
    return ways.bookings_compared


BY_REQUEST = booked_by("fulfillment_request_id", "product_id")


@pytest.fixture
def day(tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
    return a_day(tmp_path, database_url, erp, cache_dir=str(tmp_path / "lists"), **BY_REQUEST)


def looked_again(caplog: pytest.LogCaptureFixture) -> bool:
    """Return whether only bookings that could prove something new were looked at since the last question."""
    found = any(BOOKINGS_COMPARED in text for text in messages(caplog))
    caplog.clear()
    return found


def test_a_unit_that_comes_is_proven_by_what_was_listed_before(
    day: ShopDay, erp: SqlErp, caplog: pytest.LogCaptureFixture
) -> None:
    erp.book(request="fr-11")
    erp.book(request="fr-12")
    day.run()
    assert not looked_again(caplog)
    erp.count(*SKU, 9)
    (cut,) = day.run(a_completion(11))
    assert (cut.quantities, looked_again(caplog)) == ({SKU: 9}, True)


def test_units_of_a_run_that_failed_are_proven_by_what_was_listed_before(day: ShopDay, erp: SqlErp) -> None:
    erp.book(request="fr-11")
    day.run()
    erp.count(*SKU, 9)
    erp.book(request="fr-99", sku="")
    with pytest.raises(OnHandError):
        day.run(a_completion(11))
    erp.unbook()
    erp.book(request="fr-11")
    (cut,) = day.run()
    assert cut.quantities == {SKU: 9}


def test_a_unit_that_comes_again_with_its_request_is_proven(day: ShopDay, erp: SqlErp) -> None:
    day.settings.update({"on_hand_as_of": "current", "booked_table": None, "booked_columns": None})
    day.run(a_completion(11))
    day.settings.update(BY_REQUEST)
    erp.book(request="fr-11")
    day.run()
    erp.count(*SKU, 9)
    (cut,) = day.run()
    assert cut.quantities == {SKU: 8}
    (cut,) = day.run(a_completion(11))
    assert cut.quantities == {SKU: 9}


def test_what_was_proven_ahead_stays_so_when_the_erp_lists_it_no_longer(day: ShopDay, erp: SqlErp) -> None:
    day.run(a_completion(11))
    erp.book(request="fr-12")
    erp.count(*SKU, 9)
    day.run(a_completion(12, released=False))
    erp.unbook()
    erp.book(request="fr-11")
    erp.count(*SKU, 8)
    (cut,) = day.run(a_completion(12))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (12, 12))


def test_a_list_that_cannot_be_kept_is_read_whole(
    day: ShopDay, erp: SqlErp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    erp.book(request="fr-11")
    (tmp_path / "lists").write_text("a file where the directory should be")
    day.run()
    erp.count(*SKU, 9)
    (cut,) = day.run(a_completion(11))
    assert (cut.quantities, looked_again(caplog)) == ({SKU: 9}, False)
