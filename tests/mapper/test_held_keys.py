"""A key without a row is held: nothing is sent for it, and no range covers its completions (design rule 13)."""

from __future__ import annotations

import re
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import QuantityError
from mapper_newstore_stock.ledger.database import open_engine

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.mapper.shop_day import SentCut

A, B, NEW = ("DC01", "A"), ("DC01", "B"), ("DC01", "NEW")


@pytest.fixture
def day(tmp_path: Path, database_url: str) -> ShopDay:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.count(*A, 10)
    day.erp.count(*B, 20)
    return day


def held(day: ShopDay) -> list[tuple[str, str, str]]:
    engine = open_engine(day.settings["ledger_url"])
    with engine.connect() as connection:
        query = sa.text("SELECT product_id, kind, reason FROM held_key ORDER BY product_id")
        rows = [tuple(row) for row in connection.execute(query)]
    engine.dispose()
    return rows


def said(cuts: list[SentCut]) -> list[tuple[dict[str, int], tuple[int, int] | None]]:
    return [({product: number for (_, product), number in cut.quantities.items()}, cut.range) for cut in cuts]


@pytest.mark.fault("F25")
def test_ranges_leave_its_completion_out_and_all_others_are_exact(day: ShopDay) -> None:
    cuts = day.run(completed(10, "A"), completed(11, "NEW"), completed(12, "B"))
    assert said(cuts) == [({"A": 9}, (10, 10)), ({"B": 19}, (12, 12))]
    assert held(day) == [("NEW", "held", "no row in the on-hand list")]


def test_it_goes_out_when_its_row_has_come(day: ShopDay) -> None:
    day.run(completed(10, "A"), completed(11, "NEW"), completed(12, "B"))
    day.erp.count(*NEW, 5)
    assert said(day.run()) == [({"NEW": 4}, (11, 11))]
    assert held(day) == []


def test_a_completion_of_the_same_event_waits_with_it(day: ShopDay) -> None:
    assert said(day.run(completed(10, "A", "NEW"), completed(11, "B"))) == [({"A": 10, "B": 19}, (11, 11))]
    assert said(day.run(completed(12, "A"))) == [({"A": 9}, (12, 12))]
    day.erp.count(*NEW, 5)
    assert said(day.run()) == [({"A": 8, "NEW": 4}, (10, 10))]


def test_a_waiting_unit_the_row_contains_is_added_back(day: ShopDay) -> None:
    day.run(completed(10, "A", "NEW"), completed(11, "B"))
    day.erp.count(*A, 9, as_of=11)
    assert day.run() == []
    day.erp.count(*NEW, 5)
    assert said(day.run()) == [({"A": 9, "NEW": 4}, (10, 10))]


def test_ranges_end_before_the_next_one_when_too_many_are_in_between(day: ShopDay) -> None:
    events = [completed(at, "NEW" if at % 2 else "A") for at in range(10, 24)]
    cuts = day.run(*events)
    assert [cut.range for cut in cuts] == [(10, 10), (12, 12), (14, 14), (16, 16)]
    assert [cut.quantities for cut in cuts] == [{A: 6}, {A: 6}, {A: 6}, {A: 6, B: 20}]
    # The ERP's row contains what the ranges have not reached: NewStore still subtracts that.
    day.erp.count(*A, 3, as_of=23)
    assert [(cut.range, cut.quantities) for cut in day.run()] == [
        ((18, 18), {A: 3}),
        ((20, 20), {A: 3}),
        ((22, 22), {A: 3}),
    ]


def test_completions_beyond_the_ranges_are_added_back_to_rows_that_contain_them(day: ShopDay) -> None:
    events = [completed(at, "NEW" if at % 2 else "A") for at in range(10, 24)]
    day.erp.count(*A, 3, as_of=23)
    cuts = day.run(*events)
    assert [cut.quantities[A] for cut in cuts] == [6, 6, 6, 6]


def test_nothing_is_declared_while_every_completion_is_held(day: ShopDay) -> None:
    day.run()
    assert day.run(completed(10, "NEW")) == []
    assert said(day.run(completed(11, "A"))) == [({"A": 9}, (11, 11))]


def test_a_held_key_that_becomes_ignored_frees_nothing_it_shares(day: ShopDay) -> None:
    day.run(completed(10, "A", "NEW"), completed(11, "B"))
    day.settings["ignored_products"] = ["NEW"]
    assert said(day.run()) == [({"A": 9}, (10, 10))]


def test_a_late_completion_of_it_is_not_declared_either(day: ShopDay) -> None:
    day.run(completed(10, "A"), completed(20, "B"))
    cuts = day.run(completed(14, "A"), completed(15, "NEW"), completed(16, "A"))
    assert said(cuts) == [({"A": 7}, (14, 14)), ({"A": 7}, (16, 16))]


def test_what_newstore_did_not_acknowledge_is_split_around_it_again(day: ShopDay) -> None:
    events = completed(10, "A"), completed(11, "NEW"), completed(12, "B")
    first = said(day.run(*events, acknowledge=0))
    assert said(day.run(acknowledge=1)) == first
    assert said(day.run()) == first[1:]


def test_an_ahead_unit_of_it_that_the_mark_reaches_is_held_too(day: ShopDay) -> None:
    day.run(completed(9, "A"), completed(11, "NEW", released=False), through=9)
    cuts = day.run(completed(10, "A"), completed(12, "B"), through=12)
    assert said(cuts) == [({"A": 8}, (10, 10)), ({"B": 19}, (12, 12))]


@pytest.mark.parametrize(("percent", "stops"), [(None, False), (0, True), (50, False), (10, True)])
def test_more_than_max_held_percent_stop_the_run(day: ShopDay, percent: float | None, stops: bool) -> None:
    if percent is not None:
        day.settings["max_held_percent"] = percent
    if stops:
        with pytest.raises(QuantityError, match="1 of 3 keys have completed units and no on-hand row"):
            day.run(completed(10, "A"), completed(11, "NEW"))
    else:
        assert day.run(completed(10, "A"), completed(11, "NEW"))


def test_no_message_advises_to_ignore_what_is_sold_from_here(day: ShopDay) -> None:
    day.settings["held_keys"] = "fail"
    with pytest.raises(QuantityError, match="are for what NewStore does not sell from a number imported here"):
        day.run(completed(10, "NEW"))


def test_ignored_completions_are_claimed_unless_told_otherwise(day: ShopDay) -> None:
    day.settings["ignored_products"] = ["GIFT"]
    assert [cut.range for cut in day.run(completed(10, "A"), completed(11, "GIFT"), completed(12, "B"))] == [(10, 12)]
    day.settings["claim_ignored"] = False
    cuts = day.run(completed(13, "A"), completed(14, "GIFT"), completed(15, "B"))
    assert [cut.range for cut in cuts] == [(13, 13), (15, 15)]


@pytest.mark.fault("F26")
def test_what_was_acknowledged_once_needs_no_row_to_be_repeated(day: ShopDay) -> None:
    day.erp.count(*NEW, 5)
    day.run(completed(10, "NEW"), completed(11, "A"))
    day.run()
    day.settings |= {"max_vanished_percent": 100, "ignored_products": ["NEW"]}
    day.erp.remove(*NEW)
    day.run()
    day.settings["ignored_products"] = []
    day.state = {}
    (cut,) = day.run(completed(10, "NEW"), completed(11, "A"))
    assert (cut.range, cut.quantities) == ((10, 11), {A: 9, B: 20, NEW: 0})


def bookmark_with(*holes: int) -> dict[str, t.Any]:
    return {
        "replication_key": "logical_timestamp",
        "replication_key_value": 12,
        "position": 3,
        "store_id": "store",
        "complete": True,
        "holes": [[hole, hole] for hole in holes],
    }


def test_holes_the_tap_knows_are_covered_by_no_range(day: ShopDay) -> None:
    day.bookmark = bookmark_with(11)
    cuts = day.run(completed(10, "A"), completed(12, "A"))
    assert said(cuts) == [({"A": 8}, (10, 10)), ({"A": 8, "B": 20}, (12, 12))]


def test_rows_that_cannot_be_used_are_named_and_hold_their_keys(day: ShopDay, caplog: pytest.LogCaptureFixture) -> None:
    day.run()
    day.erp.count("DC01", "A", "ten")
    day.erp.count("DC01", "NEW", "1.000")
    assert said(day.run(completed(10, "A"), completed(11, "NEW"))) == [({"A": 9}, (10, 10))]
    assert "DC01/A in line 2: quantity is 'ten', expected a whole number; its last row stands" in caplog.text
    assert "DC01/NEW in line 4: quantity is '1.000', expected a whole number" in caplog.text
    assert "the key is held, nothing is sent for it" in caplog.text
    assert [line[:2] for line in held(day)] == [("A", "stale"), ("NEW", "held")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_held_percent": 10}, "1 on-hand rows cannot be used, more than max_held_percent (10): "),
        ({"held_keys": "fail"}, "1 on-hand rows cannot be used: "),
    ],
)
def test_too_many_rows_that_cannot_be_used_stop_the_run(day: ShopDay, settings: dict[str, t.Any], message: str) -> None:
    day.erp.count("DC01", "B", "ten")
    day.settings.update(settings)
    with pytest.raises(QuantityError, match=re.escape(message)) as caught:
        day.run()
    assert "DC01/B in line 3: quantity is 'ten', expected a whole number" in str(caught.value)


def test_holes_below_everything_a_run_declares_stop_nothing(day: ShopDay) -> None:
    """A refused body stays a hole for as long as nobody looks at it, and all later runs begin above it."""
    day.bookmark = bookmark_with(9, 7)
    (cut,) = day.run(completed(10, "A"), completed(12, "A"))
    assert said([cut]) == [({"A": 8, "B": 20}, (10, 12))]
