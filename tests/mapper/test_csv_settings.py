"""How a CSV is written: settings, and what the error says when they do not fit."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import ConfigurationError
from mapper_newstore_stock.run.list_bytes import shown_url

from tests.mapper.on_hand_lists import HEADER, a_csv, a_list, refusal, rows_of
from tests.mapper.shop_day import ShopDay, completed

if t.TYPE_CHECKING:
    from pathlib import Path

TEXT = f"{HEADER}\nDC01,Größe,5,\n"
READ = [("DC01", "Größe", 5, None)]


@pytest.mark.parametrize(
    ("delimiter", "setting"), [(";", ";"), ("\t", "tab"), ("\t", "\\t"), ("\t", "\t"), ("|", "|"), ("\x1f", "\x1f")]
)
def test_a_delimiter_is_a_setting(tmp_path: Path, delimiter: str, setting: str) -> None:
    url = a_list(tmp_path, TEXT.replace(",", delimiter))
    assert rows_of(on_hand_url=url, csv_delimiter=setting) == READ


@pytest.mark.parametrize(
    ("encoding", "setting"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "UTF8"),
        ("cp1252", "cp1252"),
        ("latin-1", "latin-1"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
    ],
)
def test_an_encoding_is_a_setting(tmp_path: Path, encoding: str, setting: str) -> None:
    url = a_list(tmp_path, TEXT.encode(encoding))
    assert rows_of(on_hand_url=url, csv_encoding=setting) == READ


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    url = a_list(tmp_path, "\ufeff".encode("utf-16-le") + TEXT.encode("utf-16-le"))
    assert rows_of(on_hand_url=url, csv_encoding="utf-16-le") == READ


@pytest.mark.parametrize(
    ("content", "settings", "said"),
    [
        (TEXT.replace(",", ";"), {}, "it looks split by ';': set csv_delimiter to ';'"),
        (TEXT.replace(",", "\t"), {}, "it looks split by 'tab': set csv_delimiter to 'tab'"),
        (TEXT, {"csv_delimiter": ";"}, "it looks split by ',': set csv_delimiter to ','"),
        (TEXT.upper(), {}, "it has 'FULFILLMENT_NODE_ID', and names must be the same letter by letter: name it in"),
        (TEXT.replace(",", ", "), {}, "it has ' product_id', and names must be the same letter by letter: name it in"),
        (TEXT.encode("utf-16"), {}, "it looks like UTF-16: set csv_encoding to utf-16"),
        (TEXT.replace("ö", "o").replace("ß", "s").encode("utf-16-le"), {}, "it looks like UTF-16: set csv_encoding"),
        (TEXT.encode("cp1252"), {}, "byte 0xf6 is not utf-8: set csv_encoding to what the ERP writes, such as cp1252"),
        (
            TEXT.encode("utf-8-sig"),
            {"csv_encoding": "cp1252"},
            "it looks like UTF-8: leave csv_encoding at its default",
        ),
        (f"{HEADER}\nDC01,Gr".encode() + "ö".encode()[:1], {}, "the file ends inside a character"),
        (f"{HEADER},quantity\n", {}, "column quantity is twice in the header row"),
    ],
)
def test_a_file_that_does_not_fit_says_which_setting_would(
    tmp_path: Path, content: str | bytes, settings: dict[str, str], said: str
) -> None:
    url = a_list(tmp_path, content)
    refused = refusal(on_hand_url=url, **settings)
    assert said in refused
    assert "erp.csv" in refused


@pytest.mark.parametrize("line", [1, 2, 3, 900, 5_000, 20_000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_bad_byte_is_found_by_its_line(tmp_path: Path, line: int, end: str) -> None:
    lines = [HEADER, *(f"DC01,SKU-{number},5," for number in range(20_000)), ""]
    lines[line - 1] = f"ö{lines[line - 1]}"
    assert f"erp.csv, line {line}: byte 0xf6" in refusal(on_hand_url=a_list(tmp_path, end.join(lines).encode("cp1252")))


def test_half_a_character_of_utf_16_is_found_by_its_line(tmp_path: Path) -> None:
    content = f"{HEADER}\nDC01,A,5,\nDC01,B".encode("utf-16") + b"\x00"
    said = refusal(on_hand_url=a_list(tmp_path, content), csv_encoding="utf-16")
    assert "erp.csv, line 3: the file ends inside a character" in said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"csv_delimiter": ";;"}, "csv_delimiter: it is ';;', expected one character"),
        ({"csv_delimiter": "x"}, "csv_delimiter: it is 'x', expected one character"),
        ({"csv_delimiter": '"'}, "csv_delimiter: it is '\"', expected one character"),
        ({"csv_encoding": "ansi-x"}, "csv_encoding: unknown encoding: ansi-x"),
        ({"csv_encoding": "hex"}, "csv_encoding: 'hex' is not a text encoding"),
        ({"decimal_separator": ";"}, "decimal_separator: it is ';', expected '.' or ','"),
        ({"thousands_separator": ".,"}, "thousands_separator: it is '.,', expected one of"),
        ({"thousands_separator": "1"}, "thousands_separator: it is '1', expected one of"),
        ({"decimal_separator": ".", "thousands_separator": "."}, "one mark cannot be both"),
    ],
)
def test_a_setting_that_can_read_nothing_is_refused_at_the_start(
    tmp_path: Path, settings: dict[str, t.Any], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]+$") as caught:
        ShopDay(tmp_path, **settings)
    assert said in str(caught.value)


def test_bookings_are_read_with_the_same_settings(tmp_path: Path) -> None:
    numbers = a_list(tmp_path, "fulfillment_node_id;product_id;quantity\nDC01;SKU-1;1.010\n")
    bookings = a_list(tmp_path, "event_id;product_id;units\n;;\n;;\ncompleted:fr-11:11;SKU-1;1,0\n", "booked.csv")
    settings: dict[str, t.Any] = {"csv_delimiter": ";", "decimal_separator": ",", "thousands_separator": "."}
    day = ShopDay(tmp_path, on_hand_url=numbers, booked_url=bookings, on_hand_as_of="booked", **settings)
    (cut,) = day.run(completed(11), completed(12))
    assert cut.quantities == {("DC01", "SKU-1"): 1009}


def test_bookings_that_are_cut_or_of_another_delimiter_are_refused(tmp_path: Path) -> None:
    numbers = a_csv(tmp_path, "DC01,SKU-1,10,")
    day = ShopDay(
        tmp_path, on_hand_url=numbers, booked_url=a_list(tmp_path, "event_id\nx", "b.csv"), on_hand_as_of="booked"
    )
    with pytest.raises(
        Exception, match=r"b\.csv, line 2: the file ends inside this line .* Let the ERP end its last line$"
    ):
        day.run(completed(11))
    a_list(tmp_path, "event_id;units\nx;1\n", "b.csv")
    with pytest.raises(ConfigurationError, match="it looks split by ';': set csv_delimiter to ';'"):
        day.run(completed(11))


def test_bookings_may_be_none_yet(tmp_path: Path) -> None:
    bookings = a_list(tmp_path, "event_id\n", "booked.csv")
    day = ShopDay(tmp_path, on_hand_url=a_csv(tmp_path, "DC01,SKU-1,10,"), booked_url=bookings, on_hand_as_of="booked")
    (cut,) = day.run(completed(11))
    assert cut.quantities == {("DC01", "SKU-1"): 9}


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/exports/stock?.csv", "/exports/stock?.csv"),
        ("ftp://user:secret@erp/stock.csv", "ftp://erp/stock.csv"),
        ("https://erp/stock.csv?sig=secret", "https://erp/stock.csv"),
        ("zip://a.csv::https://user:secret@erp/stock.zip", "zip://a.csv::https://erp/stock.zip"),
    ],
)
def test_an_error_shows_no_secret_of_a_url(url: str, said: str) -> None:
    assert shown_url(url) == said


def test_a_file_that_is_not_there_is_named_without_its_key(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/stock.csv?sig=secret"
    said = refusal(on_hand_url=url)
    assert f"on_hand_url: cannot read file://{tmp_path}/stock.csv: " in said
    assert "secret" not in said
