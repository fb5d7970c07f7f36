"""How an ERP comes to its numbers: one class for each way. None of them is more honest than a real one."""

from __future__ import annotations

import abc
import collections
import random
import typing as t

from tests.faults.stories.steps import KEYS
from tests.faults.stories.truth import Booking, ErpRow, current_row, row_as_of, row_following_the_tap

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.stories.schedules import Options
    from tests.faults.stories.steps import Key
    from tests.faults.stories.truth import Truth

#: How far an ERP's clock is off in the stories, in parts of the skew that is set.
CLOCK_ERRORS = (-1.0, -0.5, 0.0, 0.5, 1.0)
#: An ERP that is so far behind books nothing at all.
OUTAGE = 9


class Moment(t.NamedTuple):
    """When an ERP writes.

    Attributes:
        now: The time of day, seconds since the epoch.
        settled: Events that arrived by then (seconds on the world's clock) count as settled.
        last: The last logical timestamp NewStore has given.
        skew: The mapper's `clock_skew_seconds`.
    """

    now: float
    settled: float
    last: int
    skew: float


class ErpOfStory(abc.ABC):
    """An ERP's rows.

    Attributes:
        rows: As they stand, by key.
    """

    def __init__(self, truth: Truth, seed: int) -> None:
        self._truth = truth
        self._chance = random.Random(seed)
        self.rows: dict[Key, ErpRow] = {}

    @abc.abstractmethod
    def write(self, keys: Iterable[Key], behind: int, moment: Moment) -> None:
        """Bring the rows of some keys up to date; `behind` says how far it lags, 0: not at all."""

    def units_left(self) -> bool:
        """Take note that units have left the shelf; return whether a row has changed by it."""
        return False


class FollowsTheTap(ErpOfStory):
    """It is fed by released events."""

    def write(self, keys: Iterable[Key], behind: int, moment: Moment) -> None:
        del behind
        for key in keys:
            self.rows[key] = row_following_the_tap(self._truth, key, moment.settled)


class ShipsInOrder(ErpOfStory):
    """It ships by itself and books in the order of NewStore's timestamps."""

    def write(self, keys: Iterable[Key], behind: int, moment: Moment) -> None:
        for key in keys:
            self.rows[key] = row_as_of(self._truth, key, moment.last - behind)


class IsCurrent(ErpOfStory):
    """It ships by itself, and whoever reads it reads what is so now."""

    def write(self, keys: Iterable[Key], behind: int, moment: Moment) -> None:
        del behind, moment
        for key in keys:
            self.rows[key] = current_row(self._truth, self._truth.level[key], key)

    def units_left(self) -> bool:
        # Its numbers contain the units before anybody learns of them.
        for key, row in self.rows.items():
            self.rows[key] = current_row(self._truth, row.level, key)
        return True


class BooksInAnyOrder(ErpOfStory):
    """It books completions when and in whatever order it likes, in part too, and lists what it has booked."""

    def __init__(self, truth: Truth, seed: int, *, reverses: bool) -> None:
        super().__init__(truth, seed)
        self._reverses = reverses
        self._booked: dict[Key, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self._levels = dict(truth.level)

    def write(self, keys: Iterable[Key], behind: int, moment: Moment) -> None:
        del moment
        for key in keys:
            self._levels[key] = self._truth.level[key]
            if behind < OUTAGE:
                self._book(key, everything=behind == 0)
            self.rows[key] = self._row(key)

    def _book(self, key: Key, *, everything: bool) -> None:
        booked = self._booked[key]
        if self._reverses and booked and not everything and self._chance.random() < 0.3:
            del booked[self._chance.choice(sorted(booked))]
        for event, done in self._truth.completions.items():
            missing = done.units.get(key, 0) - booked[event]
            booked[event] += missing if everything else self._chance.randint(0, missing)

    def _row(self, key: Key) -> ErpRow:
        bookings = tuple(
            Booking(event, done.request, done.order, done.at, units)
            for event, done in self._truth.completions.items()
            if (units := self._booked[key][event])
        )
        level = self._levels[key]
        return ErpRow(level - sum(booking.units for booking in bookings), None, level, bookings=bookings)


class WritesLists(ErpOfStory):
    """It ships by itself and writes whole lists, dated by a clock that is off; old ones are handed out too."""

    def __init__(self, truth: Truth, seed: int) -> None:
        super().__init__(truth, seed)
        self._error = self._chance.choice(CLOCK_ERRORS)
        self._lists: list[dict[Key, ErpRow]] = []

    def write(self, keys: Iterable[Key], behind: int, moment: Moment) -> None:
        del keys
        if behind in (0, 1) or not self._lists:
            taken_at = moment.now + self._error * moment.skew
            rows = {key: current_row(self._truth, self._truth.level[key], key, taken_at) for key in KEYS}
            self._lists.append(rows)
        self.rows = dict(self._lists[-min(1 + behind // 3, len(self._lists))])


def erp_of(options: Options, truth: Truth, seed: int) -> ErpOfStory:
    """Return the ERP of a shop."""
    if options.erp == "books":
        return BooksInAnyOrder(truth, seed, reverses=options.erp_reverses)
    kinds: dict[str, type[ErpOfStory]] = {
        "follows": FollowsTheTap,
        "ships": ShipsInOrder,
        "current": IsCurrent,
        "lists": WritesLists,
    }
    return kinds[options.erp](truth, seed)
