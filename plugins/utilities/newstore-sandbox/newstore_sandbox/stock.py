"""NewStore's numbers, the true shelf, and the judge between them.

ATP = on hand - open units - completed units that no import's range has covered yet - reservations
- safety stock + future ATP (newstore-api.md, section 5). Shipping takes a unit off the true shelf at
once; an import never changes the shelf.
"""

from __future__ import annotations

import collections
import dataclasses
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Mapping

#: (fulfillment node, product)
Key = tuple[str, str]

#: Whether a range covers the completed units of every key, or only those of the keys in its file.
Scope = t.Literal["tenant", "file"]


@dataclasses.dataclass
class Unit:
    """One unit of an order.

    Attributes:
        completed_at: Logical timestamp of its completion; None if it is open or failed.
    """

    item_id: str
    order_id: str
    fulfillment_request_id: str
    key: Key
    completed_at: int | None = None
    has_failed: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is neither completed nor failed."""
        return self.completed_at is None and not self.has_failed


@dataclasses.dataclass(frozen=True)
class HeldBack:
    """What NewStore counts for a key beside its number and its orders.

    Attributes:
        future: Units of future inventory (distribution centres only).
        future_allocations: How many of them are promised to orders.
    """

    reservations: int = 0
    safety_stock: int = 0
    future: int = 0
    future_allocations: int = 0

    @property
    def future_atp(self) -> int:
        """The units of future inventory that are not promised."""
        return self.future - self.future_allocations


class Stock:
    """All keys of the tenant.

    Attributes:
        on_hand: NewStore's number per key.
        held_back: What it counts beside, per key.
        shelf: What is really there.
        oversold: One entry for each key that an import left promising more than was there.
    """

    def __init__(self, range_scope: Scope) -> None:
        self._range_scope = range_scope
        self.on_hand: dict[Key, int] = {}
        self.shelf: dict[Key, int] = {}
        self.held_back: dict[Key, HeldBack] = {}
        self.oversold: list[dict[str, t.Any]] = []
        self._subtracted: dict[Key, list[Unit]] = collections.defaultdict(list)

    def tell_number(self, key: Key, on_hand: int) -> None:
        """Set NewStore's number; a shelf that nothing is known of holds as many from then on."""
        self.on_hand[key] = on_hand
        self.shelf.setdefault(key, on_hand)

    def assign(self, unit: Unit) -> None:
        """Subtract a unit of a new order."""
        self._subtracted[unit.key].append(unit)

    def complete(self, unit: Unit, logical_timestamp: int) -> None:
        """Take a unit off the shelf; NewStore keeps subtracting it until a range covers it."""
        unit.completed_at = logical_timestamp
        self.shelf[unit.key] = self.shelf.get(unit.key, 0) - 1

    def fail(self, unit: Unit) -> None:
        """Stop subtracting a unit that will not be shipped; it stays on the shelf."""
        unit.has_failed = True
        self._subtracted[unit.key].remove(unit)

    def units_of(self, key: Key) -> list[Unit]:
        """Return the units NewStore subtracts from a key."""
        return list(self._subtracted.get(key, ()))

    def atp(self, key: Key) -> int | None:
        """Return the quantity available to promise; None for a key without a number."""
        present = self._present(key)
        return None if present is None else present + self.held_back.get(key, HeldBack()).future_atp

    def all_atp(self) -> dict[Key, int]:
        """Return the quantity available to promise of every key with a number."""
        known = ((key, self.atp(key)) for key in self.on_hand)
        return {key: atp for key, atp in known if atp is not None}

    def _present(self, key: Key) -> int | None:
        """Return what can be promised without future inventory; None for a key without a number."""
        on_hand = self.on_hand.get(key)
        held_back = self.held_back.get(key, HeldBack())
        kept = held_back.reservations + held_back.safety_stock
        return None if on_hand is None else on_hand - len(self._subtracted.get(key, ())) - kept

    def free(self, key: Key) -> int:
        """Return the units on the shelf that are not promised to an open order."""
        return self.shelf.get(key, 0) - self._open_units(key)

    def apply_import(
        self,
        import_id: str,
        quantities: Mapping[Key, int],
        covered: tuple[int, int] | None,
        *,
        quantities_are_atp: bool = False,
    ) -> None:
        """Apply a file's numbers and range, then judge the result.

        A range covers only units completed before the import; a unit completed later is not
        covered, whatever its timestamp.
        """
        touched = set(quantities) | self._cover(covered, quantities)
        for key, quantity in quantities.items():
            self.on_hand[key] = quantity + (self._open_units(key) if quantities_are_atp else 0)
        for key in sorted(touched):
            atp, free = self._present(key), self.free(key)
            if atp is not None and atp > free:
                self.oversold.append({"import_id": import_id, **_named(key), "atp": atp, "free": free})

    def truth(self) -> dict[str, t.Any]:
        """Return NewStore's numbers beside the true ones, key by key."""
        keys = sorted({*self.on_hand, *self.shelf, *(key for key, units in self._subtracted.items() if units)})
        return {
            "ever_oversold": bool(self.oversold),
            "oversold": self.oversold,
            "keys": [
                {
                    **_named(key),
                    "shelf": self.shelf.get(key, 0),
                    "free": self.free(key),
                    "on_hand": self.on_hand.get(key),
                    "allocations": len(self._subtracted.get(key, ())),
                    "completed_not_covered": len(self._subtracted.get(key, ())) - self._open_units(key),
                    "atp": self.atp(key),
                }
                for key in keys
            ],
        }

    def _cover(self, covered: tuple[int, int] | None, quantities: Mapping[Key, int]) -> set[Key]:
        """Drop the completed units a range covers and return their keys."""
        if covered is None:
            return set()
        keys = list(self._subtracted if self._range_scope == "tenant" else quantities)
        touched = set()
        for key in keys:
            units = self._subtracted.get(key, [])
            rest = [unit for unit in units if not _is_covered(unit, covered)]
            if len(rest) < len(units):
                self._subtracted[key] = rest
                touched.add(key)
        return touched

    def _open_units(self, key: Key) -> int:
        return sum(unit.is_open for unit in self._subtracted.get(key, ()))


def _is_covered(unit: Unit, covered: tuple[int, int]) -> bool:
    return unit.completed_at is not None and covered[0] <= unit.completed_at <= covered[1]


def _named(key: Key) -> dict[str, str]:
    return {"fulfillment_node_id": key[0], "product_id": key[1]}
