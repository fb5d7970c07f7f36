"""The steps of a story: what people, NewStore, the network and the ERP do, and when something dies."""

from __future__ import annotations

import dataclasses
import typing as t

#: (fulfillment node, product)
Key = tuple[str, str]
Part = t.Literal["tap", "mapper", "target", "newstore"]

NODES = {"DC01": "dc", "NYC1": "store", "BOS1": "store"}
#: Who owns which nodes where the ERP has two sources.
SOURCES = {"wms": ("DC01",), "shops": ("NYC1", "BOS1")}
PRODUCTS = ("SHIRT", "SHOES", "SOCKS")
KEYS: tuple[Key, ...] = tuple((node, product) for product in PRODUCTS for node in NODES)

#: Delivery times of an event in multiples of the promised 15 minutes after publication; more than one: duplicates.
Deliveries = tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Order:
    """A customer orders one unit of each product named, from one node."""

    order: str
    node: str
    products: tuple[str, ...]
    deliveries: Deliveries


@dataclasses.dataclass(frozen=True)
class Ship:
    """The first open units of an order leave the shelf."""

    order: str
    units: int
    deliveries: Deliveries


@dataclasses.dataclass(frozen=True)
class Fail:
    """The open units of an order will not be shipped; they stay on the shelf."""

    order: str
    deliveries: Deliveries


@dataclasses.dataclass(frozen=True)
class Receive:
    """Goods arrive on the shelf; the ERP's next row contains them."""

    key: Key
    units: int


@dataclasses.dataclass(frozen=True)
class Correct:
    """A stock-take finds units missing (never ordered ones), and the ERP books that at once."""

    key: Key
    units: int


@dataclasses.dataclass(frozen=True)
class ErpWrites:
    """The ERP brings rows up to date.

    Attributes:
        behind: How many logical timestamps an ERP that ships by itself lags behind NewStore.
    """

    keys: tuple[Key, ...]
    behind: int


@dataclasses.dataclass(frozen=True)
class ErpLearns:
    """The ERP gets a row for a key that never had one."""

    key: Key


@dataclasses.dataclass(frozen=True)
class ErpFails:
    """One of the ERP's two sources cannot be read, until this happens again."""

    source: str


@dataclasses.dataclass(frozen=True)
class ErpDrops:
    """A row is missing from the ERP's list until it is written again, or cannot be used; it has been booked on first.

    Attributes:
        is_there: The row is there, and its quantity is no number.
    """

    key: Key
    is_there: bool = False


@dataclasses.dataclass(frozen=True)
class Wait:
    """Time passes, in multiples of the promised 15 minutes."""

    promises: float
    newstore_works: bool = True


@dataclasses.dataclass(frozen=True)
class RunFault:
    """What goes wrong in a run.

    Attributes:
        part: The part that dies or, if it is NewStore, misbehaves.
        at: The step before which it happens, from 0.
        how: For the tap "with STATE" or "without"; for the mapper "" or WRITING; for NewStore one of NEWSTORE_FAULTS;
            ALL: all parts of this machine stand still; AT_START: the part does before it reads anything.
        times: How many calls of NewStore are affected.
    """

    part: Part
    at: int
    how: str = ""
    times: int = 1


@dataclasses.dataclass(frozen=True)
class Run:
    """The pipeline runs once.

    Attributes:
        fault: What goes wrong, if anything.
        meanwhile: What happens in the shop during the run.
        machine: Where it runs: 0 or 1.
        overtaken_by: A run of the other machine, while this one stands still where its fault says.
        newer_state_wins: The state of that run is the one that is kept.
    """

    fault: RunFault | None = None
    meanwhile: tuple[Order | Ship | Fail | Correct, ...] = ()
    machine: int = 0
    overtaken_by: Run | None = None
    newer_state_wins: bool = True


@dataclasses.dataclass(frozen=True)
class LoseState:
    """The Singer state is lost."""


@dataclasses.dataclass(frozen=True)
class RestoreState:
    """An older Singer state is restored: the one from `back` runs ago."""

    back: int


@dataclasses.dataclass(frozen=True)
class Redeliver:
    """NewStore delivers everything again, in any order."""

    deliveries: Deliveries


@dataclasses.dataclass(frozen=True)
class KillReceiver:
    """The receiver is killed and restarted; without a receiver nothing happens."""


Step = (
    Order
    | Ship
    | Fail
    | Receive
    | Correct
    | ErpWrites
    | ErpDrops
    | ErpLearns
    | ErpFails
    | Wait
    | Run
    | LoseState
    | RestoreState
    | Redeliver
    | KillReceiver
)

#: The mapper dies between two messages it writes, rather than between two statements on its ledger.
WRITING = "while it writes"
ALL, AT_START = "all stand still", "before it reads"
NEWSTORE_FAULTS = (
    "refuses",
    "is limited",
    "has no answer",
    "loses the answer",
    "fails the import",
    "refuses an item",
    "is slow",
)
