"""A trailer, the last line of a list, says that the list is whole and how many rows it has; it is no row itself."""

from __future__ import annotations

import gzip
import io
import json
import typing as t
import zipfile

import pytest
from mapper_newstore_stock.errors import ConfigurationError, NotWholeError
from mapper_newstore_stock.run import csv_rows, list_ends

from tests.mapper.both_ways import BothWays
from tests.mapper.on_hand_lists import HEADER, a_list, refusal, rows_of
from tests.mapper.parquet_files import a_parquet
from tests.mapper.shop_day import Ledgers, ShopDay, completed
from tests.mapper.sql_erp import SqlErp
from tests.mapper.test_check import check
from tests.shop.plugin import run_command

if t.TYPE_CHECKING:
    from pathlib import Path

TRAILER = r"TRAILER,(\d+),,"
ROWS = ("DC01,A,5,", "DC01,B,7,")
READ = [("DC01", "A", 5, None), ("DC01", "B", 7, None)]


def with_trailer(*lines: str, says: int | None = None, end: str = "\n") -> str:
    says = len(lines) if says is None else says
    return "".join(f"{line}{end}" for line in (HEADER, *lines, f"TRAILER,{says},,"))


def zipped(content: bytes) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("erp.csv", content)
    return written.getvalue()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("after", ["", "\n", " \n,,,\n\x1a"])
def test_a_trailer_is_no_row(tmp_path: Path, end: str, after: str) -> None:
    url = a_list(tmp_path, with_trailer(*ROWS, end=end) + after.replace("\n", end))
    assert rows_of(on_hand_url=url, on_hand_trailer=TRAILER) == READ


def test_a_line_that_is_no_row_counts_and_is_what_is_refused(tmp_path: Path) -> None:
    url = a_list(tmp_path, with_trailer(ROWS[0], "DC01,C", ROWS[1]))
    said = refusal(on_hand_url=url, on_hand_trailer=TRAILER)
    assert "erp.csv, line 3: 2 values under 4 column names" in said


@pytest.mark.parametrize(
    ("trailer", "setting"),
    [
        ("TRAILER,2,,", r"TRAILER,\d+,,"),
        ("TRAILER,2", r"TRAILER,(\d+)"),
        ("TRAILER,0000002", r"TRAILER,(\d+)"),
        ("# rows: 2", "# rows:(.*)"),
        ("EOF", "EOF"),
        ('"EOF', '"EOF'),
        ("9|20250301|2|DC01", r"9\|(\d{8})\|(?P<rows>\d+)\|(.*)"),
        ("Größe 2", r"(?i)größe (\d+)"),
    ],
)
def test_a_trailer_of_any_width_is_an_expression(tmp_path: Path, trailer: str, setting: str) -> None:
    for end in ("\n", ""):
        url = a_list(tmp_path, f"{HEADER}\nDC01,A,5,\nDC01,B,7,\n{trailer}{end}")
        assert rows_of(on_hand_url=url, on_hand_trailer=setting) == READ


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(("name", "packed"), [("csv", bytes), ("csv.gz", gzip.compress), ("zip", zipped)])
def test_a_trailer_is_read_as_rows_are(
    tmp_path: Path, encoding: str, name: str, packed: t.Callable[[bytes], bytes]
) -> None:
    settings: dict[str, t.Any] = {"csv_encoding": encoding, "on_hand_trailer": TRAILER}
    whole, wrong = (packed(with_trailer(*ROWS, says=says).encode(encoding)) for says in (2, 3))
    assert rows_of(on_hand_url=a_list(tmp_path, whole, f"erp.{name}"), **settings) == READ
    said = refusal(on_hand_url=a_list(tmp_path, wrong, f"erp.{name}"), **settings)
    assert f"erp.{name}: rows in it: 2, and its last line says 3 ('TRAILER,3,,')" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            with_trailer(*ROWS, says=3),
            "rows in it: 2, and its last line says 3 ('TRAILER,3,,'): it was cut, or is still",
        ),
        (
            with_trailer(*ROWS, says=1),
            "rows in it: 2, and its last line says 1 ('TRAILER,1,,'): it was cut, or is still",
        ),
        (
            f"{HEADER}\nDC01,A,5,\nDC01,B,7,\n",
            r"its last line is 'DC01,B,7,', expected a trailer as on_hand_trailer says",
        ),
        (f"{HEADER}\nDC01,A,5,\nDC01,B,1", r"its last line is 'DC01,B,1', expected a trailer as on_hand"),
        (f"{HEADER}\n", f"its last line is '{HEADER[:60]}', expected a trailer"),
        (with_trailer(*ROWS) + "DC01,C,5,\n", r"(TRAILER,(\d+),,): it was cut, or is still being written. Let the ERP"),
        (with_trailer(*ROWS)[:-2], "its last line is 'TRAILER,2,', expected a trailer"),
        (with_trailer(), "there is no row in it"),
        ("TRAILER,0,,\n", "the file is empty"),
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
    ],
)
def test_a_list_without_its_trailer_or_with_another_count_is_not_whole(tmp_path: Path, content: str, said: str) -> None:
    url = a_list(tmp_path, content)
    assert said in refusal(on_hand_url=url, on_hand_trailer=TRAILER)
    with pytest.raises(NotWholeError, match=r"erp\.csv: "):
        rows_of(on_hand_url=url, on_hand_trailer=TRAILER)


@pytest.mark.parametrize(
    ("trailer", "setting", "found"),
    [("rows 1.000", "rows (.*)", "1.000"), ("rows", r"rows( \d+)?", ""), ("rows ²", "rows (.)", "²")],
)
def test_a_count_that_is_no_number_is_refused(tmp_path: Path, trailer: str, setting: str, found: str) -> None:
    url = a_list(tmp_path, f"{HEADER}\nDC01,A,5,\n{trailer}\n")
    said = refusal(on_hand_url=url, on_hand_trailer=setting)
    assert f"erp.csv: its last line ('{trailer}') says '{found}' where on_hand_trailer has its number of rows" in said


def test_what_is_ignored_or_cannot_be_used_is_counted_and_what_is_blank_is_not(tmp_path: Path) -> None:
    header = HEADER.replace("quantity", "text,quantity")
    lines = ['A,"one\n\nthree",5,', ",,,,", "B,two,x,", "", "C,,3,"]
    rows = [f"DC01,{line}" if line.strip(",") else line for line in lines]
    content = "".join(f"{line}\n" for line in (header, "STORE,D,,many,", *rows, "TRAILER,4,,"))
    settings: dict[str, t.Any] = {
        "on_hand_url": a_list(tmp_path, content),
        "on_hand_trailer": TRAILER,
        "ignored_nodes": ["STORE"],
    }
    unusable: list[t.Any] = []
    assert [row[1:3] for row in rows_of(unusable.append, **settings)] == [("A", 5), ("C", 3)]
    assert len(unusable) == 1


def test_a_list_of_many_blocks_ends_with_its_trailer(tmp_path: Path) -> None:
    for count in (csv_rows.BLOCK_LINES - 2, csv_rows.BLOCK_LINES - 1, csv_rows.BLOCK_LINES, 9_999):
        lines = [f"DC01,SKU-{number},5," for number in range(count)]
        for after in ("", ",,,\n" * 5_000):
            url = a_list(tmp_path, with_trailer(*lines) + after)
            assert len(rows_of(on_hand_url=url, on_hand_trailer=TRAILER)) == count


def test_blank_lines_before_the_trailer_are_lines_of_the_file(tmp_path: Path) -> None:
    url = a_list(tmp_path, with_trailer("DC01,A,5,", *[""] * 5_000, "DC01,B,x,", says=2))
    assert "erp.csv, DC01/B in line 5003: quantity is 'x'" in refusal(on_hand_url=url, on_hand_trailer=TRAILER)


def test_of_several_files_the_newest_must_have_its_own_trailer(tmp_path: Path) -> None:
    settings: dict[str, t.Any] = {
        "on_hand_url": str(tmp_path / "erp-*.csv"),
        "on_hand_trailer": TRAILER,
        "on_hand_as_of": "taken_at",
    }
    settings["taken_at_format"] = "erp-%Y%m%d.csv"
    a_list(tmp_path, with_trailer(*ROWS, says=9), "erp-20250301.csv")
    a_list(tmp_path, with_trailer(*ROWS), "erp-20250302.csv")
    assert rows_of(**settings) == READ
    a_list(tmp_path, with_trailer(*ROWS, says=9), "erp-20250303.csv")
    assert "erp-20250303.csv: rows in it: 2, and its last line says 9" in refusal(**settings)


def test_nothing_of_a_list_that_is_not_whole_is_taken(tmp_path: Path) -> None:
    url = a_list(tmp_path, with_trailer(*ROWS))
    day = ShopDay(tmp_path, on_hand_url=url, on_hand_trailer=TRAILER)
    (cut,) = day.run(completed(11, "A"))
    assert cut.quantities == {("DC01", "A"): 4, ("DC01", "B"): 7}
    a_list(tmp_path, with_trailer("DC01,A,9,", "DC01,B,9,", says=3))
    with pytest.raises(NotWholeError, match="rows in it: 2, and its last line says 3"):
        day.run(completed(12, "A"))
    a_list(tmp_path, with_trailer("DC01,A,9,", "DC01,B,7,"))
    (cut,) = day.run(completed(12, "A"))
    assert cut.quantities == {("DC01", "A"): 7}


@pytest.fixture
def ways(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ledgers: tuple[Ledgers, Ledgers], short_lists_are_kept: None
) -> BothWays:
    del short_lists_are_kept
    settings: dict[str, t.Any] = {"max_vanished_percent": 100, "max_held_percent": 100, "on_hand_trailer": TRAILER}
    return BothWays(tmp_path, caplog, ledgers, on_hand_url=str(tmp_path / "erp.csv"), **settings)


def test_a_trailer_changes_while_rows_stand_and_lists_are_compared(ways: BothWays, tmp_path: Path) -> None:
    moments = [((*ROWS, "DC01,C,1,"), 3), (ROWS, 2), (("DC01,A,5,", "", "DC01,B,x,", ",,,", "DC01,D,4,"), 3), (ROWS, 2)]
    for step, (lines, says) in enumerate(moments, start=1):
        a_list(tmp_path, with_trailer(*lines, says=says))
        ways.run(completed(step, "A"))
        assert ways.compared == step - 1
    # Each was compared with the list before it, but for the first.
    for wrong in (with_trailer(*ROWS, says=3), with_trailer(*ROWS).rpartition("TRAILER")[0], with_trailer(*ROWS)[:-2]):
        a_list(tmp_path, wrong)
        assert "its last line" in ways.run(completed(5, "A"))[0]
    assert ways.compared == len(moments) - 1
    a_list(tmp_path, with_trailer(*ROWS).removesuffix("\n"))
    ways.run(completed(5, "A"))
    assert ways.compared == len(moments)


@pytest.mark.parametrize("blank", ["", " ", ",,,", ",,"])
def test_a_blank_line_that_came_earlier_hides_no_missing_row(ways: BothWays, tmp_path: Path, blank: str) -> None:
    for lines in ((*ROWS, "DC01,C,1,"), (ROWS[0], blank, ROWS[1], "DC01,C,1,"), (blank, *ROWS, "DC01,C,1,", blank)):
        a_list(tmp_path, with_trailer(*lines, says=3))
        ways.run()
    assert ways.compared == 2
    a_list(tmp_path, with_trailer(blank, *ROWS, blank, says=3))
    assert "rows in it: 2, and its last line says 3" in ways.run()[0]


def test_a_kept_list_that_is_deleted_is_read_whole_with_the_same_result(ways: BothWays, tmp_path: Path) -> None:
    for quantity in (5, 4, 3):
        a_list(tmp_path, with_trailer(f"DC01,A,{quantity},", "DC01,B,7,"))
        assert ways.run()[0][0][1]["DC01", "A"] == quantity
        kept = t.cast("Path", ways.file)
        assert b"TRAILER" not in kept.read_bytes()
        kept.unlink()
    assert ways.compared == 0


def test_another_trailer_setting_reads_all_rows_again(ways: BothWays, tmp_path: Path) -> None:
    for setting in (TRAILER, TRAILER, r"TRAILER,(\d+).*", None):
        for day, _ in ways.days:
            day.settings["on_hand_trailer"] = setting
        a_list(tmp_path, with_trailer(*ROWS))
        ways.run()
    assert ways.compared == 1


@pytest.mark.parametrize(
    "end",
    [
        "DC01,C,1,\rTRAILER,3,,\n",
        "DC01,C,1,\nTRAILER,3,,\r",
        "DC01,C,1,\nTRAILER,3,,\r\n\n\r\n",
        "DC01,C,1,\nTRAILER,3,,\n\r\r\n",
        "DC01,C,1,\n\xa0\nTRAILER,3,,\n\xa0\n",
        'DC01,C,"1\n",\nTRAILER,3,,\n',
        "DC01,C,1,\nTRAILER,3,,\n" + ",,,\n" * 300_000,
    ],
)
def test_an_odd_end_is_read_alike_on_both_ways(ways: BothWays, tmp_path: Path, end: str) -> None:
    for step, lines in enumerate((ROWS, ("DC01,A,5,", "DC01,B,6,"))):
        a_list(tmp_path, with_trailer(*lines, "DC01,D,4,"))
        ways.run()
        a_list(tmp_path, "".join(f"{line}\n" for line in (HEADER, *lines)) + end)
        assert ways.run(completed(step, "A"))[0][0][1]["DC01", "D"] == 0
    a_list(tmp_path, with_trailer(*ROWS))
    sent = ways.run(completed(2, "B"))[0]
    # The row that stood beside the trailer is gone.
    assert sent[0][1]["DC01", "C"] == 0


def test_lists_with_longer_ends_than_are_looked_for_are_read_alike(
    ways: BothWays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_ends, "LONGEST_END", 8)
    for quantity in (5, 4):
        a_list(tmp_path, with_trailer(f"DC01,A,{quantity},", "DC01,B,7,"))
        assert ways.run()[0][0][1]["DC01", "A"] == quantity
    assert ways.compared == 0


@pytest.mark.parametrize("setting", ["TRAILER,(", "*", "(?P<rows>"])
def test_an_expression_that_is_none_is_bad_configuration(tmp_path: Path, setting: str) -> None:
    config = tmp_path / "config.json"
    url = a_list(tmp_path, with_trailer(*ROWS))
    config.write_text(json.dumps({"ledger_url": "sqlite://", "on_hand_url": url, "on_hand_trailer": setting}))
    done = run_command("mapper-newstore-stock", "--config", config)
    assert done.returncode == 2
    assert f"on_hand_trailer: {setting!r} is no regular expression: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "named"),
    [("sqlite:///erp.db", "a database"), ("erp.parquet", "Parquet"), ("s3://exports/stock/", "Parquet")],
)
def test_a_trailer_is_of_a_csv(tmp_path: Path, url: str, named: str) -> None:
    said = f"on_hand_trailer: it is the last line of a CSV, and on_hand_url names {named}"
    source: dict[str, t.Any] = {"on_hand_url": url, "on_hand_trailer": TRAILER, "on_hand_table": "stock"}
    with pytest.raises(ConfigurationError, match=said):
        ShopDay(tmp_path, **source)
    with pytest.raises(ConfigurationError, match=f"on_hand_sources, wms: {said}"):
        ShopDay(tmp_path, on_hand_sources=[{"name": "wms", "nodes": ["*"], **source}])


def test_a_pattern_that_matches_parquet_has_no_trailer(tmp_path: Path) -> None:
    a_parquet(tmp_path / "erp.parquet", ("DC01", "A", 5, None))
    with pytest.raises(ConfigurationError, match=r"on_hand_trailer: .* Parquet"):
        rows_of(on_hand_url=str(tmp_path / "erp.*"), on_hand_trailer=TRAILER)


def test_each_source_has_a_trailer_of_its_own(tmp_path: Path) -> None:
    erp = SqlErp(tmp_path / "erp.db")
    erp.count("NYC1", "A", 3)
    query = "SELECT *, NULL AS as_of_logical_timestamp FROM stock"
    ends = a_list(tmp_path, f"{HEADER}\nDC01,A,5,\nEOF\n", "b.csv")
    sources = [
        {"name": "a", "nodes": ["DC02"], "on_hand_url": a_list(tmp_path, with_trailer("DC02,A,4,"), "a.csv")},
        {"name": "b", "nodes": ["DC01"], "on_hand_url": ends, "on_hand_trailer": "EOF"},
        {"name": "c", "nodes": ["NYC1"], "on_hand_url": erp.url, "on_hand_query": query, "on_hand_trailer": ""},
    ]
    day = ShopDay(tmp_path, on_hand_sources=sources, on_hand_trailer=TRAILER)
    (cut,) = day.run()
    assert cut.quantities == {("DC02", "A"): 4, ("DC01", "A"): 5, ("NYC1", "A"): 3}


def test_bookings_have_no_trailer(tmp_path: Path) -> None:
    url = a_list(tmp_path, with_trailer(*ROWS))
    bookings = a_list(tmp_path, "event_id\ncompleted:fr-11:11\n", "booked.csv")
    day = ShopDay(tmp_path, on_hand_url=url, on_hand_trailer=TRAILER, on_hand_as_of="booked", booked_url=bookings)
    (cut,) = day.run(completed(11, "A"), completed(12, "A"))
    assert cut.quantities == {("DC01", "A"): 4, ("DC01", "B"): 7}


def test_a_check_reads_trailers_too(tmp_path: Path) -> None:
    day = ShopDay(tmp_path, on_hand_url=a_list(tmp_path, with_trailer(*ROWS)), on_hand_trailer=TRAILER)
    day.run()
    assert check(tmp_path, day.settings).only("on-hand list")["said"].startswith("2 rows of 1 fulfillment nodes")
    for content, said in (
        (with_trailer(*ROWS, says=3), "rows in it: 2, and its last line says 3"),
        (with_trailer(*ROWS).rpartition("TRAILER")[0], "its last line is 'DC01,B,7,', expected a trailer"),
    ):
        a_list(tmp_path, content)
        checked = check(tmp_path, day.settings)
        line = checked.only("on-hand list")
        assert (checked.code, line["color"], line["code"]) == (1, "red", "NSS-211")
        assert said in line["said"]
    assert check(tmp_path, {**day.settings, "on_hand_trailer": "("}).code == 2
