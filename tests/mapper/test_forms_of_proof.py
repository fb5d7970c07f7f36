"""What the ERP's number is proven to contain (docs/design.md, the forms of proof): `taken_at` and `booked`."""

from __future__ import annotations

import csv
import datetime as dt
import os
import sqlite3
import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError, MapperError, OnHandError

from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

SKU, SHOES = ("DC01", "SKU-1"), ("DC01", "SHOES")
NOON = dt.datetime(2025, 3, 4, 12, tzinfo=dt.UTC)


def at(minutes: float) -> str:
    """Return a moment, in minutes from noon."""
    return (NOON + dt.timedelta(minutes=minutes)).isoformat()


class SqlErp:
    """An ERP on SQLite: a table of numbers, and one of bookings by request, product and units."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._connection = sqlite3.connect(path)
        # Somebody may write while a run reads.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(
            "CREATE TABLE stock (fulfillment_node_id TEXT, product_id TEXT, quantity INTEGER, counted_at TEXT);"
            "CREATE TABLE booked (event_id TEXT, request TEXT, order_id TEXT, sku TEXT, node TEXT, qty INTEGER);"
        )

    def count(self, node: str, product: str, quantity: int, taken_at: str = "") -> None:
        self._execute("DELETE FROM stock WHERE fulfillment_node_id = ? AND product_id = ?", node, product)
        self._execute("INSERT INTO stock VALUES (?, ?, ?, ?)", node, product, quantity, taken_at)

    def book(self, event_id: str = "", request: str = "", order: str = "", sku: str = "SKU-1", units: int = 1) -> None:
        self._execute("INSERT INTO booked VALUES (?, ?, ?, ?, 'DC01', ?)", event_id, request, order, sku, units)

    def unbook(self) -> None:
        self._execute("DELETE FROM booked")

    def _execute(self, statement: str, *values: object) -> None:
        with self._connection:
            self._connection.execute(statement, values)


@pytest.fixture
def erp(tmp_path: Path) -> SqlErp:
    erp = SqlErp(tmp_path / "erp.db")
    erp.count(*SKU, 10, at(0))
    return erp


def a_day(tmp_path: Path, database_url: str, erp: SqlErp, **settings: t.Any) -> ShopDay:
    return ShopDay(tmp_path, ledger_url=database_url, on_hand_url=erp.url, on_hand_table="stock", **settings)


def booked_by(*columns: str) -> dict[str, t.Any]:
    names = {"event_id": "event_id", "fulfillment_request_id": "request", "order_id": "order_id"}
    names |= {"product_id": "sku", "units": "qty", "fulfillment_node_id": "node"}
    named = {name: names[name] for name in columns}
    return {"on_hand_as_of": "booked", "booked_table": "booked", "booked_columns": named}


def a_completion(timestamp: int, *products: str, **fields: t.Any) -> dict[str, t.Any]:
    """Return a record of the tap as it comes, with all that a unit can be proven by."""
    known = {
        "fulfillment_request_id": f"fr-{timestamp}",
        "order_id": f"order-{timestamp}",
        "published_at": at(timestamp),
    }
    return completed(timestamp, *products, **{**known, **fields})


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


class TestTakenAt:
    """Form `taken_at`: a unit is contained when it was published before the number was taken."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str, erp: SqlErp) -> ShopDay:
        columns = {"taken_at": "counted_at"}
        return a_day(
            tmp_path, database_url, erp, on_hand_as_of="taken_at", on_hand_columns=columns, clock_skew_seconds=120
        )

    def test_what_was_published_before_it_is_in_the_number(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, at(30))
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    @pytest.mark.fault("F23")
    def test_what_was_published_within_the_skew_is_not(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, at(13))
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 8}
        erp.count(*SKU, 9, at(13.001))
        (cut,) = day.run()
        assert cut.quantities == {SKU: 9}

    def test_a_late_event_is_judged_by_its_publication(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 8, at(30))
        day.run(a_completion(12))
        (cut,) = day.run(a_completion(11))
        assert (cut.quantities, cut.range) == ({SKU: 8}, (11, 11))

    @pytest.mark.parametrize("published", [None, "0001-01-01T00:00:00", "yesterday"])
    def test_an_event_without_a_time_is_never_proven(self, day: ShopDay, erp: SqlErp, published: str | None) -> None:
        erp.count(*SKU, 9, at(30))
        (cut,) = day.run(a_completion(11, published_at=published))
        assert cut.quantities == {SKU: 9 if published == "0001-01-01T00:00:00" else 8}

    def test_a_number_from_the_future_is_refused(self, day: ShopDay, erp: SqlErp) -> None:
        erp.count(*SKU, 9, "2999-01-01T00:00:00Z")
        with pytest.raises(OnHandError, match=r"stock, row 1 \(DC01, SKU-1\): counted_at is 2999.*, in the future"):
            day.run(a_completion(11))

    def test_the_column_needs_no_setting_when_it_is_called_taken_at(self, day: ShopDay, erp: SqlErp) -> None:
        query = "SELECT *, counted_at AS taken_at FROM stock"
        day.settings.update(on_hand_columns={}, on_hand_table=None, on_hand_query=query)
        erp.count(*SKU, 9, at(30))
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    def test_a_database_that_does_not_say_when_is_told_what_to_name(self, day: ShopDay) -> None:
        day.settings["on_hand_columns"] = {}
        with pytest.raises(OnHandError, match=r"taken_at.*on_hand_columns: name the column for taken_at"):
            day.run(a_completion(11))

    @pytest.mark.parametrize("value", ["", "soon", None, 12])
    def test_a_number_without_a_time_is_refused(self, day: ShopDay, erp: SqlErp, value: t.Any) -> None:
        erp.count(*SKU, 9, value)
        with pytest.raises(OnHandError, match=r"stock, row 1 \(DC01, SKU-1\): counted_at is .*: expected a time"):
            day.run(a_completion(11))

    def test_a_time_without_a_zone_is_read_in_the_zone_that_is_set(self, day: ShopDay, erp: SqlErp) -> None:
        day.settings["taken_at_timezone"] = "America/New_York"
        erp.count(*SKU, 9, "2025-03-04 07:30:00")
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}


class TestNightlyFile:
    """A CSV that somebody writes now and then, and that says by itself when."""

    @pytest.fixture
    def day(self, tmp_path: Path, database_url: str) -> ShopDay:
        return ShopDay(tmp_path, ledger_url=database_url, on_hand_as_of="taken_at", clock_skew_seconds=0)

    def write(self, path: Path, quantity: int, minutes: float = 0) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("fulfillment_node_id", "product_id", "quantity"), (*SKU, quantity)])
        os.utime(path, (NOON.timestamp() + minutes * 60,) * 2)

    @pytest.mark.fault("F23")
    def test_its_modification_time_counts(self, day: ShopDay) -> None:
        self.write(day.erp.path, 9, 30)
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}
        # The next file has the same number: nothing came in, nothing was shipped that it did not contain.
        self.write(day.erp.path, 8, 60)
        assert day.run() == []
        self.write(day.erp.path, 8, 70)
        assert day.run() == []

    def test_a_newer_file_with_the_same_number_proves_more(self, day: ShopDay) -> None:
        self.write(day.erp.path, 9, 30)
        day.run(a_completion(40))
        self.write(day.erp.path, 9, 60)
        (cut,) = day.run()
        assert (cut.quantities, cut.range) == ({SKU: 9}, None)

    def test_the_lag_is_taken_off(self, day: ShopDay) -> None:
        day.settings["on_hand_lag_seconds"] = 1800
        self.write(day.erp.path, 9, 30)
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 8}

    def test_the_newest_whole_file_counts_by_its_name(self, day: ShopDay, tmp_path: Path) -> None:
        day.settings.update(
            on_hand_url=str(tmp_path / "stock-*.csv"),
            taken_at_format="stock-%Y%m%d-%H%M.csv",
            taken_at_timezone="Europe/Berlin",
            on_hand_done_marker=".done",
        )
        lists = {"stock-20250304-1310.csv": 10, "stock-20250304-1330.csv": 9, "stock-20250304-1400.csv": 3}
        for name, quantity in lists.items():
            self.write(tmp_path / name, quantity)
            if quantity != 3:
                (tmp_path / f"{name}.done").touch()
        # 13:30 in Berlin is 12:30 UTC.
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    def test_a_column_taken_at_counts_before_the_time_of_a_copy(self, day: ShopDay) -> None:
        day.erp.path.write_text(
            f"fulfillment_node_id,product_id,quantity,taken_at\nDC01,SKU-1,9,{at(30)}\n", encoding="utf-8"
        )
        os.utime(day.erp.path, (NOON.timestamp() + 3600,) * 2)
        (cut,) = day.run(a_completion(11), a_completion(40))
        assert cut.quantities == {SKU: 8}

    def test_a_name_without_a_time_is_refused(self, day: ShopDay) -> None:
        day.settings.update(taken_at_format="stock-%Y%m%d.csv")
        self.write(day.erp.path, 9)
        with pytest.raises(OnHandError, match=r"on_hand\.csv: its name is not as taken_at_format says"):
            day.run(a_completion(11))

    def test_no_file_is_said_so(self, day: ShopDay, tmp_path: Path) -> None:
        day.settings.update(on_hand_url=str(tmp_path / "stock-*.csv"))
        with pytest.raises(OnHandError, match="no file matches"):
            day.run(a_completion(11))

    def test_a_file_from_the_future_is_refused(self, day: ShopDay) -> None:
        self.write(day.erp.path, 9, 60 * 24 * 365 * 50)
        with pytest.raises(OnHandError, match="in the future"):
            day.run(a_completion(11))


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


def test_two_columns_for_what_a_booking_is_known_by_are_refused(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    with pytest.raises(MapperError, match="booked_columns: event_id and order_id are named; name one of them"):
        a_day(tmp_path, database_url, erp, **booked_by("event_id", "order_id")).run(a_completion(11))


def test_a_list_without_the_as_of_column_is_told_which_forms_need_none(tmp_path: Path, database_url: str) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    day.erp.path.write_text("fulfillment_node_id,product_id,quantity\nDC01,SKU-1,9\n", encoding="utf-8")
    with pytest.raises(OnHandError, match="taken_at, booked and current need none"):
        day.run(completed(11))
