"""What goes out again, and what does not (design rules 3, 6, 7 and 10)."""

from __future__ import annotations

import os
import typing as t

import pytest
from mapper_newstore_stock.errors import LedgerError
from mapper_newstore_stock.ledger import tables
from mapper_newstore_stock.ledger.database import open_engine
from mapper_newstore_stock.ledger.store import Ledger

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mapper.shop_day import State
    from tests.shop.postgresql import PostgreSql

SKU = ("DC01", "SKU-1")


def a_day(directory: Path, ledger_url: str, **settings: t.Any) -> ShopDay:
    day = ShopDay(directory, ledger_url=ledger_url, **settings)
    for product in ("SKU-1", "A", "B", "C"):
        day.erp.count("DC01", product, 10)
    day.run()
    return day


def test_a_cut_newstore_did_not_get_goes_out_again_with_its_range(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10), acknowledge=0)
    (cut,) = day.run(completed(10), completed(11))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (10, 11))


def test_after_a_lost_state_everything_goes_out_again_at_the_same_quantities(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10), completed(11))
    day.run(completed(12))
    day.state = {}
    (cut,) = day.run(completed(10), completed(11), completed(12))
    assert cut.range == (10, 12)
    assert cut.quantities == {SKU: 7, ("DC01", "A"): 10, ("DC01", "B"): 10, ("DC01", "C"): 10}


def test_an_older_state_repeats_from_there_at_the_mark(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10))
    older = day.state
    day.run(completed(11))
    day.state = older
    (cut,) = day.run(completed(11))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))


@pytest.mark.adapter_mistake("declared the whole range with every part")
def test_parts_of_a_split_cut_share_one_mark_and_declare_their_own_ranges(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url, max_cut_items=1)
    parts = day.run(completed(10, "A"), completed(11, "B"), completed(12, "A"), completed(13, "C"))
    assert [part.range for part in parts] == [(10, 10), (11, 11), (12, 12), (13, 13)]
    assert [part.quantities for part in parts] == [
        {("DC01", "A"): 8},
        {("DC01", "B"): 9},
        {("DC01", "A"): 8},
        {("DC01", "C"): 9},
    ]
    assert [part.state["bookmarks"]["stock"]["cut"] for part in parts] == [5, 6, 7, 8]


def test_after_some_parts_only_the_others_go_out_again(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url, max_cut_items=1)
    events = [completed(10, "A"), completed(11, "B"), completed(13, "C")]
    day.run(*events, acknowledge=1)
    parts = day.run()
    assert [(part.range, part.quantities) for part in parts] == [
        ((11, 11), {("DC01", "B"): 9}),
        ((13, 13), {("DC01", "C"): 9}),
    ]


def test_numbers_of_cuts_grow_and_are_never_used_twice(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    first = day.run(completed(10), acknowledge=0)
    second = day.run(completed(10))
    assert int(second[0].cut_id) > int(first[0].cut_id)


@pytest.mark.fault("F6")
def test_events_after_a_dying_taps_last_state_are_not_taken(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    assert day.run(completed(10), lose_last_state=True) == []
    (cut,) = day.run(completed(10))
    assert (cut.quantities, cut.range) == ({SKU: 9}, (10, 10))


@pytest.mark.fault("F17")
def test_a_fresh_ledger_with_a_live_state_is_refused(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10))
    day.delete_ledger()
    with pytest.raises(LedgerError, match="the ledger is older than the Singer state"):
        day.run(completed(11))


@pytest.mark.fault("F17")
def test_a_fresh_ledger_after_a_full_refresh_ends_in_right_numbers(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10))
    day.delete_ledger()
    day.state = {}
    (cut,) = day.run(completed(10), completed(11))
    assert (cut.quantities[SKU], cut.range) == (8, (10, 11))


@pytest.mark.fault("F17")
def test_a_fresh_ledger_that_is_told_the_mark_subtracts_what_was_declared(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    events = completed(10, "SKU-1", "C"), completed(11)
    day.run(*events)
    day.delete_ledger()
    day.erp.remove("DC01", "C")
    with pytest.raises(LedgerError, match="older than the Singer state") as refused:
        day.run()
    # What the error advises.
    assert """'{"singer_state":{"bookmarks":{"fulfillment_events":null}}}'""" in str(refused.value)
    day.state["bookmarks"].pop("fulfillment_events")
    (cut,) = day.run(*events)
    # NewStore was told of 10 and 11; now C is held, and a new ledger's range begins behind it.
    assert (cut.quantities[SKU], cut.range) == (8, (11, 11))


@pytest.mark.fault("F15")
def test_a_second_run_on_the_same_ledger_is_refused_and_told_who_holds_it(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    held = Ledger.at(day.settings["ledger_url"])
    with pytest.raises(LedgerError, match=rf"in use: process {os.getpid()} on host \S+, since \d{{4}}-"):
        day.run(completed(10))
    held.close()
    assert len(day.run(completed(10))) == 1


def test_a_ledger_of_another_schema_version_is_refused(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger SET schema_version = 99")
    engine.dispose()
    with pytest.raises(LedgerError, match=f"schema version 99, this program knows {tables.SCHEMA_VERSION}"):
        day.run()


@pytest.mark.fault("F16")
def test_a_state_of_another_ledger_acknowledges_nothing_of_this_one(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10))
    day.run(completed(11))
    older = day.state
    day.delete_ledger()
    day.state = {}
    # The new ledger has cuts of the same numbers; NewStore gets none of them.
    for _ in range(3):
        day.run(completed(10), completed(11), completed(12), acknowledge=0)
    day.state = older
    (cut,) = day.run(completed(12))
    assert (cut.quantities[SKU], cut.range) == (7, (10, 12))
    assert len(cut.quantities) == 4
    assert int(cut.cut_id) > older["bookmarks"]["stock"]["cut"]


@pytest.mark.fault("F16", "F17")
def test_a_state_of_another_ledger_that_knows_more_events_is_refused(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10), completed(11))
    live = day.state
    day.delete_ledger()
    day.state = {}
    day._position = 0
    day.run(completed(10))
    day.state = live
    with pytest.raises(LedgerError, match="up to logical timestamp 11 as read"):
        day.run(completed(12))


@pytest.mark.fault("F17")
def test_a_ledger_restored_from_a_copy_does_not_take_a_later_cut_for_its_own(tmp_path: Path) -> None:
    day = a_day(tmp_path, f"sqlite:///{tmp_path / 'copied.db'}")
    copy = (tmp_path / "copied.db").read_bytes()
    day.erp.count(*SKU, 20)
    day.run()
    later = day.state
    (tmp_path / "copied.db").write_bytes(copy)
    day.erp.count(*SKU, 30)
    day.run(acknowledge=0)
    day.erp.count(*SKU, 10)
    day.state = later
    (cut,) = day.run()
    assert cut.quantities[SKU] == 10
    assert len(cut.quantities) == 4


@pytest.mark.fault("F16")
def test_a_bookmark_without_a_ledger_acknowledges_nothing(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    del day.state["bookmarks"]["stock"]["ledger"]
    (cut,) = day.run()
    assert len(cut.quantities) == 4


def test_two_ledgers_in_two_schemas_of_one_database_do_not_meet(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database()
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SCHEMA first")
        connection.exec_driver_sql("CREATE SCHEMA second")
    engine.dispose()
    separator = "&" if "?" in url else "?"
    first, second = (f"{url}{separator}options=-csearch_path%3D{schema}" for schema in ("first", "second"))
    held = Ledger.at(first)
    assert len(a_day(tmp_path, second).run(completed(10))) == 1
    with pytest.raises(LedgerError, match=rf"in use: process {os.getpid()} on host \S+, since \d{{4}}-"):
        Ledger.at(first)
    held.close()


def test_a_plain_postgresql_url_needs_no_driver_in_it(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = postgresql.new_database().replace("postgresql+psycopg://", "postgresql://")
    assert len(a_day(tmp_path, url).run(completed(10))) == 1
    assert len(a_day(tmp_path, url.replace("postgresql://", "postgres://")).state) == 1


def test_the_next_run_may_begin_the_moment_the_last_one_has_ended(tmp_path: Path, database_url: str) -> None:
    for _ in range(20):
        Ledger.at(database_url).close()
    assert len(a_day(tmp_path, database_url).run(completed(10))) == 1


def test_events_of_a_tap_that_died_on_the_way_are_kept_and_not_sent_alone(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10), completed(11))
    day.delete_ledger()
    day.state = {}
    # NewStore has the range 10-11; a new ledger that knows event 10 only would promise 11's unit again.
    day.bookmark = {"replication_key_value": 10, "position": 2, "store_id": "store", "complete": False}
    assert day.run(completed(10)) == []
    assert day.state["bookmarks"]["fulfillment_events"] == day.bookmark
    day.bookmark = {"replication_key_value": 11, "position": 2, "store_id": "store", "complete": True}
    (cut,) = day.run(completed(11))
    assert (cut.quantities[SKU], cut.range) == (8, (10, 11))


def test_the_ledger_itself_remembers_the_mark_when_the_state_does_not_say_it(tmp_path: Path, database_url: str) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10), completed(14))
    # A state mended by hand: NewStore has the cut, but nothing says how far ranges have reached.
    del day.state["bookmarks"]["stock"]["mark"], day.state["bookmarks"]["stock"]["replication_key_value"]
    (cut,) = day.run(completed(12))
    # At the late event's own timestamp it would be 8, and nobody subtracts the unit of 14 any more.
    assert (cut.quantities, cut.range) == ({SKU: 7}, (12, 12))
    assert cut.state["bookmarks"]["stock"]["mark"] == 14


def test_the_ledger_itself_remembers_a_mark_made_by_a_key_that_is_ignored_now(
    tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url)
    day.erp.count(*SKU, 9, as_of=12)
    day.run(completed(10, "A"), completed(14, "A"))
    day.state = {}
    day.settings["ignored_products"] = ["A"]
    # The range 10-14 took 12 from NewStore's own subtraction: adding it back would promise it again.
    (cut,) = day.run(completed(12, released=False), through=10)
    assert cut.quantities[SKU] == 8
    assert cut.state["bookmarks"]["stock"]["mark"] == 14


def test_nothing_is_sent_when_the_tap_died_before_its_last_state_not_even_the_erps_changes(
    tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url)
    day.erp.count(*SKU, 12)
    assert day.run(lose_last_state=True) == []
    (cut,) = day.run()
    assert cut.quantities == {SKU: 12}


def _without_bookmark(state: State) -> None:
    del state["bookmarks"]["fulfillment_events"]


def _without_complete(state: State) -> None:
    del state["bookmarks"]["fulfillment_events"]["complete"]


@pytest.mark.parametrize("edit", [_without_bookmark, _without_complete])
def test_after_an_edit_of_the_state_nothing_is_sent_when_the_tap_died_either(
    edit: Callable[[State], None], tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10))
    day.run(completed(11), completed(14), acknowledge=0)
    edit(day.state)
    # A late event at 12 is in the landing store; the tap dies before it sends it. The range 11-14 would cover it.
    assert day.run(lose_last_state=True) == []
    day.state = {}
    (cut,) = day.run(completed(12))
    assert (cut.quantities[SKU], cut.range) == (6, (10, 14))


def test_a_new_ledger_sends_nothing_when_the_tap_died_before_it_had_sent_anything_again(
    tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url)
    day.run(completed(10), completed(11))
    day.delete_ledger()
    # As the refusal of the new ledger advises: the tap's bookmark is dropped, what was declared stays.
    _without_bookmark(day.state)
    # NewStore has the range 10-11: to send the ERP's 10 now would promise both units again.
    assert day.run(lose_last_state=True) == []
    (cut,) = day.run(completed(10), completed(11))
    assert (cut.quantities[SKU], cut.range) == (8, (10, 11))


def test_a_new_ledger_sends_nothing_until_a_tap_that_never_says_it_is_complete_has_come_as_far_as_the_mark(
    tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url)
    day.bookmark = {"replication_key_value": 11}
    day.run(completed(10), completed(11))
    day.delete_ledger()
    _without_bookmark(day.state)
    day.bookmark = {"replication_key_value": 10}
    assert day.run(completed(10)) == []
    day.bookmark = {"replication_key_value": 11}
    (cut,) = day.run(completed(11), acknowledge=0)
    assert (cut.quantities[SKU], cut.range) == (8, (10, 11))
    # By now it has, and the tap has nothing more to say.
    (cut,) = day.run(lose_last_state=True)
    assert (cut.quantities[SKU], cut.range) == (8, (10, 11))


@pytest.mark.parametrize("lost", ["nothing", "contained_through", "ledger"])
def test_a_mark_that_contained_through_set_holds_up_no_tap_that_never_says_it_is_complete(
    tmp_path: Path, database_url: str, lost: str
) -> None:
    day = a_day(tmp_path, database_url, contained_through=1000)
    day.bookmark = {"replication_key_value": 11}
    day.erp.count(*SKU, 9)
    day.run(completed(11))
    assert day.state["bookmarks"]["stock"]["mark"] == 1000
    if lost == "contained_through":
        del day.settings["contained_through"]
    if lost == "ledger":
        # Every number contains what the new ledger does not know.
        day.delete_ledger()
        _without_bookmark(day.state)
    day.erp.count(*SKU, 12)
    (cut,) = day.run()
    assert cut.quantities[SKU] == (11 if lost == "contained_through" else 12)


def test_a_tap_that_does_not_say_when_it_is_complete_may_send_nothing_after_its_input_state(
    tmp_path: Path, database_url: str
) -> None:
    day = a_day(tmp_path, database_url)
    day.delete_ledger()
    day.bookmark = {"replication_key_value": 10}
    day.state = {}
    day.run(completed(10))
    day.erp.count(*SKU, 12)
    (cut,) = day.run(lose_last_state=True)
    assert (cut.quantities, cut.range) == ({SKU: 11}, None)
