"""In a directory others may write to, nobody leads the mapper's files elsewhere by a link planted under their names."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.errors import LedgerError

from tests.mapper.shop_day import ShopDay, completed
from tests.mapper.test_ledger_command import run_command

if t.TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("kept", encoding="utf-8")
    return elsewhere


def test_a_link_in_place_of_the_ledgers_lock_is_refused_and_not_followed(tmp_path: Path, elsewhere: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    (tmp_path / "ledger.db.lock").symlink_to(elsewhere)
    with pytest.raises(LedgerError, match="cannot open the ledger") as caught:
        day.run(completed(11))
    assert str(caught.value).isprintable()
    assert elsewhere.read_text(encoding="utf-8") == "kept"


def test_a_link_in_place_of_a_page_not_yet_whole_is_not_followed(tmp_path: Path, elsewhere: Path) -> None:
    day = ShopDay(tmp_path)
    day.erp.count("DC01", "SKU-1", 10)
    day.run(completed(11))
    (tmp_path / ".page.html.part").symlink_to(elsewhere)
    done = run_command("--ledger-url", day.settings["ledger_url"], "report", "--html", str(tmp_path / "page.html"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!")
    assert elsewhere.read_text(encoding="utf-8") == "kept"
    assert [path.name for path in tmp_path.glob(".page*")] == [".page.html.part"]
