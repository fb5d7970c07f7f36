"""The landing store in memory, and what one run of the tap releases from it (design rules 1 and 2)."""

from __future__ import annotations

import dataclasses
import typing as t

from tap_newstore_fulfillment.landing.release import Bookmark, KnownLate, ReleasePlan

#: NewStore delivers within 15 minutes; one tick of the model's clock is 5.
SETTLE = 3
TICK_MINUTES = 5


class Sale(t.NamedTuple):
    """One completion, as NewStore publishes it.

    Attributes:
        number: Which one it is; a receiver that gave positions when it begins to write would give this one.
        released: The tap's record.
        ahead: The tap's record while it is not settled.
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
        """It arrives later than NewStore promises."""
        return self.arrives > self.published + SETTLE


def make_sale(number: int, at: int, *, published: int, arrives: int, node: str, products: tuple[str, ...]) -> Sale:
    """Give a completion and its records."""
    record = {
        "event_id": f"completed:{at}",
        "logical_timestamp": at,
        "fulfillment_location_id": node,
        "items": [{"product_id": product} for product in products],
    }
    released, ahead = {**record, "released": True}, {**record, "released": False}
    return Sale(number, at, published, arrives, node, products, released, ahead)


class Arrival(t.NamedTuple):
    """A sale the receiver has answered 200."""

    position: int
    received: int
    sale: Sale


class Landing:
    """Keeps what arrived, each event once.

    Attributes:
        late: Events that came below a bookmark, when it had been released already.
    """

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.known: set[str] = set()
        self.late: set[str] = set()

    def receive(self, sale: Sale, now: int) -> None:
        """Keep an event; when it comes again nothing changes."""
        if sale.event_id not in self.known:
            self.known.add(sale.event_id)
            self.arrivals.append(Arrival(self.position_of(sale), now, sale))

    def position_of(self, sale: Sale) -> int:
        """Give the next position, in commit order."""
        del sale
        return len(self.arrivals) + 1

    def plan(self, start: Bookmark, now: int) -> ReleasePlan:
        """Decide what one run releases, and note what of it came late."""
        position = max((arrival.position for arrival in self.arrivals), default=0)
        plan = ReleasePlan.make(start, mark=self.settled(now), position=position, store_id="store", oldest=None)
        if plan.finds_late_events:
            self.late |= {sale.event_id for sale in self._below(plan)}
        last = [sale.at for sale in self._above(plan) if self.is_known_late(sale)]
        return dataclasses.replace(plan, late=KnownLate(min(last), 0, 0)) if last else plan

    def settled(self, now: int) -> int | None:
        """Give the highest timestamp received long enough ago."""
        return max((arrival.sale.at for arrival in self.arrivals if arrival.received <= now - SETTLE), default=None)

    def released(self, plan: ReleasePlan) -> list[Sale]:
        """Give what a plan releases: what came late now, the settled ones, what had come late; each in order."""
        above = sorted(self._above(plan), key=_timestamp)
        settled = [sale for sale in above if not self.is_known_late(sale)]
        return sorted(self._below(plan), key=_timestamp) + settled + self.known_late(plan)

    def known_late(self, plan: ReleasePlan) -> list[Sale]:
        """Give those above the start that are known to have come late: the tap says so."""
        return sorted((sale for sale in self._above(plan) if self.is_known_late(sale)), key=_timestamp)

    def is_known_late(self, sale: Sale) -> bool:
        """Say whether an event came late for an earlier run."""
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
        """Say whether an event below the bookmark arrived after the run that made it."""
        return arrival.position > start.position

    def unreleased(self, plan: ReleasePlan) -> list[Sale]:
        """Give what waits above the release mark."""
        through = plan.through
        return [arrival.sale for arrival in self.arrivals if through is None or arrival.sale.at > through]


def _timestamp(sale: Sale) -> int:
    return sale.at
