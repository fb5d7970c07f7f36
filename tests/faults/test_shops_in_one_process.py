"""Thousands of shops on a virtual clock, within NewStore's promise: never oversold, exact at rest.

SCHEDULES_IN_ONE_PROCESS says how many; `make faults SEED=… WORLD=one-process FORM=…` plays one and prints each step.
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


@pytest.mark.fault("F23")
@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.parametrize("form", FORMS)
def test_newstore_never_promises_too_much_and_at_rest_exactly_what_is_free(
    form: str, shard: int, record_property: Record
) -> None:
    play_all(
        "Shops in one process, every event within the promised 15 minutes",
        record_property,
        seeds_of(form, SEEDS)[shard::SHARDS],
        lambda seed: play(seed, breaks_the_promise=False, **options_of(form, seed)),
        f"make faults SEED={{seed}} WORLD=one-process FORM='{form}'",
    )
