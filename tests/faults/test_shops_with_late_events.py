"""Thousands of shops on a virtual clock, with events that come later than promised.

Until such an event is known nobody can be right about it; from then on NewStore's numbers are.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.one_process import play
from tests.faults.reporting import play_all, reporting, seeds

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.report import Report

SHARDS = 20
SEEDS = seeds("SCHEDULES_IN_ONE_PROCESS", 1000)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    yield from reporting(
        "Shops in one process, some events later than promised",
        "one_process_late.json",
        tmp_path_factory.mktemp("faults"),
    )


@pytest.mark.parametrize("shard", range(SHARDS))
def test_late_events_are_made_good_by_the_first_run_that_knows_them(shard: int, report: Report) -> None:
    play_all(
        report,
        SEEDS[shard::SHARDS],
        lambda seed: play(seed, breaks_the_promise=True),
        "make faults SEED={seed} WORLD=late-events",
    )
