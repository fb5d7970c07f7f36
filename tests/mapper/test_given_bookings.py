"""Units that the ERP lists no more, when their source gets another name or a node another source (form `booked`)."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.sql_erp import SKU, SqlErp, a_completion, a_day, booked_by

if t.TYPE_CHECKING:
    from pathlib import Path

BY_REQUEST = booked_by("fulfillment_request_id", "product_id")
NAMES = [("wms", "erp"), ("", "erp"), ("wms", "")]


class Bookings:
    """A source whose ERP has booked a unit and lists it no more."""

    def __init__(self, tmp_path: Path, database_url: str, erp: SqlErp) -> None:
        self.of_source: dict[str, t.Any] = {"on_hand_url": erp.url, "on_hand_table": "stock", **BY_REQUEST}
        self.erp, self.day = erp, a_day(tmp_path, database_url, erp, **BY_REQUEST)

    def name(self, name: str, **settings: t.Any) -> None:
        """Let the source have a name, and settings of its own; "": no name, in a flat configuration."""
        self.of_source |= settings
        for setting in ("on_hand_sources", *self.of_source):
            self.day.settings.pop(setting, None)
        named = {"on_hand_sources": [{"name": name, "nodes": ["*"], **self.of_source}]}
        self.day.settings |= named if name else self.of_source
        self.day.settings.setdefault("on_hand_as_of", "booked")

    def book(self) -> None:
        self.erp.count(*SKU, 9)
        self.erp.book(request="fr-11")
        assert self.run(a_completion(11)) == [{SKU: 9}]
        self.erp.unbook()
        self.erp.book(request="fr-0", order="order-0", sku="OTHER")
        assert self.run() == []

    def run(self, *events: dict[str, t.Any]) -> list[t.Any]:
        return [cut.quantities for cut in self.day.run(*events)]


@pytest.fixture
def bookings(tmp_path: Path, database_url: str, erp: SqlErp) -> Bookings:
    return Bookings(tmp_path, database_url, erp)


@pytest.mark.parametrize(("before", "after"), NAMES)
def test_a_source_with_another_name_has_booked_what_it_had(bookings: Bookings, before: str, after: str) -> None:
    bookings.name(before)
    bookings.book()
    bookings.name(after)
    assert bookings.run() == []
    assert bookings.run(a_completion(12)) == [{SKU: 8}]


@pytest.mark.parametrize(
    "other",
    [
        {"booked_table": None, "booked_query": "SELECT * FROM booked"},
        booked_by("order_id", "product_id"),
    ],
    ids=["elsewhere", "of another kind"],
)
def test_bookings_of_another_source_prove_nothing_for_one_with_bookings(
    bookings: Bookings, other: dict[str, t.Any]
) -> None:
    bookings.name("wms")
    bookings.book()
    bookings.name("erp", **other)
    assert bookings.run() == [{SKU: 8}]


@pytest.mark.parametrize("place", ["the same", "another"])
def test_a_node_goes_to_a_source_with_bookings_of_its_own(bookings: Bookings, place: str) -> None:
    bookings.name("wms")
    bookings.book()
    elsewhere = {"booked_table": None, "booked_query": "SELECT * FROM booked"} if place == "another" else {}
    of_wms, of_erp = (
        {
            **bookings.of_source,
            "name": name,
            "nodes": [f"{node}*"],
            "on_hand_table": None,
            "on_hand_query": f"SELECT * FROM stock WHERE fulfillment_node_id LIKE '{node}%'",
        }
        for name, node in (("wms", "DC"), ("erp", "NYC"))
    )
    of_erp |= elsewhere
    bookings.erp.count("NYC1", "SKU-1", 5)
    bookings.day.settings["on_hand_sources"] = [of_wms, of_erp]
    assert bookings.run() == [{("NYC1", "SKU-1"): 5}]
    of_erp |= {"nodes": ["*"], "on_hand_query": "SELECT * FROM stock"}
    bookings.day.settings["on_hand_sources"] = [of_erp]
    assert bookings.run() == ([{SKU: 8}] if place == "another" else [])
