"""Variants of the product that violate the design's rules 1 to 9, each with schedules that catch it."""

from __future__ import annotations

import dataclasses
import typing as t

from tests.faults.breaking import broken_product as broken
from tests.faults.stories.schedules import Options, Schedule, make_schedule
from tests.faults.stories.steps import KEYS, WRITING, LoseState, Order, Run, RunFault, Ship, Wait

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.faults.stories.steps import Step

    Break = Callable[[pytest.MonkeyPatch], None]


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way to violate a rule.

    Attributes:
        rule: Number of the design rule it violates.
        breaks: Patches the product.
        seed: The first schedule to play; known to catch the variant.
        options: Fields of `schedules.Options` that catch it sooner.
        steps: Played instead of the seed's schedules, where chance would take long.
    """

    rule: int
    breaks: Break
    seed: int = 0
    options: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return f"{self.rule}-{getattr(self.breaks, '__name__', '')}"

    def schedules(self, count: int) -> Iterator[Schedule]:
        """Yield up to `count` schedules."""
        if self.steps:
            yield Schedule(0, Options(**self.options), dict.fromkeys(KEYS, 9), self.steps)
            return
        for seed in range(self.seed, self.seed + count):
            yield make_schedule(seed, **self.options)


AT_ONCE = (0.0,)
TWO_ORDERS = (Order("first", "DC01", ("SHIRT",), AT_ONCE), Order("second", "DC01", ("SHIRT",), AT_ONCE))
#: Of two completions of one key, the lower arrives after a range beyond it has been declared.
A_LATE_EVENT = (
    *TWO_ORDERS,
    Ship("first", 1, (3.0,)),
    Ship("second", 1, AT_ONCE),
    Wait(1.2),
    Run(),
    Wait(2.0),
    Run(),
)
#: The target dies after its job has started; NewStore runs it only once there is a second job, and that one first.
A_JOB_LEFT_BEHIND = (
    *TWO_ORDERS,
    Ship("first", 1, AT_ONCE),
    Wait(1.2),
    Run(RunFault("target", 6)),
    Ship("second", 1, AT_ONCE),
    Wait(1.2, newstore_works=False),
    Run(),
)
THREE_PARTS = (
    *TWO_ORDERS,
    Order("other", "DC01", ("SOCKS",), AT_ONCE),
    Ship("first", 1, AT_ONCE),
    Ship("other", 1, AT_ONCE),
    Ship("second", 1, AT_ONCE),
    Wait(1.2),
)
#: The mapper dies after the first of a cut's two records.
A_CUT_CUT_SHORT = (Run(), *THREE_PARTS, Run(RunFault("mapper", 2, WRITING)))
#: The first of three parts of a cut is repeated after the last.
PARTS_REPEATED = (*THREE_PARTS, Run(), LoseState(), Run())
THE_FIRST_PART_FAILS = (*THREE_PARTS, Run(RunFault("newstore", 0, "fails the import")), Run())
ONE_KEY_A_CUT = {"max_cut_items": 1}
#: One whose rows are too old as soon as it cannot be read.
TWO_SOURCES = {"has_sources": True, "rows_stand": False}

#: Variants that the shop in one process can catch; commit order needs a server (`test_broken_variants`).
VARIANTS = (
    Variant(1, broken.plain_maximum_is_the_release_mark, 4, {"breaks_the_promise": False}),
    Variant(2, broken.bookmark_forgets_the_arrival_position, 2, {"breaks_the_promise": True}),
    Variant(3, broken.cut_is_split_along_keys, 1, ONE_KEY_A_CUT),
    Variant(3, broken.each_part_carries_the_whole_range, 1, ONE_KEY_A_CUT),
    Variant(4, broken.each_part_is_computed_as_of_its_own_end, 0, ONE_KEY_A_CUT, PARTS_REPEATED),
    Variant(4, broken.late_events_cut_goes_below_the_mark, steps=A_LATE_EVENT),
    Variant(4, broken.what_the_erp_contains_is_ignored, 0, {"erp": "follows"}),
    Variant(4, broken.units_ahead_are_added_back_to_any_row, 0, {"emit_unreleased": True, "erp": "ships"}),
    Variant(5, broken.changes_of_the_erp_alone_are_not_sent, 2),
    Variant(5, broken.run_without_events_declares_what_the_erp_contains, 0, {"erp": "ships"}),
    Variant(6, broken.same_event_counts_each_time),
    Variant(6, broken.what_was_planned_once_is_not_repeated),
    Variant(7, broken.what_was_planned_counts_as_imported, 12),
    Variant(7, broken.what_newstore_never_got_seems_imported, 0, TWO_SOURCES),
    Variant(7, broken.state_goes_out_before_the_import_ends),
    Variant(8, broken.what_came_of_a_cut_is_imported, steps=A_CUT_CUT_SHORT),
    Variant(9, broken.run_begins_while_an_earlier_job_is_open, 0, {"job_order": "lifo"}, A_JOB_LEFT_BEHIND),
    Variant(9, broken.after_a_failed_import_the_next_one_begins, 0, ONE_KEY_A_CUT, THE_FIRST_PART_FAILS),
)
