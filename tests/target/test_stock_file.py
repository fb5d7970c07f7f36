"""The stock file: repeated keys, its size, its schema, and memory that does not grow with it."""

from __future__ import annotations

import io
import json
import random
import tempfile
import tracemalloc
import typing as t
import zipfile
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_newstore_stock.errors import RecordError, StagingError
from target_newstore_stock.intake import Intake
from target_newstore_stock.records import StockRecord
from target_newstore_stock.stock_file import MEMBER, StockFile, checked_size, encode_item, make_head, stock_schema

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_newstore_stock.records import CutHead

Row = tuple[str, str, int]


@pytest.fixture
def file() -> Iterator[StockFile]:
    file = StockFile()
    yield file
    file.close()


def fill(file: StockFile, rows: Iterable[Row]) -> None:
    for node, product, quantity in rows:
        record = StockRecord(node, product, quantity)
        file.add(record, encode_item(record))


def written(file: StockFile, head: dict[str, t.Any] | None = None) -> bytes:
    target = io.BytesIO()
    file.write_zip(target, head or make_head(dict.fromkeys(file.nodes, ""), None, None))
    with zipfile.ZipFile(target) as archive:
        return archive.read(MEMBER)


def rows_of(document: bytes) -> list[Row]:
    return [tuple(item.values()) for item in json.loads(document)["items"]]


NAMES = st.text('ab\n"\\,{}é', min_size=1, max_size=2)


@given(st.lists(st.tuples(NAMES, NAMES, st.integers(0, 3)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=60)
def test_the_last_record_of_a_repeated_key_counts_in_any_order(rows: list[Row]) -> None:
    file = StockFile()
    fill(file, rows)
    file.keep_last_of_repeated_keys()
    expected = {(node, product): quantity for node, product, quantity in rows}
    document = written(file)
    assert {(node, product): quantity for node, product, quantity in rows_of(document)} == expected
    assert len(rows_of(document)) == len(expected) == file.items
    assert [(item.fulfillment_node_id, item.product_id) for item in file.read_items()] == [
        row[:2] for row in rows_of(document)
    ]
    file.close()


@given(st.lists(st.tuples(NAMES, NAMES, st.integers(0, 3)), min_size=1, max_size=30))
@settings(deadline=None, max_examples=60)
def test_a_repeated_key_is_refused_exactly_when_there_is_one(rows: list[Row]) -> None:
    file = StockFile()
    fill(file, rows)
    repeats = len({row[:2] for row in rows}) < len(rows)
    try:
        if repeats:
            with pytest.raises(RecordError, match="occurs twice in one import"):
                file.refuse_repeated_keys()
        else:
            file.refuse_repeated_keys()
    finally:
        file.close()


def test_a_file_fits_the_schema_that_is_shipped(file: StockFile) -> None:
    fill(file, [("DC01", "x" * 255, 0), ("NYC1", "A", 2**40)])
    jsonschema.validate(
        json.loads(written(file, make_head({"DC01": "", "NYC1": "NYC1"}, (1, 2), "atp"))), stock_schema()
    )


def test_the_size_of_a_file_includes_its_head(file: StockFile) -> None:
    fill(file, [(f"N{number}", "A", 1) for number in range(100)])
    head = make_head({node: node for node in file.nodes}, (1, 2), None)
    size = len(written(file, head))
    assert size == file.written_bytes
    assert size <= checked_size(file, head, 1) <= file.json_bytes
    assert checked_size(file, head, 1) - size < 5
    with pytest.raises(RecordError, match="more than max_file_mb"):
        checked_size(file, head, (size - 1) / 10**6)


def test_a_store_id_longer_than_its_node_is_counted(file: StockFile) -> None:
    fill(file, [("N", "A", 1)])
    with pytest.raises(RecordError, match="more than max_file_mb"):
        checked_size(file, make_head({"N": "s" * 2000}, None, None), 0.002)


@pytest.mark.parametrize("is_sorted", [True, False])
def test_memory_does_not_grow_with_the_file(file: StockFile, is_sorted: bool) -> None:
    numbers = list(range(60_000))
    if not is_sorted:
        random.Random(1).shuffle(numbers)
    head = make_head({"DC01": ""}, None, None)
    tracemalloc.start()
    fill(file, (("DC01", f"P{number:09}", 1) for number in numbers))
    file.refuse_repeated_keys()
    file.write_zip(t.cast("t.IO[bytes]", Nowhere()), head)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A set of these keys alone takes about 12 MB.
    assert peak < 6_000_000


@pytest.mark.fault("F21")
def test_a_full_temporary_disk_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: full.open("r+b", buffering=0))
    intake = Intake(NoImporter(), max_file_mb=1)
    with pytest.raises(StagingError, match=r"this machine's temporary disk: .*No space left"):
        intake.add(StockRecord("DC01", "A", 1))
    intake.close()


class NoImporter:
    def run(self, cut: CutHead, file: StockFile) -> None:
        raise AssertionError(f"must not be reached: {cut}, {file}")


class Nowhere(io.RawIOBase):
    """Accepts everything, keeps nothing, and cannot seek."""

    def writable(self) -> bool:
        return True

    def write(self, data: t.Any) -> int:
        return len(data)
