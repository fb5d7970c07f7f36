"""A CSV is taken whole or not at all: what can be seen of damage is refused (design rule 12)."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import typing as t
import zipfile

import pytest

from tests.mapper.on_hand_lists import HEADER, a_csv, a_list, refusal, rows_of
from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

WITH_DESCRIPTION = f"{HEADER},description"
LIST = f"{HEADER}\nDC01,A,5,\nDC01,B,7,\n".encode()


def zipped(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name.replace("_csv", ".csv"), member)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "erp.csv: the file is empty"),
        (HEADER, "erp.csv, line 1: the file ends inside this line"),
        (f"{HEADER}\n", "erp.csv: there is no row in it"),
        (f"{HEADER}\r\n,,,\r\n\x1a", "erp.csv: there is no row in it"),
    ],
)
def test_an_empty_list_is_refused(tmp_path: Path, content: str, said: str) -> None:
    assert said in refusal(on_hand_url=a_list(tmp_path, content))


def test_a_list_that_became_empty_moves_nothing(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "A", 5)
    day.run()
    day.erp.replace({})
    with pytest.raises(Exception, match="there is no row in it"):
        day.run(completed(11, "A"))
    day.erp.count("DC01", "A", 5)
    (cut,) = day.run(completed(11, "A"))
    assert cut.quantities == {("DC01", "A"): 4}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_file_that_ends_inside_its_last_number_is_refused(tmp_path: Path, end: str) -> None:
    header = "fulfillment_node_id,product_id,as_of_logical_timestamp,quantity"
    lines = [header, "DC01,A,,5", "DC01,B,,1234"]
    whole = "".join(line + end for line in lines)
    assert rows_of(on_hand_url=a_list(tmp_path, whole))[1] == ("DC01", "B", 1234, None)
    cut = whole.removesuffix(f"34{end}")
    said = refusal(on_hand_url=a_list(tmp_path, cut))
    assert "erp.csv, line 3: the file ends inside this line ('DC01,B,,12', no line end)" in said
    assert "Let the ERP end its last line, or write a done marker (on_hand_done_marker)" in said


def test_a_done_marker_says_that_a_last_line_without_end_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = a_list(tmp_path, LIST.removesuffix(b"\n"))
    assert "ends inside this line" in refusal(on_hand_url=url)
    a_list(tmp_path, "", "erp.csv.done")
    assert len(rows_of(on_hand_url=url, on_hand_done_marker=".done")) == 2
    assert "erp.csv, line 3: the last line has no line end" in caplog.text


@pytest.mark.parametrize("end", ["\x1a", "   ", " \x1a"])
def test_what_old_systems_leave_behind_the_last_line_is_no_cut_line(tmp_path: Path, end: str) -> None:
    assert len(rows_of(on_hand_url=a_list(tmp_path, LIST + end.encode()))) == 2


@pytest.mark.parametrize(
    ("header", "first", "between", "last"),
    [
        (WITH_DESCRIPTION, 'DC01,A,4,,"Tablet 15', ["DC01,B,0,,Cable"], 'DC01,C,8,,Screen 24"'),
        (WITH_DESCRIPTION, 'DC01,A,4,,"Tablet 15', [], 'DC01,C,8,,Screen 24"'),
        (WITH_DESCRIPTION, 'DC01,A,4,,"Tablet 15', ['DC01,B,0,"",Cable'] * 9, 'DC01,C,8,,Screen 24"'),
        (f"description,{HEADER}", '"Tablet 15,DC01,A,4,', ["Cable,DC01,B,0,"], 'Screen 24",DC01,C,8,'),
        (f"description,{HEADER},colour", '"15,DC01,A,4,,red', [], '24",DC01,C,8,,"blue\nX,DC01,D,7,,"'),
        (HEADER, '"DC01,A,4,', [], 'DC01",C,8,'),
        (HEADER, 'DC01,"A,4,', [], 'DC01,C",8,'),
    ],
)
def test_lines_swallowed_by_stray_quotes_are_refused(
    tmp_path: Path, header: str, first: str, between: list[str], last: str
) -> None:
    after = "DC01,D,1," + "," * (header.count(",") - HEADER.count(","))
    said = refusal(on_hand_url=a_csv(tmp_path, first, *between, last, after, header=header))
    assert "line" in said
    assert "a quote is missing or one too many" in said


def test_a_description_over_several_lines_is_fine(tmp_path: Path) -> None:
    rows = ['DC01,A,4,,"Tablet,\n15 inches"', 'DC01,B,0,,"one\r\n\r\nthree"', 'DC01,C,8,,"24"" screen"']
    read = rows_of(on_hand_url=a_csv(tmp_path, *rows, header=WITH_DESCRIPTION))
    assert [row[1:3] for row in read] == [("A", 4), ("B", 0), ("C", 8)]


def test_the_line_of_a_row_is_counted_in_lines_of_the_file(tmp_path: Path) -> None:
    rows = ['DC01,A,4,,"one\ntwo"', "", "DC01,B,many,,three"]
    url = a_csv(tmp_path, *rows, header=WITH_DESCRIPTION)
    assert "erp.csv, DC01/B in line 5: quantity is 'many', expected a whole number" in refusal(on_hand_url=url)


@pytest.mark.parametrize("row", ['DC01,A,4,,"Tablet 15', 'DC01,A,4,,"Tablet" 15', 'DC01,A,4,,"Tablet 15"" '])
def test_a_quote_that_is_not_closed_or_closed_too_early_is_refused(tmp_path: Path, row: str) -> None:
    url = a_csv(tmp_path, row, "DC01,B,0,,Cable", header=WITH_DESCRIPTION)
    assert "a quote is missing or one too many" in refusal(on_hand_url=url)


@pytest.mark.parametrize(("name", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_cut_or_damaged_archive_is_refused(tmp_path: Path, name: str, compress: t.Callable[[bytes], bytes]) -> None:
    content = compress(LIST * 1000)
    assert refusal(on_hand_url=a_list(tmp_path, content[:-9], f"erp.csv.{name}")).endswith(
        "the archive seems to be cut or damaged. Let the ERP write or send it again"
    )
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 0xFF
    assert f"erp.csv.{name}" in refusal(on_hand_url=a_list(tmp_path, bytes(damaged), f"erp.csv.{name}"))
    assert len(rows_of(on_hand_url=a_list(tmp_path, compress(LIST), f"erp.csv.{name}"))) == 2


def test_a_zip_holds_one_list(tmp_path: Path) -> None:
    one = a_list(tmp_path, zipped(a_csv=LIST), "one.zip")
    assert len(rows_of(on_hand_url=one)) == 2
    two = a_list(tmp_path, zipped(a_csv=LIST, b_csv=LIST), "two.zip")
    said = refusal(on_hand_url=two)
    assert "two.zip: the zip holds 2 files (a.csv, b.csv), expected one" in said
    assert f"zip://FILE::{two}" in said
    assert len(rows_of(on_hand_url=f"zip://b.csv::{two}")) == 2
    none = a_list(tmp_path, zipped(), "none.zip")
    assert "none.zip: the zip holds no file, expected one" in refusal(on_hand_url=none)


def test_a_cut_zip_is_refused(tmp_path: Path) -> None:
    content = zipped(a_csv=LIST * 100)
    assert "the archive seems to be cut or damaged" in refusal(on_hand_url=a_list(tmp_path, content[:-30], "a.zip"))


def test_a_zip_from_a_mac_holds_one_list_too(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("lists/", b"")
        archive.writestr("lists/erp.csv", LIST)
        archive.writestr("__MACOSX/lists/._erp.csv", b"\0\5\26\7")
    assert len(rows_of(on_hand_url=a_list(tmp_path, content.getvalue(), "erp.zip"))) == 2


def test_a_damaged_list_sends_nothing_and_the_whole_one_everything(tmp_path: Path) -> None:
    day = ShopDay(tmp_path)
    for product, number in {"A": 5, "B": 7, "C": 9}.items():
        day.erp.count("DC01", product, number)
    (cut,) = day.run()
    whole = day.erp.path.read_bytes()
    assert cut.size == 3
    for product in "ABC":
        day.erp.count("DC01", product, 1)
    now = day.erp.path.read_bytes()
    day.erp.path.write_bytes(now[:-4])
    with pytest.raises(Exception, match=r"values under|ends inside"):
        day.run()
    day.erp.path.write_bytes(whole)
    assert day.run() == []
    day.erp.path.write_bytes(now)
    (cut,) = day.run()
    assert set(cut.quantities.values()) == {1}
