"""The world of a story: the shop, NewStore and the pipeline, as each player builds them."""

from __future__ import annotations

import abc
import dataclasses
import json
import typing as t

import sqlalchemy as sa
from mapper_newstore_stock.ledger import past_tables, tables
from tap_newstore_fulfillment.events import event_id

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.faults.stories.steps import Key, Run
    from tests.faults.stories.truth import ErpRow

State = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Published:
    """An event as NewStore sends it."""

    event_id: str
    at: int
    body: bytes
    request: str = ""
    order: str = ""


class World(abc.ABC):
    """What the steps of a story need: implemented in one process and with real processes."""

    @abc.abstractmethod
    def now(self) -> float:
        """Return the time on this world's clock, in seconds."""

    def time_of_day(self) -> float:
        """Return the time of day in this world, in seconds since the epoch."""
        return self.now()

    @abc.abstractmethod
    def atp(self, key: Key) -> int | None:
        """Return what NewStore promises of a key."""

    @abc.abstractmethod
    def place(self, order: str, node: str, products: list[str]) -> int | None:
        """Place an order; return the logical timestamp of its event, or None if NewStore refuses it."""

    @abc.abstractmethod
    def move(self, order: str, name: str, units: int) -> int:
        """Ship or fail the first open units of an order; return the logical timestamp of the event."""

    @abc.abstractmethod
    def move_goods(self, key: Key, units: int) -> None:
        """Add units to NewStore's own copy of the shelf (negative: remove). The judge does not use that copy."""

    @abc.abstractmethod
    def published(self) -> Iterable[Published]:
        """Return the events published since the last call."""

    @abc.abstractmethod
    def deliver(self, event: Published, due: float) -> None:
        """Deliver an event when it is due (seconds), until it is answered 200."""

    @abc.abstractmethod
    def pass_time(self, seconds: float, *, newstore_works: bool = True) -> None:
        """Let time pass."""

    @abc.abstractmethod
    def write_erp(self, rows: dict[Key, ErpRow], failing: frozenset[str]) -> None:
        """Replace the ERP's tables, and let some of its sources fail."""

    @abc.abstractmethod
    def run(self, run: Run) -> State | None:
        """Run the pipeline from the story's state; return the last STATE it wrote."""

    @abc.abstractmethod
    def end_faults(self) -> None:
        """Let nothing else go wrong, and deliver what is under way."""

    @abc.abstractmethod
    def kill_receiver(self) -> None:
        """Kill the receiver and restart it."""

    @abc.abstractmethod
    def ledger_units(self) -> dict[str, dict[Key, int]]:
        """Return the units the ledger has counted, by event."""


#: Stands for the events whose units a ledger has folded away.
FOLDED = ""


def units_in(engine: sa.Engine) -> dict[str, dict[Key, int]]:
    """Return the units a ledger has counted, by event; what it has folded away under `FOLDED`."""
    unit, gone = tables.completed_unit.c, past_tables.folded.c
    kept: dict[str, dict[Key, int]] = {}
    with engine.connect() as connection:
        query = sa.select(unit.event_id, unit.fulfillment_node_id, unit.product_id, unit.units)
        for event, node, product, units in connection.execute(query):
            kept.setdefault(event, {})[node, product] = units
        query = sa.select(gone.fulfillment_node_id, gone.product_id, gone.units)
        kept[FOLDED] = {(node, product): units for node, product, units in connection.execute(query)}
    return kept


def as_published(body: dict[str, t.Any]) -> Published:
    """Return the event for a body that NewStore has published."""
    payload = body["payload"]
    known = event_id(body["name"], payload["id"], payload["logical_timestamp"])
    raw = json.dumps(body).encode()
    return Published(known, payload["logical_timestamp"], raw, payload["id"], payload["order_id"])
