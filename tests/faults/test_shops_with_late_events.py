"""Thousands of shops on a virtual clock, with events that arrive later than promised.

Until such an event is known, nobody can have the right number; from then on NewStore has it.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.players.one_process import play
from tests.faults.reports.reporting import play_all, seeds
from tests.faults.stories.forms import FORMS, options_of, seeds_of

if t.TYPE_CHECKING:
    from tests.faults.reports.reporting import Record

SHARDS = 3
SEEDS = seeds("SCHEDULES_IN_ONE_PROCESS", 98)


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("form", FORMS)
def test_the_first_run_that_knows_a_late_event_makes_up_for_it(form: str, shard: int, record_property: Record) -> None:
    play_all(
        "Shops in one process, some events later than promised",
        record_property,
        seeds_of(form, SEEDS)[shard::SHARDS],
        lambda seed: play(seed, breaks_the_promise=True, **options_of(form, seed)),
        f"make faults SEED={{seed}} WORLD=late-events FORM='{form}'",
    )
