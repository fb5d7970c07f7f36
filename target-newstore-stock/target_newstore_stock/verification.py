"""Reads an import back: does NewStore show it, and does it promise no more than was imported?

ATP is the imported quantity minus what is allocated, reserved or kept as safety stock, and customers go on buying.
So ATP below the quantity is normal and proves nothing; ATP above it is impossible once the import shows. A key
*had to change* if its ATP before the import was above the new quantity, or unknown. When all those keys have come
down, the import shows. If no key of the sample had to change, nothing contradicts the import, but nothing proves it.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import time
import typing as t

from target_newstore_stock.terminal import SHOWN_ROWS, Table

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_newstore_stock.keys import Key
    from target_newstore_stock.stock_file import StockFile

    ReadAtp = Callable[[Iterable[Key]], dict[Key, int]]

logger = logging.getLogger("target-newstore-stock.verification")

LONGEST_WAIT_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Expected:
    """A key of the sample: its imported quantity, and its ATP before the import (None: not shown)."""

    key: Key
    quantity: int
    before: int | None

    @property
    def must_change(self) -> bool:
        """Its ATP cannot be what it was, once the import shows."""
        return self.before is None or self.before > self.quantity


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of reading an import back.

    Attributes:
        keys: How many keys were read.
        had_to_change: How many of them had to change.
        changed: How many have another ATP than before.
        above: Keys whose ATP is above the imported quantity, with the quantity and the ATP.
        missing: Keys without any ATP.
    """

    keys: int
    had_to_change: int
    changed: int
    above: list[tuple[Key, int, int]]
    missing: list[Key]

    @property
    def is_good(self) -> bool:
        """Nothing contradicts the import."""
        return not self.above and not self.missing

    @property
    def table(self) -> Table:
        """The keys that contradict the import, as a table."""
        above = [(*key, quantity, atp) for key, quantity, atp in self.above]
        missing = [(*key, None, "not shown") for key in self.missing]
        columns = ("fulfillment_node_id", "product_id", "imported", "ATP")
        return Table("NewStore's ATP contradicts the import", columns, [*above, *missing][:SHOWN_ROWS])

    def __str__(self) -> str:
        if not self.is_good:
            return f"{len(self.above)} of {self.keys} keys above the imported quantity, {len(self.missing)} not shown"
        if not self.had_to_change:
            return f"{self.keys} keys read, none had to change and none is above the imported quantity"
        return f"{self.keys} keys read, all {self.had_to_change} that had to change have, {self.changed} differ"


class Verification:
    """Compares ATP before and after an import.

    Args:
        read: Reads the ATP of keys.
        sample: How many keys of an import to read; 0 reads all.
        timeout_seconds: How long NewStore may take to show an import.
        poll_seconds: Pause before the second look; later ones grow.
        sleep: Waits this many seconds.
        clock: Returns seconds that never go back.
    """

    def __init__(
        self,
        read: ReadAtp,
        *,
        sample: int,
        timeout_seconds: float,
        poll_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._sample = sample
        self._timeout_seconds = timeout_seconds
        self._poll_seconds = poll_seconds
        self._sleep = sleep
        self._clock = clock

    def before(self, file: StockFile) -> list[Expected]:
        """Choose a sample spread evenly over the file, and read its ATP before the import."""
        step = max(1, -(-file.items // self._sample)) if self._sample else 1
        chosen = {
            (item.fulfillment_node_id, item.product_id): item.quantity
            for item in itertools.islice(file.read_items(), 0, None, step)
        }
        atp = self._read(chosen)
        return [Expected(key, quantity, atp.get(key)) for key, quantity in chosen.items()]

    def after(self, expected: list[Expected]) -> Verdict:
        """Read until NewStore shows the import or the time is up."""
        deadline = self._clock() + self._timeout_seconds
        wait = self._poll_seconds
        shown: dict[Key, int] = {}
        open_keys = expected
        while True:
            shown.update(self._read(key.key for key in open_keys))
            open_keys = [key for key in expected if key.key not in shown or shown[key.key] > key.quantity]
            if not open_keys or self._clock() >= deadline:
                return _verdict(expected, shown)
            logger.info("NewStore does not show the import yet: %d of %d keys", len(open_keys), len(expected))
            self._sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def _verdict(expected: list[Expected], shown: dict[Key, int]) -> Verdict:
    return Verdict(
        keys=len(expected),
        had_to_change=sum(key.must_change for key in expected),
        changed=sum(shown.get(key.key) != key.before for key in expected),
        above=[
            (key.key, key.quantity, shown[key.key])
            for key in expected
            if key.key in shown and shown[key.key] > key.quantity
        ],
        missing=[key.key for key in expected if key.key not in shown],
    )
