"""The truth: the shelf, the orders, and what the ERP wrote about them.

Only the steps of a schedule change it, never the product under test.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.faults.stories.steps import Key
    from tests.faults.stories.world import Published


@dataclasses.dataclass
class Completion:
    """Units that left the shelf with one event.

    Attributes:
        at: Logical timestamp.
        units: Units by key.
        arrived: When it was first answered 200 (seconds), or None.
        due: When it has to arrive, as promised (seconds).
        request: The fulfilment request it belongs to.
        order: The order it belongs to.
    """

    at: int
    units: dict[Key, int]
    due: float
    arrived: float | None = None
    request: str = ""
    order: str = ""


class Truth:
    """The shelf, unit by unit.

    Attributes:
        shelf: Units there.
        open: Units ordered, and neither shipped nor failed.
        level: Units ever received, minus those lost; shipping does not change it.
        shipped: Units ever shipped.
        completions: Completions by event id.
    """

    def __init__(self, stock: Mapping[Key, int]) -> None:
        self.shelf = dict(stock)
        self.level = dict(stock)
        self.open: dict[Key, int] = collections.Counter()
        self.shipped: dict[Key, int] = collections.Counter()
        self.completions: dict[str, Completion] = {}

    def free(self, key: Key) -> int:
        """Return the units that are there and not ordered."""
        return self.shelf[key] - self.open[key]

    def order(self, keys: Iterable[Key]) -> None:
        """Promise a unit of each key to a customer."""
        for key in keys:
            self.open[key] += 1

    def ship(self, event: Published, keys: Iterable[Key], due: float) -> None:
        """Take a unit of each key off the shelf."""
        units = collections.Counter(keys)
        done = Completion(event.at, dict(units), due, request=event.request, order=event.order)
        self.completions[event.event_id] = done
        for key, count in units.items():
            self.open[key] -= count
            self.shelf[key] -= count
            self.shipped[key] += count

    def fail(self, keys: Iterable[Key]) -> None:
        """Free an ordered unit of each key."""
        for key in keys:
            self.open[key] -= 1

    def move(self, key: Key, units: int) -> None:
        """Receive units, or lose them if negative."""
        self.shelf[key] += units
        self.level[key] += units

    def shipped_up_to(self, key: Key, at: int) -> int:
        """Return the units of a key shipped up to a logical timestamp."""
        return sum(done.units.get(key, 0) for done in self.completions.values() if done.at <= at)

    def overdue(self, now: float) -> set[str]:
        """Return the completions that should have arrived but have not."""
        return {event for event, done in self.completions.items() if done.due <= now and done.arrived is None}

    def late_units(self, key: Key) -> int:
        """Return the units of a key in events that came later than promised."""
        return sum(done.units.get(key, 0) for done in self._late())

    def late_keys(self) -> set[Key]:
        """Return the keys of events that came later than promised."""
        return {key for done in self._late() for key in done.units}

    def _late(self) -> list[Completion]:
        return [done for done in self.completions.values() if done.arrived is not None and done.arrived > done.due]


class Booking(t.NamedTuple):
    """Units of one completion the ERP has booked."""

    event_id: str
    request: str
    order: str
    at: int
    units: int


@dataclasses.dataclass(frozen=True)
class ErpRow:
    """A row of the ERP.

    Attributes:
        level: The level it was computed from.
        claimed: Completions that its as-of claims but that had not arrived when it was written.
        bookings: What the ERP says its number contains.
        taken_at: When the ERP says it was taken (seconds).
        is_listed: It is in the list; what the ERP has booked is listed in any case.
    """

    quantity: int | str
    as_of: int | None
    level: int
    claimed: frozenset[str] = frozenset()
    bookings: tuple[Booking, ...] = ()
    taken_at: float | None = None
    is_listed: bool = True


def row_following_the_tap(truth: Truth, key: Key, settled: float) -> ErpRow:
    """Return the row of an ERP that is fed by released events.

    Args:
        truth: The shelf.
        key: Whose row.
        settled: Events that arrived by then (seconds) count as settled.
    """
    arrived = [done for done in truth.completions.values() if done.arrived is not None]
    mark = max((done.at for done in arrived if t.cast("float", done.arrived) <= settled), default=None)
    if mark is None:
        return ErpRow(truth.level[key], None, truth.level[key])
    units = sum(done.units.get(key, 0) for done in arrived if done.at <= mark)
    claimed = {event for event, done in truth.completions.items() if done.at <= mark and done.arrived is None}
    return ErpRow(truth.level[key] - units, mark, truth.level[key], frozenset(claimed))


def row_as_of(truth: Truth, key: Key, as_of: int) -> ErpRow:
    """Return the row of an ERP that ships by itself and has booked everything up to a timestamp."""
    level = truth.level[key]
    if as_of < 1:
        return ErpRow(level, None, level)
    return ErpRow(level - truth.shipped_up_to(key, as_of), as_of, level)


def current_row(truth: Truth, level: int, key: Key, taken_at: float | None = None) -> ErpRow:
    """Return the row of an ERP whose numbers contain every completion; `taken_at`: when it says that it took it."""
    return ErpRow(level - truth.shipped[key], None, level, taken_at=taken_at)
