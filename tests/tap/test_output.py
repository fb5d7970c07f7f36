"""Frames are for terminals; a pipe, a log or a mail has one line a row, and nothing is cut or wrapped."""

from __future__ import annotations

import sys
import typing as t

from tap_newstore_fulfillment.receiver.output import print_table

if t.TYPE_CHECKING:
    import pytest

LONG = "payload.items: expected array, got null; " * 5
ROWS: list[dict[str, t.Any]] = [{"id": 1, "kind": "refused", "reason": f"{LONG}\nend"}, {"id": 12, "reason": None}]


def test_a_pipe_gets_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Quarantine: 2 of 2", ("id", "reason"), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "Quarantine: 2 of 2",
        "id  reason",
        f"1   {LONG}end",
        "12  None",
    ]


def test_a_terminal_gets_a_frame(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table("Quarantine: 2 of 2", ("id", "reason"), ROWS)
    assert "┃" in capsys.readouterr().out
