"""A check that cannot fail proves nothing: every broken variant of the model is caught."""

from __future__ import annotations

import pytest

from tests.faults.model.broken import BROKEN
from tests.faults.model.schedules import finding, readings_of, steps_of

#: All are caught within 700.
SEEDS = 2_000


@pytest.mark.parametrize("variant", BROKEN)
def test_a_broken_model_is_caught(variant: str) -> None:
    assert any(finding(readings_of(seed), steps_of(seed), BROKEN[variant]) for seed in range(SEEDS))


def test_each_rule_has_a_broken_model() -> None:
    assert {variant[0] for variant in BROKEN} == set("123456789")
