"""Quantities and as-of values: exact, or refused with what to set."""

from __future__ import annotations

import decimal
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mapper_newstore_stock.run.whole_numbers import NumberReader

from tests.mapper.on_hand_lists import HEADER, a_csv, a_list, a_table, refusal, rows_of

if t.TYPE_CHECKING:
    from pathlib import Path

FLOATS_SKIP = 2**53


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-3", -3),
        ("+4", 4),
        (" 5 ", 5),
        ("007", 7),
        ("5.0", 5),
        ("12.00", 12),
        ("1234.0000", 1234),
        ("-0.0", 0),
    ],
)
def test_a_text_that_can_mean_one_number_only_is_read(tmp_path: Path, text: str, number: int) -> None:
    assert rows_of(on_hand_url=a_csv(tmp_path, f"DC01,A,{text},")) == [("DC01", "A", number, None)]


def test_thousands_of_some_and_decimals_of_others_are_refused(tmp_path: Path) -> None:
    said = refusal(on_hand_url=a_csv(tmp_path, "DC01,A,500,", "DC01,B,1.000,", "DC01,C,12.000,"))
    assert said.startswith("2 rows cannot be used: ")
    for before, key, line, text in (("erp.csv, ", "B", 3, "1.000"), ("; ", "C", 4, "12.000")):
        assert f"{before}DC01/{key} in line {line}: quantity is '{text}', expected a whole number" in said
    assert "set decimal_separator or thousands_separator to '.', whichever that mark is" in said


def test_an_as_of_with_such_a_mark_is_refused_too(tmp_path: Path) -> None:
    said = refusal(on_hand_url=a_csv(tmp_path, "DC01,SKU-1,10,18.000"))
    assert "line 2: as_of_logical_timestamp is '18.000', expected a whole number: set decimal_separator or" in said


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1,000", "set decimal_separator or thousands_separator to ',', whichever that mark is"),
        ("1.234.567", "set decimal_separator or thousands_separator to '.', whichever that mark is"),
        ("1 000", "if that mark is between thousands, set thousands_separator to ' '"),
        ("1'000", "if that mark is between thousands, set thousands_separator to '''"),
        ("5,0", "if that mark is before decimals, set decimal_separator to ','"),
        ("1.234,00", "if that mark is before decimals, set decimal_separator to ','"),
    ],
)
def test_a_text_with_a_mark_says_which_setting_reads_it(tmp_path: Path, text: str, advice: str) -> None:
    assert refusal(on_hand_url=a_list(tmp_path, f'{HEADER}\nDC01,A,"{text}",\n')).endswith(advice)


@pytest.mark.parametrize(
    ("decimals", "thousands", "numbers"),
    [
        ("", ".", {"1.000": 1000, "12.000": 12_000, "-1.234.567": -1_234_567, "999": 999, "1234": 1234}),
        (".", "", {"1.000": 1, "12.0": 12, "7": 7}),
        (",", ".", {"1.000": 1000, "1.234,00": 1234, "5,0": 5}),
        (".", ",", {"1,000": 1000, "1,000.000": 1000}),
        ("", ",", {"1,000": 1000, "12.0": 12}),
        ("", " ", {"1 000": 1000, "1\u00a0000": 1000, "1\u202f234\u202f567": 1_234_567}),
        ("", "'", {"1'000": 1000}),
    ],
)
def test_separators_are_settings(decimals: str, thousands: str, numbers: dict[str, int]) -> None:
    reader = NumberReader(decimals, thousands)
    assert {text: reader.read(text) for text in numbers} == numbers


@pytest.mark.parametrize(
    ("decimals", "thousands", "text"),
    [
        ("", ".", "1.00"),
        ("", ".", "12.0"),
        ("", ".", "1234.000"),
        ("", ".", "1.0000"),
        (".", "", "12.5"),
        (",", "", "12.0"),
        (",", ".", "1.000,5"),
        (",", ".", "1,000.0"),
        (".", ",", "10,00"),
        ("", " ", "1 00"),
        ("", "", "1e3"),
        ("", "", "0x10"),
        ("", "", "٣"),
        ("", "", "5-"),
        ("", "", "."),
        ("", "", "NaN"),
    ],
)
def test_what_is_no_whole_number_in_a_setting_stays_refused(decimals: str, thousands: str, text: str) -> None:
    with pytest.raises(ValueError, match="expected a whole number"):
        NumberReader(decimals, thousands).read(text)


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from(["", ".", ","]), st.sampled_from(["", ".", ",", "'", " "]))
def test_a_number_written_in_a_setting_is_read_back_exactly(number: int, decimals: str, thousands: str) -> None:
    if decimals == thousands != "":
        return
    reader = NumberReader(decimals, thousands)
    text = f"{number:,}".replace(",", thousands)
    assert reader.read(text) == number
    if decimals and abs(number) < FLOATS_SKIP:
        assert reader.read(f"{text}{decimals}000") == number


@pytest.mark.parametrize("column", ["quantity", "as_of_logical_timestamp"])
@pytest.mark.parametrize(
    "value", [float(FLOATS_SKIP), 9007199254740993.0, 1e300, "9007199254740993.0", "9007199254740992.0"]
)
def test_a_float_that_may_have_been_another_number_is_refused(tmp_path: Path, column: str, value: object) -> None:
    row = ("DC01", "A", value, None) if column == "quantity" else ("DC01", "A", 1, value)
    said = refusal(**a_table(tmp_path, "TEXT,TEXT,BLOB,BLOB", row))
    assert f"stock, row 1 (DC01, A): {column} is " in said
    assert "2^53" in said


def test_a_float_that_is_exact_is_read(tmp_path: Path) -> None:
    kinds = "TEXT,TEXT,REAL,REAL"
    rows = rows_of(**a_table(tmp_path, kinds, ("DC01", "A", 12.0, FLOATS_SKIP - 1)))
    assert rows == [("DC01", "A", 12, FLOATS_SKIP - 1)]
    assert [type(value) for value in rows[0][2:]] == [int, int]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (decimal.Decimal("12.000"), 12),
        (decimal.Decimal("1E+3"), 1000),
        (decimal.Decimal("9007199254740993.0"), 2**53 + 1),
    ],
)
def test_numeric_types_of_a_database_are_not_guessed_at(value: decimal.Decimal, number: int) -> None:
    assert NumberReader().read(value) == number


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (7.5, "is '7.5', expected a whole number"),
        (float("nan"), "is 'nan', expected a whole number"),
        (float("inf"), "is 'inf', expected a whole number"),
        (decimal.Decimal("NaN"), "is 'NaN', expected a whole number"),
        (decimal.Decimal("7.5"), "is '7.5', expected a whole number"),
        (decimal.Decimal("1E+30"), "beyond 64 bits"),
        (decimal.Decimal("1E+999999"), "beyond 64 bits"),
        (2**63, "beyond 64 bits"),
        ("9" * 5000, "beyond 64 bits"),
        (True, "of type bool, expected a whole number"),
        (b"5", "of type bytes, expected a whole number"),
        ([5], "of type list, expected a whole number"),
    ],
)
def test_any_other_value_is_refused_and_shown(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=r"^.{1,200}$") as caught:
        NumberReader().read(value)
    assert said in str(caught.value)
