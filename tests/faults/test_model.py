"""The pure model, for every form of proof and every reading of what is unknown: never oversold, equal at rest.

MODEL_SCHEDULES says how many schedules of each form and scope. A failing one is shown shortened.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.faults.model.readings import FORMS, KEYS, PRODUCTS, SCOPES, SETTLE, Readings
from tests.faults.model.schedules import ENDINGS, Chance, acts_of, erp_acts, readings_of
from tests.faults.model.shop import Parts
from tests.faults.model.volume import play_seeds
from tests.faults.reports.reporting import ACCOUNT

if t.TYPE_CHECKING:
    from tests.faults.model.readings import Form, Scope
    from tests.faults.reports.reporting import Record

SCHEDULES = int(os.environ.get("MODEL_SCHEDULES", "10000"))
#: Stories from hypothesis; the others come from seeds, which is ten times as fast.
STORIES = 200
#: What bookings may withhold, beside perfect evidence of the same moment.
MOST_WITHHELD = 1.1
KEY = st.sampled_from(KEYS)
UNITS = st.integers(1, 4)
RIGHT = Parts()


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("form", FORMS)
def test_no_schedule_oversells_and_at_rest_all_numbers_are_equal(
    form: Form, scope: Scope, record_property: Record
) -> None:
    account = play_seeds(form, scope, range(SCHEDULES))
    record_property(ACCOUNT, {f"{form}, a range covers the {scope}": dataclasses.asdict(account)})
    assert (account.schedules, account.oversold) == (SCHEDULES, 0)
    if form.startswith("booked"):
        assert account.bound
        assert account.compared <= MOST_WITHHELD * account.bound


class ModelStory(RuleBasedStateMachine):
    """One story, made and shortened by hypothesis."""

    @initialize(form=st.sampled_from(FORMS), scope=st.sampled_from(SCOPES), rest=st.integers(0, 16 * 7 * 15 - 1))
    def begin(self, form: Form, scope: Scope, rest: int) -> None:
        self.readings: Readings = readings_of(rest, form, scope)
        self.shop = RIGHT.make_shop(self.readings)

    @invariant()
    def newstore_promises_no_unit_that_is_not_there(self) -> None:
        self.shop.judge.check()

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            self.shop.come_to_rest()

    @rule(
        node=st.sampled_from(sorted(PRODUCTS)),
        products=st.lists(st.integers(0, 1), min_size=1, max_size=2),
        delay=st.integers(0, 4 * SETTLE),
        gap=st.integers(1, 3),
        goes_on=st.booleans(),
    )
    def sell(self, node: str, products: list[int], delay: int, gap: int, goes_on: bool) -> None:
        self.shop.sell(node, [PRODUCTS[node][number] for number in products], delay, gap, goes_on)

    @rule(which=st.integers(0, 9))
    def deliver_again(self, which: int) -> None:
        self.shop.deliver_again(which)

    @rule(key=KEY, units=UNITS, gone=st.booleans())
    def move_goods(self, key: tuple[str, str], units: int, gone: bool) -> None:
        (self.shop.lose_goods if gone else self.shop.receive_goods)(key, units)

    @rule(what=st.integers(0, 1000))
    def erp(self, what: int) -> None:
        _, *action = erp_acts(Chance(what), acts_of(self.readings))
        self.shop.erp_acts(*action)

    @rule(ticks=st.integers(1, SETTLE + 1))
    def pass_time(self, ticks: int) -> None:
        self.shop.pass_time(ticks)

    @rule(ending=st.sampled_from(ENDINGS), number=st.integers(0, 4), records=st.integers(0, 3))
    def run(self, ending: t.Any, number: int, records: int) -> None:
        self.shop.run(ending, number, records)

    @rule(which=st.integers(0, 20))
    def restore_a_state(self, which: int) -> None:
        self.shop.restore_a_state(which)

    @rule(what=st.sampled_from(["lose_the_state", "lose_the_ledger", "back_up_the_ledger", "restore_the_ledger"]))
    def disaster(self, what: str) -> None:
        getattr(self.shop, what)()


def test_no_story_of_hypothesis_oversells_and_at_rest_all_numbers_are_equal() -> None:
    run_state_machine_as_test(
        ModelStory,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=24,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
