"""An older run never lands on a newer one, wherever it stood still (fault F15, design rule 9)."""

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest

from tests.faults.players.forked_shop import MAPPER, TAP, TARGET, ForkedShop

if t.TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ForkedShop]:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        shop.stock("A", 10)
        assert shop.run().codes == (0, 0, 0)
        yield shop


def planned(shop: ForkedShop) -> Path:
    """Run tap and mapper, and return what the target is to read; it stands still."""
    for part in (TAP, MAPPER):
        assert shop.run_part(part) == 0
    return Path(shutil.copy(shop.directory / f"{MAPPER}.out", shop.directory / "older.jsonl"))


def assert_gives_way(shop: ForkedShop, older: Path) -> None:
    """Let the target go on with what it was to read, after a newer run."""
    shop.assert_in_sync()
    shutil.copy(older, shop.directory / f"{MAPPER}.out")
    assert shop.run_part(TARGET) == 1
    assert "another run has overtaken this one" in (shop.directory / "run.log").read_text(encoding="utf-8")
    shop.assert_in_sync()


@pytest.mark.fault("F15")
def test_f15_a_target_that_stood_still_before_its_input_gives_way_to_a_newer_run(shop: ForkedShop) -> None:
    shop.sell("A")
    older = planned(shop)
    for _ in range(2):
        shop.sell("A")
    assert shop.run().codes == (0, 0, 0)
    assert_gives_way(shop, older)


@pytest.mark.fault("F15")
def test_f15_a_target_whose_run_a_restored_ledger_no_longer_knows_gives_way(shop: ForkedShop) -> None:
    ledger, backup = shop.directory / "ledger.db", shop.directory / "backup.db"
    shop.settings[MAPPER]["ledger_url"] = f"sqlite:///{ledger}"
    # A new ledger goes on with the mark alone.
    assert shop.state
    shop.state["bookmarks"].pop("fulfillment_events")
    assert shop.run().codes == (0, 0, 0)
    shutil.copy(ledger, backup)
    shop.sell("A")
    older = planned(shop)
    shutil.copy(backup, ledger)
    shop.sell("A")
    # It has the number of the older cut.
    assert shop.run().codes == (0, 0, 0)
    assert_gives_way(shop, older)
