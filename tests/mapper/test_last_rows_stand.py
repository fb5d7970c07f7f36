"""The last row of a key stands, and proves what it proved when it was read (design rules 12 and 13)."""

from __future__ import annotations

import os
import typing as t

import pytest

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import NOON, SHOES, SKU, SqlErp, a_completion, a_day, at, booked_by
from tests.mapper.test_on_hand_sources import DC, STORE, TwoSources
from tests.shop.erp import Erp

if t.TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMS: dict[str, dict[str, t.Any]] = {
    "current": {"on_hand_as_of": "current"},
    "booked": booked_by("fulfillment_request_id", "product_id"),
    "taken_at": {
        "on_hand_as_of": "taken_at",
        "on_hand_columns": {"taken_at": "counted_at"},
        "clock_skew_seconds": 0,
    },
}


@pytest.fixture
def erp(tmp_path: Path) -> SqlErp:
    erp = SqlErp(tmp_path / "sql.db")
    erp.count(*SKU, 9, at(12))
    erp.count(*SHOES, 5, at(0))
    book(erp, 11)
    return erp


@pytest.fixture(params=FORMS)
def day(request: pytest.FixtureRequest, tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
    policy = {"vanished_rows": "keep", "max_vanished_percent": 50}
    day = a_day(tmp_path, database_url, erp, **policy, **FORMS[request.param])
    (cut,) = day.run(a_completion(11))
    assert cut.quantities == {SKU: 9, SHOES: 5}
    return day


@pytest.fixture(params=["vanishes", "cannot be used"])
def gone(request: pytest.FixtureRequest, erp: SqlErp) -> Callable[[], None]:
    """Return what takes the row out of the list, or makes it one that cannot be used."""
    return lambda: erp.remove(*SKU) if request.param == "vanishes" else erp.count(*SKU, "many", at(99))


def book(erp: SqlErp, timestamp: int) -> None:
    erp.book(a_completion(timestamp)["event_id"], f"fr-{timestamp}", f"order-{timestamp}")


def test_what_is_completed_since_is_subtracted(day: ShopDay, erp: SqlErp, gone: Callable[[], None]) -> None:
    book(erp, 13)
    gone()
    (cut,) = day.run(a_completion(13))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (13, 13))
    assert day.run() == []


def test_what_is_booked_later_is_not_in_it(tmp_path: Path, erp: SqlErp, gone: Callable[[], None]) -> None:
    day = a_day(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", erp, **FORMS["booked"])
    day.settings.update(vanished_rows="keep", max_vanished_percent=50)
    (cut,) = day.run(a_completion(11), a_completion(13))
    assert cut.quantities[SKU] == 8
    book(erp, 13)
    gone()
    assert day.run() == []


def test_a_unit_ahead_of_the_mark_is_added_back_to_no_row_that_was_read_before_it(
    day: ShopDay, erp: SqlErp, gone: Callable[[], None]
) -> None:
    book(erp, 13)
    gone()
    assert day.run(a_completion(13, released=False)) == []
    (cut,) = day.run(a_completion(13))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (13, 13))


def test_its_number_counts_again_when_it_is_back(day: ShopDay, erp: SqlErp, gone: Callable[[], None]) -> None:
    book(erp, 13)
    gone()
    day.run(a_completion(13))
    erp.count(*SKU, 8, at(14))
    assert day.run() == []
    erp.count(*SKU, 20, at(14))
    (cut,) = day.run()
    assert cut.quantities == {SKU: 20}


def test_it_may_be_gone_for_a_second_time(day: ShopDay, erp: SqlErp, gone: Callable[[], None]) -> None:
    for left, completion in ((8, 13), (7, 15)):
        book(erp, completion)
        gone()
        (cut,) = day.run(a_completion(completion))
        assert cut.quantities == {SKU: left}
        erp.count(*SKU, left, at(completion + 1))
        assert day.run() == []


@pytest.mark.parametrize("form", ["current", "booked"])
def test_a_changed_row_that_cannot_be_used_lets_the_last_one_stand(
    tmp_path: Path, database_url: str, erp: SqlErp, form: str
) -> None:
    day = a_day(tmp_path, database_url, erp, on_hand_updated_column="counted_at", **FORMS[form])
    day.run(a_completion(11))
    book(erp, 13)
    erp.count(*SKU, "many", at(13))
    (cut,) = day.run(a_completion(13))
    assert (cut.quantities, cut.range) == ({SKU: 8}, (13, 13))
    erp.count(*SKU, 8, at(14))
    assert day.run() == []
    (cut,) = day.run(a_completion(15))
    assert cut.quantities == {SKU: 8 if form == "current" else 7}


def test_a_row_of_a_dated_list_is_as_old_as_that_list(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(
        tmp_path, ledger_url=database_url, on_hand_as_of="taken_at", vanished_rows="keep", max_vanished_percent=50
    )
    for key in (SKU, SHOES):
        day.erp.count(*key, 9)
    os.utime(day.erp.path, (NOON.timestamp(),) * 2)
    day.run()
    day.erp.remove(*SKU)
    os.utime(day.erp.path, (NOON.timestamp() + 3600,) * 2)
    (cut,) = day.run(a_completion(13), a_completion(14, "SHOES"))
    assert cut.quantities == {SKU: 8, SHOES: 9}
    day.erp.count(*SKU, 8)
    os.utime(day.erp.path, (NOON.timestamp() + 7200,) * 2)
    assert day.run() == []


def date(*lists: Erp, minutes: float) -> None:
    """Let lists have been written so many minutes from noon."""
    for erp in lists:
        os.utime(erp.path, (NOON.timestamp() + minutes * 60,) * 2)


@pytest.mark.parametrize("when", ["vanishes", "cannot be used", "had vanished before"])
def test_a_row_that_was_read_in_another_form_is_not_as_young_as_a_dated_list(
    tmp_path: Path, database_url: str, when: str
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, vanished_rows="keep", max_vanished_percent=50)
    for key in (SKU, SHOES):
        day.erp.count(*key, 9)
    day.run()
    day.erp.count(*SKU, "many") if when == "cannot be used" else day.erp.remove(*SKU)
    if when == "had vanished before":
        assert day.run() == []
    day.settings["on_hand_as_of"] = "taken_at"
    date(day.erp, minutes=60)
    (cut,) = day.run(a_completion(13), a_completion(14, "SHOES"))
    assert cut.quantities == {SKU: 8, SHOES: 9}
    day.erp.count(*SKU, 8)
    date(day.erp, minutes=120)
    assert day.run() == []


@pytest.mark.parametrize("its_source", ["takes over another's nodes", "was left out for a while"])
def test_a_row_of_a_dated_list_stays_as_old_as_that_list_when(
    tmp_path: Path, database_url: str, its_source: str
) -> None:
    wms, stores = Erp(tmp_path / "wms.csv"), Erp(tmp_path / "stores.csv")
    wms.count(*SKU, 9)
    wms.count(*SHOES, 9)
    stores.count("NYC1", "SKU-1", 9)
    date(wms, stores, minutes=0)
    dated = {"on_hand_as_of": "taken_at", "max_on_hand_age_minutes": 10**7}
    of_wms = {"name": "wms", "nodes": ["DC*"], "on_hand_url": str(wms.path), **dated}
    of_stores = {"name": "stores", "nodes": ["NYC*"], "on_hand_url": str(stores.path), **dated}
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_sources=[of_wms, of_stores])
    day.run()
    wms.count(*SKU, "many")
    if its_source == "was left out for a while":
        day.settings["on_hand_sources"] = [of_stores]
        assert day.run() == []
        day.settings["on_hand_sources"] = [of_wms, of_stores]
    else:
        wms.count("NYC1", "SKU-1", 9)
        day.settings["on_hand_sources"] = [{**of_wms, "nodes": ["*"]}]
    date(wms, minutes=60)
    # One unit left the shelf after the number was taken, the other one before.
    (cut,) = day.run(a_completion(13), a_completion(14, published_at=at(-10)))
    assert cut.quantities == {SKU: 8}


def test_a_row_that_the_last_dated_list_lacked_is_given_away_without_its_time(
    tmp_path: Path, database_url: str
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url, vanished_rows="keep", max_vanished_percent=50)
    for key in (SKU, SHOES):
        day.erp.count(*key, 9)
    day.run()
    day.erp.remove(*SKU)
    day.settings["on_hand_as_of"] = "taken_at"
    date(day.erp, minutes=60)
    day.run()
    del day.settings["on_hand_url"]
    source = {"name": "wms", "nodes": ["*"], "max_on_hand_age_minutes": 10**7, **day.erp.settings}
    day.settings["on_hand_sources"] = [source]
    (cut,) = day.run(a_completion(13))
    assert cut.quantities == {SKU: 8}


@pytest.mark.parametrize("again", ["taken_at", "column"])
def test_a_row_proves_nothing_that_an_earlier_reading_in_another_form_said(
    tmp_path: Path, database_url: str, again: str
) -> None:
    """Its number was read anew in between, and contains less."""
    path = tmp_path / "on_hand.csv"
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_url=str(path), clock_skew_seconds=0)

    def run(form: str, row: str, *events: dict[str, t.Any]) -> list[dict[tuple[str, str], int]]:
        day.settings["on_hand_as_of"] = form
        day.settings["on_hand_columns"] = {"taken_at": "taken_at"} if form == "taken_at" else {}
        said = {"taken_at": ("taken_at", at(0)), "column": ("as_of_logical_timestamp", "")}[form]
        path.write_text(f"fulfillment_node_id,product_id,quantity,{said[0]}\n{row}\nDC01,SHOES,5,{said[1]}\n")
        return [cut.quantities for cut in day.run(*events)]

    all_of_it = {"taken_at": f"DC01,SKU-1,10,{at(60)}", "column": "DC01,SKU-1,10,50"}
    nothing = {"taken_at": f"DC01,SKU-1,20,{at(-60)}", "column": "DC01,SKU-1,20,"}
    other = "column" if again == "taken_at" else "taken_at"
    assert run(again, all_of_it[again], a_completion(40))[0][SKU] == 10
    assert run(other, nothing[other])[0][SKU] == 19
    cuts = run(again, nothing[again].replace(",20,", ",many,"))
    assert [cut[SKU] for cut in cuts if SKU in cut] in ([], [19])


class TestContainedThroughIsRaised:
    """It speaks of the numbers that are read from then on, not of a row that was read before."""

    def test_while_a_last_row_stands(self, day: ShopDay, erp: SqlErp, gone: Callable[[], None]) -> None:
        gone()
        erp.count(*SHOES, 5, at(14))
        (cut,) = day.run(a_completion(13))
        assert cut.quantities == {SKU: 8}
        day.settings["contained_through"] = 13
        (cut,) = day.run(a_completion(15))
        assert (cut.quantities[SKU], cut.range) == (7, (0, 15))
        erp.count(*SKU, 20, at(12))
        (cut,) = day.run()
        assert cut.quantities == {SKU: 20 if day.settings["on_hand_as_of"] == "current" else 19}

    def test_as_the_row_goes(self, day: ShopDay, erp: SqlErp, gone: Callable[[], None]) -> None:
        gone()
        erp.count(*SHOES, 5, at(14))
        day.settings["contained_through"] = 13
        (cut,) = day.run(a_completion(13), a_completion(15, "SHOES"))
        assert cut.quantities[SKU] == 8

    def test_before_the_row_goes(self, day: ShopDay, gone: Callable[[], None]) -> None:
        day.settings["contained_through"] = 13
        day.run(a_completion(13))
        gone()
        day.run()
        # Told of only now: the number was read when all up to 13 were said to be in it.
        late = a_completion(12, published_at=at(20))
        (cut,) = day.run(a_completion(15, published_at=at(20)), late)
        assert cut.quantities == {SKU: 8}

    def test_and_a_row_goes_while_another_stands(self, tmp_path: Path, database_url: str) -> None:
        day = ShopDay(tmp_path, ledger_url=database_url, vanished_rows="keep", max_vanished_percent=50)
        for key in (SKU, SHOES, ("DC01", "HATS")):
            day.erp.count(*key, 9)
        day.run()
        day.erp.remove(*SKU)
        day.run(a_completion(11), a_completion(12, "SHOES"))
        day.settings["contained_through"] = 12
        (cut,) = day.run()
        assert cut.quantities == {SHOES: 9}
        day.erp.remove(*SHOES)
        (cut,) = day.run(a_completion(13, "SHOES"))
        assert cut.quantities == {SHOES: 8}

    @pytest.mark.parametrize("hours", [0, 2])
    def test_while_a_source_cannot_be_read(self, tmp_path: Path, database_url: str, hours: int) -> None:
        shop = TwoSources(tmp_path, database_url, "current")
        shop.run(a_completion(5, node="NYC1"))
        shop.path.rename(tmp_path / "away.csv")
        shop.pass_hours(hours)
        assert shop.run(a_completion(11)) == ([] if hours else [({DC: 9}, (11, 11))])
        shop.day.settings["contained_through"] = 13
        shop.erp.count(*STORE, 18, at(14))
        # If the WMS is too old, its keys are held, and no range covers 11.
        assert shop.run(a_completion(14, node="NYC1")) == [({STORE: 18}, (14, 14))]
        (tmp_path / "away.csv").rename(shop.path)
        assert shop.run() == [({DC: 10}, (0, 13))]

    def test_before_its_rows_go_to_a_source_that_has_been_read_since(self, tmp_path: Path, database_url: str) -> None:
        shop = TwoSources(tmp_path, database_url, "current", max_vanished_percent=100)
        shop.wms.count("DC01", "SKU-2", 1)
        shop.run()
        shop.path.unlink()
        shop.run(a_completion(11))
        shop.day.settings["contained_through"] = 13
        shop.run()
        shop.of_erp |= {"nodes": ["*"], "vanished_rows": "keep"}
        shop.day.settings["on_hand_sources"] = [shop.of_erp]
        (cut,) = shop.day.run(a_completion(14, "SKU-2"))
        assert cut.quantities == {("DC01", "SKU-2"): 0}
