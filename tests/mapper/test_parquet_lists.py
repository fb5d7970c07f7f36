"""A Parquet list is taken whole or not at all: a file, the newest of several, or all parts of a directory.

DAMAGES says how many damaged files are read (`make fuzz`: a thousand).
"""

from __future__ import annotations

import io
import os
import random
import tracemalloc
import typing as t
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.mapper import MapperNewStoreStock
from mapper_newstore_stock.run import parquet_lists
from mapper_newstore_stock.run.erp_inputs import ErpInputs
from mapper_newstore_stock.run.found_rows import each_row
from mapper_newstore_stock.run.list_parts import is_parquet
from mapper_newstore_stock.run.parquet_lists import ParquetList

from tests.mapper.on_hand_lists import a_list, refusal, rows_of
from tests.mapper.parquet_files import KINDS, NAMES, TEXT, WHOLE, a_parquet, parquet_bytes
from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.object_store import ObjectStore

DAMAGES, DAMAGES_OF_A_FILE = int(os.environ.get("DAMAGES", "60")), 20
A, B, C = ("DC01", "A", 5, None), ("DC01", "B", 7, 3), ("NYC1", "C", 9, None)
WHOLE_LIST = "it is no Parquet file, or is cut, damaged or still being written"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Return a directory of two parts, as Spark leaves it: with a marker, checksums and what failed."""
    directory = tmp_path / "stock"
    a_parquet(directory / "part-00000.snappy.parquet", A, B)
    a_parquet(directory / "part-00001.snappy.parquet", C)
    for name in ("_SUCCESS", ".part-00000.snappy.parquet.crc", "part-00001.crc", ".hidden.parquet"):
        a_list(directory, "", name)
    a_parquet(directory / "_temporary" / "part-00002.snappy.parquet", A)
    return directory


@pytest.mark.parametrize(
    ("url", "is_it"),
    [
        ("/exports/stock.parquet", True),
        ("/exports/STOCK.PARQ", True),
        ("/exports/a?b#c.parquet", True),
        ("s3://exports/stock/", True),
        ("https://erp/stock.parquet?signature=a/b.csv", True),
        ("https://erp/stock.csv?of=stock.parquet", False),
        ("simplecache::s3://exports/stock.parquet", True),
        ("zip://stock.parquet::https://erp/stock.zip", True),
        ("zip://stock.csv::https://erp/stock.parquet", False),
        ("/exports/stock.csv", False),
        ("/exports/parquet", False),
    ],
)
def test_a_list_is_parquet_by_its_name(url: str, is_it: bool) -> None:
    assert is_parquet(url) is is_it


def test_a_file_is_read(tmp_path: Path) -> None:
    assert rows_of(on_hand_url=a_parquet(tmp_path / "erp.parquet", A, B)) == [A, B]


def test_columns_may_have_other_names_and_another_order(tmp_path: Path) -> None:
    names = ["qty.on.hand", "Artikel", "why", "as_of_logical_timestamp", "fulfillment_node_id"]
    kinds = (WHOLE, TEXT, TEXT, WHOLE, TEXT)
    url = a_parquet(tmp_path / "erp.parquet", (5, "A", "x", None, "DC01"), kinds=kinds, names=names)
    assert rows_of(on_hand_url=url, on_hand_columns={"quantity": "qty.on.hand", "product_id": "Artikel"}) == [A]


def test_a_csv_that_is_parquet_says_so(tmp_path: Path) -> None:
    url = a_parquet(tmp_path / "erp.csv", *[A] * 100)
    assert "it is a Parquet file: let its name end in .parquet" in refusal(on_hand_url=url)


def test_a_column_that_is_missing_or_there_twice_names_those_there_are(tmp_path: Path) -> None:
    path = tmp_path / "erp.parquet"
    names = ["fulfillment_node_id", "PRODUCT_ID", "quantity", "quantity"]
    url = a_parquet(path, A, names=names)
    said = refusal(on_hand_url=url)
    assert said.startswith(f"{path}: column product_id is not in the file (fulfillment_node_id, PRODUCT_ID, quantity, ")
    assert "it has 'PRODUCT_ID', and names must be the same letter by letter: name it in on_hand_columns" in said
    said = refusal(on_hand_url=url, on_hand_columns={"product_id": "PRODUCT_ID"})
    assert f"{path}: column quantity is twice in the file" in said
    said = refusal(on_hand_url=a_parquet(path, A[:3], kinds=KINDS[:3], names=NAMES[:3]))
    assert "column as_of_logical_timestamp is not in the file" in said
    assert "Only on_hand_as_of: column asks for it" in said


def test_names_of_columns_do_not_break_the_line(tmp_path: Path) -> None:
    url = a_parquet(tmp_path / "erp.parquet", A, names=["fulfillment_node_id\n", *NAMES[1:]])
    assert "(fulfillment_node_id?, product_id, quantity, " in refusal(on_hand_url=url)


@pytest.mark.parametrize("rows", [[], [(None, None, None, None)] * 3])
def test_a_list_without_rows_is_refused(tmp_path: Path, rows: list[tuple[t.Any, ...]]) -> None:
    url = a_parquet(tmp_path / "erp.parquet", *rows)
    assert f"{url}: there is no row in it, as if nothing were on hand anywhere" in refusal(on_hand_url=url)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "erp.parquet"
    content = parquet_bytes(path, *[A, B] * 50)
    for length in (0, 3, 4, 100, len(content) // 2, len(content) - 8, len(content) - 1):
        path.write_bytes(content[:length])
        said = refusal(on_hand_url=str(path))
        assert said.startswith(f"on_hand_url: cannot read {path}: {WHOLE_LIST}")
        assert said.endswith("Let the ERP write it again")


@pytest.mark.parametrize("seed", range(DAMAGES // DAMAGES_OF_A_FILE))
def test_no_number_of_a_damaged_file_is_believed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "erp.parquet"
    compression = chance.choice(["snappy", "none", "gzip", "zstd"])
    rows = [("DC01", f"SKU-{number}", chance.randrange(99), None) for number in range(40)]
    content = parquet_bytes(path, *rows, compression=compression, row_group_size=15)
    refused = printable = 0
    for _ in range(DAMAGES_OF_A_FILE):
        at = chance.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :])
        try:
            assert rows_of(on_hand_url=str(path)) == rows
        except OnHandError as error:
            refused, printable = refused + 1, printable + str(error).isprintable()
    assert refused == printable
    assert refused > DAMAGES_OF_A_FILE / 4


def test_a_file_that_hides_a_row_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "erp.parquet"
    rows = [("DC01", f"SKU-{number}", 5, None) for number in range(40)]
    content = parquet_bytes(path, *rows)
    said = []
    # Its end says several times that it has 40 rows, which is written as 80; none of them is covered by a checksum.
    for at in range(len(content) - 8 - int.from_bytes(content[-8:-4], "little"), len(content)):
        if content[at] == 80:
            path.write_bytes(content[:at] + bytes([78]) + content[at + 1 :])
            try:
                assert rows_of(on_hand_url=str(path)) == rows
            except OnHandError as error:
                said.append(str(error))
    assert any("it has -1 rows beside those it should have" in text for text in said)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_lists, "BATCH_ROWS", 1)
    path = tmp_path / "erp.parquet"
    reading = ParquetList("on_hand", a_parquet(path, A, B)).lines(NAMES)
    next(reading)
    # In place, by another list of the same length.
    path.write_bytes(path.read_bytes())
    os.utime(path, (1, 1))
    with pytest.raises(OnHandError, match=r"erp\.parquet: its bytes became others while they were read"):
        list(reading)


def test_a_file_that_is_replaced_while_it_is_read_is_the_one_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "erp.parquet"
    reading = each_row(ParquetList("on_hand", a_parquet(path, A, B)).blocks(NAMES))
    assert next(reading)[1] == A
    os.replace(a_parquet(tmp_path / "new.parquet", C), path)  # noqa: PTH105 - as an export does
    assert [row for _, row in reading] == [B]


def test_the_parts_of_a_directory_are_one_list_in_order_of_their_names(parts: Path) -> None:
    a_parquet(parts / "part-00000.empty.parquet")
    assert rows_of(on_hand_url=f"{parts}/") == [A, B, C]


def test_a_row_of_a_directory_is_counted_through_its_parts(parts: Path) -> None:
    a_parquet(parts / "part-00002.snappy.parquet", ("NYC1", "D", None, None))
    assert f"{parts}/, row 4 (NYC1, D): quantity is empty" in refusal(on_hand_url=f"{parts}/")


def test_a_key_in_two_parts_is_there_twice(parts: Path, tmp_path: Path) -> None:
    a_parquet(parts / "part-00002.snappy.parquet", A)
    with pytest.raises(OnHandError, match="the on-hand source names these keys more than once: DC01/A"):
        ShopDay(tmp_path, on_hand_url=f"{parts}/").run()


def test_an_empty_directory_is_refused(parts: Path, tmp_path: Path) -> None:
    for part in parts.glob("part-*.parquet"):
        part.unlink()
    said = refusal(on_hand_url=f"{parts}/")
    assert said.startswith(f"{parts}/: there is no part of a list in it, as if nothing were on hand anywhere")
    assert refusal(on_hand_url=f"{parts}/", max_on_hand_age_minutes=9, on_hand_done_marker="_SUCCESS") == said
    said = refusal(on_hand_url=f"{tmp_path}/nowhere/")
    assert said == f"on_hand_url: cannot read {tmp_path}/nowhere/: No such file or directory"


@pytest.mark.parametrize(
    ("kinds", "names", "said"),
    [
        ((TEXT, TEXT, TEXT, WHOLE), NAMES, "column quantity holds text, and whole numbers in "),
        ((TEXT, TEXT, WHOLE, WHOLE), [*NAMES[:2], "qty", NAMES[3]], "column quantity is not in the file"),
        ((TEXT, TEXT, pa.bool_(), WHOLE), NAMES, "column quantity is of type bool"),
    ],
)
def test_a_part_that_differs_is_refused_by_its_name(parts: Path, kinds: t.Any, names: list[str], said: str) -> None:
    part = parts / "part-00002.snappy.parquet"
    values = {TEXT: "1", WHOLE: 1, pa.bool_(): True}
    a_parquet(part, [values[kind] for kind in kinds], kinds=kinds, names=names)
    assert refusal(on_hand_url=f"{parts}/").startswith(f"{part}: {said}")


def test_parts_may_hold_whole_numbers_of_several_widths_and_nothing(parts: Path) -> None:
    a_parquet(parts / "part-00002.parquet", ("DC01", "D", 1, None), kinds=(TEXT, TEXT, pa.int64(), pa.null()))
    a_parquet(parts / "part-00003.parquet", ("DC01", "E", 1, None), kinds=(pa.large_string(), TEXT, pa.int8(), WHOLE))
    assert len(rows_of(on_hand_url=f"{parts}/")) == 5


def test_a_part_that_was_cut_is_refused_by_its_name(parts: Path) -> None:
    part = parts / "part-00001.snappy.parquet"
    part.write_bytes(part.read_bytes()[:-3])
    assert refusal(on_hand_url=f"{parts}/").startswith(f"on_hand_url: cannot read {part}: {WHOLE_LIST}")


def test_a_list_that_is_partitioned_by_a_column_is_refused(parts: Path) -> None:
    a_parquet(parts / "node=NYC2" / "part-00000.parquet", A)
    assert refusal(on_hand_url=f"{parts}/").startswith(f"{parts}/node=NYC2: a directory among the parts of a list")


def test_parts_that_come_and_go_while_they_are_read_are_refused(parts: Path) -> None:
    for change in (
        lambda: set_time(parts / "part-00001.snappy.parquet", 1),
        lambda: a_parquet(parts / "part-00009.parquet", A),
        (parts / "part-00000.snappy.parquet").unlink,
    ):
        reading = ParquetList("on_hand", f"{parts}/").lines(NAMES)
        next(reading)
        change()
        with pytest.raises(OnHandError, match="its parts became others while they were read"):
            list(reading)


def test_parts_of_a_bucket_are_looked_at_anew(
    tmp_path: Path, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_store.variables.items():
        monkeypatch.setenv(name, value)
    part = tmp_path / "part.parquet"
    content = parquet_bytes(part, A)
    object_store.put("stock/0.parquet", content)
    url = f"s3://{object_store.bucket}/stock/"
    assert rows_of(on_hand_url=url) == [A]
    reading = ParquetList("on_hand", url).lines(NAMES)
    next(reading)
    object_store.put("stock/1.parquet", content)
    with pytest.raises(OnHandError, match=r"/stock/: its parts became others while they were read"):
        list(reading)
    assert rows_of(on_hand_url=url) == [A, A]


def test_a_directory_counts_once_its_marker_is_in_it(parts: Path) -> None:
    settings: dict[str, t.Any] = {"on_hand_url": f"{parts}/", "on_hand_done_marker": "_SUCCESS"}
    assert len(rows_of(**settings)) == 3
    (parts / "_SUCCESS").unlink()
    said = refusal(**settings)
    assert said == f"on_hand_url: none of the 1 directories at {parts}/ has a _SUCCESS in it yet"


def set_time(path: Path, seconds: int) -> None:
    os.utime(path, (seconds, seconds))


def listed(**settings: t.Any) -> tuple[str, int | None]:
    """Return the list that counts, and when its numbers were taken."""
    config = MapperNewStoreStock(config={"ledger_url": "sqlite://", "on_hand_as_of": "taken_at", **settings}).config
    inputs = ErpInputs(config)
    return inputs.on_hand.place.url, inputs.list_taken_at


def test_the_newest_part_tells_when_a_directory_was_written(parts: Path) -> None:
    for number, part in enumerate(sorted(parts.iterdir())):
        set_time(part, 2000 + number)
    set_time(parts / "part-00000.snappy.parquet", 1500)
    set_time(parts / "part-00001.snappy.parquet", 1400)
    assert listed(on_hand_url=f"{parts}/", on_hand_lag_seconds=100) == (f"{parts}/", 1_400_000)


def test_the_newest_file_of_a_pattern_counts(tmp_path: Path) -> None:
    for day, row in ((1, A), (3, B), (2, C)):
        set_time(
            tmp_path / a_parquet(tmp_path / f"stock-{day}.parquet", row[:3], kinds=KINDS[:3], names=NAMES[:3]), day
        )
    url = f"{tmp_path}/stock-*.parquet"
    assert listed(on_hand_url=url) == (f"{tmp_path}/stock-3.parquet", 3000)
    assert [row[1] for row in rows_of(on_hand_url=url, on_hand_as_of="taken_at")] == ["B"]


def test_the_newest_directory_of_a_pattern_counts(tmp_path: Path) -> None:
    for day in (1, 3, 2):
        set_time(tmp_path / a_parquet(tmp_path / f"day=2025-03-0{day}" / "0.parquet", A), day)
        a_list(tmp_path / f"day=2025-03-0{day}", "", "_SUCCESS")
    (tmp_path / "day=2025-03-04").mkdir()
    a_list(tmp_path, "", "day=2025-03-05")
    settings = {"on_hand_url": f"{tmp_path}/day=*/", "on_hand_done_marker": "_SUCCESS"}
    assert listed(**settings) == (f"{tmp_path}/day=2025-03-03/", 3000)
    # Nothing is written into it yet, and an old writer leaves no marker.
    assert listed(on_hand_url=settings["on_hand_url"]) == (f"{tmp_path}/day=2025-03-03/", 3000)
    (tmp_path / "day=2025-03-03" / "_SUCCESS").unlink()
    assert listed(**settings) == (f"{tmp_path}/day=2025-03-02/", 2000)
    assert listed(**settings, taken_at_format="day=%Y-%m-%d")[0] == f"{tmp_path}/day=2025-03-02/"
    # A file is no directory, whatever its name says.
    assert (
        listed(on_hand_url=settings["on_hand_url"], taken_at_format="day=%Y-%m-%d")[0] == f"{tmp_path}/day=2025-03-04/"
    )
    said = refusal(on_hand_url=f"{tmp_path}/month=*/")
    assert said == f"on_hand_url: no directory matches {tmp_path}/month=*/"


def test_bookings_may_be_parquet(tmp_path: Path) -> None:
    names, kinds = ["fulfillment_request_id", "product_id", "units"], (TEXT, TEXT, WHOLE)
    booked = tmp_path / "booked.parquet"
    day = ShopDay(
        tmp_path,
        on_hand_url=a_parquet(tmp_path / "erp.parquet", ("DC01", "A", 5), kinds=KINDS[:3], names=NAMES[:3]),
        on_hand_as_of="booked",
        booked_url=a_parquet(booked, ("fr-11", "A", 1), names=names, kinds=kinds),
    )
    (cut,) = day.run(*(completed(at, "A", fulfillment_request_id=f"fr-{at}", order_id=None) for at in (11, 12)))
    assert cut.quantities == {("DC01", "A"): 4}
    a_parquet(booked, ("fr-11", None, 1), (None, None, None), names=names, kinds=kinds)
    with pytest.raises(OnHandError) as caught:
        day.run()
    said = str(caught.value)
    assert f"{booked}, row 1 (fr-11, None): product_id is empty" in said
    assert "; row 2 (None, None): fulfillment_request_id is empty" in said
    a_parquet(booked, (True, "A", 1), names=names, kinds=(pa.bool_(), *kinds[1:]))
    with pytest.raises(OnHandError, match="column fulfillment_request_id is of type bool"):
        day.run()
    a_parquet(booked, ("A", 1), names=names[1:], kinds=kinds[1:])
    with pytest.raises(Exception, match=r"booked\.parquet has no column event_id, .* \(product_id, units\)"):
        day.run()
    a_parquet(booked, ("fr-11", "A", 1), names=["EVENT_ID", *names[1:]], kinds=kinds)
    with pytest.raises(Exception, match=r"it has 'EVENT_ID', and names must be the same letter by letter"):
        day.run()


def test_a_long_list_is_read_some_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_lists, "BATCH_ROWS", 1 << 12)
    path, rows = tmp_path / "erp.parquet", 60_000
    text = pa.array([f"{number:0200d}" for number in range(rows)])
    table = pa.table({"fulfillment_node_id": text, "product_id": text, "quantity": pa.array(range(rows), WHOLE)})
    pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    before, most, count = pa.total_allocated_bytes(), 0, 0
    tracemalloc.start()
    try:
        for lines in ParquetList("on_hand", str(path)).lines(NAMES[:3]):
            # Arrow's memory, and what Python has read for it.
            most = max(most, pa.total_allocated_bytes() - before + tracemalloc.get_traced_memory()[1])
            count += lines.rows
    finally:
        tracemalloc.stop()
    assert count == rows
    assert most < path.stat().st_size / 2


def test_what_is_not_on_this_host_is_copied_first(tmp_path: Path) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({name: [value] for name, value in zip(NAMES, B, strict=True)}), content)
    with zipfile.ZipFile(tmp_path / "erp.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stock.parquet", content.getvalue())
    assert rows_of(on_hand_url=f"zip://stock.parquet::{tmp_path}/erp.zip") == [B]
