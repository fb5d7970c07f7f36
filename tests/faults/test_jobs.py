"""Import jobs when runs die, in the whole pipeline (faults F10 and F12)."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from tests.faults.players.forked_shop import TARGET, ForkedShop
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_OPEN_JOBS = 20


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ForkedShop]:
    with ForkedShop(tmp_path, f"sqlite:///{tmp_path / 'database.db'}") as shop:
        shop.stock("A", 100)
        shop.sell("A")
        yield shop


@pytest.mark.fault("F10")
def test_f10_jobs_do_not_pile_up_however_often_a_run_dies_after_creating_one(shop: ForkedShop) -> None:
    write = 1
    shop.run(killed=TARGET, at_write=write)
    while shop.newstore.open_jobs() != ["received"]:
        write += 1
        shop.run_part(TARGET, at_write=write)
    for _ in range(MOST_OPEN_JOBS + 1):
        # Before it creates its own job, each run fails the one left behind: a POST, counted before and after.
        shop.run_part(TARGET, at_write=write + 2)
        assert shop.newstore.open_jobs() == ["received"]
    assert shop.run().codes == (0, 0, 0)
    shop.assert_in_sync()
    assert len(shop.newstore.imports("failed")) == MOST_OPEN_JOBS + 2


@pytest.mark.fault("F12")
def test_f12_a_job_left_behind_by_a_killed_run_is_not_overtaken(shop: ForkedShop) -> None:
    shop.newstore.set_faults(hold_jobs=True)
    with shop.run_that_hangs() as killed:
        wait_until(lambda: shop.newstore.imports("waiting"), "waiting import")
        killed.kill()
        killed.wait(60)
    shop.sell("A")
    with shop.run_that_hangs() as next_run:
        assert next_run.stderr
        # It logs this before it looks again; by then it could have created its own job.
        told = itertools.takewhile(lambda line: "Waiting for an earlier import" not in line, next_run.stderr)
        assert list(told)
        assert shop.newstore.open_jobs() == ["waiting"]
        shop.newstore.set_faults(hold_jobs=False)
        assert next_run.wait(60) == 0
    assert shop.newstore.on_hand("DC01", "A") == 98
    shop.assert_in_sync()
