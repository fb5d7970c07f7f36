"""What goes wrong when the form of proof does not fit the ERP, measured: `python -m tests.end_to_end.wrong_forms`.

Each mistake is made once against a local NewStore, with the real plugins: units sold twice or hidden are what NewStore
promises beside what is free on the shelf. Then the same happens in a shop that does it right.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import tempfile
import typing as t
from pathlib import Path

from tests.shop.pipeline import Pipeline
from tests.shop.warm_start import Forks

if t.TYPE_CHECKING:
    from collections.abc import Callable

KEY, SHELF = ("DC01", "SKU-1"), 20


class Erp:
    """An ERP's database: one number, with whatever somebody may write beside it, and its bookings."""

    def __init__(self, path: Path) -> None:
        self.settings = {"on_hand_url": f"sqlite:///{path}", "on_hand_table": "stock"}
        self._path = path
        self._do(
            "CREATE TABLE stock (fulfillment_node_id, product_id, quantity, as_of_logical_timestamp, taken_at)",
            f"INSERT INTO stock VALUES ('DC01', 'SKU-1', {SHELF}, NULL, NULL)",
            "CREATE TABLE booked (order_id, product_id)",
        )

    def say(self, **values: int | str) -> None:
        """Change what stands in the row."""
        for name, value in values.items():
            self._do(f"UPDATE stock SET {name} = {value!r}")

    def book(self, *orders: str) -> None:
        """List orders of one unit as booked, and take them off the number."""
        for order in orders:
            self._do(f"INSERT INTO booked VALUES ({order!r}, 'SKU-1')", "UPDATE stock SET quantity = quantity - 1")

    def _do(self, *statements: str) -> None:
        with contextlib.closing(sqlite3.connect(self._path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)


class Shop:
    """A shop whose ERP is read in one way.

    Attributes:
        seen: By how many units NewStore promised too many (below 0: too few), after each run.
    """

    def __init__(self, pipeline: Pipeline, erp: Erp) -> None:
        self._pipeline = pipeline
        self.erp = erp
        self.seen: list[int] = []

    def sell(self, units: int) -> list[tuple[str, int]]:
        """Sell and ship units, each in an order of its own; return order and logical timestamp of each."""
        orders = [self._pipeline.newstore.order(*KEY) for _ in range(units)]
        return [(order, self._pipeline.newstore.ship(order)) for order in orders]

    def run(self) -> None:
        """Run the pipeline, and look."""
        run = self._pipeline.run()
        assert run.codes == (0, 0, 0), run.log
        row = self._pipeline.newstore.numbers(*KEY)
        self.seen.append(row["atp"] - row["free"])


def list_is_read_as_current(shop: Shop) -> None:
    """Last night's list, loaded into a table."""
    shop.erp.say(taken_at=(dt.datetime.now(tz=dt.UTC) - dt.timedelta(hours=8)).isoformat())
    shop.sell(3)
    shop.run()


def highest_booked(shop: Shop) -> None:
    """The last one of three is booked first."""
    *_, (order, timestamp) = shop.sell(3)
    shop.erp.book(order)
    shop.erp.say(as_of_logical_timestamp=timestamp)
    shop.run()


def nothing_is_said(shop: Shop) -> None:
    """Three units are sold and booked, and then three more."""
    for _ in range(2):
        shop.erp.book(*(order for order, _ in shop.sell(3)))
        shop.run()


def low_water_without_a_cap(shop: Shop) -> None:
    """The ERP has heard of the second of two, and of no other: nothing it knows of is left to book."""
    _, (order, timestamp) = shop.sell(2)
    shop.erp.book(order)
    shop.erp.say(as_of_logical_timestamp=timestamp)
    shop.run()


def clock_is_ahead(shop: Shop) -> None:
    """The list was written before the unit left, by a clock that says it was after."""
    shop.sell(1)
    # Times are compared in whole milliseconds, in doubt as if the number were older.
    later = dt.datetime.now(tz=dt.UTC) + dt.timedelta(milliseconds=2)
    shop.erp.say(taken_at=later.isoformat())
    shop.run()


def bookings_are_newer(shop: Shop) -> None:
    """The numbers were copied, then a unit was booked, and then the bookings were copied."""
    ((order, _),) = shop.sell(1)
    shop.erp.book(order)
    shop.erp.say(quantity=SHELF)
    shop.run()


def bookings_are_older(shop: Shop) -> None:
    """The bookings were copied, then a unit was booked, and then the numbers were copied; then both anew."""
    ((order, _),) = shop.sell(1)
    shop.erp.say(quantity=SHELF - 1)
    shop.run()
    shop.erp.say(quantity=SHELF)
    shop.erp.book(order)
    shop.run()


class Story(t.NamedTuple):
    """What happens in a shop, and how its ERP is read."""

    happens: Callable[[Shop], None]
    settings: dict[str, t.Any]


class Mistake(t.NamedTuple):
    """What somebody did, and should have done; both as docs/your-erp.md calls it."""

    name: str
    wrong: Story
    instead: str
    right: Story


COLUMN, CURRENT, TAKEN_AT = ({"on_hand_as_of": form} for form in ("column", "current", "taken_at"))
BOOKED = {"on_hand_as_of": "booked", "booked_table": "booked"}
MISTAKES = (
    Mistake(
        "last night's list, read as `current`",
        Story(list_is_read_as_current, CURRENT),
        "`taken_at`",
        Story(list_is_read_as_current, TAKEN_AT),
    ),
    Mistake(
        "`column` with the *highest* timestamp booked; three shipped, the last one is booked first",
        Story(highest_booked, COLUMN),
        "`booked`",
        Story(highest_booked, BOOKED),
    ),
    Mistake(
        '`column` from a view ("all I was told of is booked") without its cap at `taken_through`',
        Story(low_water_without_a_cap, COLUMN),
        "`booked`",
        Story(low_water_without_a_cap, BOOKED),
    ),
    Mistake(
        "`taken_at` from a clock ahead by more than `clock_skew_seconds`",
        Story(clock_is_ahead, TAKEN_AT | {"clock_skew_seconds": 0}),
        "a skew as large as the difference",
        Story(clock_is_ahead, TAKEN_AT),
    ),
    Mistake(
        "bookings copied after the numbers",
        Story(bookings_are_newer, BOOKED),
        "bookings copied first",
        Story(bookings_are_older, BOOKED),
    ),
    Mistake(
        "`column` left empty; three shipped and booked, and three more",
        Story(nothing_is_said, COLUMN),
        "`booked`",
        Story(nothing_is_said, BOOKED),
    ),
)


def measured(story: Story, forks: Forks) -> str:
    """Return what NewStore promised too much or too little: "3 sold twice", "3, then 6 hidden"."""
    with tempfile.TemporaryDirectory() as name:
        erp = Erp(Path(name) / "erp.db")
        with Pipeline(Path(name), mapper={**erp.settings, **story.settings}, forks=forks) as pipeline:
            pipeline.newstore.add_location("DC01")
            pipeline.newstore.set_stock(*KEY, SHELF)
            shop = Shop(pipeline, erp)
            story.happens(shop)
    if not any(shop.seen):
        return "exact"
    word = "sold twice" if max(shop.seen) > 0 else "hidden"
    return ", then ".join(str(abs(units)) for units in shop.seen) + f" {word}"


def line(mistake: Mistake, forks: Forks) -> str:
    """Return a mistake, what happens, what to do instead, and what happens then: a row of the page's table."""
    cells = (mistake.name, measured(mistake.wrong, forks), mistake.instead, measured(mistake.right, forks))
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    with Forks() as forks:
        for mistake in MISTAKES:
            print(line(mistake, forks))
