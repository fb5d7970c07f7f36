"""The ERP in memory: it learns of completions from the tap, or by counting the shelf."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from tap_newstore_fulfillment.landing.release import Bookmark

if t.TYPE_CHECKING:
    from tests.faults.model.landing import Landing, Sale

Key = tuple[str, str]


@dataclasses.dataclass
class Row:
    """One key's row, and the events its number really contains.

    Attributes:
        contained: Events whose units are already subtracted.
    """

    quantity: int
    as_of: int | None
    contained: set[str]


class Erp:
    """Keeps a row per key.

    Args:
        keys: All keys.
        opening: Units of each on the shelf at the start.
        current: Whether the ERP ships the goods itself, so that its numbers contain every completion at once.

    Attributes:
        booked: Per key, the opening stock plus received and minus lost goods, as far as booked.
        not_booked: Per key, goods received (negative: lost) but not booked yet.
    """

    def __init__(self, keys: t.Iterable[Key], opening: int, *, current: bool) -> None:
        self.current = current
        self.booked = dict.fromkeys(keys, opening)
        self.not_booked: dict[Key, int] = collections.Counter()
        self.rows = {key: Row(opening, None, set()) for key in self.booked}
        self.sold: dict[Key, dict[str, int]] = {key: {} for key in self.booked}
        self._feed = Bookmark()
        self._fed: dict[Key, set[str]] = {key: set() for key in self.booked}

    def sell(self, sale: Sale) -> None:
        """Record what was really sold."""
        for product in sale.products:
            units = self.sold[sale.node, product]
            units[sale.event_id] = units.get(sale.event_id, 0) + 1

    def apply(self, key: Key, landing: Landing, now: int) -> None:
        """Bring a row up to date with all the tap has released."""
        plan = landing.plan(self._feed, now)
        for sale in landing.released(plan):
            for product in sale.products:
                self._fed[sale.node, product].add(sale.event_id)
        self._feed = plan.end
        row = self.rows[key]
        as_of = max((value for value in (row.as_of, plan.through) if value is not None), default=None)
        self._write(key, as_of, row.contained | self._fed[key])

    def count(self, key: Key, last: int | None) -> None:
        """Count a shelf; `last` is the highest timestamp so far."""
        self._write(key, last, set(self.sold[key]))

    def book(self, key: Key) -> None:
        """Book goods only; the row keeps lagging behind the completions."""
        row = self.rows[key]
        self._write(key, row.as_of, row.contained)

    def row(self, key: Key) -> tuple[int, int | None]:
        """Return quantity and as-of, as the mapper would read them now."""
        if self.current:
            return self.booked[key] - sum(self.sold[key].values()), None
        return self.rows[key].quantity, self.rows[key].as_of

    def is_right_about(self, sale: Sale, key: Key) -> bool:
        """Return whether a row contains the sale or does not claim to."""
        if self.current:
            return True
        row = self.rows[key]
        return row.as_of is None or sale.at > row.as_of or sale.event_id in row.contained

    def _write(self, key: Key, as_of: int | None, contained: set[str]) -> None:
        self.booked[key] += self.not_booked.pop(key, 0)
        sold = self.sold[key]
        quantity = self.booked[key] - sum(sold[event] for event in contained)
        self.rows[key] = Row(quantity, as_of, contained)
