"""Tap, mapper and target killed at each of their writes in turn: the next run ends with the right numbers (F6)."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest

from tests.faults.players.forked_shop import MAPPER, TAP, TARGET, ForkedShop

if t.TYPE_CHECKING:
    from pathlib import Path

#: Only every third write, others on each database, except in `make soak`. The target keeps nothing in a database.
STEP = 1 if "KILLS" in os.environ else 3
LOOPS = [
    ("sqlite", TAP, 1),
    ("sqlite", MAPPER, 1),
    ("sqlite", TARGET, 1),
    ("postgresql", TAP, min(2, STEP)),
    ("postgresql", MAPPER, min(2, STEP)),
]
#: A loop that ends after fewer writes has not seen them all.
FEWEST_WRITES = {TAP: 12, MAPPER: 18, TARGET: 20}


@pytest.mark.fault("F6")
@pytest.mark.parametrize(("database", "killed", "first"), LOOPS)
def test_f6_killed_at_any_write_the_next_run_ends_with_the_right_numbers(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, killed: str, first: int
) -> None:
    """With mapper or target killed, a run has two imports to make; the loop ends when the plugin survives."""
    url = f"sqlite:///{tmp_path / 'database.db'}"
    if database == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    with ForkedShop(tmp_path, url) as shop:
        # The tap ends the same way whether one import follows or two.
        shop.settings[MAPPER]["max_cut_items"] = 100 if killed == TAP else 1
        for product in ("A", "B"):
            shop.stock(product, 1000)
        assert shop.run().codes == (0, 0, 0)
        write, was_killed = first, True
        while was_killed:
            shop.sell("A")
            shop.sell("A", "B")
            was_killed = -signal.SIGKILL in shop.run(killed, write).codes
            shop.assert_never_oversold()
            again = shop.run()
            assert again.codes == (0, 0, 0), again.log
            shop.assert_in_sync()
            write += STEP
        assert write > FEWEST_WRITES[killed]


@pytest.mark.fault("F6")
@pytest.mark.fault("F17")
def test_f6_a_tap_killed_at_any_write_while_it_fills_a_new_ledger_makes_nobody_promise_too_much(
    tmp_path: Path, database_url: str
) -> None:
    with ForkedShop(tmp_path, database_url) as shop:
        shop.stock("A", 1000)
        for _ in range(2):
            shop.sell("A")
        assert shop.run().codes == (0, 0, 0)
        write, was_killed = 0, True
        while was_killed:
            write += STEP
            shop.settings[MAPPER]["ledger_url"] = f"sqlite:///{tmp_path / f'ledger-{write}.db'}"
            # As the refusal of a new ledger advises; what was declared stays in the state.
            assert shop.state is not None
            del shop.state["bookmarks"]["fulfillment_events"]
            was_killed = -signal.SIGKILL in shop.run(TAP, write).codes
            shop.assert_never_oversold()
            again = shop.run()
            assert again.codes == (0, 0, 0), again.log
            shop.assert_in_sync()
        assert write > FEWEST_WRITES[TAP]
