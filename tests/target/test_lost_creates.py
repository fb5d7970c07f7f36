"""A create whose answer was lost, and whose job another importer has started: it may end at any time (rule 9)."""

from __future__ import annotations

import threading
import typing as t

import pytest

from tests.shop.newstore import NewStore
from tests.shop.process import wait_until
from tests.target.runs import run_target
from tests.target.stock_messages import a_cut, a_state, acknowledged

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOST = {"method": "POST", "path": "/v0/d/import", "status": 502, "body": "<html>", "happens": True}


@pytest.fixture
def newstore(tmp_path: Path) -> Iterator[NewStore]:
    """Return a NewStore that runs the job created last first, and starts every job by itself."""
    with NewStore(tmp_path, import_seconds=0.5, job_order="lifo") as newstore:
        newstore.add_location("DC01")
        yield newstore


@pytest.mark.fault("F10", "F12")
def test_the_next_cut_waits_for_the_job_of_a_lost_create_that_somebody_else_has_started(
    newstore: NewStore, tmp_path: Path
) -> None:
    newstore.set_faults(starts_received_jobs=True, hold_jobs=True, calls=[LOST])

    def let_them_run() -> None:
        wait_until(lambda: newstore.open_jobs() == ["waiting"] * 2, "two jobs of the first cut")
        newstore.set_faults(hold_jobs=False)

    other = threading.Thread(target=let_them_run)
    other.start()
    done = run_target(
        newstore, tmp_path, *a_cut(1, {"A": 7}, (1, 2)), a_state(1), *a_cut(2, {"A": 5}, (3, 4)), a_state(2)
    )
    other.join()
    assert (done.code, acknowledged(done.messages)) == (0, [1, 2]), done.log
    newstore.let_jobs_work()
    *of_the_first_cut, last = sorted(newstore.imports("finished"), key=lambda job: str(job["received_at"]))
    assert newstore.ranges() == [(1, 2), (1, 2), (3, 4)]
    assert len(of_the_first_cut) == 2
    assert all(job["completed_at"] <= last["received_at"] for job in of_the_first_cut)
    assert newstore.on_hand("DC01", "A") == 5
