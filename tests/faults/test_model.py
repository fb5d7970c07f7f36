"""The pure model, for every reading of what is unknown: NewStore promises no unit that is not there.

10,000 schedules here; `make soak` plays MODEL_SCHEDULES in MODEL_PROCESSES. A failing schedule is shown shortened.
"""

from __future__ import annotations

import dataclasses
import json
import os
import typing as t
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.faults.model.landing import SETTLE
from tests.faults.model.readings import KEYS, PRODUCTS, Readings
from tests.faults.model.schedules import ENDINGS
from tests.faults.model.shop import Parts
from tests.faults.model.volume import play_seeds, table
from tests.faults.reports.reporting import TABLE

if t.TYPE_CHECKING:
    from tests.faults.reports.reporting import Record

SCHEDULES = int(os.environ.get("MODEL_SCHEDULES", "10000"))
#: Stories from hypothesis; the others come from seeds, which is ten times as fast.
STORIES = 200
PROCESSES = int(os.environ.get("MODEL_PROCESSES", "1"))
KEY = st.sampled_from(KEYS)
UNITS = st.integers(1, 4)
RIGHT = Parts()


def test_no_schedule_oversells_and_at_rest_all_numbers_are_equal(tmp_path: Path, record_property: Record) -> None:
    accounts = play_seeds(SCHEDULES - STORIES, PROCESSES)
    path = Path(os.environ.get("FAULT_REPORTS") or tmp_path) / "model.json"
    rows = {name: dataclasses.asdict(account) for name, account in sorted(accounts.items())}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    record_property(TABLE, table(accounts))
    assert sum(account.schedules for account in accounts.values()) == SCHEDULES - STORIES


class ModelStory(RuleBasedStateMachine):
    """One story, made and shortened by hypothesis."""

    @initialize(
        scope=st.sampled_from(["tenant", "file"]),
        readings=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
        max_items=st.sampled_from([1, 2, 3, 100]),
    )
    def begin(
        self, scope: t.Literal["tenant", "file"], readings: tuple[bool, bool, bool, bool], max_items: int
    ) -> None:
        gap_free, beyond, unreleased, current = readings
        self.shop = RIGHT.make_shop(Readings(scope, gap_free, beyond, unreleased, current, max_items))

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
    )
    def sell(self, node: str, products: list[int], delay: int, gap: int) -> None:
        self.shop.sell(node, [PRODUCTS[node][number] for number in products], delay, gap)

    @rule(which=st.integers(0, 9))
    def deliver_again(self, which: int) -> None:
        self.shop.deliver_again(which)

    @rule(key=KEY, units=UNITS, gone=st.booleans())
    def move_goods(self, key: tuple[str, str], units: int, gone: bool) -> None:
        (self.shop.lose_goods if gone else self.shop.receive_goods)(key, units)

    @rule(key=KEY, counts=st.booleans())
    def erp(self, key: tuple[str, str], counts: bool) -> None:
        (self.shop.erp_counts if counts else self.shop.erp_applies)(key)

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
