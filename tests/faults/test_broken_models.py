"""A check that cannot fail proves nothing: every broken model is caught."""

from __future__ import annotations

import pytest

from tests.faults.model.broken import BROKEN
from tests.faults.model.landing import SETTLE
from tests.faults.model.readings import Readings
from tests.faults.model.schedules import Step, finding, readings_of, steps_of
from tests.faults.model.shop import Parts

#: Every variant is caught within 700.
SEEDS = 2_000
#: The ERP's row claims an event still under way, and the ledger is lost once it has arrived. Chance rarely finds this.
TOLD = "4: what came late is in order when all is read again"
A_LATE_EVENT_AND_A_NEW_LEDGER: list[Step] = [
    ("sell", "DC01", ["A"], 2 * SETTLE, 1),
    ("sell", "DC01", ["A"], 0, 1),
    ("pass_time", SETTLE + 1),
    ("run",),
    ("erp_applies", ("DC01", "A")),
    ("run",),
    ("pass_time", SETTLE),
    ("run",),
    ("lose_the_ledger",),
    ("run",),
]


@pytest.mark.parametrize("variant", sorted(BROKEN.keys() - {TOLD}))
def test_a_broken_model_is_caught(variant: str) -> None:
    assert any(finding(readings_of(seed), steps_of(seed), BROKEN[variant]) for seed in range(SEEDS))


def test_a_new_ledger_that_treats_a_late_event_as_contained_is_caught() -> None:
    readings = Readings(beyond_the_promise=True)
    assert finding(readings, A_LATE_EVENT_AND_A_NEW_LEDGER, BROKEN[TOLD])
    assert finding(readings, A_LATE_EVENT_AND_A_NEW_LEDGER, Parts()) is None


def test_each_rule_has_a_broken_model() -> None:
    assert {variant[0] for variant in BROKEN} == set("123456789")
