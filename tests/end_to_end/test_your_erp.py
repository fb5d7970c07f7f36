"""What docs/your-erp.md says of files and of REST, from the ERP to NewStore's numbers."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import typing as t
import zoneinfo

import pytest

from tests.mapper.your_erp import code_of, settings_of
from tests.shop.erp import LiveErp
from tests.shop.pipeline import Pipeline
from tests.shop.process import environment
from tests.shop.suiteql import NODE, PRODUCT, TOKEN, NetSuite
from tests.structure.packages import ROOT

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIST = "## A list somebody writes"
NETSUITE = "### NetSuite's Available (`mode: atp`), by its REST API"
KEY = ("DC01", "SKU-1")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
EXPORT = ROOT / "docs" / "your-erp" / "suiteql_to_csv.py"


class NightlyLists:
    """A warehouse system that writes a list each night, and a done marker when it is whole."""

    def __init__(self, directory: Path, name: str, marker: str) -> None:
        self._directory, self._name, self._marker = directory, name, marker

    def write(self, taken_at: dt.datetime, quantity: int, *, is_whole: bool = True) -> None:
        path = self._directory / taken_at.astimezone(BERLIN).strftime(self._name)
        path.write_text(f"fulfillment_node_id,product_id,quantity\nDC01,SKU-1,{quantity}\n", encoding="utf-8")
        if is_whole:
            path.with_name(path.name + self._marker).touch()


def sell_at(shop: Pipeline, moment: dt.datetime) -> None:
    """Sell a unit now, and deliver its events as NewStore would have published them at a moment."""
    known = len(shop.newstore.events())
    shop.newstore.sell(*KEY)
    for event in shop.newstore.events()[known:]:
        assert shop.receiver.post({**event["body"], "published_at": moment.isoformat()}).status_code == 200


def test_the_nightly_lists_of_a_warehouse(tmp_path: Path) -> None:
    settings = settings_of(LIST)
    settings["on_hand_url"] = settings["on_hand_url"].replace("/exports", str(tmp_path))
    lists = NightlyLists(tmp_path, settings["taken_at_format"], settings["on_hand_done_marker"])
    tonight = dt.datetime.now(tz=BERLIN).replace(minute=0, second=0, microsecond=0) - dt.timedelta(hours=3)
    hour = dt.timedelta(hours=1)
    with Pipeline(tmp_path, mapper=settings, delivers=False) as shop:
        shop.newstore.add_location("DC01")
        shop.newstore.set_stock(*KEY, 10)
        lists.write(tonight - 24 * hour, 10)
        lists.write(tonight, 9)
        lists.write(tonight + 2 * hour, 8, is_whole=False)
        sell_at(shop, tonight - hour / 2)
        sell_at(shop, tonight + hour / 2)
        # 9, and the unit of half an hour later is not in it; the list that is being written counts for nothing.
        assert shop.run().codes == (0, 0, 0), shop.log
        assert shop.newstore.numbers(*KEY)["on_hand"] == 8
        lists.write(tonight + 2 * hour, 8)
        assert shop.run().codes == (0, 0, 0), shop.log
        assert shop.newstore.numbers(*KEY)["atp"] == shop.newstore.numbers(*KEY)["free"] == 8
        assert not shop.newstore.truth()["ever_oversold"]


class NetSuiteShop:
    """NetSuite, its exports and the pipeline that sends what it has available."""

    def __init__(self, directory: Path, netsuite: NetSuite, pipeline: Pipeline) -> None:
        self._directory = directory
        self.netsuite = netsuite
        self.pipeline = pipeline

    def export(self) -> subprocess.CompletedProcess[str]:
        """Run the page's script on the page's queries."""
        for name, query in zip(("on_hand.sql", "booked.sql"), code_of(NETSUITE, "sql"), strict=True):
            (self._directory / name).write_text(query, encoding="utf-8")
        return subprocess.run(
            [sys.executable, EXPORT, self.netsuite.url, "booked.sql", "booked.csv", "on_hand.sql", "on_hand.csv"],
            cwd=self._directory,
            env=environment(SUITEQL_TOKEN=TOKEN),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def sync(self) -> list[int]:
        """Export and run; return the quantities of the imports that came of it."""
        done = len(self.pipeline.newstore.imports("finished"))
        exported = self.export()
        assert exported.returncode == 0, exported.stderr
        assert self.pipeline.run().codes == (0, 0, 0), self.pipeline.log
        assert self.pipeline.newstore.truth()["oversold"] == []
        return [job["items"][0]["quantity"] for job in self.pipeline.newstore.imports("finished")[done:]]

    def atp(self) -> tuple[int, int]:
        """Return what NewStore promises, and what is free."""
        row = self.pipeline.newstore.numbers(NODE, PRODUCT)
        return row["atp"], row["free"]


@pytest.fixture
def netsuite_shop(tmp_path: Path) -> Iterator[NetSuiteShop]:
    settings = settings_of(NETSUITE)
    del settings["on_hand_query"], settings["booked_query"]
    here = {name: value.replace("/exports", str(tmp_path)) for name, value in settings.items()}
    with NetSuite(10) as netsuite, Pipeline(tmp_path, mapper=here, target={"mode": "atp"}) as pipeline:
        pipeline.newstore.add_location(NODE)
        pipeline.newstore.set_stock(NODE, PRODUCT, 10)
        yield NetSuiteShop(tmp_path, netsuite, pipeline)


def test_a_completion_of_an_order_netsuite_knows_changes_no_number(netsuite_shop: NetSuiteShop) -> None:
    netsuite, newstore = netsuite_shop.netsuite, netsuite_shop.pipeline.newstore
    order = newstore.order(NODE, PRODUCT)
    netsuite.knows(order)
    assert (netsuite_shop.sync(), netsuite_shop.atp()) == ([9], (9, 9))
    shipped = newstore.ship(order)
    assert (netsuite_shop.sync(), netsuite_shop.atp()) == ([9], (9, 9))
    assert newstore.ranges()[-1] == (shipped, shipped)
    netsuite.ships(order)
    assert (netsuite_shop.sync(), netsuite_shop.atp()) == ([], (9, 9))


def test_a_completion_of_an_order_netsuite_does_not_know_is_subtracted_until_it_does(
    netsuite_shop: NetSuiteShop,
) -> None:
    netsuite, newstore = netsuite_shop.netsuite, netsuite_shop.pipeline.newstore
    order = newstore.order(NODE, PRODUCT)
    newstore.ship(order)
    assert (netsuite_shop.sync(), netsuite_shop.atp()) == ([9], (9, 9))
    netsuite.knows(order)
    assert (netsuite_shop.sync(), netsuite_shop.atp()) == ([], (9, 9))


@pytest.mark.parametrize(("form", "left"), [("current", 9), ("column", 8)])
def test_available_numbers_that_are_read_live_fit_current_and_not_column(tmp_path: Path, form: str, left: int) -> None:
    erp = LiveErp(tmp_path / "erp.db")
    settings = {**erp.settings, "on_hand_as_of": form}
    with Pipeline(tmp_path, mapper=settings, target={"mode": "atp"}) as shop:
        shop.newstore.add_location(NODE)
        shop.newstore.set_stock(NODE, PRODUCT, 10)
        order = shop.newstore.order(NODE, PRODUCT)
        # The ERP knows the order: one of its ten units is no longer available, shipped or not.
        erp.count(NODE, PRODUCT, 9)
        assert shop.run().codes == (0, 0, 0)
        shop.newstore.ship(order)
        assert shop.run().codes == (0, 0, 0)
        row = shop.newstore.numbers(NODE, PRODUCT)
        assert (row["atp"], row["free"]) == (left, 9)


def test_the_export_asks_for_bookings_first_and_keeps_the_old_files_when_one_fails(netsuite_shop: NetSuiteShop) -> None:
    netsuite = netsuite_shop.netsuite
    netsuite.knows("order-1")
    netsuite.knows("order-2")
    netsuite.page_rows = 1
    assert netsuite_shop.export().returncode == 0
    assert [query.split(" AS ")[0] for query in netsuite.asked] == [
        "SELECT t.otherrefnum",
        "SELECT t.otherrefnum",
        "SELECT l.name",
    ]
    directory = netsuite_shop._directory
    before = [(directory / name).read_text(encoding="utf-8") for name in ("booked.csv", "on_hand.csv")]
    assert before == [
        "order_id,product_id,fulfillment_node_id,units\norder-1,SKU-1,DC01,1\norder-2,SKU-1,DC01,1\n",
        "fulfillment_node_id,product_id,quantity\nDC01,SKU-1,8\n",
    ]
    netsuite.moves = True
    failed = netsuite_shop.export()
    assert failed.returncode == 1
    assert failed.stderr == (
        "suiteql_to_csv: ('order-1', 'SKU-1', 'DC01') comes twice: sort the query by its key, and try again. "
        "Nothing was replaced\n"
    )
    assert [(directory / name).read_text(encoding="utf-8") for name in ("booked.csv", "on_hand.csv")] == before


def test_the_export_never_leaves_bookings_that_are_newer_than_the_numbers(netsuite_shop: NetSuiteShop) -> None:
    directory = netsuite_shop._directory
    netsuite_shop.netsuite.knows("order-1")
    # As if it were killed before it is through: the bookings cannot be put in place.
    (directory / "booked.csv").mkdir()
    failed = netsuite_shop.export()
    assert failed.returncode == 1
    assert "booked.csv" in failed.stderr
    assert (directory / "on_hand.csv").read_text(encoding="utf-8").endswith("DC01,SKU-1,9\n")
