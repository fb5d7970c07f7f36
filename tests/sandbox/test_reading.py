"""Reading back (wire contract, section 6)."""

from __future__ import annotations

import typing as t

import pytest

if t.TYPE_CHECKING:
    from tests.shop.newstore import NewStore


def availabilities(newstore: NewStore, *keys: tuple[t.Any, t.Any]) -> t.Any:
    body = {"atp_keys": [{"product_id": product, "fulfillment_node_id": node} for node, product in keys]}
    return newstore.call("POST", "/v0/availabilities", body=body)


def test_atp_is_read_back_by_key(newstore: NewStore) -> None:
    newstore.set_stock("DC01", "read", 10)
    newstore.order("DC01", "read")
    answer = availabilities(newstore, ("DC01", "read"), ("DC01", "unknown"))
    assert answer.json() == {"items": [{"product_id": "read", "fulfillment_node_id": "DC01", "atp": 9}]}


def test_ids_are_compared_as_strings(newstore: NewStore) -> None:
    newstore.set_stock("DC01", "4711", 3)
    assert availabilities(newstore, ("DC01", 4711)).json()["items"][0]["atp"] == 3


@pytest.mark.parametrize(("count", "status"), [(0, 400), (1, 200), (2000, 200), (2001, 400)])
def test_one_to_two_thousand_keys_are_answered(newstore: NewStore, count: int, status: int) -> None:
    keys = [("DC01", f"many-{number}") for number in range(count)]
    assert availabilities(newstore, *keys).status_code == status


def test_insights_list_what_is_still_subtracted(newstore: NewStore) -> None:
    newstore.set_stock("DC01", "seen", 10)
    newstore.order("DC01", "seen")
    shipped = newstore.sell("DC01", "seen")
    path = "/v0/stock/insights?product_id=seen&fulfillment_node_id=DC01"
    answer = newstore.call("GET", path).json()
    assert answer.keys() == {"allocations", "reservations", "future_allocations"}
    assert [row["logical_timestamp"] for row in answer["allocations"]] == [None, shipped]


def test_insights_need_both_ids(newstore: NewStore) -> None:
    assert newstore.call("GET", "/v0/stock/insights?product_id=seen").status_code == 400


def test_locations_show_type_and_inventory_master(newstore: NewStore) -> None:
    newstore.add_location("LON1", "store", is_inventory_master=True)
    rows = {row["id"]: row for row in newstore.call("GET", "/v0/locations").json()["locations"]}
    assert rows["DC01"] == {"id": "DC01", "is_inventory_master": False, "is_enabled": True, "type": "dc"}
    assert rows["LON1"] == {"id": "LON1", "is_inventory_master": True, "is_enabled": True, "type": "store"}
