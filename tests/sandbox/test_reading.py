"""Reading back (wire contract, section 6)."""

from __future__ import annotations

import typing as t

import pytest
import requests

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


def test_reservations_and_safety_stock_lower_atp_and_future_inventory_raises_it(newstore: NewStore) -> None:
    newstore.set_stock("DC01", "beside", 10)
    newstore.hold_back("DC01", "beside", reservations=2, safety_stock=1, future=7, future_allocations=3)
    assert availabilities(newstore, ("DC01", "beside")).json()["items"][0]["atp"] == 10 - 2 - 1 + 7 - 3
    answer = newstore.call("GET", "/v0/stock/insights?product_id=beside&fulfillment_node_id=DC01").json()
    assert {name: len(rows) for name, rows in answer.items()} == {
        "allocations": 0,
        "reservations": 2,
        "future_allocations": 3,
    }
    assert newstore.truth()["ever_oversold"] is False


def test_stores_have_no_future_inventory(newstore: NewStore) -> None:
    with pytest.raises(AssertionError, match="only distribution centres"):
        newstore.hold_back("NYC1", "beside", future=1)


def test_insights_beyond_ninety_a_second_are_refused(newstore: NewStore) -> None:
    token = newstore.token()
    path = "/v0/stock/insights?product_id=often&fulfillment_node_id=DC01"
    headers = {"Authorization": f"Bearer {token}"}
    with requests.Session() as session:
        answers = [session.get(newstore.url + path, headers=headers, timeout=30) for _ in range(400)]
    said = newstore.insights()
    # A slow machine does not get as far: then none is refused.
    assert (said["most_in_a_second"] > 90) == any(answer.status_code == 429 for answer in answers)
    assert said["calls"] + said["refused"] >= 400
    assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status_code == 429)


def test_a_bulk_export_has_every_key_and_later_only_those_that_changed(newstore: NewStore) -> None:
    newstore.set_stock("DC01", "bulk-1", 5)
    newstore.set_stock("DC01", "bulk-2", 6)
    rows, at = _bulk(newstore, {})
    assert (rows["DC01", "bulk-1"], rows["DC01", "bulk-2"]) == (5, 6)
    newstore.set_stock("DC01", "bulk-2", 7)
    rows, later = _bulk(newstore, {"last_updated_at": at})
    assert (rows, later > at) == ({("DC01", "bulk-2"): 7}, True)
    assert newstore.call("POST", "/v0/d/availabilities/bulk", body={"last_updated_at": "x"}).status_code == 400
    assert newstore.call("GET", "/v0/d/availabilities/bulk/none").status_code == 404


def test_a_bulk_export_takes_its_time(newstore: NewStore) -> None:
    newstore.set_faults(bulk_seconds=600)
    asked = newstore.call("POST", "/v0/d/availabilities/bulk", body={}).json()["availability_export_id"]
    newstore.set_faults(bulk_seconds=0)
    assert newstore.call("GET", f"/v0/d/availabilities/bulk/{asked}").json() == {"state": "running"}


def _bulk(newstore: NewStore, body: object) -> tuple[dict[tuple[str, str], int], int]:
    asked = newstore.call("POST", "/v0/d/availabilities/bulk", body=body).json()["availability_export_id"]
    said = newstore.call("GET", f"/v0/d/availabilities/bulk/{asked}").json()
    assert said["state"] == "finished"
    rows = requests.get(said["link"], timeout=30).json()
    return {(row["fulfillment_node_id"], row["product_id"]): row["atp"] for row in rows}, said["last_updated_at"]


def tell_stock(newstore: NewStore, product: str, on_hand: int) -> None:
    newstore._post("stock", {"items": [{"fulfillment_node_id": "DC01", "product_id": product, "on_hand": on_hand}]})


def test_a_number_told_alone_is_also_what_is_on_the_shelf(newstore: NewStore) -> None:
    tell_stock(newstore, "told", 10)
    newstore.sell("DC01", "told")
    newstore.order("DC01", "told")
    assert newstore.numbers("DC01", "told") == {
        "fulfillment_node_id": "DC01",
        "product_id": "told",
        "shelf": 9,
        "free": 8,
        "on_hand": 10,
        "allocations": 2,
        "completed_not_covered": 1,
        "atp": 8,
    }


def test_a_shelf_that_was_told_stays_as_it_is_whatever_newstore_believes(newstore: NewStore) -> None:
    newstore.receive_goods("DC01", "shelf-first", 3)
    tell_stock(newstore, "shelf-first", 10)
    tell_stock(newstore, "number-first", 10)
    tell_stock(newstore, "number-first", 30)
    assert newstore.numbers("DC01", "shelf-first")["shelf"] == 3
    assert newstore.numbers("DC01", "number-first")["shelf"] == 10
