"""The landing store in memory, and what one run of the tap releases from it (design rules 1 and 2)."""

from __future__ import annotations

import collections
import typing as t

import msgspec
from tap_newstore_fulfillment.landing.release import Bookmark, KnownLate, ReleasePlan

from tests.faults.model.readings import SETTLE, Key


class Sale(t.NamedTuple):
    """One completion, as NewStore publishes it.

    Attributes:
        number: Order of publication; a receiver that assigned positions before the commit would assign this one.
        at: Logical timestamp.
        published: Tick of NewStore's clock.
        arrives: Tick.
        request: The fulfilment request it belongs to; a request may be completed in parts.
    """

    number: int
    event_id: str
    at: int
    published: int
    arrives: int
    request: str
    units: tuple[tuple[Key, int], ...]

    @property
    def is_late(self) -> bool:
        """Whether it arrives later than NewStore promises."""
        return self.arrives > self.published + SETTLE


class Sent(t.NamedTuple):
    """A record of the tap. `is_late`: the tap says that it came late."""

    sale: Sale
    is_released: bool
    is_late: bool


def units_of(node: str, products: t.Iterable[str]) -> tuple[tuple[Key, int], ...]:
    """Return the units of each key."""
    return tuple(collections.Counter((node, product) for product in products).items())


class Arrival(t.NamedTuple):
    """A sale that the receiver has answered with 200."""

    position: int
    received: int
    sale: Sale


class Landing:
    """Keeps the events that arrived, each once.

    Attributes:
        late: Events that arrived below a bookmark that had been released already.
    """

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.known: set[str] = set()
        self.late: set[str] = set()

    def receive(self, sale: Sale, now: int) -> None:
        """Keep an event; a duplicate changes nothing."""
        if sale.event_id not in self.known:
            self.known.add(sale.event_id)
            self.arrivals.append(Arrival(self.position_of(sale), now, sale))

    def position_of(self, sale: Sale) -> int:
        """Return the next position, in commit order."""
        del sale
        return len(self.arrivals) + 1

    def plan(self, start: Bookmark, now: int) -> ReleasePlan:
        """Return what one run releases, and record which events came late."""
        position = max((arrival.position for arrival in self.arrivals), default=0)
        plan = ReleasePlan.make(start, mark=self.settled(now), position=position, store_id="store", oldest=None)
        if plan.finds_late_events:
            self.late |= {sale.event_id for sale in self._below(plan)}
        if not self.late:
            return plan
        last = [sale.at for sale in self._above(plan) if self.is_known_late(sale)]
        return msgspec.structs.replace(plan, late=KnownLate(min(last), 0, 0)) if last else plan

    def settled(self, now: int) -> int | None:
        """Return the highest timestamp received long enough ago."""
        return max((arrival.sale.at for arrival in self.arrivals if arrival.received <= now - SETTLE), default=None)

    def released(self, plan: ReleasePlan) -> list[Sent]:
        """Return the records a plan releases: newly late, settled, known to be late; each group in order."""
        below, above = sorted(self._below(plan), key=_timestamp), sorted(self._above(plan), key=_timestamp)
        late = [sale for sale in above if self.is_known_late(sale)] if self.late else []
        settled = [sale for sale in above if sale not in late]
        return [*(Sent(sale, True, False) for sale in below + settled), *(Sent(sale, True, True) for sale in late)]

    def is_known_late(self, sale: Sale) -> bool:
        """Return whether an earlier run found an event late."""
        return sale.event_id in self.late

    def _below(self, plan: ReleasePlan) -> list[Sale]:
        last = plan.start.through
        if last is None:
            return []
        return [
            arrival.sale
            for arrival in self.arrivals
            if arrival.sale.at <= last and self.is_new_below(arrival, plan.start)
        ]

    def _above(self, plan: ReleasePlan) -> list[Sale]:
        last, through = plan.start.through, plan.through
        if through is None:
            return []
        return [
            arrival.sale
            for arrival in self.arrivals
            if (last is None or arrival.sale.at > last) and arrival.sale.at <= through
        ]

    def is_new_below(self, arrival: Arrival, start: Bookmark) -> bool:
        """Return whether an event below the bookmark arrived after the run that made it."""
        return arrival.position > start.position

    def unreleased(self, plan: ReleasePlan) -> list[Sent]:
        """Return the records of sales that wait above the release mark."""
        through = plan.through
        waiting = (arrival.sale for arrival in self.arrivals if through is None or arrival.sale.at > through)
        return [Sent(sale, False, False) for sale in waiting]


def _timestamp(sale: Sale) -> int:
    return sale.at
