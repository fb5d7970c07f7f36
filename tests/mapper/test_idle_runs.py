"""A run with nothing to do asks the ledger little: to compile a statement takes longer than most take to carry out."""

from __future__ import annotations

import contextlib
import sqlite3
import typing as t

import pytest
import sqlalchemy as sa
from mapper_newstore_stock.errors import QuantityError

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: A run makes its temporary tables whatever it finds.
TEMPORARY = "CREATE TEMPORARY TABLE"
MOST_COMPILED = 40


@contextlib.contextmanager
def compiled_statements() -> Iterator[list[str]]:
    """Collect the statements that SQLAlchemy compiles, but for those that make temporary tables."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *rest: t.Any) -> None:
        if rest[1].compiled is not None and TEMPORARY not in statement:
            found.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.fixture
def day(tmp_path: Path) -> ShopDay:
    day = ShopDay(tmp_path)
    for number in range(20):
        day.erp.count("DC01", f"SKU-{number}", 10)
    day.run(completed(10, "SKU-1"))
    return day


def test_a_run_with_nothing_to_do_compiles_few_statements(day: ShopDay) -> None:
    with compiled_statements() as compiled:
        assert day.run() == []
    assert len(compiled) <= MOST_COMPILED, "\n".join(compiled)
    with compiled_statements() as of_a_busy_run:
        (cut,) = day.run(completed(11, "SKU-1"))
    assert cut.quantities == {("DC01", "SKU-1"): 8}
    assert len(of_a_busy_run) > len(compiled)


def cuts_of_units(day: ShopDay) -> dict[str, str]:
    """Return the cut that carries each product's first completion, as the ledger says; "": none does."""
    units = "SELECT product_id, coalesce(cut, '') FROM completed_unit ORDER BY logical_timestamp DESC"
    with contextlib.closing(sqlite3.connect(day.settings["ledger_url"].removeprefix("sqlite:///"))) as ledger:
        return {product: str(cut) for product, cut in ledger.execute(units)}


def test_new_units_have_the_number_of_their_cut_already(day: ShopDay) -> None:
    with compiled_statements() as compiled:
        (cut,) = day.run(completed(11, "SKU-2"), completed(12, "SKU-3"))
    assert not [statement for statement in compiled if statement.startswith("UPDATE completed_unit")]
    assert cuts_of_units(day) == {"SKU-1": "1", "SKU-2": cut.cut_id, "SKU-3": cut.cut_id}


def test_units_of_a_cut_newstore_lacks_go_into_the_next_one(day: ShopDay) -> None:
    day.run(completed(11, "SKU-2"), acknowledge=0)
    (cut,) = day.run(completed(12, "SKU-3"), completed(13, "SKU-2"))
    assert cuts_of_units(day) == {"SKU-1": "1", "SKU-2": cut.cut_id, "SKU-3": cut.cut_id}


def test_units_of_several_cuts_have_the_number_of_each(day: ShopDay) -> None:
    day.settings["max_cut_items"] = 1
    first, second = day.run(completed(11, "SKU-2"), completed(12, "SKU-3"))
    assert cuts_of_units(day) == {"SKU-1": "1", "SKU-2": first.cut_id, "SKU-3": second.cut_id}


def test_units_no_cut_has_carried_go_into_the_one_that_does(day: ShopDay) -> None:
    day.settings["ignored_products"] = ["SKU-2"]
    day.run(completed(11, "SKU-2"))
    assert cuts_of_units(day)["SKU-2"] == ""
    day.settings["ignored_products"] = []
    (cut,) = day.run()
    assert cuts_of_units(day)["SKU-2"] == cut.cut_id


def test_what_waits_is_found_by_a_run_to_which_nothing_has_come(day: ShopDay) -> None:
    # SKU-X has no row: its completion waits, whatever else happens.
    assert day.run(completed(11, "SKU-X")) == []
    assert day.run() == []
    day.erp.count("DC01", "SKU-X", 5)
    (cut,) = day.run()
    assert cut.quantities == {("DC01", "SKU-X"): 4}
    assert cut.range == (11, 11)


def test_a_cut_that_was_not_acknowledged_goes_out_again_though_nothing_has_come(day: ShopDay) -> None:
    (sent,) = day.run(completed(11, "SKU-2"), acknowledge=0)
    (again,) = day.run()
    assert (again.quantities, again.range) == (sent.quantities, sent.range) == ({("DC01", "SKU-2"): 9}, (11, 11))
    assert day.run() == []


def kept_keys(day: ShopDay) -> list[tuple[str, str]]:
    """Return the keys the ledger says have no number of their own, and their kind."""
    with contextlib.closing(sqlite3.connect(day.settings["ledger_url"].removeprefix("sqlite:///"))) as ledger:
        return ledger.execute("SELECT product_id, kind FROM held_key ORDER BY product_id").fetchall()


def test_a_row_of_a_new_key_that_cannot_be_used_is_kept_in_mind(day: ShopDay) -> None:
    day.erp.count("DC01", "SKU-NEW", "a dozen")
    assert day.run() == []
    assert kept_keys(day) == [("SKU-NEW", "held")]


def test_a_key_ignored_while_it_vanished_is_sent_as_0_once_it_is_managed(day: ShopDay) -> None:
    day.settings["ignored_products"] = ["SKU-3"]
    assert day.run() == []
    day.erp.remove("DC01", "SKU-3")
    assert day.run() == []
    assert kept_keys(day) == []
    day.settings["ignored_products"] = []
    (cut,) = day.run()
    assert cut.quantities == {("DC01", "SKU-3"): 0}
    assert kept_keys(day) == [("SKU-3", "vanished")]


def test_a_unit_ahead_of_the_mark_is_added_back_beside_a_row_that_contains_it(day: ShopDay) -> None:
    day.erp.count("DC01", "SKU-4", 9, as_of=15)
    (cut,) = day.run()
    assert cut.quantities == {("DC01", "SKU-4"): 9}
    (cut,) = day.run(completed(15, "SKU-4", released=False))
    assert (cut.quantities, cut.range) == ({("DC01", "SKU-4"): 10}, None)
    assert day.run() == []


@pytest.mark.parametrize("is_first", [True, False], ids=["in the first cut", "later"])
def test_a_number_below_zero_is_refused_if_it_must_not_be(tmp_path: Path, *, is_first: bool) -> None:
    day = ShopDay(tmp_path, negative_on_hand="fail")
    if not is_first:
        day.erp.count("DC01", "SKU-1", 1)
        day.run()
    day.erp.count("DC01", "SKU-1", -1)
    with pytest.raises(QuantityError, match=r"DC01/SKU-1 \(-1\)"):
        day.run()
