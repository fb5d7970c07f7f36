"""Locations on their whole way: one with a dot in its name, and one that NewStore does not know."""

from __future__ import annotations

import typing as t

import pytest

from tests.end_to_end.meltano_project import Project
from tests.shop.pipeline import Pipeline

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mapping", ["DC.01=,NYC1=NYC1", '{"DC.01": ""}'])
def test_a_distribution_centre_with_a_dot_in_its_name_is_created_as_one(tmp_path: Path, mapping: str) -> None:
    with Pipeline(tmp_path) as shop:
        shop.erp.count("DC.01", "SKU-1", 10)
        done = Project(tmp_path / "project", shop).run(TARGET_NEWSTORE_STOCK_STORE_MAPPING=mapping)
        assert done.returncode == 0, done.stdout
        locations = shop.newstore.call("GET", "/v0/locations").json()["locations"]
        assert [(location["id"], location["type"]) for location in locations] == [("DC.01", "dc")]
        assert shop.newstore.on_hand("DC.01", "SKU-1") == 10


def test_a_location_newstore_does_not_know_stops_nobody_and_goes_out_when_it_does(tmp_path: Path) -> None:
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        shop.stock("DC01", "SKU-1", 10)
        shop.erp.count("DC99", "SKU-1", 5)
        shop.newstore.sell("DC01", "SKU-1")
        assert shop.run().codes == (0, 0, 0)
        assert "nodes: DC99. Their 1 items are left out" in shop.log
        assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9
        shop.newstore.add_location("DC99")
        shop.state = None
        assert shop.run().codes == (0, 0, 0)
        assert shop.newstore.on_hand("DC99", "SKU-1") == 5
        assert shop.newstore.on_hand("DC01", "SKU-1") == 9
