"""Random days of a shop, judged by the true shelf after every import (the invariant of the design).

Landing store, release, ledger and cuts are the real ones. The ERP lags, imports stop half way, states
get lost, events come late. Each day is one seed, which is in the name of its test.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import random
import typing as t

import pytest
from newstore_sandbox.stock import Scope, Stock, Unit
from tap_newstore_fulfillment.events import check_event
from tap_newstore_fulfillment.landing.release import Bookmark
from tap_newstore_fulfillment.landing.store import LandingStore
from tap_newstore_fulfillment.records import read_record, to_dict

from tests.mapper.shop_day import STREAM, Ledgers, SentCut, ShopDay

if t.TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

Key = tuple[str, str]

KEYS = [("DC01", "A"), ("DC01", "B"), ("NYC1", "A"), ("NYC1", "C")]
SETTLE = 3
DAYS = 10
STEPS = 40


@dataclasses.dataclass
class UnderWay:
    """An event NewStore has published and the receiver has not got yet."""

    arrives: int
    body: dict[str, t.Any]


class Day:
    """One random day.

    Args:
        directory: For landing store, ledger and CSV.
        seed: Everything random comes from it.
        engine: For the ledger.
        scope: What a range covers.
        beyond_the_promise: Events may arrive later than the settle time allows.
        shipped_before: How many orders were completed before the receiver was there to be told.
    """

    def __init__(
        self,
        directory: Path,
        engine: sa.Engine,
        seed: int,
        scope: Scope,
        *,
        beyond_the_promise: bool = False,
        shipped_before: int = 0,
    ) -> None:
        self._chance = random.Random(seed)
        self._now = 0
        self._latest_delay = SETTLE * 4 if beyond_the_promise else SETTLE
        self._landing = LandingStore(f"sqlite:///{directory / 'landing.db'}")
        most = self._chance.choice([1, 2, 3, 100])
        self._shop = ShopDay(directory, engine, max_cut_items=most, contained_through=shipped_before or None)
        self._states: list[dict[str, t.Any]] = [{}]
        self.stock = Stock(scope)
        self._units: list[Unit] = []
        self._timestamps = iter(range(1, 10_000))
        self._under_way: list[UnderWay] = []
        self._received: dict[Key, int] = collections.Counter()
        self._released: dict[str, dict[str, t.Any]] = {}
        for key in KEYS:
            self.stock.on_hand[key] = self.stock.shelf[key] = self._received[key] = 30
        for _ in range(shipped_before):
            self._ship_untold()
        for key in KEYS:
            self._erp_counts(key)

    def close(self) -> None:
        self._landing.close()

    def live(self) -> None:
        """Do random things."""
        steps = [self._sell] * 6 + [self._pass_time] * 4 + [self._run] * 4 + [self._erp_changes] * 3
        steps += [self._fail_an_order, self._forget_the_state, self._go_back_to_an_older_state]
        for _ in range(STEPS):
            self._chance.choice(steps)()

    def come_to_rest(self) -> None:
        """Let everything arrive, let the ERP catch up, and run undisturbed."""
        for _ in range(2):
            for _ in range(SETTLE * 5):
                self._pass_time()
            self._run(disturbed=False)
        for key in KEYS:
            self._erp_counts(key)
        self._run(disturbed=False)

    def _sell(self) -> None:
        key = self._chance.choice(KEYS)
        if self.stock.free(key) < 1:
            return
        at = next(self._timestamps)
        count = self._chance.randint(1, min(2, self.stock.free(key)))
        units = [Unit(f"{at}-{number}", "order", f"fr-{at}", key) for number in range(count)]
        for unit in units:
            self.stock.assign(unit)
        if self._chance.random() < 0.2:
            self._units += units
            return
        for unit in units:
            self.stock.complete(unit, at)
        payload = {
            "id": f"fr-{at}",
            "logical_timestamp": at,
            "fulfillment_location_id": key[0],
            "items": [{"id": unit.item_id, "product_id": key[1]} for unit in units],
        }
        body = {"tenant": "demo", "name": "fulfillment_request.items_completed", "payload": payload}
        for _ in range(self._chance.choice([1, 1, 2])):
            self._under_way.append(UnderWay(self._now + self._chance.randint(0, self._latest_delay), body))

    def _ship_untold(self) -> None:
        key, at = self._chance.choice(KEYS), next(self._timestamps)
        unit = Unit(f"{at}-0", "order", f"fr-{at}", key)
        self.stock.assign(unit)
        self.stock.complete(unit, at)
        self._received[key] -= 1

    def _fail_an_order(self) -> None:
        if self._units:
            self.stock.fail(self._units.pop())

    def _pass_time(self) -> None:
        self._now += 1
        arrived = [event for event in self._under_way if event.arrives <= self._now]
        self._under_way = [event for event in self._under_way if event.arrives > self._now]
        self._chance.shuffle(arrived)
        self._landing.add([check_event(json.dumps(event.body).encode()) for event in arrived], self._now)

    def _erp_changes(self) -> None:
        key = self._chance.choice(KEYS)
        if self._chance.random() < 0.4:
            units = self._chance.randint(1, 5)
            self.stock.shelf[key] += units
            self._received[key] += units
        self._erp_counts(key)

    def _erp_counts(self, key: Key) -> None:
        """Bring a row up to date with all events released so far, as an ERP fed by the tap does."""
        sold = [record for record in self._released.values() if record["fulfillment_location_id"] == key[0]]
        units = sum(item["product_id"] == key[1] for record in sold for item in record["items"])
        as_of = max((record["logical_timestamp"] for record in self._released.values()), default=None)
        self._shop.erp.count(*key, self._received[key] - units, as_of)

    def _run(self, *, disturbed: bool = True) -> None:
        """Run tap, mapper and imports; a disturbed run may stop after any of its imports."""
        start = Bookmark.from_state(self._shop.state.get("bookmarks", {}).get(STREAM, {}))
        plan = self._landing.plan_release(start, settle_ms=SETTLE, now=self._now)
        arrivals = (arrival for part in self._landing.released(plan) for arrival in part)
        records = [to_dict(read_record(arrival, released=True)) for arrival in arrivals]
        self._shop.bookmark = plan.end.to_state()
        stops = disturbed and self._chance.random() < 0.4
        acknowledged = self._chance.randint(0, 2) if stops else 10_000
        cuts = self._shop.run(*records, acknowledge=acknowledged)
        # An import may have been applied although its STATE got lost.
        for cut in cuts[: acknowledged + self._chance.randint(0, 1)]:
            self._import(cut)
        self._states.append(self._shop.state)
        self._released |= {record["event_id"]: record for record in records}

    def _import(self, cut: SentCut) -> None:
        self.stock.apply_import(cut.cut_id, cut.quantities, cut.range)

    def _forget_the_state(self) -> None:
        if self._chance.random() < 0.3:
            self._shop.state = {}

    def _go_back_to_an_older_state(self) -> None:
        self._shop.state = self._chance.choice(self._states)


def a_day(directory: Path, ledgers: Ledgers, seed: int, scope: Scope, **options: t.Any) -> Stock:
    directory.mkdir()
    day = Day(directory, ledgers.new(directory), seed, scope, **options)
    day.live()
    day.come_to_rest()
    day.close()
    return day.stock


@pytest.fixture(scope="module")
def ledgers() -> Ledgers:
    return Ledgers()


@pytest.mark.parametrize("scope", ["tenant", "file"])
@pytest.mark.parametrize("seed", range(DAYS))
def test_newstore_never_promises_too_much_and_at_rest_exactly_what_is_free(
    tmp_path: Path, ledgers: Ledgers, seed: int, scope: Scope
) -> None:
    stock = a_day(tmp_path / "day", ledgers, seed, scope)
    assert stock.oversold == []
    assert {key: stock.atp(key) for key in KEYS} == {key: stock.free(key) for key in KEYS}


@pytest.mark.parametrize("scope", ["tenant", "file"])
@pytest.mark.parametrize("seed", range(DAYS))
def test_events_later_than_promised_are_made_good(tmp_path: Path, ledgers: Ledgers, seed: int, scope: Scope) -> None:
    stock = a_day(tmp_path / "day", ledgers, seed, scope, beyond_the_promise=True)
    assert {key: stock.atp(key) for key in KEYS} == {key: stock.free(key) for key in KEYS}


@pytest.mark.parametrize("scope", ["tenant", "file"])
@pytest.mark.parametrize("seed", range(DAYS))
def test_what_was_shipped_before_the_first_event_is_never_sold_again(
    tmp_path: Path, ledgers: Ledgers, seed: int, scope: Scope
) -> None:
    stock = a_day(tmp_path / "day", ledgers, seed, scope, shipped_before=5)
    assert stock.oversold == []
    assert {key: stock.atp(key) for key in KEYS} == {key: stock.free(key) for key in KEYS}
