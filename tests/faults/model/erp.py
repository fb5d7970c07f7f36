"""What every ERP of the model has, and the two that know completions in order: from the tap, or by shipping."""

from __future__ import annotations

import abc
import collections
import typing as t

from tap_newstore_fulfillment.landing.release import Bookmark

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.faults.model.landing import Landing, Sale
    from tests.faults.model.readings import Key


class Moment(t.NamedTuple):
    """When an ERP acts: the tick, and what there is to know. `last`: the highest logical timestamp so far."""

    now: int
    last: int
    landing: Landing


class Row(t.NamedTuple):
    """One key's number.

    Attributes:
        says: What it says of the completions it contains: a logical timestamp, a time or nothing.
        level: Units received less those lost, as far as the ERP knew.
        contained: The units of each event that are really in it; nobody outside the ERP knows.
    """

    quantity: int
    says: int | None
    level: int
    contained: Mapping[str, int]


Rows = dict["Key", Row]


class Booking(t.NamedTuple):
    """A line of the list of what the ERP has booked."""

    event_id: str
    request: str
    key: Key
    units: int


class Erp(abc.ABC):
    """Keeps a number per key. Its public methods with a moment are steps of a schedule.

    Attributes:
        level: Per key, the opening stock plus received and minus lost goods, as far as booked.
        not_booked: Per key, goods received (negative: lost) but not booked yet.
        sold: Per key, the units of each event that have left the shelf, in order.
    """

    def __init__(self, keys: t.Iterable[Key], opening: int) -> None:
        self.level = dict.fromkeys(keys, opening)
        self.not_booked: dict[Key, int] = collections.Counter()
        self.sold: dict[Key, dict[str, int]] = {key: {} for key in self.level}
        self.at: dict[str, int] = {}

    def sell(self, sale: Sale) -> None:
        """Take note of what has left the shelf; whether a number contains it is another question."""
        self.at[sale.event_id] = sale.at
        for key, units in sale.units:
            self.sold[key][sale.event_id] = units

    @abc.abstractmethod
    def rows(self) -> Rows:
        """Return the rows as the mapper would read them now."""

    def bookings(self) -> list[Booking]:
        """Return what it says it has booked."""
        return []

    def is_right_about(self, sale: Sale, key: Key) -> bool:
        """Return whether a row contains the sale or does not claim to."""
        del sale, key
        return True

    @abc.abstractmethod
    def catch_up(self, moment: Moment, *, late: bool) -> None:
        """Do what it takes for the numbers to be equal at rest; `late`: events came later than promised."""

    def book_goods(self, moment: Moment, key: Key) -> None:
        """Book what was received or lost."""
        del moment
        if key in self.not_booked:
            self.level[key] += self.not_booked.pop(key)

    def as_current(self, key: Key, says: int | None = None) -> Row:
        """Return the row of a number that contains every completion."""
        sold, level = self.sold[key], self.level[key]
        return Row(level - sum(sold.values()), says, level, sold)


class FollowsTheTap(Erp):
    """It learns of completions from the tap, or by counting the shelf; its rows say up to where (`column`)."""

    def __init__(self, keys: t.Iterable[Key], opening: int) -> None:
        super().__init__(keys, opening)
        self._rows = {key: Row(opening, None, opening, {}) for key in self.level}
        self._feed = Bookmark()
        self._fed: dict[Key, dict[str, int]] = {key: {} for key in self.level}

    def apply(self, moment: Moment, key: Key) -> None:
        """Bring a row up to date with all the tap has released."""
        plan = moment.landing.plan(self._feed, moment.now)
        for sent in moment.landing.released(plan):
            for sold, units in sent.sale.units:
                self._fed[sold][sent.sale.event_id] = units
        self._feed = plan.end
        row = self._rows[key]
        as_of = max((value for value in (row.says, plan.through) if value is not None), default=None)
        self._write(moment, key, as_of, {**row.contained, **self._fed[key]})

    def count(self, moment: Moment, key: Key) -> None:
        """Count a shelf."""
        self._write(moment, key, moment.last or None, dict(self.sold[key]))

    def rows(self) -> Rows:
        return dict(self._rows)

    def is_right_about(self, sale: Sale, key: Key) -> bool:
        row = self._rows[key]
        return row.says is None or sale.at > row.says or sale.event_id in row.contained

    def catch_up(self, moment: Moment, *, late: bool) -> None:
        for index, key in enumerate(self.level):
            if index % 2 and not late:
                # The numbers must also be right if the ERP keeps lagging.
                self.book_goods(moment, key)
            else:
                # A late event counts until the row changes.
                self.count(moment, key)

    def book_goods(self, moment: Moment, key: Key) -> None:
        row = self._rows[key]
        self._write(moment, key, row.says, row.contained)

    def _write(self, moment: Moment, key: Key, as_of: int | None, contained: Mapping[str, int]) -> None:
        super().book_goods(moment, key)
        level = self.level[key]
        self._rows[key] = Row(level - sum(contained.values()), as_of, level, contained)


class Ships(Erp):
    """It ships the goods itself, and is read live (`current`)."""

    def rows(self) -> Rows:
        return {key: self.as_current(key) for key in self.level}

    def catch_up(self, moment: Moment, *, late: bool) -> None:
        del late
        for key in self.level:
            self.book_goods(moment, key)
