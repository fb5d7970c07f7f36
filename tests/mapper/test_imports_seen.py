"""Until when an import that has finished need not be visible: counted from its end, not from the run's beginning."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest

from tests.mapper.comparing import compare, import_cuts
from tests.mapper.shop_day import ShopDay
from tests.shop.newstore import NewStore

if t.TYPE_CHECKING:
    from pathlib import Path


def minutes_ago(minutes: float) -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC) - dt.timedelta(minutes=minutes)


@pytest.mark.parametrize(("confirmed", "cause"), [(0, "not_visible"), (50, "not_visible"), (70, "refused")])
def test_an_import_that_took_long_has_its_hour_from_its_end(
    tmp_path: Path, database_url: str, confirmed: float, cause: str
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        for begun, quantity in ((300, 10), (100, 4)):
            day.begun_at = minutes_ago(begun)
            day.erp.count("DC01", "A", quantity)
            assert import_cuts(newstore, tmp_path, day.run()) == 0
            # From here on nothing new is shown.
            newstore.set_faults(atp_seconds=100_000)
        # The run that reads in the state that NewStore has the import; the ones after it say nothing new.
        for later in (confirmed, confirmed / 2):
            day.begun_at = minutes_ago(later)
            assert day.run() == []
        assert compare(day, newstore).causes == {"A": cause}


def test_a_key_that_was_repaired_is_not_called_unexplained_before_its_import_shows(
    tmp_path: Path, database_url: str
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    with NewStore(tmp_path, import_seconds=0) as newstore:
        newstore.add_location("DC01")
        for quantity in (12, 10):
            day.erp.count("DC01", "A", quantity)
            assert import_cuts(newstore, tmp_path, day.run()) == 0
        newstore._post("stock", {"items": [{"fulfillment_node_id": "DC01", "product_id": "A", "on_hand": 3}]})
        assert compare(day, newstore, "--repair", "--yes", "--visible-minutes=0").causes == {"A": "unexplained"}
        newstore.set_faults(atp_seconds=100_000)
        assert import_cuts(newstore, tmp_path, day.run()) == 0
        for _ in range(2):
            again = compare(day, newstore, "--repair", "--yes")
            assert (again.causes, again.code) == ({"A": "not_visible"}, 0)
            assert "0 keys go out again" in again.log
