"""A shop whose hidden units are accounted for twice: by the ledger, and from the truth."""

from __future__ import annotations

import dataclasses
import tempfile
import typing as t
from pathlib import Path

import sqlalchemy as sa
from mapper_newstore_stock.ledger.lock import Holder

from tests.faults.players.one_process import OneProcess
from tests.faults.stories.schedules import make_schedule
from tests.faults.stories.steps import SOURCES, LoseState, RestoreState, Run, Wait

if t.TYPE_CHECKING:
    from tests.faults.players.plugins_here import CountedState, Record
    from tests.faults.stories.schedules import Schedule
    from tests.faults.stories.steps import Key, Step

SECONDS_PER_MINUTE = 60


@dataclasses.dataclass(frozen=True)
class Priced:
    """What was hidden in one shop.

    Attributes:
        true: Unit-minutes by what NewStore promised and what was free, whenever a run planned.
        said: The ledger's, by cause.
    """

    true: float
    said: dict[str, float]


def price(seed: int, **options: t.Any) -> Priced:
    """Play the schedule of a seed, with no part failing and no fold, and return both accounts.

    The pipeline runs once before the shop opens, and of every other shop also whenever some time has passed.
    """
    schedule = make_schedule(seed, breaks_the_promise=False, folds=False, **options)
    steps: list[Step] = [Run()]
    for step in schedule.steps:
        if not isinstance(step, (LoseState, RestoreState)):
            steps.append(dataclasses.replace(step, fault=None) if isinstance(step, Run) else step)
        if isinstance(step, Wait) and seed % 2:
            steps.append(Run())
    with tempfile.TemporaryDirectory() as directory:
        shop = PricedShop(dataclasses.replace(schedule, steps=tuple(steps)), Path(directory))
        with shop:
            verdict = shop.play()
            assert not verdict.failures, verdict.failures
            return Priced(shop.true, shop.said())


class PricedShop(OneProcess):
    """A shop in this process; whenever a run plans, its judge looks at NewStore and at the shelf.

    Attributes:
        true: Unit-minutes hidden so far.
    """

    def __init__(self, schedule: Schedule, directory: Path) -> None:
        super().__init__(schedule, directory)
        self.true = 0.0
        self._last_look = 0.0
        #: The levels of the rows last read, of keys that NewStore has a number of.
        self._level: dict[Key, int] = {}
        #: Since when the row of a key could not be read.
        self._unread: dict[Key, float] = {}

    def said(self) -> dict[str, float]:
        """Return the ledger's account by cause, in unit-minutes."""
        with self._engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT cause, sum(unit_minutes) FROM hidden GROUP BY cause"))
            return {cause: float(minutes) for cause, minutes in rows}

    def _holder(self) -> Holder:
        return Holder("here", 1, self._time_of_day().isoformat(timespec="seconds"))

    def _map(self, records: list[Record], states: list[CountedState]) -> list[bytes]:
        level = {key: row.level for key, row in self._erp_rows.readable().items()}
        found = [self._look(key, level.get(key, last), last) for key, last in self._level.items()]
        lines = super()._map(records, states)
        if self._mapper_is_well:
            self.true += sum(found)
            self._level |= level
            self._unread = {key: self._unread_since(key) for key in self._level.keys() - level.keys()}
            self._last_look = self._clock
        return lines

    def _unread_since(self, key: Key) -> float:
        """Return when a row was last read; of a list that was read without it, when that was noticed."""
        sources = self._erp_rows.failing
        is_failing = any(key[0] in SOURCES[source] for source in sources)
        return self._unread.get(key, self._last_look if is_failing else self._clock)

    def _hidden_units(self, key: Key, level: int) -> int:
        """Return the units of a key that are free by a row of the ERP, and that NewStore does not promise."""
        return max(level - self.truth.shipped[key] - self.truth.open[key] - (self.atp(key) or 0), 0)

    def _look(self, key: Key, level: int, last: int) -> float:
        units, gained = self._hidden_units(key, level), max(level - last, 0)
        seconds = units * (self._clock - self._last_look)
        if key in self._unread:
            # What the ERP gained while nobody could read it was hidden as long.
            seconds += min(gained, units) * (self._last_look - self._unread[key])
        return seconds / SECONDS_PER_MINUTE
