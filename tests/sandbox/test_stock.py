"""NewStore's arithmetic and the judge, without I/O (wire contract, section 5)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from newstore_sandbox.stock import Scope, Stock, Unit

A, B = ("DC01", "A"), ("DC01", "B")


def a_stock(scope: Scope = "tenant", **on_hand: int) -> Stock:
    """Return a stock whose numbers equal the true shelf."""
    stock = Stock(scope)
    for product, quantity in on_hand.items():
        stock.on_hand["DC01", product] = stock.shelf["DC01", product] = quantity
    return stock


def assign(stock: Stock, key: tuple[str, str] = A, count: int = 1) -> list[Unit]:
    units = [Unit(f"{key}-{number}", "order", "request", key) for number in range(count)]
    for unit in units:
        stock.assign(unit)
    return units


def test_ten_units_four_orders_and_two_imports() -> None:
    stock = a_stock(A=10)
    units = assign(stock, count=4)
    for timestamp, unit in enumerate(units[:3], start=10):
        stock.complete(unit, timestamp)
    assert (stock.on_hand[A], len(stock.units_of(A)), stock.atp(A)) == (10, 4, 6)
    stock.apply_import("1", {A: 7}, (10, 12))
    assert (stock.on_hand[A], len(stock.units_of(A)), stock.atp(A)) == (7, 1, 6)
    stock.shelf[A] += 10
    stock.apply_import("2", {A: 17}, None)
    assert (stock.on_hand[A], len(stock.units_of(A)), stock.atp(A)) == (17, 1, 16)
    assert stock.oversold == []


def test_an_assigned_unit_is_subtracted_until_it_fails() -> None:
    stock = a_stock(A=10)
    (unit,) = assign(stock)
    assert stock.atp(A) == 9
    stock.fail(unit)
    assert (stock.atp(A), stock.shelf[A]) == (10, 10)


def test_a_completed_unit_leaves_the_shelf_and_stays_subtracted() -> None:
    stock = a_stock(A=10)
    (unit,) = assign(stock)
    stock.complete(unit, 10)
    assert (stock.atp(A), stock.shelf[A], stock.free(A)) == (9, 9, 9)


@pytest.mark.parametrize(
    ("covered", "left"), [((10, 12), 0), ((11, 12), 1), ((10, 11), 1), ((11, 11), 2), ((13, 99), 3), (None, 3)]
)
def test_a_range_covers_both_of_its_ends(covered: tuple[int, int] | None, left: int) -> None:
    stock = a_stock(A=10)
    for timestamp, unit in enumerate(assign(stock, count=3), start=10):
        stock.complete(unit, timestamp)
    stock.apply_import("1", {A: 7}, covered)
    assert len(stock.units_of(A)) == left


def test_a_range_of_the_tenant_covers_keys_that_are_not_in_the_file() -> None:
    stock = a_stock("tenant", A=10, B=10)
    (unit,) = assign(stock, B)
    stock.complete(unit, 10)
    stock.apply_import("1", {A: 10}, (10, 10))
    assert stock.atp(B) == 10
    assert [(row["product_id"], row["atp"], row["free"]) for row in stock.oversold] == [("B", 10, 9)]


def test_a_range_of_the_file_covers_only_its_own_keys() -> None:
    stock = a_stock("file", A=10, B=10)
    (unit,) = assign(stock, B)
    stock.complete(unit, 10)
    stock.apply_import("1", {A: 10}, (10, 10))
    assert (stock.atp(B), stock.oversold) == (9, [])


def test_a_range_does_not_cover_units_completed_later() -> None:
    stock = a_stock(A=10)
    (unit,) = assign(stock)
    stock.apply_import("1", {A: 10}, (1, 99))
    stock.complete(unit, 50)
    assert len(stock.units_of(A)) == 1


def test_numbers_that_are_already_available_get_open_units_on_top() -> None:
    stock = a_stock(A=10)
    assign(stock, count=2)
    stock.apply_import("1", {A: 8}, None, quantities_are_atp=True)
    assert (stock.on_hand[A], stock.atp(A)) == (10, 8)


def test_the_judge_names_import_key_and_numbers() -> None:
    stock = a_stock(A=10)
    stock.apply_import("import-1", {A: 11}, None)
    verdict = {"import_id": "import-1", "fulfillment_node_id": "DC01", "product_id": "A", "atp": 11, "free": 10}
    assert stock.truth()["oversold"] == [verdict]
    assert stock.truth()["ever_oversold"] is True


def test_an_import_never_changes_the_shelf() -> None:
    stock = a_stock(A=10)
    stock.apply_import("1", {A: 99, B: 5}, (1, 99))
    assert stock.shelf == {A: 10}


def test_a_key_without_a_number_has_no_atp() -> None:
    assert Stock("tenant").atp(A) is None


@given(st.integers(0, 2**32), st.sampled_from(["tenant", "file"]))
def test_after_a_correct_import_of_all_keys_atp_is_what_is_free(seed: int, scope: Scope) -> None:
    chance = random.Random(seed)
    stock = a_stock(scope, A=20, B=20)
    units: list[Unit] = []
    for timestamp in range(1, 60):
        open_units = [unit for unit in units if unit.is_open]
        step = chance.choice(("assign", "complete", "fail", "import"))
        if step == "import":
            right = {key: max(stock.shelf[key], 0) for key in (A, B)}
            stock.apply_import(str(timestamp), right, (1, timestamp))
            assert all(stock.atp(key) == stock.free(key) for key in (A, B))
        elif step == "assign" and stock.free(A) > 0 < stock.free(B):
            units += assign(stock, chance.choice((A, B)))
        elif open_units:
            unit = chance.choice(open_units)
            if step == "complete":
                stock.complete(unit, timestamp)
            else:
                stock.fail(unit)
    assert stock.oversold == []
