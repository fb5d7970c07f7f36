"""Keys, names and reasons from outside are text, whatever is in them."""

from __future__ import annotations

import csv
import io
import json
import sys
import typing as t

import pytest
from mapper_newstore_stock.formats import FORMATS, cell, shown
from mapper_newstore_stock.ledger.queries import Table

TABLE = Table(
    ("product_id", "reason", "units"),
    [("[red]A[/red]", "a\x1b[31mb\x00\u202ec", -1), ("=1+1", " @x", 2), ("-5", "+1", None), ("[/nothing]", "ü", 0)],
    "[bold]4[/bold] \x1bkeys",
)


def written(kind: str, capsys: pytest.CaptureFixture[str]) -> str:
    FORMATS[kind](TABLE)
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_written_that_a_terminal_obeys(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = written(kind, capsys)
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\u202e" not in text
    assert "[red]A[/red]" in text


def test_a_table_shows_markup_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    text = written("table", capsys)
    assert "[bold]4[/bold]" in text
    assert "[/nothing]" in text
    assert r"a\x1b[31mb\x00\u202ec" in text


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    _, *rows = csv.reader(io.StringIO(written("csv", capsys)))
    assert rows[1] == ["'=1+1", "' @x", "2"]
    assert rows[2] == ["'-5", "'+1", ""]
    assert rows[0][2] == "-1"


def test_json_keeps_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(written("json", capsys))
    assert [tuple(row.values()) for row in rows] == TABLE.rows


@pytest.mark.parametrize(("value", "safe"), [("=A", "'=A"), ("\t=A", r"\t=A"), ("A=B", "A=B"), (None, None), (-3, -3)])
def test_a_cell_is_text_or_a_number(value: t.Any, safe: t.Any) -> None:
    assert cell(value) == safe


def test_what_nobody_obeys_is_shown_as_it_is() -> None:
    assert shown("Größe 42 / \u65e5\u672c") == "Größe 42 / \u65e5\u672c"


def test_a_pipe_gets_a_table_of_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    long = "2026-11-29T03:17:00+00:00 " * 10 + "end"
    escaped = r"b\nc"
    FORMATS["table"](Table(("key", "step", "note"), [("DC01", long, None), ("STORE-7", "b\nc", 5)], "2 steps"))
    assert capsys.readouterr().out.splitlines() == [
        "2 steps",
        f"key      {'step'.ljust(len(long))}  note",
        f"DC01     {long}",
        f"STORE-7  {escaped.ljust(len(long))}  5",
    ]


def test_a_terminal_gets_a_frame(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert "┃" in written("table", capsys)
