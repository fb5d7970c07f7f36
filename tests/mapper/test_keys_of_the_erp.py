"""Keys as databases and files hand them over: the same key each time, or refused by name."""

from __future__ import annotations

import decimal
import typing as t
import uuid

import psycopg
import pytest
from mapper_newstore_stock.run.identities import identity

from tests.mapper.on_hand_lists import HEADER, a_csv, a_list, a_table, refusal, rows_of
from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (" SKU-1 ", "SKU-1"),
        ("007", "007"),
        ("1.0", "1.0"),
        (1001, "1001"),
        (UUID, str(UUID)),
        (b"SKU-1", "SKU-1"),
        (memoryview("Größe".encode()), "Größe"),
        (decimal.Decimal("1001.0000000000"), "1001"),
        (decimal.Decimal("1E+3"), "1000"),
        (1001.0, "1001"),
        (None, ""),
    ],
)
def test_text_whole_numbers_and_uuids_are_keys(value: object, key: str) -> None:
    assert identity(value) == key


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "is of type bool, expected text, a whole number or a UUID"),
        ([1], "is of type list, expected text, a whole number or a UUID"),
        (b"\xff\xfe1", "bytes that are not UTF-8: cast the column to text"),
        (decimal.Decimal("1.5"), "is 1.5, expected text or a whole number"),
        (decimal.Decimal("NaN"), "is NaN, expected text or a whole number"),
        (1.5, "is 1.5, expected text or a whole number"),
        (float("inf"), "is inf, expected text or a whole number"),
        (2.0**53, "expected text or a whole number that a float can tell from the next one"),
    ],
)
def test_anything_else_is_refused_by_its_type_or_value(value: object, said: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        identity(value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("kinds", "value", "key"), [("TEXT,BLOB,INT,INT", b"SKU-1", "SKU-1"), ("TEXT,REAL,INT,INT", 1001, "1001")]
)
def test_a_key_of_sqlite_is_what_it_says(tmp_path: Path, kinds: str, value: object, key: str) -> None:
    assert rows_of(**a_table(tmp_path, kinds, ("DC01", value, 10, None))) == [("DC01", key, 10, None)]


@pytest.mark.parametrize(
    ("kind", "value", "key"),
    [
        ("numeric(38,10)", "1001", "1001"),
        ("bytea", r"'\x534b552d31'", "SKU-1"),
        ("uuid", f"'{UUID}'", str(UUID)),
        ("char(9)", "'SKU-1'", "SKU-1"),
        ("bigint", "1001", "1001"),
    ],
)
def test_a_key_of_postgresql_is_what_it_says(postgresql: PostgreSql, kind: str, value: str, key: str) -> None:
    url = postgresql.new_database()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE stock (fulfillment_node_id {kind}, product_id {kind}, quantity int)".encode())
        connection.execute(f"INSERT INTO stock VALUES ({value}, {value}, 5)".encode())
    assert rows_of(on_hand_url=url, on_hand_table="stock", on_hand_as_of="current") == [(key, key, 5, None)]


def test_a_key_of_another_type_is_refused_with_its_row(tmp_path: Path) -> None:
    said = refusal(**a_table(tmp_path, "TEXT,BLOB,INT,INT", ("DC01", b"\xff\xfe", 10, None), ("DC01", 1.5, 10, None)))
    assert "stock, row 1 (DC01, " in said
    assert "product_id is b'\\xff\\xfe', bytes that are not UTF-8: cast the column to text in the query" in said
    assert "row 2 (DC01, 1.5): product_id is 1.5, expected text or a whole number" in said


@pytest.mark.parametrize(
    ("product", "said"),
    [
        ('="00123"', "is '=\"00123\"', a formula of Excel: let the ERP write '00123' without = and quotes"),
        ("A=B", "is 'A=B' and holds '=', which NewStore's import files cannot: rename it in the ERP"),
        ("50%", "is '50%' and holds '%', which NewStore's import files cannot: rename it in the ERP"),
        ("A\0B", "is 'A\\x00B' and holds a NUL character: correct it in the ERP"),
        ("x" * 300, "(302 characters), longer than the 255 characters NewStore takes: shorten it in the ERP"),
    ],
)
def test_a_key_newstore_cannot_take_is_named_with_its_row(tmp_path: Path, product: str, said: str) -> None:
    read = refusal(on_hand_url=a_csv(tmp_path, "DC01,A,3,", f"DC01,{product},5,"))
    assert "erp.csv, DC01/" in read
    assert " in line 3: product_id " in read
    assert said in read
    node = refusal(on_hand_url=a_csv(tmp_path, f"{product},A,5,"))
    assert " in line 2: fulfillment_node_id " in node
    assert said in node


def test_a_key_of_255_characters_is_taken(tmp_path: Path) -> None:
    assert rows_of(on_hand_url=a_csv(tmp_path, f"DC01,{'x' * 255},5,"))[0][1] == "x" * 255


def test_a_line_break_in_a_key_of_a_database_is_named(tmp_path: Path) -> None:
    said = refusal(**a_table(tmp_path, "TEXT,TEXT,INT,INT", ("DC01", "A", 1, None), ("DC01", "A\nB", 5, None)))
    assert "stock, row 2 (DC01, A\\nB): product_id is 'A\\nB' and holds a line break" in said


@pytest.mark.parametrize("key", [("DC\0", "SKU-1"), ("DC01", "A\0B")])
def test_a_nul_in_the_key_of_an_event_is_held_and_stops_no_other(
    tmp_path: Path, database_url: str, caplog: pytest.LogCaptureFixture, key: tuple[str, str]
) -> None:
    day = ShopDay(tmp_path, ledger_url=database_url)
    a_csv(tmp_path, "DC01,SKU-1,10,", ",".join([*key, "5", ""]))
    day.settings["on_hand_url"] = str(tmp_path / "erp.csv")
    (cut,) = day.run(completed(10, event_id="completed:fr\0-10:10"), completed(11, key[1], node=key[0]))
    assert (cut.quantities, cut.range) == ({("DC01", "SKU-1"): 9}, (10, 10))
    assert (
        f"nothing is sent for them and no range covers their completions: {'/'.join(key)}".replace("\0", "\ufffd")
        in caplog.text
    )
    (cut,) = day.run(completed(12))
    assert (cut.quantities, cut.range) == ({("DC01", "SKU-1"): 8}, (12, 12))


def test_references_with_a_nul_are_kept_too(tmp_path: Path, database_url: str) -> None:
    numbers = a_list(tmp_path, f"{HEADER}\nDC01,SKU-1,10,\n")
    bookings = a_list(tmp_path, "order_id,product_id\no\0-11,SKU-1\n", "booked.csv")
    day = ShopDay(tmp_path, ledger_url=database_url, on_hand_url=numbers, booked_url=bookings, on_hand_as_of="booked")
    (cut,) = day.run(completed(11, order_id="o\0-11"), completed(12, order_id="o-12"))
    assert cut.quantities == {("DC01", "SKU-1"): 9}
