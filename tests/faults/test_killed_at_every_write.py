"""Tap, mapper and target killed at each of their writes in turn: the next run ends in right numbers (fault F6)."""

from __future__ import annotations

import os
import signal
import typing as t

import pytest

from tests.faults.players.forked_shop import MAPPER, TAP, TARGET, ForkedShop

if t.TYPE_CHECKING:
    from pathlib import Path

#: Each write, and on PostgreSQL every third; `make soak` takes each. The target keeps nothing in a database.
EVERY_THIRD = 1 if "KILLS" in os.environ else 3
LOOPS = [
    ("sqlite", TAP, 1),
    ("sqlite", MAPPER, 1),
    ("sqlite", TARGET, 1),
    ("postgresql", TAP, EVERY_THIRD),
    ("postgresql", MAPPER, EVERY_THIRD),
]
#: A loop that ended sooner would not have seen all.
FEWEST_WRITES = {TAP: 12, MAPPER: 18, TARGET: 20}


@pytest.mark.fault("F6")
@pytest.mark.parametrize(("database", "killed", "step"), LOOPS)
def test_f6_killed_at_every_write_the_next_run_ends_in_right_numbers(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, killed: str, step: int
) -> None:
    """Each run of the other two has two imports to make; the loop ends when the plugin came to its end alive."""
    url = f"sqlite:///{tmp_path / 'database.db'}"
    if database == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    with ForkedShop(tmp_path, url) as shop:
        # The tap's end is the same whether two imports follow it or one.
        shop.settings[MAPPER]["max_cut_items"] = 100 if killed == TAP else 1
        for product in ("A", "B"):
            shop.stock(product, 1000)
        assert shop.run().codes == (0, 0, 0)
        write, was_killed = 1, True
        while was_killed:
            shop.sell("A")
            shop.sell("A", "B")
            was_killed = -signal.SIGKILL in shop.run(killed, write).codes
            shop.assert_never_oversold()
            again = shop.run()
            assert again.codes == (0, 0, 0), again.log
            shop.assert_in_sync()
            write += step
        assert write > FEWEST_WRITES[killed]
