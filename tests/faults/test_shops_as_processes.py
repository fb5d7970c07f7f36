"""Shops as processes, any of which may be killed: never oversold, exact at rest, nothing lost or counted twice.

SCHEDULES says how many; `make faults SEED=… DATABASE=…` plays one and prints each step.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.players.real_processes import play
from tests.faults.reports.reporting import play_all, seeds
from tests.shop.warm_start import Forks

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.reports.reporting import Record
    from tests.shop.postgresql import PostgreSql

SEEDS = seeds("SCHEDULES", 30)
COLD = 15
BY_DATABASE = {"sqlite": SEEDS[0::2], "postgresql": SEEDS[1::2]}
CASES = [pytest.param(kind, seed, id=f"{kind}-{seed}") for kind, numbers in BY_DATABASE.items() for seed in numbers]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.mark.parametrize(("database", "seed"), CASES)
def test_whatever_is_killed_newstore_never_promises_too_much_and_at_rest_exactly_what_is_free(
    database: str, seed: int, record_property: Record, forks: Forks, request: pytest.FixtureRequest
) -> None:
    server: PostgreSql | None = request.getfixturevalue("postgresql") if database == "postgresql" else None
    new_database = server.new_database if server else None
    # Half of the schedules for each reading of what a range covers.
    scope = "tenant" if seed // 2 % 2 else "file"
    play_all(
        f"Shops as processes on {database}",
        record_property,
        [seed],
        # Most are forked, which is fast; some start fresh, as for a user.
        lambda number: play(number, new_database, forks=forks if seed % COLD else None, range_scope=scope),
        f"make faults SEED={{seed}} DATABASE={database} SCOPE={scope}",
    )
