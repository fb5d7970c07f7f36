"""What the columns of a Parquet list may hold: the same answers and words as for the values of a SQL database."""

from __future__ import annotations

import datetime as dt
import decimal
import typing as t
import uuid

import pyarrow as pa
import pytest
from mapper_newstore_stock.run.parquet_lines import lines_of
from mapper_newstore_stock.run.sql_rows import lines_of as lines_of_rows

from tests.mapper.on_hand_lists import refusal, rows_of
from tests.mapper.parquet_files import KINDS, NAMES, TEXT, WHOLE, a_parquet

if t.TYPE_CHECKING:
    from pathlib import Path

    from mapper_newstore_stock.run.on_hand import UnusableRow

UUIDS = [uuid.UUID(int=5), uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")]
NOT_UTF_8 = b"\xff\xfe"
NAIVE = dt.datetime.fromisoformat("2025-03-04T02:00:00")


def of_products(path: Path, kind: t.Any, *products: t.Any) -> dict[str, t.Any]:
    rows = [("DC01", product, 5, None) for product in products]
    return {"on_hand_url": a_parquet(path / "erp.parquet", *rows, kinds=(TEXT, kind, *KINDS[2:]))}


def of_quantities(path: Path, kind: t.Any, *quantities: t.Any) -> dict[str, t.Any]:
    rows = [("DC01", f"SKU-{number}", quantity, None) for number, quantity in enumerate(quantities)]
    return {"on_hand_url": a_parquet(path / "erp.parquet", *rows, kinds=(TEXT, TEXT, kind, WHOLE))}


@pytest.mark.parametrize(
    ("kind", "products", "keys"),
    [
        (TEXT, ["SKU-1", " Ä\u2028 ", "名"], ["SKU-1", "Ä", "名"]),
        (TEXT, ['a"b', "a\\b", "c\x7f", "\ttab"], ['a"b', "a\\b", "c\x7f", "tab"]),
        (pa.large_string(), ["SKU-1"], ["SKU-1"]),
        (pa.string_view(), ["SKU-1", "a product with a long name"], ["SKU-1", "a product with a long name"]),
        (pa.dictionary(pa.int32(), TEXT), ["B", "A", 'a"b', "A "], ["B", "A", 'a"b', "A"]),
        (pa.binary(), [b"SKU-1", "Ä".encode()], ["SKU-1", "Ä"]),
        (pa.large_binary(), [b"SKU-1"], ["SKU-1"]),
        (pa.binary_view(), [b"SKU-1"], ["SKU-1"]),
        (pa.binary(5), [b"SKU-1"], ["SKU-1"]),
        (pa.int16(), [1001, -1], ["1001", "-1"]),
        (pa.uint64(), [2**64 - 1], [str(2**64 - 1)]),
        (pa.decimal128(38, 10), [decimal.Decimal(1001), decimal.Decimal(10**20)], ["1001", str(10**20)]),
        (pa.float64(), [1001.0, -0.0, 2.0**53 - 1], ["1001", "0", str(2**53 - 1)]),
        (pa.uuid(), [value.bytes for value in UUIDS], list(map(str, UUIDS))),
    ],
)
def test_a_key_is_what_it_says(tmp_path: Path, kind: t.Any, products: list[t.Any], keys: list[str]) -> None:
    assert [row[1] for row in rows_of(**of_products(tmp_path, kind, *products))] == keys


@pytest.mark.parametrize(
    ("kind", "product", "said"),
    [
        (pa.binary(), NOT_UTF_8, r"product_id is b'\xff\xfe', bytes that are not UTF-8"),
        (pa.float64(), 1.5, "(DC01, 1.5): product_id is 1.5, expected text or a whole number that a float can tell"),
        (pa.float64(), 2.0**53, "product_id is 9007199254740992.0, expected text or a whole number that a float"),
        (pa.float64(), float("nan"), "(DC01, nan): product_id is nan, expected text or a whole number that a float"),
        (pa.decimal128(5, 1), decimal.Decimal("1.5"), "product_id is 1.5, expected text or a whole number"),
        (TEXT, "A\nB", "product_id is 'A\\nB' and holds a line break"),
        (TEXT, "A\0B", "product_id is 'A\\x00B' and holds a NUL character"),
        (TEXT, "a=b", "product_id is 'a=b' and holds '='"),
        *((kind, None, "(DC01, None): product_id is empty") for kind in (TEXT, pa.uuid(), pa.null(), pa.float32())),
    ],
)
def test_a_key_that_is_none_is_refused_with_its_row(tmp_path: Path, kind: t.Any, product: t.Any, said: str) -> None:
    found = refusal(**of_products(tmp_path, kind, product))
    assert f"{tmp_path}/erp.parquet, row 1 (DC01, " in found
    assert said in found


def test_a_text_whose_bytes_are_none_stays_bytes() -> None:
    broken = pa.Array.from_buffers(TEXT, 2, pa.array([b"SKU-1", NOT_UTF_8], pa.binary()).buffers())
    lines = lines_of([broken])
    assert lines.block == b'["SKU-1"]\n[["bytes","fffe"]]\n'
    assert not lines.is_plain


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64()])
def test_a_whole_number_is_read_of_any_width(tmp_path: Path, kind: t.Any) -> None:
    assert [row[2] for row in rows_of(**of_quantities(tmp_path, kind, 0, 127))] == [0, 127]


@pytest.mark.parametrize(
    ("kind", "quantity", "read"),
    [
        (WHOLE, 10**11 - 1, 10**11 - 1),
        (WHOLE, 1 - 10**11, 1 - 10**11),
        (pa.decimal128(10, 3), decimal.Decimal("1000.000"), 1000),
        (pa.decimal256(76, 3), decimal.Decimal("-3.000"), -3),
        (pa.float16(), 12.0, 12),
        (pa.float32(), 12.0, 12),
        (pa.float64(), 1e11 - 1, 10**11 - 1),
        (TEXT, "12.0", 12),
        (pa.dictionary(pa.int8(), WHOLE), 7, 7),
    ],
)
def test_a_number_is_what_it_is(tmp_path: Path, kind: t.Any, quantity: t.Any, read: int) -> None:
    assert rows_of(**of_quantities(tmp_path, kind, quantity, quantity))[1][2] == read


@pytest.mark.parametrize(
    ("kind", "quantity", "said"),
    [
        (WHOLE, 10**11, "quantity is 100000000000, beyond eleven digits: is it a bar code?"),
        (WHOLE, -(2**63), "quantity is -9223372036854775808, beyond eleven digits"),
        (pa.float64(), 2.0**53 - 1, "quantity is 9007199254740991, beyond eleven digits"),
        (pa.uint64(), 2**63, "quantity is 9223372036854775808, beyond 64 bits"),
        (pa.decimal128(38, 0), decimal.Decimal(10**20), "quantity is 100000000000000000000, beyond 64 bits"),
        (pa.decimal256(76, 0), decimal.Decimal(-(10**75)), f"quantity is -1{'0' * 58}, beyond 64 bits"),
        (pa.decimal128(10, 1), decimal.Decimal("7.5"), "quantity is '7.5', expected a whole number"),
        (pa.float64(), 7.5, "quantity is '7.5', expected a whole number"),
        (pa.float64(), float("nan"), "quantity is 'nan', expected a whole number"),
        (pa.float64(), float("-inf"), "quantity is '-inf', expected a whole number"),
        (pa.float64(), 2.0**53, "quantity is 9007199254740992.0, beyond 2^53, where floats skip whole numbers"),
        (pa.float64(), -(2.0**53), "quantity is -9007199254740992.0, beyond 2^53, where floats skip whole numbers"),
        (TEXT, "1.000", "quantity is '1.000', expected a whole number: set decimal_separator or thousands_separator"),
        (TEXT, "NULL", "quantity is 'NULL', expected a whole number"),
        (TEXT, "", "quantity is empty; write 0 for none"),
        (WHOLE, None, "quantity is empty; write 0 for none"),
    ],
)
def test_what_is_no_whole_number_stops_its_row_alone(tmp_path: Path, kind: t.Any, quantity: t.Any, said: str) -> None:
    unusable: list[UnusableRow] = []
    good = "3" if kind == TEXT else 3
    read = rows_of(unusable.append, **of_quantities(tmp_path, kind, good, quantity, good))
    assert [row[1:3] for row in read] == [("SKU-0", 3), ("SKU-2", 3)]
    assert [row.product_id for row in unusable] == ["SKU-1"]
    assert f"erp.parquet, row 2 (DC01, SKU-1): {said}" in unusable[0].reason


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        (pa.bool_(), True, "bool"),
        (pa.list_(pa.int32()), [1], "list<element: int32>"),
        (pa.struct([("a", pa.int32())]), {"a": 1}, "struct<a: int32>"),
        (pa.date32(), dt.date(2025, 3, 4), "date32[day]"),
        (pa.time64("us"), dt.time(2), "time64[us]"),
    ],
)
def test_a_column_of_another_type_is_refused_by_its_name(tmp_path: Path, kind: t.Any, value: t.Any, name: str) -> None:
    for settings, column in ((of_products, "product_id"), (of_quantities, "quantity")):
        said = refusal(**settings(tmp_path, kind, value))
        assert said.startswith(f"{tmp_path}/erp.parquet: column {column} is of type {name}, expected text, numbers or")


def test_a_column_nobody_asked_for_may_be_of_any_type(tmp_path: Path) -> None:
    names = [*NAMES, "tags"]
    url = a_parquet(tmp_path / "erp.parquet", ("DC01", "A", 5, 7, ["x"]), kinds=(*KINDS, pa.list_(TEXT)), names=names)
    assert rows_of(on_hand_url=url) == [("DC01", "A", 5, 7)]


def test_a_moment_is_no_key_and_no_number(tmp_path: Path) -> None:
    said = refusal(**of_products(tmp_path, pa.timestamp("us"), NAIVE))
    assert "product_id is of type datetime, expected text, a whole number or a UUID" in said
    said = refusal(**of_quantities(tmp_path, pa.timestamp("us"), NAIVE))
    assert "quantity is datetime.datetime(2025, 3, 4, 2, 0) of type datetime, expected a whole number" in said


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (pa.timestamp("ms"), NAIVE + dt.timedelta(milliseconds=1), 1741050000001),
        (pa.timestamp("us", "UTC"), dt.datetime(2025, 3, 4, 2, tzinfo=dt.UTC), 1741053600000),
        (pa.timestamp("ns", "America/New_York"), dt.datetime(2025, 3, 4, 2, tzinfo=dt.UTC), 1741053600000),
        (pa.timestamp("s"), NAIVE, 1741050000000),
        (TEXT, "2025-03-04T02:00:00+00:00", 1741053600000),
    ],
)
def test_a_moment_is_read_as_that_of_a_database(tmp_path: Path, kind: t.Any, value: t.Any, read: int) -> None:
    names = [*NAMES[:3], "taken_at"]
    url = a_parquet(tmp_path / "erp.parquet", ("DC01", "A", 5, value), kinds=(*KINDS[:3], kind), names=names)
    assert rows_of(on_hand_url=url, on_hand_as_of="taken_at", taken_at_timezone="Europe/Berlin")[0][3] == read


def with_times(path: Path, *times: t.Any, **options: t.Any) -> dict[str, t.Any]:
    names, kinds = [*NAMES[:3], "taken_at"], (*KINDS[:3], pa.timestamp("us"))
    rows = [("DC01", f"SKU-{number}", 5, time) for number, time in enumerate(times)]
    url = a_parquet(path / "erp.parquet", *rows, kinds=kinds, names=names, **options)
    return {"on_hand_url": url, "on_hand_as_of": "taken_at"}


def test_a_moment_beyond_the_calendar_stops_its_row_alone(tmp_path: Path) -> None:
    unusable: list[UnusableRow] = []
    year_0 = -62167219200000000
    assert [row[1] for row in rows_of(unusable.append, **with_times(tmp_path, 2**62, year_0, 0))] == ["SKU-2"]
    assert all("expected a time, such as" in row.reason for row in unusable)
    assert [row.product_id for row in unusable] == ["SKU-0", "SKU-1"]


def test_a_far_moment_of_an_old_writer_is_that_moment(tmp_path: Path) -> None:
    # It is kept with nanoseconds, and as such would be one of long ago.
    settings = with_times(tmp_path, 253402210800000000, use_deprecated_int96_timestamps=True)
    assert "taken_at is 9999-12-30 23:00:00, in the future" in refusal(**settings)


def test_nothing_is_no_text(tmp_path: Path) -> None:
    rows = [("DC01", "A", 5, None), ("DC01", "null", 5, 3), (None, None, None, None)]
    assert rows_of(on_hand_url=a_parquet(tmp_path / "erp.parquet", *rows)) == [
        ("DC01", "A", 5, None),
        ("DC01", "null", 5, 3),
    ]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (TEXT, ["", "a", "Ä\u2028\x7f", '"', "\\", "\n\t\x00\x1f", None, "/", "😀"]),
        (WHOLE, [0, -1, 2**63 - 1, None]),
    ],
)
def test_lines_are_those_of_the_rows_of_a_database(kind: t.Any, values: list[t.Any]) -> None:
    column = pa.array(values, kind)
    beside = pa.array(["x"] * len(values))
    assert lines_of([column, beside]).block == lines_of_rows([(value, "x") for value in values])


@pytest.mark.parametrize(
    "kind", [TEXT, pa.uuid(), pa.dictionary(pa.int8(), TEXT), pa.decimal128(5, 1), pa.timestamp("us")]
)
def test_a_part_of_a_column_is_that_part(kind: t.Any) -> None:
    values: dict[t.Any, list[t.Any]] = {
        pa.uuid(): [UUIDS[0].bytes, None, UUIDS[1].bytes],
        pa.decimal128(5, 1): [decimal.Decimal("1.5"), None, decimal.Decimal(2)],
        pa.timestamp("us"): [NAIVE, None, NAIVE + dt.timedelta(days=1)],
    }
    column = pa.array(values.get(kind, ["a", None, "b"]), kind)
    whole = lines_of([column]).block.splitlines(keepends=True)
    assert len(set(whole)) == 3
    assert whole[1] == b"[null]\n"
    assert lines_of([column[1:]]).block == b"".join(whole[1:])
    assert lines_of([column[:1]]).block == whole[0]
