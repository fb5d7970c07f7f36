"""A form of proof fits its source, or is refused (docs/design.md, the forms of proof)."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError, OnHandError

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

DATABASE = {"on_hand_url": "sqlite:///x.db", "on_hand_table": "t"}
MISFITS: dict[str, dict[str, t.Any]] = {
    "on_hand_as_of: current is true of a live database alone": {"on_hand_as_of": "current", "on_hand_url": "x.csv"},
    "booked_table or booked_query": {"on_hand_as_of": "booked", **DATABASE},
    "booked_url: required": {"on_hand_as_of": "booked", "on_hand_url": "x.csv"},
    "booked_reversible: ": {
        "on_hand_as_of": "booked",
        "on_hand_url": "x.csv",
        "booked_url": "b.csv",
        "booked_reversible": True,
    },
}


@pytest.mark.parametrize("said", MISFITS)
def test_a_form_that_does_not_fit_its_source_is_bad_configuration(tmp_path: Path, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ShopDay(tmp_path, **MISFITS[said])


def test_a_list_without_the_as_of_column_is_told_which_forms_need_none(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.path.write_text("fulfillment_node_id,product_id,quantity\nDC01,SKU-1,9\n", encoding="utf-8")
    with pytest.raises(OnHandError, match="taken_at, booked and current need none"):
        day.run(completed(11))
