"""Thousands of shops on a virtual clock, with events that come later than promised.

Until such an event is known nobody can be right about it; from then on NewStore's numbers are.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.players.one_process import play
from tests.faults.reports.reporting import play_all, seeds

if t.TYPE_CHECKING:
    from tests.faults.reports.reporting import Record

SHARDS = 20
SEEDS = seeds("SCHEDULES_IN_ONE_PROCESS", 1000)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_late_events_are_made_good_by_the_first_run_that_knows_them(shard: int, record_property: Record) -> None:
    play_all(
        "Shops in one process, some events later than promised",
        record_property,
        SEEDS[shard::SHARDS],
        lambda seed: play(seed, breaks_the_promise=True),
        "make faults SEED={seed} WORLD=late-events",
    )
