"""Tables on stderr: frames are for terminals; a log has one line a row, and nothing is cut or wrapped."""

from __future__ import annotations

import sys
import typing as t

from target_newstore_stock.import_api import JobError
from target_newstore_stock.job_errors import as_table
from target_newstore_stock.terminal import Table, print_table

if t.TYPE_CHECKING:
    import pytest

TITLE = "The import 936c7e2b-65cf-4ac8-8a7a-8e3f2c0f4dfb failed: transformed_uri could not be fetched"
LONG = "no such product " * 30


def test_a_log_has_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table(TITLE, ("entity_id", "units", "reason"), [("A", 5, f"{LONG}\nend"), ("LONG-ID", None, "b")]))
    assert capsys.readouterr().err.splitlines() == [
        TITLE,
        "entity_id  units  reason",
        f"A          5      {LONG}end",
        "LONG-ID           b",
    ]


def test_a_terminal_has_a_frame_under_the_whole_title(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    print_table(Table(TITLE, ("entity_id",), [("A",)]))
    shown = capsys.readouterr().err
    assert TITLE in shown
    assert "╭" in shown


def test_a_job_that_failed_without_errors_has_no_table() -> None:
    assert as_table(TITLE, []) is None
    assert as_table(TITLE, [JobError(reason="b")]) is not None
