"""Shops as processes, any of which may be killed: never oversold, exact at rest, nothing lost or counted twice.

SCHEDULES says how many; `make faults SEED=… DATABASE=… FORM=…` plays one and prints each step.
"""

from __future__ import annotations

import typing as t

import pytest

from tests.faults.players.real_processes import play
from tests.faults.reports.reporting import play_all, seeds
from tests.faults.stories.forms import FORMS, options_of
from tests.shop.warm_start import Forks, Fresh

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.reports.reporting import Record
    from tests.shop.postgresql import PostgreSql

SEEDS = seeds("SCHEDULES", 14)
COLD = 15
DATABASES = ("sqlite", "postgresql")


def shop_of(seed: int) -> tuple[str, str]:
    """Return form and database of a seed: seeds take turns."""
    return tuple(FORMS)[seed // 2 % len(FORMS)], DATABASES[seed % 2]


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.mark.fault("F23")
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: "-".join((*shop_of(seed), str(seed))))
def test_whatever_is_killed_newstore_never_promises_too_much_and_at_rest_exactly_what_is_free(
    seed: int, record_property: Record, forks: Forks, request: pytest.FixtureRequest
) -> None:
    form, database = shop_of(seed)
    server: PostgreSql | None = request.getfixturevalue("postgresql") if database == "postgresql" else None
    new_database = server.new_database if server else None
    play_all(
        f"Shops as processes on {database}",
        record_property,
        [seed],
        # Most are forked, which is fast; some start fresh, as for a user.
        lambda seed: play(seed, new_database, forks=forks if seed % COLD else Fresh(), **options_of(form, seed)),
        f"make faults SEED={{seed}} DATABASE={database} FORM='{form}'",
    )
