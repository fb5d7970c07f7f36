"""Rows that cannot be used: left out if they are nobody's business, handed over or refused together if they are."""

from __future__ import annotations

import typing as t

import pytest

from tests.mapper.on_hand_lists import HEADER, a_csv, a_list, a_table, refusal, rows_of
from tests.mapper.shop_day import ShopDay

if t.TYPE_CHECKING:
    from pathlib import Path

    from mapper_newstore_stock.run.on_hand import UnusableRow

IGNORED: dict[str, t.Any] = {"ignored_nodes": ["STORE9"], "ignored_products": ["GIFT"]}
A = ("DC01", "A", 5, None)
TAKEN_AT = "fulfillment_node_id,product_id,quantity,taken_at"


@pytest.mark.parametrize(
    "row",
    [
        "STORE9,A,not stocked,",
        "STORE9,A,,",
        "STORE9,,1,",
        "STORE9,A,1.000,1.000",
        "STORE9,50%,1,",
        "STORE9,A",
        "STORE9,A,1,000,",
        "DC01,GIFT,1,never",
        ",GIFT,1,",
        " ,GIFT ,1,",
        "A=B,GIFT,1,",
    ],
)
def test_what_is_to_be_ignored_is_ignored_before_it_is_checked(tmp_path: Path, row: str) -> None:
    url = a_csv(tmp_path, "DC01,A,5,", row, row)
    assert rows_of(on_hand_url=url, **IGNORED) == [A]
    refusal(on_hand_url=url)


def test_a_key_of_any_type_is_ignored_before_it_is_checked(tmp_path: Path) -> None:
    rows = [("DC01", "A", 5, None), (b"\xff", "GIFT", None, None), ("STORE9", b"\xff", 1.5, None)]
    assert rows_of(**a_table(tmp_path, "TEXT,TEXT,INT,INT", *rows), **IGNORED) == [A]


@pytest.mark.parametrize("rest", [",,,\n,,,\n", "   \n", "\x1a", "\n\n \t \n", " , ,\x1a,\n", ",,,\r\n\x1a"])
def test_rows_that_say_nothing_stop_nothing(tmp_path: Path, rest: str) -> None:
    assert rows_of(on_hand_url=a_list(tmp_path, f"{HEADER}\nDC01,A,5,\n{rest}")) == [A]


def test_rows_of_null_stop_nothing(tmp_path: Path) -> None:
    rows = [(None, None, None, None), ("DC01", "A", 5, None), (None, "", " ", None)]
    assert rows_of(**a_table(tmp_path, "TEXT,TEXT,INT,INT", *rows)) == [A]


@pytest.mark.parametrize("end", ["", ",,,\n", "\x1a"])
def test_a_total_line_of_excel_stops_nothing_and_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, end: str
) -> None:
    assert rows_of(on_hand_url=a_list(tmp_path, f"{HEADER}\nDC01,A,5,\nTotal,,5,\n{end}"), **IGNORED) == [A]
    assert "erp.csv, Total/ in line 3: it names no product; taken for a total line and left out" in caplog.text


@pytest.mark.parametrize(
    "lines",
    [
        ["DC01,A,5,", "Total,,5,", "DC01,B,5,"],
        ["DC01,A,5,", "Total,,5,", "DC01,B,many,"],
        ["DC01,A,5,", "DC01,,5,"],
        ["DC01,A,5,", "Total,,5,7"],
        ["DC01,A,5,", ",A,5,"],
        ["DC01,A,5,", ",,5,"],
    ],
)
def test_any_other_row_without_a_key_is_refused(tmp_path: Path, lines: list[str]) -> None:
    assert "is empty" in refusal(on_hand_url=a_csv(tmp_path, *lines))


def test_a_total_line_of_an_ignored_product_needs_no_guess(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = a_csv(tmp_path, "DC01,A,5,", ",Total,5,", "DC01,B,6,")
    assert len(rows_of(on_hand_url=url, ignored_products=["Total"])) == 2
    assert caplog.text == ""


def test_all_rows_that_cannot_be_used_are_named_in_one_error(tmp_path: Path) -> None:
    bad = [f"DC01,SKU-{number},none," for number in range(30)]
    said = refusal(on_hand_url=a_csv(tmp_path, "DC01,A,5,", *bad, "DC01,B", "DC01,C,6,"))
    assert said.startswith("31 rows cannot be used: ")
    assert "erp.csv, DC01/SKU-0 in line 3: quantity is 'none', expected a whole number; " in said
    assert "; DC01/SKU-19 in line 22" in said
    assert said.count("erp.csv") == 1
    assert said.endswith("; and 11 more")


def test_all_bookings_that_cannot_be_used_are_named_in_one_error(tmp_path: Path) -> None:
    bookings = a_list(
        tmp_path,
        "event_id,units,product_id\n,1,A\na,many,many\nb,A\nc,-1,-1\nd,1.000,1.000\nf,99999999999,A\ng,100000000000,A\n"
        "e,1,A\n,,\n",
        "booked.csv",
    )
    day = ShopDay(tmp_path, on_hand_url=a_csv(tmp_path, "DC01,A,5,"), booked_url=bookings, on_hand_as_of="booked")
    with pytest.raises(Exception, match=r"^6 rows cannot be used: [^\n]+$") as caught:
        day.run()
    assert str(caught.value).count("booked.csv") == 1
    for said in (
        "/A in line 2: event_id is empty",
        "a/many in line 3: units is 'many', expected a whole number",
        "line 4: 2 values under 3 column names",
        "c/-1 in line 5: units is '-1', expected a whole number, not negative",
        "d/1.000 in line 6: units is '1.000', expected a whole number: set decimal_separator or thousands_separator",
        "g/A in line 8: units is 100000000000, beyond eleven digits",
    ):
        assert said in str(caught.value)


def test_rows_of_which_only_the_key_can_be_used_are_handed_over_and_reading_goes_on(tmp_path: Path) -> None:
    handed: list[UnusableRow] = []
    lines = ["DC01,A,5,", "DC01,B,many,", "DC01,C,,", "DC01,D,1,18.000", "DC01,50%,1,", "A\0B,E,1,", "DC01,F,6,"]
    rows = rows_of(handed.append, on_hand_url=a_csv(tmp_path, *lines))
    assert [row[1] for row in rows] == ["A", "F"]
    assert [row[:2] for row in handed] == [
        ("DC01", "B"),
        ("DC01", "C"),
        ("DC01", "D"),
        ("DC01", "50%"),
        ("A\ufffdB", "E"),
    ]
    assert [row.reason.removeprefix(f"{tmp_path}/erp.csv, ") for row in handed[:3]] == [
        "DC01/B in line 3: quantity is 'many', expected a whole number",
        "DC01/C in line 4: quantity is empty; write 0 for none",
        (
            "DC01/D in line 5: as_of_logical_timestamp is '18.000', expected a whole number: set decimal_separator or "
            "thousands_separator to '.', whichever that mark is"
        ),
    ]
    assert not any("\n" in row.reason or "\0" in row.reason for row in handed)


@pytest.mark.parametrize("row", [",B,5,", "DC01,,5,", "DC01,B", 'DC01,"B,5,\nDC01,C",6,'])
def test_a_row_without_a_key_is_refused_even_if_rows_may_be_handed_over(tmp_path: Path, row: str) -> None:
    handed: list[UnusableRow] = []
    url = a_csv(tmp_path, "DC01,A,5,", row, "DC01,C,none,")
    with pytest.raises(Exception, match=r"line [34]"):
        rows_of(handed.append, on_hand_url=url)
    assert [row.product_id for row in handed] == ["C"]


def test_a_key_of_a_type_that_is_none_is_refused_even_then(tmp_path: Path) -> None:
    handed: list[UnusableRow] = []
    with pytest.raises(Exception, match=r"row 1 \(DC01, 1\.5\): product_id is 1\.5"):
        rows_of(handed.append, **a_table(tmp_path, "TEXT,REAL,INT,INT", ("DC01", 1.5, 5, None)))
    assert handed == []


def test_a_time_that_is_none_is_the_keys_trouble_and_one_in_the_future_the_lists(tmp_path: Path) -> None:
    handed: list[UnusableRow] = []
    url = a_csv(tmp_path, "DC01,A,5,2025-03-04T12:00:00Z", "DC01,B,5,soon", header=TAKEN_AT)
    assert len(rows_of(handed.append, on_hand_url=url, on_hand_as_of="taken_at")) == 1
    assert [row.reason.partition(": ")[2] for row in handed] == [
        "taken_at is 'soon': expected a time, such as 2025-03-04T02:00:00+01:00"
    ]
    a_csv(tmp_path, "DC01,A,5,2025-03-04T12:00:00Z", "DC01,B,5,2999-01-01T00:00:00Z", header=TAKEN_AT)
    with pytest.raises(Exception, match="DC01/B in line 3: taken_at is 2999-01-01T00:00:00Z, in the future"):
        rows_of(handed.append, on_hand_url=url, on_hand_as_of="taken_at")
