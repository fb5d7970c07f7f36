"""NewStore's words may quote the link it was given, which lets everybody fetch the file: it is not shown (F38)."""

from __future__ import annotations

import typing as t

import pytest

from tests.target.runs import run_target
from tests.target.stock_messages import a_cut, a_state

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.newstore import NewStore

LINK = "https://bucket.example/a.zip?X-Amz-Credential=key&X-Amz-Signature=hush"


@pytest.mark.fault("F38")
@pytest.mark.parametrize(
    "faults",
    [
        {"fail_next_import": f"cannot fetch transformed_uri {LINK}: 403"},
        {"next_import_errors": [f"cannot read {LINK}"]},
        {"fail_next_import": "bad", "next_import_errors": [{"reason": f"({LINK})", "entity_id": LINK}]},
        {
            "calls": [
                {"method": "POST", "path": "/v0/d/import", "status": 400, "body": {"message": f"source_uri {LINK}"}}
            ]
        },
        {"calls": [{"method": "POST", "path": "/v0/d/import", "status": 400, "body": f"<html>GET {LINK[22:]}"}]},
    ],
)
def test_a_signed_link_that_newstore_quotes_is_not_shown(
    newstore: NewStore, tmp_path: Path, faults: dict[str, t.Any]
) -> None:
    newstore.set_faults(**faults)
    report = tmp_path / "report.jsonl"
    done = run_target(newstore, tmp_path, *a_cut(1, {"A": 7}), a_state(1), report_path=str(report))
    assert (done.code, done.output) == (1, "")
    assert "/a.zip" in done.log
    assert "hush" not in done.log + report.read_text(encoding="utf-8")
