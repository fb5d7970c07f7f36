"""Clock, network, ERP and NewStore's API at their worst together; runs that die, states that are lost (fault F22).

One seed is one story. `STORY_SEEDS` says how many are played (more in `make soak`), `STORY_STEPS` how long each is.
"""

from __future__ import annotations

import os
import random
import typing as t

import pytest

from tests.faults.breaking.shifted_clock import ServerClock
from tests.faults.players.forked_shop import MAPPER, PLUGINS, TAP, ForkedShop
from tests.shop.process import wait_until

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.shop.postgresql import PostgreSql

SEEDS = int(os.environ.get("STORY_SEEDS", "1"))
STEPS = int(os.environ.get("STORY_STEPS", "8"))
#: NewStore's promised 15 minutes, scaled; every delay below is shorter.
SETTLE_SECONDS = 5
PRODUCTS = ("A", "B", "C")
ON_SHELF = 1_000
HOURS = 3_600
MOST_WRITES = 40
IMPORT = "/v0/d/import"
CALLS: list[dict[str, t.Any]] = [
    {"method": "POST", "path": IMPORT, "status": 502, "body": "<html>", "happens": True},
    {"method": "POST", "path": IMPORT, "status": 429, "body": {"message": "busy"}, "happens": True},
    {"method": "POST", "path": f"{IMPORT}/*/start", "cut_off": True, "happens": True},
    {"method": "GET", "path": f"{IMPORT}/*", "status": 403, "body": {"message": "the token is expired"}},
    {"method": "GET", "path": IMPORT, "cut_off": True},
    {"method": "POST", "path": "/auth/*", "status": 500, "body": "<html>"},
]


class Story:
    """A shop and what happens to it; everything random comes from the seed."""

    def __init__(self, shop: ForkedShop, clock: ServerClock, seed: int) -> None:
        self._shop = shop
        self._clock = clock
        self._chance = random.Random(seed)
        self._sold: list[tuple[int, str]] = []
        self._states: list[dict[str, t.Any] | None] = [None]
        shop.settings[TAP]["settle_seconds"] = SETTLE_SECONDS
        shop.settings[MAPPER]["max_cut_items"] = self._chance.choice([1, 2, 100])
        for product in PRODUCTS:
            shop.stock(product, ON_SHELF)

    def live(self) -> None:
        """Sell, let something go wrong, and run; NewStore must not promise too much."""
        self._disturb()
        for _ in range(self._chance.randint(1, 3)):
            products = self._chance.choices(PRODUCTS, k=self._chance.randint(1, 2))
            at = self._shop.newstore.sell("DC01", *products)
            self._sold += [(at, product) for product in products]
        if self._chance.random() < 0.6:
            self._count(self._chance.choice(PRODUCTS), self._chance.choice([0, 0, 1, 3]))
        self._shop.run(killed=self._chance.choice(["", *PLUGINS]), at_write=self._chance.randint(1, MOST_WRITES))
        self._shop.assert_never_oversold()
        self._states.append(self._shop.state)
        # No event is under way for longer than promised.
        self._shop.newstore.wait_for_delivery()

    def come_to_rest(self) -> None:
        """Let nothing else go wrong, and run until nothing waits."""
        self._shop.newstore.set_faults(calls=[])
        self._shop.newstore.disturb_delivery(duplicates=0, shuffle=False, delay_seconds=0)

        def is_in_sync() -> bool:
            assert self._shop.run().codes == (0, 0, 0)
            self._shop.assert_never_oversold()
            return all(row["atp"] == row["free"] for row in self._shop.newstore.truth()["keys"])

        wait_until(is_in_sync, "equal numbers")
        self._shop.assert_in_sync()

    def _disturb(self) -> None:
        chance = self._chance
        self._clock.set(chance.choice([0, 0, -5 * HOURS, 5 * HOURS]))
        self._shop.newstore.disturb_delivery(
            duplicates=chance.randint(0, 2), shuffle=True, delay_seconds=0.5, seed=chance.randint(0, 10**6)
        )
        self._shop.newstore.set_faults(
            calls=chance.sample(CALLS, k=chance.randint(0, 2)),
            **({"fail_next_import": "no"} if chance.random() < 0.1 else {}),
        )
        if chance.random() < 0.15:
            self._shop.state = chance.choice(self._states)

    def _count(self, product: str, behind: int) -> None:
        """Let the ERP count a product as of some sale: the last one, released or not, or an older one."""
        as_of = sorted({at for at, _ in self._sold})[: -behind or None][-1:]
        contained = sum(name == product and at <= as_of[0] for at, name in self._sold) if as_of else 0
        self._shop.erp.count("DC01", product, ON_SHELF - contained, as_of=as_of[0] if as_of else None)


@pytest.mark.fault("F22")
@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("scope", ["tenant", "file"])
def test_f22_everything_at_its_worst_never_oversells_and_ends_equal(
    tmp_path: Path, postgresql: PostgreSql, scope: str, seed: int
) -> None:
    url = postgresql.new_database()
    clock = ServerClock(url)
    with ForkedShop(tmp_path, url, range_scope=scope) as shop:
        story = Story(shop, clock, seed)
        for _ in range(STEPS):
            story.live()
        story.come_to_rest()
