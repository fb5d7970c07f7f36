"""Quantities (design rules 4, 5 and 6): what a cut says, from events and the ERP's rows."""

from __future__ import annotations

import re
import typing as t
from unittest import mock

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import MapperError, OnHandError, QuantityError
from mapper_newstore_stock.ledger.database import open_ledger_engine

from tests.faults.breaking.death import Death, Died
from tests.mapper.shop_day import Ledgers, ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

SKU = ("DC01", "SKU-1")
#: Units of the largest quantity.
MOST = 10**11 - 1


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*SKU, 10)
    return day


def test_the_seeds_own_story(day: ShopDay) -> None:
    (first,) = day.run(completed(10), completed(11), completed(12))
    assert (first.quantities, first.range) == ({SKU: 7}, (10, 12))
    day.erp.count(*SKU, 17, as_of=12)
    (second,) = day.run()
    assert (second.quantities, second.range) == ({SKU: 17}, None)


def test_the_state_says_which_cut_and_which_timestamp_newstore_has(day: ShopDay) -> None:
    (cut,) = day.run(completed(10), completed(12))
    bookmark = cut.state["bookmarks"]["stock"]
    ledger = bookmark.pop("ledger")
    assert bookmark == {"replication_key": "logical_timestamp_end", "replication_key_value": 12, "cut": 1, "mark": 12}
    assert re.fullmatch(r"[0-9a-f]{32}\.[0-9a-f]{12}", ledger)
    assert cut.state["bookmarks"]["fulfillment_events"]["replication_key_value"] == 12


@pytest.mark.parametrize("quantities", [[MOST, 0, MOST, 1], [-MOST, MOST, -MOST, MOST], [0, MOST, -1, 0, MOST]])
def test_the_largest_quantities_come_and_go(day: ShopDay, quantities: list[int]) -> None:
    keys = [("DC01", f"SKU-{number}") for number in range(1, 4)]
    for at, quantity in enumerate(quantities, start=1):
        for key in keys:
            day.erp.count(*key, quantity)
        (cut,) = day.run(completed(at))
        # Of the others, only those whose number has changed go out.
        expected = {**dict.fromkeys(keys[1:], max(quantity, 0)), SKU: max(quantity - at, 0)}
        assert expected.items() >= cut.quantities.items()
        assert SKU in cut.quantities


@pytest.mark.parametrize("quantity", [10**11, -(10**11), 2**62, 2**63 - 1, -(2**63), 4006381333931])
def test_a_number_too_long_for_a_quantity_holds_its_key_alone(
    day: ShopDay, caplog: pytest.LogCaptureFixture, quantity: int
) -> None:
    for number in range(2, 6):
        day.erp.count("DC01", f"SKU-{number}", quantity)
    for at in range(1, 4):
        (cut,) = day.run(completed(at), completed(at + 10, "SKU-2", released=False))
        assert cut.quantities == {SKU: 10 - at}
    assert f"quantity is {quantity}, beyond eleven digits: is it a bar code?" in caplog.text


def test_each_item_of_an_event_is_one_unit(day: ShopDay) -> None:
    day.erp.count("DC01", "SKU-2", 5)
    (cut,) = day.run(completed(10, "SKU-1", "SKU-1", "SKU-2"))
    assert cut.quantities == {SKU: 8, ("DC01", "SKU-2"): 4}


@pytest.mark.fault("F19")
def test_only_completions_move_stock(day: ShopDay) -> None:
    names = ("assigned", "items_failed", "items_ready_for_handover", "something_new")
    (cut,) = day.run(*(completed(at, name=f"fulfillment_request.{name}") for at, name in enumerate(names, start=1)))
    assert (cut.quantities, cut.range) == ({SKU: 10}, None)


def test_an_event_without_items_moves_nothing(day: ShopDay) -> None:
    (cut,) = day.run(completed(10, items=[]))
    assert (cut.quantities, cut.range) == ({SKU: 10}, None)


def test_what_the_erp_already_contains_is_not_subtracted_again(day: ShopDay) -> None:
    day.erp.count(*SKU, 8, as_of=11)
    (cut,) = day.run(completed(10), completed(11), completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (10, 12))


def test_an_erp_that_is_always_current_is_believed(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="current")
    day.erp.count(*SKU, 7)
    (cut,) = day.run(completed(10), completed(11), completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (10, 12))


@pytest.mark.fault("F14")
def test_a_lagging_erp_row_goes_on_being_corrected(day: ShopDay) -> None:
    day.run(completed(10))
    (cut,) = day.run(completed(11))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))


def test_the_first_run_sends_every_key_of_the_erp(day: ShopDay) -> None:
    day.erp.count("NYC1", "SKU-1", 3)
    (cut,) = day.run()
    assert cut.quantities == {SKU: 10, ("NYC1", "SKU-1"): 3}


def test_later_only_keys_that_changed_go_out(day: ShopDay) -> None:
    day.erp.count("NYC1", "SKU-1", 3)
    day.run()
    day.erp.count("NYC1", "SKU-1", 4)
    (cut,) = day.run(completed(10))
    assert cut.quantities == {SKU: 9, ("NYC1", "SKU-1"): 4}


def test_a_run_without_any_change_sends_no_record(day: ShopDay) -> None:
    day.run(completed(10))
    assert day.run() == []


def test_an_erp_that_takes_over_a_completion_changes_nothing(day: ShopDay) -> None:
    day.run(completed(10))
    day.erp.count(*SKU, 9, as_of=10)
    assert day.run() == []


def test_the_same_event_never_moves_stock_twice(day: ShopDay) -> None:
    day.run(completed(10), completed(10), completed(11))
    day.run(completed(10), completed(11))
    (cut,) = day.run(completed(11), completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (12, 12))


def test_a_late_event_lowers_the_start_of_the_next_range(day: ShopDay) -> None:
    day.run(completed(10), completed(14))
    (cut,) = day.run(completed(12), completed(15))
    assert (cut.quantities, cut.range) == ({SKU: 6}, (12, 15))


@pytest.mark.parametrize("dies_before", range(10, 70, 4))
def test_a_late_event_of_a_run_that_died_is_subtracted_from_a_row_written_before_it(
    tmp_path: Path, dies_before: int
) -> None:
    ledgers, death = Ledgers(durable=False), Death()
    death.watch(ledgers.engine)
    day = ShopDay(tmp_path, ledgers.new(tmp_path))
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(5), completed(10))
    day.erp.count("DC01", "SKU-1", 8, as_of=10)
    death.plan("mapper", dies_before)
    try:
        cuts = day.run(completed(7))
    except Died:
        death.plan()
        cuts = day.run(completed(7))
    (cut,) = cuts
    assert cut.quantities == {("DC01", "SKU-1"): 7}


def test_a_late_events_cut_is_computed_at_the_mark_that_never_goes_back(day: ShopDay) -> None:
    day.run(completed(10), completed(14))
    (cut,) = day.run(completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (12, 12))
    assert cut.state["bookmarks"]["stock"]["mark"] == 14


@pytest.mark.fault("F14")
def test_a_late_event_below_the_rows_as_of_counts_until_the_row_changes(day: ShopDay) -> None:
    day.run(completed(10), completed(14))
    day.erp.count(*SKU, 8, as_of=14)
    assert day.run() == []
    (cut,) = day.run(completed(12))
    assert (cut.quantities, cut.range) == ({SKU: 7}, (12, 12))
    day.erp.count(*SKU, 7, as_of=14)
    assert day.run() == []


def test_a_late_event_of_a_run_that_failed_counts_although_the_row_changed_before(day: ShopDay) -> None:
    day.run(completed(10), completed(14))
    day.erp.count(*SKU, 8, as_of=14)
    day.settings["held_keys"] = "fail"
    with pytest.raises(QuantityError, match="no on-hand row"):
        day.run(completed(12), completed(15, "NEW"))
    day.erp.count("DC01", "NEW", 5)
    (cut,) = day.run()
    assert (cut.quantities, cut.range) == ({SKU: 7, ("DC01", "NEW"): 4}, (12, 15))
    day.erp.count(*SKU, 7, as_of=15)
    assert day.run() == []


@pytest.mark.fault("F14")
def test_what_left_since_is_summed_once_for_each_key(tmp_path: Path, database_url: str) -> None:
    """Merged into what uses it, the sum would be made six times for each key."""
    engine, plans = open_ledger_engine(database_url), list[str]()

    def explain(connection: sa.Connection, _cursor: object, statement: str, values: t.Any, *_: object) -> None:
        if statement.startswith(("INSERT INTO planned", "INSERT INTO cut_item")):
            how = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
            cursor = connection.connection.cursor()
            cursor.execute(f"{how} {statement}", values)
            plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))

    sa.event.listen(engine, "before_cursor_execute", explain)
    day, sums = ShopDay(tmp_path, engine), list[list[int]]()
    for quantity in (10, 9):
        day.erp.count(*SKU, quantity)
        day.erp.count("DC01", f"SKU-{quantity}", 1)
        day.run(completed(30 - quantity))
        sums.append([len(re.findall(r"(?:SEARCH|SCAN|on) completed_unit\b", plan)) for plan in plans])
        plans.clear()
    is_postgresql = engine.dialect.name == "postgresql"
    engine.dispose()
    # SQLite reads the first cut part by part.
    assert sums[0] == [1, 0, 1 if is_postgresql else mock.ANY]
    assert sums[1] == [1, 1, 0, 0]


def test_a_negative_quantity_is_sent_as_zero(day: ShopDay, caplog: pytest.LogCaptureFixture) -> None:
    day.erp.count(*SKU, 1)
    (cut,) = day.run(completed(10), completed(11))
    assert cut.quantities == {SKU: 0}
    assert "Negative quantities are sent as 0: DC01/SKU-1 (-1)" in caplog.text


@pytest.mark.fault("F14")
def test_a_negative_quantity_stops_the_run_when_asked(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, negative_on_hand="fail")
    day.erp.count(*SKU, 1)
    with pytest.raises(QuantityError, match=r"DC01/SKU-1 \(-1\)"):
        day.run(completed(10), completed(11))


@pytest.mark.fault("F14", "F19")
def test_a_key_without_an_erp_row_stops_the_run_when_asked_and_is_named(day: ShopDay) -> None:
    day.settings["held_keys"] = "fail"
    with pytest.raises(QuantityError, match=r"no on-hand row for keys with completed units: DC01/X, DC01/Y\."):
        day.run(completed(10, "Y", "X", "SKU-1"))


def test_a_run_that_was_stopped_goes_out_whole_when_the_row_is_there(day: ShopDay) -> None:
    day.settings["held_keys"] = "fail"
    with pytest.raises(QuantityError):
        day.run(completed(10, "SKU-1", "X"))
    day.erp.count("DC01", "X", 3)
    (cut,) = day.run(completed(10, "SKU-1", "X"))
    assert (cut.quantities, cut.range) == ({SKU: 9, ("DC01", "X"): 2}, (10, 10))


def test_ignored_nodes_and_products_are_left_out(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, ignored_nodes=["STORE_*"], ignored_products=["gift*"])
    day.erp.count(*SKU, 10)
    day.erp.count("STORE_1", "SKU-1", 5)
    day.erp.count("DC01", "gift-card", 5)
    (cut,) = day.run(
        completed(10), completed(11, "gift-card"), completed(12, "SKU-1", node="STORE_1"), completed(13, "SKU-1")
    )
    assert (cut.quantities, cut.range) == ({SKU: 8}, (10, 13))


def test_a_glob_matches_only_its_star(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, ignored_products=["SKU_1", "S%", "[S]KU-1", "sku-1"])
    day.erp.count(*SKU, 10)
    (cut,) = day.run(completed(10))
    assert cut.quantities == {SKU: 9}


def test_an_unreleased_event_is_not_counted(day: ShopDay) -> None:
    (cut,) = day.run(completed(10), completed(11, released=False), through=10)
    assert (cut.quantities, cut.range) == ({SKU: 9}, (10, 10))


@pytest.mark.adapter_mistake("sent a null location, which creates one")
def test_a_completion_without_a_location_is_refused(day: ShopDay) -> None:
    with pytest.raises(MapperError, match="names no fulfillment_location_id"):
        day.run(completed(10, fulfillment_location_id=None))


def test_a_record_without_a_timestamp_is_refused(day: ShopDay) -> None:
    with pytest.raises(MapperError, match="logical_timestamp"):
        day.run(completed(10) | {"logical_timestamp": None})


@pytest.mark.parametrize("at", [2**63, -(2**63) - 1])
def test_a_timestamp_of_more_than_64_bits_is_refused(day: ShopDay, at: int) -> None:
    with pytest.raises(MapperError, match="logical_timestamp"):
        day.run(completed(10) | {"logical_timestamp": at})


def test_two_tenants_in_one_run_are_refused(day: ShopDay) -> None:
    with pytest.raises(MapperError, match="events of other came, and this run is demo's"):
        day.run(completed(10), completed(11, tenant="other"))
    # Nothing was taken, so the ledger is nobody's yet.
    (cut,) = day.run(completed(10, tenant="other"))
    assert cut.range == (10, 10)


@pytest.mark.fault("F31")
@pytest.mark.parametrize("released", [True, False])
def test_a_ledger_remembers_its_tenant(day: ShopDay, *, released: bool) -> None:
    """A range up to 500 would claim completions of this tenant that nobody has seen."""
    day.run(completed(10, tenant=None))
    day.run(completed(11))
    for _ in range(2):
        with pytest.raises(MapperError, match=r"events of other came, and this ledger is demo's.*correct ledger_url"):
            day.run(completed(12, tenant="other"), completed(500, tenant="other", released=released))
    (cut,) = day.run(completed(12), completed(13, tenant=None))
    assert (cut.quantities, cut.range) == ({SKU: 6}, (12, 13))


@pytest.mark.fault("F14")
@pytest.mark.adapter_mistake("dropped a whole file for one bad cell")
@pytest.mark.adapter_mistake("truncated decimal quantities")
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("DC01,SKU-1,7.5,", "line 3: quantity is '7.5', expected a whole number"),
        ("DC01,SKU-1,,", "line 3: quantity is empty"),
        ("DC01,SKU-1,many,", "line 3: quantity is 'many', expected a whole number"),
        ("DC01,SKU-1,7,now", "line 3: as_of_logical_timestamp is 'now', expected a whole number"),
        ("DC01,SKU-1,99999999999999999999,", "line 3: quantity is 99999999999999999999, beyond 64 bits"),
    ],
)
def test_an_erp_row_that_cannot_be_used_is_named_and_all_others_go_out(
    day: ShopDay, caplog: pytest.LogCaptureFixture, row: str, said: str
) -> None:
    write_rows(day, "A,B,1,", row)
    (cut,) = day.run()
    assert cut.quantities == {("A", "B"): 1}
    assert said in caplog.text


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (",SKU-1,7,", "line 3: fulfillment_node_id is empty"),
        ("DC01,SKU-1,7", "line 3: 3 values under 4 column names"),
        ("A,B,7,", "names these keys more than once: A/B"),
    ],
)
def test_an_erp_row_without_a_key_of_its_own_stops_the_run_and_is_named(day: ShopDay, row: str, said: str) -> None:
    write_rows(day, "A,B,1,", row)
    with pytest.raises(OnHandError) as caught:
        day.run()
    assert said in str(caught.value)


def write_rows(day: ShopDay, *rows: str) -> None:
    header = "fulfillment_node_id,product_id,quantity,as_of_logical_timestamp"
    day.erp.path.write_text("".join(f"{line}\n" for line in (header, *rows)), encoding="utf-8")


def test_a_missing_column_is_named(day: ShopDay) -> None:
    day.erp.path.write_text("node,product_id,quantity,as_of_logical_timestamp\n", encoding="utf-8")
    with pytest.raises(OnHandError, match="column fulfillment_node_id is not in the header row"):
        day.run()


def test_a_missing_file_is_named(day: ShopDay) -> None:
    day.erp.path.unlink()
    with pytest.raises(OnHandError, match=r"cannot read .*on_hand\.csv"):
        day.run()
