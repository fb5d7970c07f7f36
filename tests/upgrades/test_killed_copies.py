"""A copy killed at any of its statements: one of both stores at most can be used, and the next copy ends the same."""

from __future__ import annotations

import typing as t

import pytest
from mapper_newstore_stock.ledger import copying as of_ledgers
from tap_newstore_fulfillment.landing import copying as of_landing_stores

from tests.upgrades import test_copied_landing_stores as landing_stores
from tests.upgrades import test_copied_ledgers as ledgers
from tests.upgrades.stores import OPENS, kill_in_turn, load_oldest, statements_of

if t.TYPE_CHECKING:
    from collections.abc import Callable

#: Fewer statements than any copy has before its first commit.
FEWEST_STEPS = 20
#: How a store is copied, and looked at.
KINDS: dict[str, t.Any] = {"ledger": (of_ledgers, ledgers), "landing": (of_landing_stores, landing_stores)}


@pytest.mark.parametrize("kind", KINDS)
def test_one_store_at_most_can_be_used_and_at_last_the_copy(
    kind: str, new_databases: Callable[[str], tuple[str, str]]
) -> None:
    copying, looking = KINDS[kind]
    at_once, (source, target) = new_databases("at-once"), new_databases("killed")
    for url in (at_once[0], source):
        OPENS[kind](load_oldest(url, kind))
    before, statements = looking.rows(source), statements_of(copying.copy, *at_once)
    taken_back: list[int] = []

    def look(step: int) -> None:
        usable = [url for url in (source, target) if looking.can_be_used(url)]
        assert len(usable) <= 1, f"killed before statement {step}"
        if not usable and not taken_back:
            # Between the two commits. The same kill is not repeated: the next copy has other statements.
            assert copying.take_back(source, target).endswith(" is in use again")
            assert looking.rows(source) == before
            assert kind == "ledger" or landing_stores.can_be_written(source)
            taken_back.append(step)

    assert kill_in_turn(copying.copy, (source, target), statements, look) == 0
    assert [looking.can_be_used(url) for url in (source, target)] == [False, True]
    assert looking.rows(target) == before
    assert taken_back, "never killed between the two commits"
    assert taken_back[0] > FEWEST_STEPS
