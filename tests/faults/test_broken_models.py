"""A check that cannot fail proves nothing: every broken model is caught."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

import pytest

from tests.faults.model.broken import BROKEN
from tests.faults.model.broken_proofs import BROKEN_PROOFS
from tests.faults.model.readings import SCOPES, SETTLE, Readings
from tests.faults.model.schedules import error_in, readings_of, readings_of_any_form, steps_of
from tests.faults.model.shop import Parts
from tests.faults.reports.reporting import LINE

if t.TYPE_CHECKING:
    from tests.faults.model.readings import Step
    from tests.faults.reports.reporting import Record

SEEDS = 6_000
#: Schedules of each broken proof.
PROOF_SEEDS = 400
#: The ERP's row claims an event still under way, and the ledger is lost once it has arrived. Chance rarely finds this.
TOLD = "4: what came late is in order when all is read again"
A_LATE_EVENT_AND_A_NEW_LEDGER: list[Step] = [
    ("sell", "DC01", ["A"], 2 * SETTLE, 1),
    ("sell", "DC01", ["A"], 0, 1),
    ("pass_time", SETTLE + 1),
    ("run",),
    ("erp_acts", "apply", ("DC01", "A")),
    ("run",),
    ("pass_time", SETTLE),
    ("run",),
    ("lose_the_ledger",),
    ("run",),
]


@pytest.mark.parametrize("variant", sorted(BROKEN.keys() - {TOLD}))
def test_a_broken_model_is_caught(variant: str) -> None:
    each = ((seed, readings_of_any_form(seed)) for seed in range(SEEDS))
    assert any(error_in(readings, steps_of(seed, readings), BROKEN[variant]) for seed, readings in each)


def test_a_new_ledger_that_treats_a_late_event_as_contained_is_caught() -> None:
    readings = Readings(beyond_the_promise=True)
    assert error_in(readings, A_LATE_EVENT_AND_A_NEW_LEDGER, BROKEN[TOLD])
    assert error_in(readings, A_LATE_EVENT_AND_A_NEW_LEDGER, Parts()) is None


def test_each_rule_has_a_broken_model() -> None:
    assert {variant[0] for variant in BROKEN} == set("123456789")


@pytest.mark.parametrize("name", BROKEN_PROOFS)
def test_a_broken_proof_oversells(name: str, record_property: Record) -> None:
    variant = BROKEN_PROOFS[name]
    found: collections.Counter[str] = collections.Counter()
    for seed in range(PROOF_SEEDS):
        readings = readings_of(seed, variant.form, SCOPES[seed % 2])
        readings = dataclasses.replace(readings, **variant.readings)
        error = error_in(readings, steps_of(seed, readings), variant.parts)
        found["oversold" if error and error.is_too_high else "not"] += 1
    record_property(LINE, f"{name}: {found['oversold'] / PROOF_SEEDS:.1%} of {PROOF_SEEDS} schedules oversold")
    assert found["oversold"]
