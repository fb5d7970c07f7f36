"""The landing store in memory, and what one run of the tap releases from it (design rules 1 and 2)."""

from __future__ import annotations

import dataclasses
import typing as t

from tap_newstore_fulfillment.landing.release import Bookmark, KnownLate, ReleasePlan

#: NewStore delivers within 15 minutes. One tick of the model's clock is 5 minutes.
SETTLE = 3
TICK_MINUTES = 5


class Sale(t.NamedTuple):
    """One completion, as NewStore publishes it.

    Attributes:
        number: Order of publication; a receiver that assigned positions before the commit would assign this one.
        released: The tap's record.
        ahead: The tap's record before the sale has settled.
    """

    number: int
    at: int
    published: int
    arrives: int
    node: str
    products: tuple[str, ...]
    released: dict[str, t.Any]
    ahead: dict[str, t.Any]

    @property
    def event_id(self) -> str:
        return t.cast("str", self.released["event_id"])

    @property
    def is_late(self) -> bool:
        """Whether it arrives later than NewStore promises."""
        return self.arrives > self.published + SETTLE


def make_sale(number: int, at: int, *, published: int, arrives: int, node: str, products: tuple[str, ...]) -> Sale:
    """Return a completion with its records."""
    record = {
        "event_id": f"completed:{at}",
        "logical_timestamp": at,
        "fulfillment_location_id": node,
        "items": [{"product_id": product} for product in products],
    }
    released, ahead = {**record, "released": True}, {**record, "released": False}
    return Sale(number, at, published, arrives, node, products, released, ahead)


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
        last = [sale.at for sale in self._above(plan) if self.is_known_late(sale)]
        return dataclasses.replace(plan, late=KnownLate(min(last), 0, 0)) if last else plan

    def settled(self, now: int) -> int | None:
        """Return the highest timestamp received long enough ago."""
        return max((arrival.sale.at for arrival in self.arrivals if arrival.received <= now - SETTLE), default=None)

    def released(self, plan: ReleasePlan) -> list[Sale]:
        """Return the sales a plan releases: newly late, settled, known to be late; each group in order."""
        above = sorted(self._above(plan), key=_timestamp)
        settled = [sale for sale in above if not self.is_known_late(sale)]
        return sorted(self._below(plan), key=_timestamp) + settled + self.known_late(plan)

    def known_late(self, plan: ReleasePlan) -> list[Sale]:
        """Return the sales above the start that an earlier run of the tap found late."""
        return sorted((sale for sale in self._above(plan) if self.is_known_late(sale)), key=_timestamp)

    def is_known_late(self, sale: Sale) -> bool:
        """Return whether an earlier run found an event late."""
        return sale.event_id in self.late

    def _below(self, plan: ReleasePlan) -> list[Sale]:
        last = plan.start.through
        return [
            arrival.sale
            for arrival in self.arrivals
            if last is not None and arrival.sale.at <= last and self.is_new_below(arrival, plan.start)
        ]

    def _above(self, plan: ReleasePlan) -> list[Sale]:
        last, through = plan.start.through, plan.through
        return [
            arrival.sale
            for arrival in self.arrivals
            if (last is None or arrival.sale.at > last) and through is not None and arrival.sale.at <= through
        ]

    def is_new_below(self, arrival: Arrival, start: Bookmark) -> bool:
        """Return whether an event below the bookmark arrived after the run that made it."""
        return arrival.position > start.position

    def unreleased(self, plan: ReleasePlan) -> list[Sale]:
        """Return the sales that wait above the release mark."""
        through = plan.through
        return [arrival.sale for arrival in self.arrivals if through is None or arrival.sale.at > through]


def _timestamp(sale: Sale) -> int:
    return sale.at
