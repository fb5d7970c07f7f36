"""Evidence that cannot be used, or says too much: what is kept out, counted, named or refused."""

from __future__ import annotations

import datetime as dt
import typing as t

import pytest
from mapper_newstore_stock.errors import OnHandError

from tests.mapper.shop_day import ShopDay
from tests.mapper.sql_erp import SHOES, SKU, SqlErp, a_completion, a_day, booked_by
from tests.shop.plugin import run_plugin

if t.TYPE_CHECKING:
    from pathlib import Path

BY_REQUEST = booked_by("fulfillment_request_id", "product_id", "units")


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


class TestUnknownReferences:
    """Bookings of events, requests and orders that the ledger does not know."""

    @pytest.mark.parametrize(
        "columns",
        [("event_id",), ("fulfillment_request_id", "product_id"), ("order_id", "product_id", "fulfillment_node_id")],
    )
    def test_they_are_kept_out_and_counted_until_their_event_comes(
        self, tmp_path: Path, database_url: str, erp: SqlErp, caplog: pytest.LogCaptureFixture, columns: tuple[str, ...]
    ) -> None:
        caplog.set_level("INFO")
        day = a_day(tmp_path, database_url, erp, **booked_by(*columns))
        coming = a_completion(12)
        for name in ("nobody's", "nothing"):
            erp.book(name, name, name)
        erp.book(coming["event_id"], "fr-12", "order-12")
        erp.count(*SKU, 9)
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 8}
        assert "3 bookings are of no completion the ledger knows; they prove nothing yet" in caplog.text
        caplog.clear()
        assert [cut.quantities for cut in day.run(coming)] == [{SKU: 8}]
        assert "2 bookings are of no completion the ledger knows" in caplog.text

    def test_a_product_nobody_completed_proves_nothing_of_its_request(
        self, tmp_path: Path, database_url: str, erp: SqlErp
    ) -> None:
        day = a_day(tmp_path, database_url, erp, **BY_REQUEST)
        erp.book(request="fr-11", sku="SHOES")
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 9}


def test_a_column_of_fixed_width_pads_what_it_holds(tmp_path: Path, database_url: str, erp: SqlErp) -> None:
    columns = ("fulfillment_request_id", "product_id", "fulfillment_node_id")
    day = a_day(tmp_path, database_url, erp, **booked_by(*columns))
    erp.book(request="fr-11    ", sku="SKU-1     ")
    erp.count(*SKU, 9)
    (cut,) = day.run(a_completion(11))
    assert cut.quantities == {SKU: 9}


class TestMoreThanWasCompleted:
    """The lesser number counts, and a warning names the key."""

    def test_a_booking_listed_twice(
        self, tmp_path: Path, database_url: str, erp: SqlErp, caplog: pytest.LogCaptureFixture
    ) -> None:
        erp.count(*SHOES, 5)
        day = a_day(tmp_path, database_url, erp, **BY_REQUEST)
        for _ in range(2):
            erp.book(request="fr-11")
        erp.book(request="fr-11", sku="SHOES")
        (cut,) = day.run(a_completion(11, "SKU-1", "SHOES"), a_completion(12))
        assert cut.quantities == {SKU: 9, SHOES: 5}
        (warning,) = [line for line in caplog.messages if "the ERP has booked" in line]
        assert warning == "DC01/SKU-1: the ERP has booked 2 units of fr-11, 1 were completed; 1 count"

    def test_what_comes_to_be_completed_later_counts_then(
        self, tmp_path: Path, database_url: str, erp: SqlErp, caplog: pytest.LogCaptureFixture
    ) -> None:
        day = a_day(tmp_path, database_url, erp, **BY_REQUEST)
        erp.book(request="fr", units=2)
        erp.count(*SKU, 8)
        # Two have left the number, and one is known: the other one is still NewStore's to subtract.
        (cut,) = day.run(a_completion(11, fulfillment_request_id="fr"))
        assert cut.quantities == {SKU: 8}
        assert "the ERP has booked 2 units of fr, 1 were completed" in caplog.text
        caplog.clear()
        (cut,) = day.run(a_completion(12, fulfillment_request_id="fr"))
        assert cut.quantities == {SKU: 8}
        assert "the ERP has booked" not in caplog.text


class TestRowsThatCannotBeUsed:
    """The run ends with the row and the column, and nothing is sent."""

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("qty", None, r"booked, row 2 \(fr-12, SKU-1\): qty is empty"),
            ("qty", "two", r"booked, row 2 \(fr-12, SKU-1\): qty is 'two', expected a whole number"),
            ("node", None, r"booked, row 2 \(fr-12, SKU-1\): node is empty"),
            ("node", "  ", r"booked, row 2 \(fr-12, SKU-1\): node is empty"),
            ("sku", None, r"booked, row 2 \(fr-12, None\): sku is empty"),
        ],
    )
    def test_a_null_or_another_type_in_a_table(
        self, tmp_path: Path, erp: SqlErp, name: str, value: object, said: str
    ) -> None:
        columns = ("fulfillment_request_id", "product_id", "units", "fulfillment_node_id")
        day = a_day(tmp_path, f"sqlite:///{tmp_path / 'ledger.db'}", erp, **booked_by(*columns))
        erp.book(request="fr-11")
        erp.book(request="fr-12")
        # SQLite has no whole number as large: it would be a float.
        stored = str(value) if value == 2**63 else value
        erp._execute(f"UPDATE booked SET {name} = ? WHERE request = 'fr-12'", stored)
        with pytest.raises(OnHandError, match=said):
            day.run(a_completion(11))
        erp._execute(
            f"UPDATE booked SET {name} = ? WHERE request = 'fr-12'", 1 if name == "qty" else SKU[name == "sku"]
        )
        erp.count(*SKU, 9)
        (cut,) = day.run(a_completion(11))
        assert cut.quantities == {SKU: 9}

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("fr-11,SKU-1,1\nfr-12,,1\n", "fr-12/ in line 3: product_id is empty"),
            ("fr-11,SKU-1,1\nfr-12,SKU-1,1.5\n", "fr-12/SKU-1 in line 3: units is '1.5', expected a whole number"),
            ("fr-11,SKU-1,1\nfr-12,SKU-1,-1\n", "fr-12/SKU-1 in line 3: units is '-1', expected a whole number"),
            (
                "fr-11,SKU-1,9223372036854775808\n",
                "fr-11/SKU-1 in line 2: units is 9223372036854775808, beyond 64 bits",
            ),
            ("fr-11,SKU-1\n", "line 2: 2 values under 3 column names"),
        ],
    )
    def test_a_line_of_a_file(self, tmp_path: Path, ledger_url: str, erp: SqlErp, lines: str, said: str) -> None:
        path = tmp_path / "booked.csv"
        path.write_text(f"fulfillment_request_id,product_id,units\n{lines}", encoding="utf-8")
        day = a_day(tmp_path, ledger_url, erp, on_hand_as_of="booked", booked_url=str(path))
        with pytest.raises(OnHandError) as error:
            day.run(a_completion(11))
        assert f"booked.csv, {said}" in str(error.value)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"booked_table": "gone"}, "booked_url: cannot read gone: no such table: gone"),
            ({"booked_url": "gone.csv", "booked_table": None}, "booked_url: cannot read gone.csv: "),
            ({"booked_columns": {"event_id": "evt"}}, "booked_url: cannot read booked: no such column: evt"),
        ],
    )
    def test_bookings_that_cannot_be_read(
        self, tmp_path: Path, ledger_url: str, erp: SqlErp, settings: dict[str, t.Any], said: str
    ) -> None:
        day = a_day(tmp_path, ledger_url, erp, **(booked_by("event_id") | settings))
        with pytest.raises(OnHandError) as error:
            day.run(a_completion(11))
        assert said in str(error.value)

    def test_a_run_with_such_a_row_ends_with_one_line_and_1(self, tmp_path: Path, ledger_url: str, erp: SqlErp) -> None:
        erp.book()
        settings = {"ledger_url": ledger_url, "on_hand_url": erp.url, "on_hand_table": "stock", **booked_by("event_id")}
        schema: dict[str, t.Any] = {"properties": {}}
        messages = [
            {"type": "SCHEMA", "stream": "fulfillment_events", "schema": schema, "key_properties": ["event_id"]},
            {"type": "RECORD", "stream": "fulfillment_events", "record": a_completion(11)},
            {"type": "STATE", "value": {}},
        ]
        done = run_plugin("mapper-newstore-stock", tmp_path, settings, messages=messages)
        assert (done.code, done.output) == (1, "")
        (error,) = [line for line in done.log.splitlines() if "| ERROR" in line]
        assert "booked, row 1 (): event_id is empty" in error
        assert "Traceback" not in done.log


class TestNumbersOfTheFuture:
    """A `taken_at` in the future names its row; what two clocks may differ by is not the future."""

    def write(self, day: ShopDay, **ahead: float) -> None:
        taken_at = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(**ahead)).isoformat()
        rows = f"DC01,SKU-1,10,2025-03-04T12:00:00Z\nDC01,SHOES,5,{taken_at}\n"
        text = f"fulfillment_node_id,product_id,quantity,taken_at\n{rows}"
        day.erp.path.write_text(text, encoding="utf-8")

    @pytest.fixture
    def day(self, tmp_path: Path, ledger_url: str) -> ShopDay:
        return ShopDay(tmp_path, ledger_url=ledger_url, on_hand_as_of="taken_at", clock_skew_seconds=3600)

    def test_the_line_is_named(self, day: ShopDay) -> None:
        self.write(day, minutes=70)
        with pytest.raises(
            OnHandError,
            match=r"on_hand\.csv, DC01/SHOES in line 3: taken_at is 20.*, in the future\. Correct the ERP's",
        ):
            day.run()

    def test_within_the_skew_it_is_taken(self, day: ShopDay) -> None:
        self.write(day, minutes=50)
        (cut,) = day.run()
        assert cut.quantities == {SKU: 10, SHOES: 5}

    def test_a_zone_that_is_not_set_is_named(self, day: ShopDay) -> None:
        self.write(day)
        local = (dt.datetime.now(tz=dt.UTC) + dt.timedelta(hours=2)).strftime("%Y-%m-%d %H:%M")
        text = f"fulfillment_node_id,product_id,quantity,taken_at\nDC01,SKU-1,10,{local}\n"
        day.erp.path.write_text(text, encoding="utf-8")
        with pytest.raises(OnHandError, match=r"line 2: taken_at is .*set taken_at_timezone to the zone its times are"):
            day.run()
