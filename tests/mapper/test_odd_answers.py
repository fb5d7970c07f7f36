"""What NewStore answers to `diff` and is no answer: one line that says so, never a number, never a traceback."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.comparing import compare_at
from tests.mapper.shop_day import ShopDay
from tests.shop.scripted_http import ScriptedHttp, answer

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ATP = "/v0/availabilities"
INSIGHTS = "/v0/stock/insights?product_id=A&fulfillment_node_id=DC01"
ITEM = b'{"items": [{"product_id": "A", "fulfillment_node_id": "DC01", "atp": %s}]}'


@pytest.fixture
def day(tmp_path: Path) -> ShopDay:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "A", 10)
    day.run()
    return day


@pytest.fixture
def server() -> Iterator[ScriptedHttp]:
    with ScriptedHttp().serving() as server:
        yield server


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "missing required field `items`"),
        (b'{"items": null}', "Expected `array`, got `null`"),
        (b"null", "Expected `object`, got `null`"),
        (ITEM % b"null", "Expected `int`, got `null`"),
        (ITEM % b"3.5", "Expected `int`, got `float`"),
        (ITEM % b"10000000000000000000", "Expected `int` <= 9007199254740992"),
        (ITEM % b'"-99999999999999999999"', "Expected `int` >= -9007199254740992"),
        (ITEM % (b"9" * 5_000), "Integer value out of range"),
    ],
)
@pytest.mark.parametrize("output_format", ["json", "csv", "table"])
def test_an_answer_without_a_number_is_one_line(
    day: ShopDay, server: ScriptedHttp, body: bytes, says: str, output_format: str
) -> None:
    server.answers[ATP] = answer(200, body)
    done = compare_at(day, server.settings, "--format", output_format)
    assert (done.code, done.rows) == (1, {})
    assert says in done.log
    assert (done.log.count("\n"), "[NSS-" in done.log) == (1, True)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "answered 200 with neither allocations nor reservations: no stock insights. Check the URL"),
        (b'{"items": []}', "no stock insights. Check the URL"),
        (b'{"allocations": null}', "Expected `array`, got `null`"),
        (b"[]", "Expected `object`, got `array`"),
    ],
)
def test_insights_that_are_none_are_one_line(day: ShopDay, server: ScriptedHttp, body: bytes, says: str) -> None:
    server.answers |= {ATP: answer(200, ITEM % b"8"), INSIGHTS: answer(200, body)}
    done = compare_at(day, server.settings)
    assert (done.code, done.rows) == (1, {})
    assert says in done.log
    assert done.log.count("\n") == 1


@pytest.mark.parametrize(
    ("entries", "units"),
    [
        (b"[{}, {}]", 2),
        (b'["x", null]', 2),
        (b'[{"quantity": 2}]', 2),
        (b'[{"quantity": "2"}]', 2),
        (b'[{"quantity": 0}, {"quantity": true}]', 2),
        (b'[{"quantity": 1.5}, {"quantity": 10000000000000000000}]', 2),
    ],
)
def test_an_entry_of_the_insights_is_a_unit_unless_it_says_otherwise(
    day: ShopDay, server: ScriptedHttp, entries: bytes, units: int
) -> None:
    lists = b'{"allocations": %s, "reservations": [], "future_allocations": []}'
    server.answers |= {ATP: answer(200, ITEM % b"8"), INSIGHTS: answer(200, lists % entries)}
    done = compare_at(day, server.settings)
    assert (done.code, done.rows["A"]["allocations"], done.causes) == (0, units, {"A": "allocations"}), done.log
