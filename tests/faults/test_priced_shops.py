"""The ledger's account of hidden units beside one made from the truth: the shelf, the orders and NewStore's promise.

SCHEDULES_PRICED says how many shops; each form of proof has its share.
"""

from __future__ import annotations

import typing as t

from tests.faults.players.priced_shop import price
from tests.faults.reports.reporting import LINE, seeds
from tests.faults.stories.forms import FORMS, options_of, seeds_of

if t.TYPE_CHECKING:
    from tests.faults.reports.reporting import Record

SEEDS = seeds("SCHEDULES_PRICED", 14)
#: A unit that is lost while another one is hidden cannot be told from it; over many shops both even out.
MOST_APART = 0.01


def test_the_ledger_accounts_for_what_newstore_hid(record_property: Record) -> None:
    priced = [price(seed, **options_of(form, seed)) for form in FORMS for seed in seeds_of(form, SEEDS)]
    true, said = sum(shop.true for shop in priced), sum(sum(shop.said.values()) for shop in priced)
    line = f"Hidden units of {len(priced)} shops: {said:.0f} unit-minutes by the ledgers, {true:.0f} in truth"
    record_property(LINE, line)
    assert true > 100 * len(priced), line
    assert abs(said - true) <= MOST_APART * true, line
