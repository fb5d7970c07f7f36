"""Form `booked`: the ERP lists what it has booked (docs/design.md, the forms of proof)."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError, MapperError, OnHandError

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import SHOES, SKU, SqlErp, a_completion, a_day, booked_by

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql


class TestBooked:
    """Form `booked`: a unit is contained when the ERP lists it."""

    @pytest.fixture(
        params=[("event_id",), ("fulfillment_request_id", "product_id"), ("order_id", "product_id", "units")]
    )
    def day(self, request: pytest.FixtureRequest, tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
        return a_day(tmp_path, database_url, erp, **booked_by(*request.param))

    @pytest.mark.fault("F23")
    def test_the_order_in_which_the_erp_books_makes_no_difference(self, day: ShopDay, erp: SqlErp) -> None:
        first, second = a_completion(11), a_completion(12)
        (cut,) = day.run(first, second)
        assert cut.quantities == {SKU: 8}
        # The later one is booked first: the highest timestamp booked would claim both.
        erp.book(second["event_id"], "fr-12", "order-12")
        erp.count(*SKU, 9)
        assert day.run() == []
        erp.book(first["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 8)
        assert day.run() == []

    def test_a_number_that_changes_with_nothing_booked_is_what_came_in(self, day: ShopDay, erp: SqlErp) -> None:
        day.run(a_completion(11))
        erp.count(*SKU, 15)
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 14}, None)

    def test_what_is_booked_ahead_of_the_mark_is_added_back(self, day: ShopDay, erp: SqlErp) -> None:
        day.run(a_completion(11))
        ahead = a_completion(12, released=False)
        erp.book(ahead["event_id"], "fr-12", "order-12")
        erp.count(*SKU, 9)
        # 9 - 1 (not booked) + 1 (booked, and NewStore still subtracts it).
        assert day.run(ahead) == []
        (cut,) = day.run(a_completion(12))
        assert (cut.quantities, cut.range) == ({SKU: 8}, (12, 12))

    def test_a_late_event_needs_no_rule_of_its_own(self, day: ShopDay, erp: SqlErp) -> None:
        day.run(a_completion(12))
        late = a_completion(11)
        (cut,) = day.run(late)
        assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))
        erp.book(late["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 9)
        assert day.run() == []

    def test_a_booking_of_an_event_nobody_knows_proves_nothing(self, day: ShopDay, erp: SqlErp) -> None:
        erp.book("somebody's", "fr-99", "order-99")
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 9}

    def test_a_booking_stays_proven_when_the_erp_no_longer_lists_it(self, day: ShopDay, erp: SqlErp) -> None:
        event = a_completion(11)
        day.run(event)
        erp.book(event["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 9)
        assert day.run() == []
        erp.unbook()
        assert day.run() == []

    @pytest.mark.fault("F16")
    def test_a_booking_stays_proven_when_the_tap_goes_back_before_the_unit(self, day: ShopDay, erp: SqlErp) -> None:
        event = a_completion(11)
        (cut,) = day.run(a_completion(10), event, acknowledge=0)
        erp.book(event["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 9)
        (cut,) = day.run(a_completion(10), event, acknowledge=0)
        assert cut.quantities == {SKU: 8}
        erp.unbook()
        (cut,) = day.run(a_completion(10), {**event, "released": False})
        assert cut.quantities == {SKU: 8}

    @pytest.mark.fault("F23")
    def test_a_booking_that_is_taken_back_is_missing_again(self, day: ShopDay, erp: SqlErp) -> None:
        day.settings["booked_reversible"] = True
        event = a_completion(11)
        day.run(event)
        erp.book(event["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 9)
        assert day.run() == []
        erp.unbook()
        erp.count(*SKU, 10)
        assert day.run() == []

    def test_what_is_booked_and_acknowledged_is_folded_and_proves_nothing_twice(
        self, day: ShopDay, erp: SqlErp
    ) -> None:
        day.settings["ledger_keep_days"] = 0
        event = a_completion(11)
        day.run(event)
        erp.book(event["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 9)
        assert day.run() == []
        assert day.run() == []
        # A second unit of the same request and order, which the ERP has not booked.
        (cut,) = day.run(a_completion(12, fulfillment_request_id="fr-11", order_id="order-11"))
        assert cut.quantities == {SKU: 8}

    @pytest.mark.fault("F23")
    def test_what_is_folded_proves_nothing_twice_when_the_list_was_empty_for_a_run(
        self, day: ShopDay, erp: SqlErp
    ) -> None:
        day.settings["ledger_keep_days"] = 0
        event = a_completion(11)
        day.run(event)
        erp.book(event["event_id"], "fr-11", "order-11")
        erp.count(*SKU, 9)
        day.run()
        day.run()
        erp.unbook()
        day.run()
        erp.book(event["event_id"], "fr-11", "order-11")
        (cut,) = day.run(a_completion(12, fulfillment_request_id="fr-11", order_id="order-11"))
        assert cut.quantities == {SKU: 8}


def test_of_equal_units_of_one_request_only_the_number_counts(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id", "units"))
    day.run(a_completion(11, "SKU-1", "SKU-1", "SKU-1"))
    erp.book(request="fr-11", units=2)
    erp.count(*SKU, 8)
    assert day.run() == []
    erp.book(request="fr-11", units=1)
    erp.count(*SKU, 7)
    assert day.run() == []


def test_a_request_that_is_completed_twice_in_part_is_exact(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id"))
    day.run(a_completion(11, fulfillment_request_id="fr"), a_completion(12, fulfillment_request_id="fr"))
    erp.book(request="fr")
    erp.count(*SKU, 9)
    assert day.run() == []


def test_a_booking_proves_one_unit_however_late_another_of_its_request_comes(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id"))
    erp.book(request="fr")
    erp.count(*SKU, 9)
    (cut,) = day.run(a_completion(12, fulfillment_request_id="fr"))
    assert cut.quantities == {SKU: 9}
    # Which of the two is booked, nobody knows; one of them is not.
    (cut,) = day.run(a_completion(11, fulfillment_request_id="fr"))
    assert cut.quantities == {SKU: 8}


def test_a_booking_adds_back_one_unit_however_late_another_of_its_request_comes(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id"))
    day.run(a_completion(10))
    erp.book(request="fr")
    erp.count(*SKU, 9)
    assert day.run(a_completion(12, fulfillment_request_id="fr", released=False)) == []
    assert day.run(a_completion(11, fulfillment_request_id="fr", released=False)) == []


def test_a_booking_that_left_the_list_still_counts_once_when_another_unit_comes(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id"))
    erp.book(request="fr")
    erp.count(*SKU, 9)
    day.run(a_completion(12, fulfillment_request_id="fr"))
    erp.unbook()
    (cut,) = day.run(a_completion(11, fulfillment_request_id="fr"))
    assert cut.quantities == {SKU: 8}
    erp.book(request="fr")
    assert day.run() == []
    erp.book(request="fr")
    erp.count(*SKU, 8)
    assert day.run() == []


def test_more_units_booked_than_completed_count_as_completed_only(
    tmp_path: Path, database_url: str, erp: SqlErp, caplog: pytest.LogCaptureFixture
) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id", "units"))
    day.run(a_completion(11), a_completion(12))
    erp.book(request="fr-11", units=5)
    (cut,) = day.run()
    assert cut.quantities == {SKU: 9}
    assert "DC01/SKU-1: the ERP has booked 5 units of fr-11, 1 were completed" in caplog.text


def test_a_booking_of_an_order_does_not_prove_its_units_at_another_node(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    erp.count("NYC1", "SKU-1", 5)
    day = a_day(tmp_path, database_url, erp, **booked_by("order_id", "product_id"))
    day.run(a_completion(11, order_id="order"), a_completion(12, node="NYC1", order_id="order"))
    # Of two units one is booked, and nobody knows where.
    erp.book(order="order")
    assert day.run() == []
    erp.book(order="order")
    (cut,) = day.run()
    assert cut.quantities == {SKU: 10, ("NYC1", "SKU-1"): 5}


def test_a_booking_of_an_order_proves_no_more_once_a_unit_at_another_node_is_known(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    store = ("NYC1", "SKU-1")
    erp.count(*store, 5)
    day = a_day(tmp_path, database_url, erp, **booked_by("order_id", "product_id"))
    erp.book(order="order")
    (cut,) = day.run(a_completion(11, order_id="order"))
    assert cut.quantities == {SKU: 10, store: 5}
    # It may be this one that is booked: the number of neither may count on it.
    (cut,) = day.run(a_completion(12, node="NYC1", order_id="order"))
    assert cut.quantities == {SKU: 9, store: 4}
    erp.unbook()
    assert day.run() == []
    for _ in range(2):
        erp.book(order="order")
    (cut,) = day.run()
    assert cut.quantities == {SKU: 10, store: 5}
    erp.unbook()
    assert day.run() == []


def test_a_booking_of_one_product_does_not_prove_another(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    erp.count(*SHOES, 5)
    day = a_day(tmp_path, database_url, erp, **booked_by("fulfillment_request_id", "product_id"))
    day.run(a_completion(11, "SKU-1", "SHOES"))
    erp.book(request="fr-11", sku="SHOES")
    erp.count(*SHOES, 4)
    assert day.run() == []


def test_changing_what_bookings_are_known_by_computes_every_number_anew(
    tmp_path: Path, database_url: str, erp: SqlErp
) -> None:
    day = a_day(tmp_path, database_url, erp, **booked_by("event_id"))
    event = a_completion(11)
    day.run(event)
    erp.book(event["event_id"], "something else", "nothing")
    erp.count(*SKU, 9)
    assert day.run() == []
    day.settings.update(booked_by("fulfillment_request_id", "product_id"))
    (cut,) = day.run()
    assert cut.quantities == {SKU: 8}


def test_units_of_a_decimal_column_are_whole_numbers_too(
    tmp_path: Path, database_url: str, postgresql: PostgreSql
) -> None:
    url = postgresql.new_database()
    query = "SELECT 'fr-11' AS fulfillment_request_id, 'SKU-1' AS product_id, 2.0000 AS units"
    numbers = "SELECT 'DC01' AS fulfillment_node_id, 'SKU-1' AS product_id, 8.0000 AS quantity"
    day = ShopDay(
        tmp_path,
        ledger_url=database_url,
        on_hand_url=url,
        on_hand_query=numbers,
        on_hand_as_of="booked",
        booked_query=query,
    )
    (cut,) = day.run(a_completion(11, "SKU-1", "SKU-1"), a_completion(12))
    assert cut.quantities == {SKU: 7}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("request", None, "booked, row 1 (None, SKU-1): request is empty"),
        ("sku", "", "booked, row 1 (fr-11, ): sku is empty"),
        ("qty", -1, "booked, row 1 (fr-11, SKU-1): qty is '-1', expected a whole number"),
        ("qty", 1.5, "booked, row 1 (fr-11, SKU-1): qty is '1.5', expected a whole number"),
        ("request", b"fr-11", "request is of type bytes, expected text"),
    ],
)
def test_a_booking_that_cannot_be_used_is_named(
    tmp_path: Path, erp: SqlErp, name: str, value: object, said: str
) -> None:
    day = a_day(
        tmp_path,
        f"sqlite:///{tmp_path / 'ledger.db'}",
        erp,
        **booked_by("fulfillment_request_id", "product_id", "units"),
    )
    erp.book(request="fr-11")
    erp._execute(f"UPDATE booked SET {name} = ?", value)
    with pytest.raises(OnHandError) as error:
        day.run(a_completion(11))
    assert said in str(error.value)


def test_bookings_may_come_as_a_file(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    path = tmp_path / "booked.csv"
    path.write_text("event\ncompleted:fr-11:11\n", encoding="utf-8")
    day = a_day(
        tmp_path, database_url, erp, on_hand_as_of="booked", booked_url=str(path), booked_columns={"event_id": "event"}
    )
    erp.count(*SKU, 9)
    (cut,) = day.run(a_completion(11))
    assert cut.quantities == {SKU: 9}


@pytest.mark.parametrize(
    "columns",
    [
        "event_id",
        "fulfillment_request_id, product_id, units",
        "units, product_id, order_id",
        "event_id, order_id, product_id, units, fulfillment_node_id",
    ],
)
def test_columns_called_as_expected_need_no_setting(
    tmp_path: Path, database_url: str, erp: SqlErp, columns: str
) -> None:
    names = {"sku": "product_id", "qty": "units", "node": "fulfillment_node_id", "request": "fulfillment_request_id"}
    named = {expected: own for own, expected in names.items()}
    query = ", ".join(f"{named.get(name, name)} AS {name}" for name in columns.split(", "))
    settings = {"on_hand_as_of": "booked", "booked_query": f"SELECT {query} FROM booked"}
    day = a_day(tmp_path, database_url, erp, **settings)
    erp.book("completed:fr-11:11", "fr-11", "order-11", units=2)
    erp.count(*SKU, 8)
    (cut,) = day.run(a_completion(11, "SKU-1", "SKU-1"), a_completion(12))
    assert cut.quantities == {SKU: 7}


def test_bookings_without_a_reference_are_refused(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    day = a_day(
        tmp_path, database_url, erp, on_hand_as_of="booked", booked_query="SELECT sku AS product_id FROM booked"
    )
    with pytest.raises(ConfigurationError, match=r"booked_columns: booked_query has no column event_id, .*product_id"):
        day.run(a_completion(11))


def test_two_columns_for_what_a_booking_is_known_by_are_refused(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    with pytest.raises(MapperError, match="booked_columns: event_id and order_id are named; name one of them"):
        a_day(tmp_path, database_url, erp, **booked_by("event_id", "order_id")).run(a_completion(11))
