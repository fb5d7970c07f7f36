"""A disk that is full: a run fails in one line or goes on, nothing is claimed, and the next run with room is right."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from tests.shop.pipeline import TARGET, Machine, Pipeline
from tests.shop.small_disk import SmallDisk

if t.TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCTS = [f"SKU-{number:05}" for number in range(3000)]
#: Rows of it make the list so long that it is kept for the next run.
ELSEWHERE = "ELSEWHERE" * 10


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    """A shop with 3,000 products that has sold one unit."""
    with Pipeline(tmp_path) as shop:
        shop.newstore.add_location("DC01")
        for product in PRODUCTS:
            shop.erp.count_later("DC01", product, 10)
        shop.stock("DC01", "SKU-1", 10)
        shop.newstore.sell("DC01", "SKU-1")
        yield shop


def run_on_a_small_disk(shop: Pipeline, directory: Path, kilobytes: int) -> tuple[tuple[int, ...], str]:
    """Run once where a directory is a small disk; return exit codes and log."""
    room, shop.machine = shop.machine, Machine(shop.machine.directory, SmallDisk(directory, kilobytes))
    run = shop.run()
    shop.machine = room
    assert "Traceback" not in run.log
    return run.codes, run.log


@pytest.mark.fault("F21")
def test_a_full_staging_place_ends_the_run_and_the_next_one_goes_on(shop: Pipeline) -> None:
    staging = Path(shop.settings[TARGET]["staging_url"])
    codes, log = run_on_a_small_disk(shop, staging, 8)
    assert codes == (0, 0, 1)
    assert "staging_url: cannot write" in log
    assert "No space left on device" in log
    assert "[NSS-330]" in log
    assert shop.newstore.imports() == []
    assert shop.run().codes == (0, 0, 0)
    assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9
    assert shop.newstore.numbers("DC01", PRODUCTS[0])["atp"] == 10


@pytest.mark.fault("F21")
def test_a_ledger_on_a_full_disk_ends_the_run_and_a_disk_with_room_goes_on(shop: Pipeline, tmp_path: Path) -> None:
    shop.set_mapper({"ledger_url": f"sqlite:///{tmp_path / 'disk' / 'ledger.db'}"})
    codes, log = run_on_a_small_disk(shop, tmp_path / "disk", 400)
    assert codes[1:] == (1, 0)
    assert "database or disk is full" in log
    assert "[NSS-230]" in log
    assert shop.newstore.imports() == []
    assert shop.run().codes == (0, 0, 0)
    assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9


@pytest.mark.fault("F21")
def test_without_room_to_keep_the_list_a_run_goes_on(shop: Pipeline, tmp_path: Path) -> None:
    for number in range(10_000):
        shop.erp.count_later(ELSEWHERE, f"SKU-{number:05}", 10)
    shop.stock("DC01", "SKU-1", 10)
    shop.set_mapper({"cache_dir": str(tmp_path / "cache"), "ignored_nodes": [ELSEWHERE]})
    codes, log = run_on_a_small_disk(shop, tmp_path / "cache", 8)
    assert codes == (0, 0, 0)
    assert "The on-hand list is not kept for the next run" in log
    assert "No space left on device" in log
    assert shop.newstore.numbers("DC01", "SKU-1")["atp"] == 9
