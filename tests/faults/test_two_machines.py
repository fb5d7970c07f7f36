"""Two machines with one landing store, ledger and staging place, any of which may stand still: never oversold.

TWO_MACHINES says how many shops; `make faults SEED=… WORLD=two-machines FORM=…` plays one and prints each step.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.breaking import broken_start
from tests.faults.players.two_machines import play, play_schedule, two_machines
from tests.faults.reports.reporting import play_all, seeds
from tests.faults.stories.forms import FORMS, options_of
from tests.faults.stories.schedules import Options, Schedule
from tests.faults.stories.steps import AT_START, KEYS, Correct, Run, RunFault

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.players.two_machines import TwoForks
    from tests.faults.reports.reporting import Record
    from tests.shop.postgresql import PostgreSql

#: By variant of the target: the call its run stands still at, or before it reads anything.
CAUGHT_AT = {
    "no_look_before_create_and_start": RunFault("target", 1),
    "claims_nothing": RunFault("target", 0, AT_START),
}
SHIRTS = ("DC01", "SHIRT")
SEEDS = seeds("TWO_MACHINES", 7)


def form_of_seed(seed: int) -> str:
    """Return the form of a seed: seeds take turns."""
    return tuple(FORMS)[seed % len(FORMS)]


@pytest.fixture(scope="module")
def forks() -> Iterator[TwoForks]:
    with two_machines() as forks:
        yield forks


@pytest.mark.fault("F33")
@pytest.mark.fault("F15")
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{form_of_seed(seed)}-{seed}")
def test_whichever_machine_stands_still_newstore_never_promises_too_much_and_at_rest_exactly_what_is_free(
    seed: int, record_property: Record, forks: TwoForks, postgresql: PostgreSql
) -> None:
    form = form_of_seed(seed)
    play_all(
        "Shops on two machines",
        record_property,
        [seed],
        lambda seed: play(seed, postgresql.new_database, forks, **options_of(form, seed)),
        f"make faults SEED={{seed}} WORLD=two-machines FORM='{form}'",
    )


def a_loss_while(fault: RunFault) -> Schedule:
    """Return a story in which a unit is lost, and another one while the run for the first one stands still."""
    overtaken = Run(fault, (Correct(SHIRTS, 1),), 0, Run(machine=1))
    steps = (Run(), Correct(SHIRTS, 1), overtaken)
    return Schedule(0, Options(erp="current", machines=2), dict.fromkeys(KEYS, 9), steps)


@pytest.mark.parametrize("variant", broken_start.VARIANTS)
def test_a_target_that_does_not_look_for_the_other_machines_run_is_caught(variant: str, postgresql: PostgreSql) -> None:
    with two_machines(broken_start.__name__, BREAKS=variant) as forks:
        verdict = play_schedule(a_loss_while(CAUGHT_AT[variant]), postgresql.new_database, forks)
    assert {(wrong.key, wrong.units) for wrong in verdict.oversold} == {(SHIRTS, 1)}


@pytest.mark.parametrize("fault", CAUGHT_AT.values(), ids=CAUGHT_AT)
def test_the_older_run_gives_way_where_a_broken_one_is_caught(
    fault: RunFault, forks: TwoForks, postgresql: PostgreSql
) -> None:
    verdict = play_schedule(a_loss_while(fault), postgresql.new_database, forks)
    assert verdict.failures == []
    assert verdict.counts["runs that gave way"] == 1
