"""Several sources of the ERP's rows, each with its nodes, form of proof and failures of its own."""

from __future__ import annotations

import os
import time
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import ConfigurationError, OnHandError
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.run import erp_rows
from singer_sdk.exceptions import ConfigValidationError

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import SqlErp, a_completion, at, booked_by
from tests.mapper.test_held_keys import held
from tests.shop.erp import HEADER, Erp

if t.TYPE_CHECKING:
    from pathlib import Path

DC, STORE = ("DC01", "SKU-1"), ("NYC1", "SKU-1")
HOUR = 3600


class TwoSources:
    """A WMS that owns the distribution centres, as a file, and an ERP for the stores, live on SQLite."""

    def __init__(self, tmp_path: Path, database_url: str, form: str = "column", **of_erp: t.Any) -> None:
        self.path = tmp_path / "wms.csv"
        self.wms, self.erp = Erp(self.path), SqlErp(tmp_path / "erp.db")
        self.wms.count(*DC, 10)
        self.erp.count(*STORE, 20, at(0))
        self.of_wms: dict[str, t.Any] = {"name": "wms", "nodes": ["DC*"], "on_hand_url": str(self.path)}
        self.of_wms |= {"max_on_hand_age_minutes": 60}
        self.of_erp: dict[str, t.Any] = {"name": "erp", "nodes": ["NYC*", "LON*"], "on_hand_url": self.erp.url}
        self.of_erp |= {"on_hand_table": "stock", "on_hand_as_of": form, "max_on_hand_age_minutes": 60, **of_erp}
        self.day = ShopDay(
            tmp_path, ledger_url=database_url, on_hand_sources=[self.of_wms, self.of_erp], max_vanished_percent=100
        )

    def run(self, *events: dict[str, t.Any]) -> list[t.Any]:
        cuts = self.day.run(*events)
        return [(cut.quantities, cut.range) for cut in cuts]

    def break_erp(self) -> None:
        self.of_erp["on_hand_url"] = self.erp.url.replace("erp.db", "gone/erp.db")

    def mend_erp(self) -> None:
        self.of_erp["on_hand_url"] = self.erp.url

    def refuse_wms(self, *lines: str) -> None:
        """Let the WMS write a list that is refused: it has lost the key that it had, and its other rows are these."""
        self.of_wms["vanished_rows"] = "fail"
        self.path.write_text("\n".join([",".join(HEADER), "DC01,SKU-2,1,", *lines, ""]), encoding="utf-8")

    def pass_hours(self, hours: int) -> None:
        """Let all that the ledger has read be older."""
        engine = open_engine(self.day.settings["ledger_url"])
        with engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE source SET taken_at = taken_at - {hours * 3_600_000}"))
        engine.dispose()


@pytest.fixture
def shop(tmp_path: Path, database_url: str) -> TwoSources:
    return TwoSources(tmp_path, database_url, "current")


def test_each_source_gives_the_numbers_of_its_nodes_by_its_own_form(shop: TwoSources) -> None:
    cuts = shop.run(a_completion(10), a_completion(11, node="NYC1"))
    assert cuts == [({DC: 9, STORE: 20}, (10, 11))]


@pytest.mark.fault("F25")
def test_a_source_that_cannot_be_read_stops_only_its_own_changes(
    shop: TwoSources, caplog: pytest.LogCaptureFixture
) -> None:
    shop.run(a_completion(10), a_completion(11, node="NYC1"))
    shop.break_erp()
    shop.wms.count(*DC, 30)
    # What was not known when the row was read is not in it, also where the ERP ships itself.
    assert shop.run(a_completion(12, node="NYC1")) == [({DC: 29, STORE: 19}, (12, 12))]
    assert "erp cannot be read" in caplog.text
    shop.mend_erp()
    assert shop.run() == [({STORE: 20}, None)]


def test_a_unit_known_ahead_when_the_row_was_read_is_in_it(shop: TwoSources) -> None:
    shop.run(a_completion(10), a_completion(11, node="NYC1", released=False))
    shop.break_erp()
    assert shop.run(a_completion(11, node="NYC1")) == [({STORE: 20}, (11, 11))]


def test_rows_that_are_too_old_are_held(shop: TwoSources) -> None:
    shop.run(a_completion(10))
    shop.break_erp()
    shop.pass_hours(2)
    cuts = shop.run(a_completion(11), a_completion(12, node="NYC1"), a_completion(13))
    assert cuts == [({DC: 7}, (11, 11)), ({DC: 7}, (13, 13))]
    assert held(shop.day) == [("SKU-1", "held", "its on-hand source is too old or cannot be read")]
    shop.mend_erp()
    assert shop.run() == [({STORE: 20}, (12, 12))]


@pytest.mark.fault("F25")
def test_a_number_newstore_never_got_is_sent_when_its_source_is_back(shop: TwoSources) -> None:
    """The import that carried it failed, and later cuts, which NewStore has, went out without the source."""
    assert shop.run() == [({DC: 10, STORE: 20}, None)]
    shop.erp.count(*STORE, 19, at(1))
    assert [cut.quantities for cut in shop.day.run(acknowledge=0)] == [{STORE: 19}]
    shop.break_erp()
    shop.pass_hours(2)
    shop.wms.count(*DC, 30)
    assert shop.run() == [({DC: 30}, None)]
    shop.mend_erp()
    assert shop.run() == [({STORE: 19}, None)]
    assert shop.run() == []


def test_a_file_that_is_too_old_is_refused_and_its_keys_held(
    shop: TwoSources, caplog: pytest.LogCaptureFixture
) -> None:
    shop.run(a_completion(10))
    shop.pass_hours(2)
    os.utime(shop.path, (0, time.time() - 2 * HOUR + 30))
    assert shop.run(a_completion(11), a_completion(12, node="NYC1")) == [({STORE: 20}, (12, 12))]
    said = f"wms is too old: {shop.path} is 120 minutes old, more than max_on_hand_age_minutes (60). Its rows of 120"
    assert said in caplog.text
    assert "wms cannot be read" not in caplog.text
    assert [reason for *_, reason in held(shop.day)] == ["its on-hand source is too old or cannot be read"]


def test_a_source_that_was_never_read_holds_its_keys(shop: TwoSources) -> None:
    shop.break_erp()
    assert shop.run(a_completion(10), a_completion(11, node="NYC1")) == [({DC: 9}, (10, 10))]


def test_a_run_that_can_read_none_fails(shop: TwoSources) -> None:
    shop.break_erp()
    shop.path.unlink()
    with pytest.raises(OnHandError, match=r"wms\.csv"):
        shop.run(a_completion(10))


def test_a_refused_list_is_in_nobodys_way(shop: TwoSources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erp_rows, "INDEXED_ROWS", 0)
    shop.run()
    shop.refuse_wms()
    shop.erp.count(*STORE, 21, at(1))
    assert shop.run() == [({STORE: 21}, None)]


@pytest.mark.parametrize("lines", [["NYC1,SKU-1,9,"], [f"DC01,SKU-{n},x," for n in range(3, 33)]])
def test_nothing_a_refused_list_says_counts(shop: TwoSources, lines: list[str]) -> None:
    shop.run()
    shop.refuse_wms(*lines)
    shop.erp.count(*STORE, 21, at(1))
    shop.erp.count("NYC1", "SKU-2", "x", at(1))
    assert shop.run() == [({STORE: 21}, None)]
    assert [key for key, *_ in held(shop.day)] == ["SKU-2"]


def test_no_row_of_a_refused_first_list_is_taken(shop: TwoSources) -> None:
    shop.path.write_text(",".join(HEADER) + "\nDC01,OLD,3,\nDC01,SKU-1,10,\nDC01,SKU-1,12,\n", encoding="utf-8")
    assert shop.run() == [({STORE: 20}, None)]
    shop.wms.count(*DC, 10)
    assert shop.run() == [({DC: 10}, None)]


def test_a_key_in_two_lists_is_an_error_that_names_both(shop: TwoSources) -> None:
    shop.erp.count(*DC, 5)
    with pytest.raises(OnHandError, match="erp and wms both list DC01/SKU-1"):
        shop.run(a_completion(10))


def test_a_node_that_two_sources_own_is_an_error_that_names_both(shop: TwoSources) -> None:
    shop.of_erp["nodes"] = ["*"]
    with pytest.raises(ConfigurationError, match="wms and erp both own the fulfillment node DC01"):
        shop.run(a_completion(10))


def test_rows_of_nodes_a_source_does_not_own_are_left_out_and_named(
    shop: TwoSources, caplog: pytest.LogCaptureFixture
) -> None:
    shop.erp.count("PAR1", "SKU-1", 5)
    assert shop.run(a_completion(10)) == [({DC: 9, STORE: 20}, (10, 10))]
    assert "erp lists 1 rows of fulfillment nodes it does not own (nodes): PAR1" in caplog.text


@pytest.mark.parametrize("order", ["its owner is read before", "its owner is read after"])
def test_a_row_of_a_node_a_source_does_not_own_stops_nothing_though_it_cannot_be_used(
    shop: TwoSources, caplog: pytest.LogCaptureFixture, order: str
) -> None:
    if order == "its owner is read before":
        shop.day.settings["on_hand_sources"] = [shop.of_erp, shop.of_wms]
    for product in range(30):
        shop.wms.count_later("NYC1", f"SKU-{product}", "n/a")
    shop.wms.count("DC01", "SKU-2", "n/a")
    shop.erp.count("NYC1", "SKU-3", "n/a", at(0))
    assert shop.run() == [({DC: 10, STORE: 20}, None)]
    assert "wms lists 30 rows of fulfillment nodes it does not own (nodes): NYC1" in caplog.text
    assert [product for product, *_ in held(shop.day)] == ["SKU-2", "SKU-3"]
    shop.erp.remove(*STORE)
    assert shop.run() == [({STORE: 0}, None)]
    assert "its last row stands" not in caplog.text


def test_a_node_no_source_owns_is_held(shop: TwoSources) -> None:
    assert shop.run(a_completion(10), a_completion(11, node="PAR1")) == [({DC: 9, STORE: 20}, (10, 10))]


def test_bookings_of_one_source_prove_nothing_of_another(tmp_path: Path, database_url: str) -> None:
    shop = TwoSources(tmp_path, database_url, **booked_by("event_id"))
    shop.of_wms |= {"on_hand_as_of": "booked", "booked_url": shop.erp.url, "booked_query": "SELECT 'none' AS event_id"}
    event, other = a_completion(10), a_completion(11, node="NYC1")
    for one in (event, other):
        shop.erp.book(event_id=one["event_id"])
    assert shop.run(event, other) == [({DC: 9, STORE: 20}, (10, 11))]


def test_bookings_do_not_count_when_the_numbers_cannot_be_read(tmp_path: Path, database_url: str) -> None:
    shop = TwoSources(tmp_path, database_url, **booked_by("event_id"))
    event = a_completion(11, node="NYC1")
    shop.run(event)
    shop.erp.book(event_id=event["event_id"])
    shop.of_erp |= {"booked_url": shop.erp.url, "on_hand_table": "gone"}
    assert shop.run() == []
    shop.of_erp["on_hand_table"] = "stock"
    assert shop.run() == [({STORE: 20}, None)]


def test_a_flat_configuration_becomes_two_sources_without_another_number(tmp_path: Path, database_url: str) -> None:
    shop = TwoSources(tmp_path, database_url)
    shop.of_erp["on_hand_query"] = "SELECT *, NULL AS as_of_logical_timestamp FROM stock"
    del shop.of_erp["on_hand_table"]
    everything = Erp(tmp_path / "all.csv")
    everything.count(*DC, 10)
    everything.count(*STORE, 20)
    flat = ShopDay(tmp_path, ledger_url=database_url, on_hand_url=str(everything.path))
    flat.run(a_completion(10), a_completion(11, node="NYC1"))
    shop.day.state = flat.state
    assert shop.run() == []
    assert shop.run(a_completion(12)) == [({DC: 8}, (12, 12))]


@pytest.mark.parametrize("is_flat", [True, False])
def test_a_vanished_key_of_a_source_that_left_the_settings_is_held_once_a_unit_of_it_is_completed(
    shop: TwoSources, tmp_path: Path, is_flat: bool
) -> None:
    shop.wms.count("DC01", "SKU-2", 5)
    everything = Erp(tmp_path / "all.csv")
    everything.count(*DC, 10)
    everything.count("DC01", "SKU-2", 5)
    both, day = [shop.of_wms, shop.of_erp], shop.day
    if is_flat:
        day.settings |= {"on_hand_sources": None, "on_hand_url": str(everything.path)}
    shop.run()
    for file in (shop.wms, everything):
        file.remove(*DC)
    assert shop.run() == [({DC: 0}, None)]
    day.settings |= {"on_hand_sources": [shop.of_erp], "on_hand_url": None}
    assert all(DC not in sent for sent, _ in shop.run(a_completion(11)))
    assert shop.run() == []
    assert held(day) == [("SKU-1", "held", "no row in the on-hand list")]
    day.settings["on_hand_sources"] = both
    shop.wms.count(*DC, 9)
    (cut,) = day.run()
    assert (cut.quantities[DC], cut.range) == (8, (11, 11))


NAMES = [("wms", "erp"), ("", "erp"), ("wms", "")]


def renamed(day: ShopDay, name: str) -> None:
    """Let the one source of a day have a name; "": none, in a flat configuration."""
    for setting in ("on_hand_sources", "on_hand_url"):
        day.settings.pop(setting, None)
    source = {"name": name, "nodes": ["*"], **day.erp.settings}
    day.settings |= {"on_hand_sources": [source]} if name else day.erp.settings


@pytest.fixture
def named_day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url)
    for product in range(100):
        day.erp.count_later("DC01", f"SKU-{product:02}", 10)
    day.erp.count(*DC, 10)
    return day


@pytest.mark.parametrize(("before", "after"), NAMES)
def test_a_key_that_vanishes_while_its_source_gets_another_name_is_missed(
    named_day: ShopDay, caplog: pytest.LogCaptureFixture, before: str, after: str
) -> None:
    renamed(named_day, before)
    named_day.run()
    renamed(named_day, after)
    named_day.erp.remove(*DC)
    (cut,) = named_day.run()
    assert cut.quantities == {DC: 0}
    assert "101 on-hand rows of " in caplog.text
    assert named_day.run() == []
    assert caplog.text.count("no longer in the settings") == 1


@pytest.mark.parametrize(("before", "after"), NAMES)
def test_a_list_is_measured_by_that_of_its_source_by_another_name(named_day: ShopDay, before: str, after: str) -> None:
    renamed(named_day, before)
    named_day.run()
    renamed(named_day, after)
    named_day.erp.replace({DC: (10, None)})
    for _ in range(2):
        with pytest.raises(OnHandError, match="has 1 rows, the last one had 101: more than max_vanished_percent"):
            named_day.run()


@pytest.mark.usefixtures("short_lists_are_kept")
def test_a_source_that_gets_its_name_back_is_compared_with_no_list_of_that_time(named_day: ShopDay) -> None:
    renamed(named_day, "wms")
    named_day.run()
    for name, quantity in (("erp", 12), ("wms", 10)):
        renamed(named_day, name)
        named_day.erp.count(*DC, quantity)
        (cut,) = named_day.run()
        assert cut.quantities == {DC: quantity}


def test_rows_prove_no_more_with_the_source_they_are_given_to(shop: TwoSources, tmp_path: Path) -> None:
    """The ERP ships itself: what was known when it was read is in its own numbers alone."""
    assert shop.run(a_completion(10)) == [({DC: 9, STORE: 20}, (10, 10))]
    shop.of_erp |= {"nodes": ["DC*", "NYC*"], "vanished_rows": "keep"}
    london = Erp(tmp_path / "london.csv")
    london.count("LON1", "SKU-1", 3)
    of_london = {"name": "london", "nodes": ["LON*"], "on_hand_url": str(london.path)}
    shop.day.settings["on_hand_sources"] = [shop.of_erp, of_london]
    shop.break_erp()
    assert shop.run() == [({("LON1", "SKU-1"): 3}, None)]
    shop.mend_erp()
    assert shop.run() == []
    assert shop.run(a_completion(11)) == [({DC: 8}, (11, 11))]


@pytest.mark.parametrize("its_new_list", ["is away", "has it", "lacks it"])
def test_a_node_moves_from_one_source_to_another(
    shop: TwoSources, caplog: pytest.LogCaptureFixture, its_new_list: str
) -> None:
    """No key of it has vanished because the list of its old owner has it no more."""
    shop.of_wms["nodes"] = ["DC*", "LON1"]
    shop.of_erp["nodes"] = ["NYC*"]
    shop.wms.count("LON1", "SKU-1", 7)
    assert shop.run(a_completion(11, node="LON1")) == [({DC: 10, STORE: 20, ("LON1", "SKU-1"): 6}, (11, 11))]
    shop.of_wms["nodes"] = ["DC*"]
    shop.of_erp["nodes"] = ["NYC*", "LON1"]
    shop.wms.remove("LON1", "SKU-1")
    if its_new_list == "is away":
        shop.break_erp()
        shop.wms.count(*DC, 12)
        assert shop.run() == [({DC: 12}, None)]
        shop.mend_erp()
    if its_new_list == "lacks it":
        assert shop.run() == [({("LON1", "SKU-1"): 0}, None)]
        assert "the on-hand list of erp no longer has 1 keys: LON1/SKU-1" in caplog.text
    shop.erp.count("LON1", "SKU-1", 6, at(1))
    assert shop.run() == ([({("LON1", "SKU-1"): 6}, None)] if its_new_list == "lacks it" else [])
    assert shop.run() == []
    assert caplog.text.count("1 on-hand rows of wms are those of erp now, which owns their nodes") == 1


@pytest.mark.parametrize("order", ["named first", "named last"])
def test_what_every_number_contains_is_known_beside_a_source_that_was_never_read(shop: TwoSources, order: str) -> None:
    shop.day.settings["contained_through"] = 100
    shop.path.unlink()
    if order == "named last":
        shop.day.settings["on_hand_sources"].reverse()
    assert shop.run(a_completion(50, "GONE", node="NYC1")) == [({STORE: 20}, (50, 50))]
    assert held(shop.day) == []


def test_the_first_range_claims_nothing_of_a_source_that_was_never_read(
    shop: TwoSources, caplog: pytest.LogCaptureFixture
) -> None:
    shop.day.settings["contained_through"] = 100
    shop.path.rename(shop.path.with_name("away.csv"))
    completions = [a_completion(50, node="NYC1"), a_completion(60), a_completion(70, node="NYC1")]
    assert shop.run(*completions) == [({STORE: 20}, (50, 50)), ({STORE: 20}, (70, 70))]
    assert [kind for _, kind, _ in held(shop.day)] == ["held"]
    assert "Nothing is declared up to contained_through (100) before every source can be read" in caplog.text
    shop.path.with_name("away.csv").rename(shop.path)
    assert shop.run() == [({DC: 10}, (0, 100))]
    assert shop.run() == []


def test_rows_that_give_no_number_need_not_contain_what_was_folded(shop: TwoSources) -> None:
    """A source gets another name, and its list cannot be read in that run: nobody knows what its rows prove."""
    shop.day.settings["ledger_keep_days"] = 0
    shop.of_wms["on_hand_as_of"] = "taken_at"
    shop.run(a_completion(10))
    shop.run()
    shop.of_wms["name"] = "warehouse"
    shop.path.rename(shop.path.with_name("away.csv"))
    shop.erp.count(*STORE, 21, at(1))
    assert shop.run() == [({STORE: 21}, None)]
    shop.path.with_name("away.csv").rename(shop.path)
    assert shop.run() == []
    shop.wms.count(*DC, 9)
    assert shop.run() == [({DC: 9}, None)]


def test_rows_that_give_no_number_need_not_contain_what_was_pruned(shop: TwoSources) -> None:
    bookmark = {"replication_key": "logical_timestamp", "replication_key_value": 20, "store_id": "store"}
    shop.day.bookmark = {**bookmark, "position": 1, "complete": True, "pruned_through": 5}
    shop.wms.count(*DC, 10, 5)
    assert shop.run() == [({DC: 10, STORE: 20}, None)]
    shop.of_erp["name"] = "stores"
    shop.break_erp()
    shop.wms.count(*DC, 9, 5)
    assert shop.run() == [({DC: 9}, None)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"on_hand_url": "a.csv"}, "on_hand_sources, on_hand_url: set one of them"),
        ({"on_hand_sources": []}, "on_hand_sources: it is empty"),
        (
            {"on_hand_sources": [{"name": "a", "nodes": ["*"], "on_hand_url": "a.csv", "on_hand_as_of": "current"}]},
            "on_hand_sources, a: on_hand_as_of: current is true of a live database alone",
        ),
        (
            {"on_hand_sources": [{"name": "a", "nodes": ["*"], "on_hand_url": "sqlite:///x"}]},
            "on_hand_sources, a: on_hand_table or on_hand_query",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path: Path, settings: dict[str, t.Any], says: str) -> None:
    sources = [{"name": name, "nodes": [name], "on_hand_url": f"{name}.csv"} for name in "ab"]
    with pytest.raises(ConfigurationError, match=says):
        ShopDay(tmp_path, **{"ledger_url": "sqlite://", "on_hand_sources": sources, **settings})


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    source = {"name": "a", "nodes": ["*"], "on_hand_url": "a.csv"}
    with pytest.raises(ConfigurationError, match="the name 'a' must be given, and to one source alone"):
        ShopDay(tmp_path, ledger_url="sqlite://", on_hand_sources=[source, source])


@pytest.mark.parametrize("null", ["on_hand_url", "clock_skew_seconds", "full_read_hours"])
def test_null_takes_from_a_source_no_setting_it_cannot_be_without(tmp_path: Path, null: str) -> None:
    source = {"name": "a", "nodes": ["*"], "on_hand_url": "a.csv", null: None}
    with pytest.raises(ConfigValidationError) as refused:
        ShopDay(tmp_path, ledger_url="sqlite://", on_hand_sources=[source])
    assert any(null in line for line in refused.value.errors)
