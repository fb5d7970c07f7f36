"""ERPs that write lists of any age, and that book in any order, in parts, not for a while, or back again."""

from __future__ import annotations

import typing as t

from tests.faults.model.erp import Booking, Erp, FollowsTheTap, Moment, Row, Rows, Ships

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.faults.model.landing import Sale
    from tests.faults.model.readings import Key, Readings


class WritesLists(Erp):
    """It writes lists now and then, and hands out any of them, also an older one after a newer one.

    Args:
        keys: All keys.
        opening: Units of each.
        clock_error: By how many ticks its clock is ahead.
    """

    def __init__(self, keys: t.Iterable[Key], opening: int, clock_error: int = 0) -> None:
        super().__init__(keys, opening)
        self._clock_error = clock_error
        self._lists: list[Rows] = [{key: self.row(Moment(0, 0, t.cast("t.Any", None)), key) for key in self.level}]
        self._age = 0

    def write(self, moment: Moment, keys: Sequence[Key]) -> None:
        """Write a list in which these keys are counted anew; the other rows stay, with their own times."""
        for key in keys:
            self.book_goods(moment, key)
        self._lists.append(self._lists[-1] | {key: self.row(moment, key) for key in keys})
        self._age = 0

    def hand_out(self, moment: Moment, age: int) -> None:
        """Hand out an older list from now on."""
        del moment
        self._age = age

    def row(self, moment: Moment, key: Key) -> Row:
        """Return a row as it is now."""
        row = self.as_current(key, moment.now + self._clock_error)
        return row._replace(contained=dict(row.contained))

    def rows(self) -> Rows:
        return self._lists[-1 - self._age % len(self._lists)]

    def catch_up(self, moment: Moment, *, late: bool) -> None:
        del late
        self.write(moment, tuple(self.level))


class BooksInAnyOrder(Erp):
    """It books completions in any order and in parts, and lists what it has booked.

    Args:
        keys: All keys.
        opening: Units of each.
        whole_events: Whether it books an event with all its units at once.
    """

    def __init__(self, keys: t.Iterable[Key], opening: int, *, whole_events: bool) -> None:
        super().__init__(keys, opening)
        self._whole_events = whole_events
        self._requests: dict[str, str] = {}
        self._booked: dict[Key, dict[str, int]] = {key: {} for key in self.level}
        self._out_until = 0
        self._listed: int | None = None

    def sell(self, sale: Sale) -> None:
        super().sell(sale)
        self._requests[sale.event_id] = sale.request

    def book(self, moment: Moment, which: int, units: int) -> None:
        """Book some units of one completion that is not wholly booked."""
        if moment.now < self._out_until:
            return
        open_ = [
            (key, event)
            for key, sold in self.sold.items()
            for event, count in sold.items()
            if self._booked[key].get(event, 0) < count
        ]
        if open_:
            self._book(*open_[which % len(open_)], units)

    def _book(self, key: Key, event: str, units: int) -> None:
        for booked in self.level if self._whole_events else (key,):
            if (count := self.sold[booked].get(event)) is not None:
                more = count if self._whole_events else self._booked[booked].get(event, 0) + units
                self._booked[booked][event] = min(more, count)

    def book_all(self, moment: Moment, key: Key) -> None:
        """Book all that has left a shelf, and goods."""
        if moment.now >= self._out_until:
            self.book_goods(moment, key)
            for event, units in self.sold[key].items():
                self._book(key, event, units)

    def take_back(self, moment: Moment, which: int) -> None:
        """Reverse the booking of a completion."""
        del moment
        booked = [(key, event) for key, events in self._booked.items() for event in events]
        if booked:
            key, event = booked[which % len(booked)]
            del self._booked[key][event]

    def go_out(self, moment: Moment, ticks: int) -> None:
        """Book nothing for a while; what is booked can still be read."""
        self._out_until = moment.now + ticks

    def list_less(self, moment: Moment, lines: int | None) -> None:
        """List only so many of the bookings from now on (None: all)."""
        del moment
        self._listed = lines

    def bookings(self) -> list[Booking]:
        lines = [
            Booking(event, self._requests[event], key, units)
            for key, booked in self._booked.items()
            for event, units in booked.items()
        ]
        return lines if self._listed is None else lines[: self._listed]

    def rows(self) -> Rows:
        return {key: self.row(key) for key in self.level}

    def row(self, key: Key) -> Row:
        """Return a row as it is now."""
        booked, level = self._booked[key], self.level[key]
        return Row(level - sum(booked.values()), self.says(key), level, booked)

    def says(self, key: Key) -> int | None:
        """Return what a row says of the completions it contains: nothing, the list of bookings does."""
        del key
        return None

    def catch_up(self, moment: Moment, *, late: bool) -> None:
        del late
        self._out_until, self._listed = 0, None
        for index, key in enumerate(self.level):
            # The numbers must also be right if the ERP keeps lagging.
            (self.book_goods if index % 2 else self.book_all)(moment, key)


class BooksAndSaysUpToWhere(BooksInAnyOrder):
    """It books in any order, and its rows say up to which timestamp every completion is booked (`column`).

    Its rows are read from lists of any age.
    """

    def __init__(self, keys: t.Iterable[Key], opening: int) -> None:
        super().__init__(keys, opening, whole_events=False)
        self._lists: list[Rows] = []
        self._write()

    def write(self, moment: Moment) -> None:
        """Write a list."""
        del moment
        self._write()

    def _write(self) -> None:
        self._lists.append({key: row._replace(contained=dict(row.contained)) for key, row in super().rows().items()})
        self._age = 0

    def hand_out(self, moment: Moment, age: int) -> None:
        """Hand out an older list from now on."""
        del moment
        self._age = age

    def rows(self) -> Rows:
        return self._lists[-1 - self._age % len(self._lists)]

    def says(self, key: Key) -> int | None:
        booked = self._booked[key]
        missing = (event for event, units in self.sold[key].items() if booked.get(event, 0) < units)
        if (first := next(missing, None)) is not None:
            return self.at[first] - 1
        return max(self.at.values(), default=None)

    def is_right_about(self, sale: Sale, key: Key) -> bool:
        row = self.rows()[key]
        return row.says is None or sale.at > row.says or sale.event_id in row.contained

    def catch_up(self, moment: Moment, *, late: bool) -> None:
        super().catch_up(moment, late=late)
        for key in self.level:
            self.book_all(moment, key)
        self.write(moment)


def erp_of(readings: Readings, keys: t.Iterable[Key], opening: int) -> Erp:
    """Return the ERP whose numbers prove what they contain by a form."""
    if readings.form == "column":
        return BooksAndSaysUpToWhere(keys, opening) if readings.books else FollowsTheTap(keys, opening)
    if readings.form == "current":
        return Ships(keys, opening)
    if readings.form == "taken_at":
        return WritesLists(keys, opening, readings.clock_error)
    return BooksInAnyOrder(keys, opening, whole_events=readings.form == "booked by event")
