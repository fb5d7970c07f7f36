"""Another form of proof than before: what of the units that were taken when none needed to know what proves them?"""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.sql_erp import SHOES, SKU, a_completion, a_day, at, booked_by

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.mapper.shop_day import ShopDay
    from tests.mapper.sql_erp import SqlErp

EVENTS = [a_completion(11), a_completion(12, "SKU-1", "SHOES")]
FORMS: dict[str, dict[str, t.Any]] = {
    "current": {"on_hand_as_of": "current"},
    "column": {"on_hand_as_of": "column", "on_hand_columns": {"as_of_logical_timestamp": "counted_at"}},
    "published_at": {"on_hand_as_of": "taken_at", "on_hand_columns": {"taken_at": "counted_at"}},
    "fulfillment_request_id": booked_by("fulfillment_request_id", "product_id"),
    "order_id": booked_by("order_id", "product_id"),
    "event_id": booked_by("event_id", "product_id"),
}


@pytest.fixture
def day(tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
    day = a_day(tmp_path, database_url, erp)
    become(day, "current")
    erp.count(*SKU, 8, at(30))
    erp.count(*SHOES, 4, at(30))
    (cut,) = day.run(*EVENTS)
    assert cut.quantities == {SKU: 8, SHOES: 4}
    for event, when in zip(EVENTS, (11, 12), strict=True):
        for item in event["items"]:
            erp.book(event["event_id"], f"fr-{when}", f"order-{when}", item["product_id"])
    return day


def become(day: ShopDay, form: str) -> None:
    day.settings.update({"on_hand_columns": {}, "booked_columns": {}} | FORMS[form])


@pytest.mark.parametrize("form", ["published_at", "fulfillment_request_id", "order_id"])
def test_units_that_nothing_can_prove_are_counted_with_what_helps(
    day: ShopDay, caplog: pytest.LogCaptureFixture, form: str
) -> None:
    become(day, form)
    (cut,) = day.run()
    assert cut.quantities == {SKU: 6, SHOES: 3}
    said = (
        f"3 units were taken when on_hand_as_of needed no {form}: nothing proves that the ERP's numbers contain them, "
        f"so all are subtracted, and NewStore shows less than there is. Run once with --full-refresh, while the "
        f"landing store has their events"
    )
    assert caplog.text.count(said) == 1
    # All events come again, now with what they are known by.
    caplog.clear()
    day.state = {}
    (cut,) = day.run(*EVENTS)
    assert cut.quantities == {SKU: 8, SHOES: 4}
    assert day.run() == []
    assert "were taken when" not in caplog.text


@pytest.mark.parametrize("refreshed", [True, False])
def test_where_nothing_is_missing_nothing_is_said(
    day: ShopDay, caplog: pytest.LogCaptureFixture, refreshed: bool
) -> None:
    become(day, "published_at" if refreshed else "event_id")
    if refreshed:
        day.state = {}
    day.run(*(EVENTS if refreshed else ()))
    assert day.run() == []
    become(day, "order_id")
    day.settings["contained_through"] = None if refreshed else 12
    day.run()
    assert "were taken when" not in caplog.text
