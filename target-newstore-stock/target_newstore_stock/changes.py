"""What an import would change; for `dry_run` and `max_zeroed_percent`."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import typing as t

from target_newstore_stock.errors import TooManyZeroedError
from target_newstore_stock.stock_file import key_of

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from target_newstore_stock.keys import Key
    from target_newstore_stock.stock_file import Item, StockFile

SHOWN = 10
AT_ONCE = 2000


@dataclasses.dataclass(frozen=True)
class Change:
    """A key, and its quantity before (None: unknown) and after."""

    key: Key
    before: int | None
    after: int

    @property
    def size(self) -> int:
        """How much the quantity changes."""
        return abs(self.after - (self.before or 0))


@dataclasses.dataclass(frozen=True)
class Changes:
    """A file compared with what was imported before.

    Attributes:
        items: Number of keys in the file.
        changed: Keys with another quantity.
        unknown: Keys without a known quantity.
        zeroed: Keys that fall to zero.
        largest: The largest changes, largest first.
        zeroed_keys: The largest changes among the keys that fall to zero, largest first.
    """

    items: int
    changed: int
    unknown: int
    zeroed: int
    largest: list[Change]
    zeroed_keys: list[Change]


def compare(items: Iterable[Item], known: Mapping[Key, int]) -> Changes:
    """Compare items with the quantities known so far."""
    count = changed = unknown = zeroed = 0
    largest: list[tuple[int, int, Change]] = []
    emptied: list[tuple[int, int, Change]] = []
    for count, item in enumerate(items, 1):
        change = Change(key_of(item), known.get(key_of(item)), item.quantity)
        if change.before is None:
            unknown += 1
        elif change.size:
            changed += 1
            _keep(largest, count, change)
            if not change.after:
                zeroed += 1
                _keep(emptied, count, change)
    return Changes(count, changed, unknown, zeroed, _sorted(largest), _sorted(emptied))


def refuse_emptying(file: StockFile, percent: float, known: Callable[[list[Key]], Mapping[Key, int]]) -> None:
    """Raise RecordError if a file sets too many of its keys from above zero to zero.

    Args:
        file: The stock file.
        percent: The setting `max_zeroed_percent`: how many percent of the keys may fall.
        known: Returns the present quantities of keys, if known; asked only if the file has too many zeros.
    """
    zeros = sum(not item.quantity for item in file.read_items())
    if zeros <= file.items * percent / 100:
        return
    emptied = 0
    rest = (key_of(item) for item in file.read_items() if not item.quantity)
    while some := list(itertools.islice(rest, AT_ONCE)):
        emptied += sum(number > 0 for number in known(some).values())
    if emptied > file.items * percent / 100:
        raise TooManyZeroedError(
            f"{emptied} of {file.items} keys would fall to zero, more than max_zeroed_percent ({percent:g}) allows. "
            f"Nothing was imported. Look at the ERP's stock; if it is right, raise the setting for one run"
        )


def _keep(heap: list[tuple[int, int, Change]], number: int, change: Change) -> None:
    heapq.heappush(heap, (change.size, -number, change))
    if len(heap) > SHOWN:
        heapq.heappop(heap)


def _sorted(heap: list[tuple[int, int, Change]]) -> list[Change]:
    return [change for _, _, change in sorted(heap, reverse=True)]
