"""Events that the tap says came late, to a ledger that cannot know (design rule 4)."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

SKU = ("DC01", "SKU-1")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    """Return a shop whose ERP has counted the events at 10 and 14."""
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*SKU, 8, as_of=14)
    return day


def test_a_late_event_counts_in_a_new_ledger_until_the_row_changes(day: ShopDay) -> None:
    day.run(completed(10), completed(14))
    day.run(completed(12))
    day.delete_ledger()
    day.state = {}
    (cut,) = day.run(completed(10), completed(14), known_late=[completed(12)])
    assert (cut.quantities, cut.range) == ({SKU: 7}, (10, 14))
    day.erp.count(*SKU, 7, as_of=14)
    assert day.run() == []


def test_events_before_the_tap_says_that_late_ones_follow_are_contained_in_the_row(day: ShopDay) -> None:
    at_the_mark = completed(14, name="fulfillment_request.items_completed", event_id="another")
    (cut,) = day.run(completed(10), completed(14), known_late=[at_the_mark])
    assert cut.quantities == {SKU: 7}


def test_events_above_the_timestamp_of_late_ones_are_contained_in_the_row(day: ShopDay) -> None:
    day.erp.count(*SKU, 7, as_of=20)
    day.bookmark = {"replication_key_value": 14, "position": 3, "store_id": "store"}
    (cut,) = day.run(completed(10), known_late=[completed(12), completed(20)])
    assert cut.quantities == {SKU: 6}


def test_no_event_below_the_taps_last_state_is_late_unless_the_tap_says_so(day: ShopDay) -> None:
    day.bookmark = {"replication_key_value": 14}
    (cut,) = day.run(completed(14), completed(12))
    assert cut.quantities == {SKU: 8}


@pytest.mark.parametrize("is_late", [True, False])
def test_a_unit_the_ledger_knows_stays_late_or_in_time_as_it_first_came(day: ShopDay, is_late: bool) -> None:
    known_late = [completed(12)] if is_late else []
    in_time = [] if is_late else [completed(12)]
    (first,) = day.run(completed(10), *in_time, completed(14), known_late=known_late)
    day.state = {}
    (again,) = day.run(completed(10), *known_late, completed(14), known_late=in_time)
    assert first.quantities == again.quantities == {SKU: 7 if is_late else 8}


def test_a_late_event_sent_before_the_mark_has_reached_it_comes_back_late(day: ShopDay) -> None:
    day.run(completed(10), completed(12, released=False), through=10)
    (cut,) = day.run(completed(14), known_late=[completed(12)])
    assert cut.quantities == {SKU: 7}
