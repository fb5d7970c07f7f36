"""The mapping `newstore-allocations`: events as changes of an ERP's stock and allocations."""

from __future__ import annotations

import typing as t

from tests.mapper.shop_day import completed
from tests.mapper.test_mapper import records, run_mapper, schema, state

if t.TYPE_CHECKING:
    from pathlib import Path

ALLOCATIONS = {"output": "allocations"}


def event(at: int, name: str, *products: str, **fields: t.Any) -> dict[str, t.Any]:
    return completed(at, *products, name=f"fulfillment_request.{name}", **fields)


def test_each_event_becomes_its_deltas_per_product(tmp_path: Path) -> None:
    events = [
        event(1, "assigned", "A", "A", "B"),
        event(2, "items_completed", "A", "B"),
        event(3, "items_failed", "A"),
        event(4, "items_ready_for_handover", "A"),
    ]
    done = run_mapper(tmp_path, ALLOCATIONS, schema(), *records(*events), state(4, 4))
    assert done.code == 0
    assert [message["type"] for message in done.messages] == ["SCHEMA", *["RECORD"] * 5, "STATE"]
    assert done.messages[0]["stream"] == "stock_changes"
    assert done.messages[0]["key_properties"] == ["event_id", "fulfillment_node_id", "product_id"]
    assert done.messages[0]["bookmark_properties"] == ["logical_timestamp"]
    names = ("logical_timestamp", "product_id", "on_hand_delta", "allocation_delta")
    assert [tuple(record[name] for name in names) for record in done.records] == [
        (1, "A", 0, 2),
        (1, "B", 0, 1),
        (2, "A", -1, -1),
        (2, "B", -1, -1),
        (3, "A", 0, -1),
    ]


def test_the_state_passes_through_as_it_comes(tmp_path: Path) -> None:
    first, last = state(1, 1), state(4, 4)
    done = run_mapper(tmp_path, ALLOCATIONS, first, schema(), last)
    assert done.states == [first["value"], last["value"]]


def test_an_event_not_released_yet_is_left_for_the_run_that_releases_it(tmp_path: Path) -> None:
    done = run_mapper(tmp_path, ALLOCATIONS, schema(), *records(event(5, "assigned", released=False)), state(4, 4))
    assert done.records == []


def test_it_needs_neither_a_ledger_nor_the_erps_numbers(tmp_path: Path) -> None:
    run_mapper(tmp_path, ALLOCATIONS, schema(), *records(event(1, "assigned")), state(1, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["mapper-newstore-stock.json"]


def test_records_go_out_even_if_no_state_follows_them(tmp_path: Path) -> None:
    done = run_mapper(tmp_path, ALLOCATIONS, schema(), *records(event(1, "assigned")))
    assert (done.code, len(done.records), done.states) == (0, 1, [])


def test_an_event_that_names_no_location_changes_no_allocations_and_stops_nothing(tmp_path: Path) -> None:
    nowhere = {"fulfillment_location_id": None}
    events = [event(1, "assigned", "A", **nowhere), event(2, "items_failed", "A", **nowhere), event(3, "assigned", "B")]
    done = run_mapper(tmp_path, ALLOCATIONS, schema(), *records(*events), state(3, 3))
    assert (done.code, len(done.states)) == (0, 1)
    assert [(record["product_id"], record["allocation_delta"]) for record in done.records] == [("B", 1)]
    assert [f"({name}) names no fulfillment_location_id" in done.log for name in (events[0]["event_name"], "x")] == [
        True,
        False,
    ]


def test_a_completion_without_a_location_was_changed_on_its_way(tmp_path: Path) -> None:
    done = run_mapper(
        tmp_path,
        ALLOCATIONS,
        schema(),
        *records(event(1, "items_completed", fulfillment_location_id=None)),
        state(1, 1),
    )
    assert (done.code, done.states) == (1, [])
    assert "[NSS-242]" in done.log
