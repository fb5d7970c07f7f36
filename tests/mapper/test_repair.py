"""`diff --repair`: the next run sends exactly the named keys again, at its own mark."""

from __future__ import annotations

import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.ledger.store import Ledger

from tests.mapper.comparing import compare, import_cuts
from tests.mapper.shop_day import ShopDay, completed
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRODUCTS = ("A", "B", "C", "D")
LATER = "--visible-minutes=0"


class Shop(t.NamedTuple):
    """A shop whose numbers are right at NewStore."""

    day: ShopDay
    newstore: NewStore
    directory: Path

    def run(self, *events: dict[str, t.Any]) -> list[set[str]]:
        """Run mapper and target, and return the products of each cut."""
        cuts = self.day.run(*events)
        assert import_cuts(self.newstore, self.directory, cuts) == 0
        return [{product for _, product in cut.quantities} for cut in cuts]

    def set_by_hand(self, product: str, on_hand: int) -> None:
        """Set NewStore's number, and not the shelf."""
        self.newstore._post("stock", {"items": [{**_named(product), "on_hand": on_hand}]})

    def sent_cuts(self) -> dict[str, int | None]:
        """Return the cut that carried each product's number last."""
        engine = open_engine(self.day.settings["ledger_url"])
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT product_id, sent_cut FROM on_hand")).all()
        engine.dispose()
        return {str(product): sent for product, sent in rows}


def _named(product: str) -> dict[str, str]:
    return {"fulfillment_node_id": "DC01", "product_id": product}


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> Iterator[Shop]:
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        shop = Shop(ShopDay(tmp_path, ledger_url=database_url), newstore, tmp_path)
        for product in PRODUCTS:
            newstore.set_stock("DC01", product, 10)
            shop.day.erp.count("DC01", product, 10)
        shop.run()
        assert shop.run() == []
        yield shop


def test_nothing_is_noted_without_yes(shop: Shop) -> None:
    shop.set_by_hand("B", 12)
    before = shop.sent_cuts()
    done = compare(shop.day, shop.newstore, "--repair", LATER)
    assert (done.code, done.causes) == (1, {"B": "unexplained"})
    assert "1 keys would go out again with the next run; --yes notes it" in done.log
    assert shop.sent_cuts() == before
    assert shop.run() == []
    assert compare(shop.day, shop.newstore, "--yes").code == 2


def test_only_the_keys_that_were_named_go_out(shop: Shop) -> None:
    for product in ("A", "B", "C"):
        shop.set_by_hand(product, 3)
    done = compare(shop.day, shop.newstore, "--repair", "--yes", "--key=DC01/A", "--key=DC01/C", LATER)
    assert (done.code, set(done.causes)) == (0, {"A", "C"})
    assert compare(shop.day, shop.newstore, LATER).rows["A"]["noted"] is True
    assert shop.run() == [{"A", "C"}]
    assert compare(shop.day, shop.newstore, LATER).causes == {"B": "unexplained"}


def test_the_number_is_computed_at_the_mark_of_the_run_that_sends_it(shop: Shop) -> None:
    shop.set_by_hand("A", 15)
    assert compare(shop.day, shop.newstore, "--repair", "--yes", LATER).code == 0
    sold = [shop.newstore.sell("DC01", "A", "B"), shop.newstore.sell("DC01", "A")]
    ahead = shop.newstore.sell("DC01", "A", "D")
    events = [completed(sold[0], "A", "B"), completed(sold[1], "A"), completed(ahead, "A", "D", released=False)]
    assert shop.run(*events) == [{"A", "B"}]
    # Two units are in the range; the third one NewStore subtracts by itself.
    assert shop.newstore.ranges()[-1] == (sold[0], sold[1])
    assert [shop.newstore.numbers("DC01", "A")[name] for name in ("on_hand", "atp", "free")] == [8, 7, 7]
    assert compare(shop.day, shop.newstore, LATER).code == 0


def test_a_repair_stays_noted_until_newstore_has_it(shop: Shop) -> None:
    shop.set_by_hand("A", 15)
    assert compare(shop.day, shop.newstore, "--repair", "--yes", LATER).code == 0
    again = compare(shop.day, shop.newstore, "--repair", "--yes", LATER)
    assert (again.code, "1 keys go out again" in again.log) == (0, True)
    # The target dies: nothing is imported, no state comes back.
    (cut,) = shop.day.run(acknowledge=0)
    assert set(cut.quantities) == {("DC01", "A")}
    assert shop.run() == [{"A"}]
    assert compare(shop.day, shop.newstore, LATER).causes == {}


@pytest.mark.parametrize(
    ("setting", "globs", "ignored"),
    [
        ("ignored_products", ["B"], {"B"}),
        ("ignored_products", ["A", "B*"], {"A", "B"}),
        ("ignored_products", ["[AB]"], set()),
        ("ignored_nodes", ["DC*"], {"A", "B"}),
        ("ignored_nodes", ["DC"], set()),
    ],
)
def test_a_key_that_is_no_longer_managed_is_neither_wrong_nor_repaired(
    shop: Shop, setting: str, globs: list[str], ignored: set[str]
) -> None:
    shop.newstore.add_location("S1", "store")
    shop.day.erp.count("S1", "OTHER", 1)
    shop.run()
    assert shop.run() == []
    shop.set_by_hand("A", 3)
    shop.set_by_hand("B", 15)
    shop.day.settings[setting] = globs
    done = compare(shop.day, shop.newstore, "--repair", "--yes", LATER)
    wrong = {"A", "B"} - ignored
    assert (done.code, done.causes) == (0, dict.fromkeys(ignored, "ignored") | dict.fromkeys(wrong, "unexplained"))
    assert f"{len(wrong)} keys go out again" in done.log
    assert shop.run() == ([wrong] if wrong else [])
    again = compare(shop.day, shop.newstore, LATER)
    assert (again.code, again.causes) == (0, dict.fromkeys(ignored, "ignored"))
    assert all(row["above"] == 0 and "no run sends it" in row["why"] for row in again.rows.values())


def test_a_ledger_that_a_run_holds_is_left_alone(shop: Shop) -> None:
    shop.set_by_hand("A", 15)
    ledger = Ledger.at(shop.day.settings["ledger_url"])
    try:
        done = compare(shop.day, shop.newstore, "--repair", "--yes", LATER)
    finally:
        ledger.close()
    assert done.code == 1
    assert "is writing it. Nothing was noted" in done.log
    assert shop.run() == []


def test_a_key_the_ledger_never_sent_cannot_be_named(shop: Shop) -> None:
    done = compare(shop.day, shop.newstore, "--key=DC01/X")
    assert (done.code, done.log) == (1, "ERROR the ledger has never sent DC01/X. Check how it is spelt [NSS-234]\n")
    assert compare(shop.day, shop.newstore, "--key=X").code == 2
