"""Reads an import back: does NewStore show it, and does it promise no more than was imported?

ATP is the imported quantity minus what is allocated, reserved or kept as safety stock, and customers go on buying.
So ATP below the quantity is normal and proves nothing; ATP above it is impossible once the import shows, but where
future inventory is loaded (newstore-api.md, section 5). A key *had to change* if its ATP before the import was above
the new quantity, or unknown. When all those keys have come down, the import shows. If no key of the sample had to
change, nothing contradicts the import, but nothing proves it.
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
    FindFuture = Callable[[Iterable[Key]], set[Key]]

logger = logging.getLogger("target-newstore-stock.verification")

LONGEST_WAIT_SECONDS = 60.0
#: Keys that are asked for future inventory together: six seconds of calls.
KEYS_AT_ONCE = 500


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
        not_visible: Those above whose ATP is what it was before the import.
        future: How many are above because of future inventory; they contradict nothing.
        unasked: How many of those above were not asked for future inventory: another one without has settled it.
    """

    keys: int
    had_to_change: int
    changed: int
    above: list[tuple[Key, int, int]]
    missing: list[Key]
    not_visible: frozenset[Key] = frozenset()
    future: int = 0
    unasked: int = 0

    @property
    def is_good(self) -> bool:
        """Nothing contradicts the import."""
        return not self.above and not self.missing

    @property
    def table(self) -> Table:
        """The keys that contradict the import, as a table."""
        above = [(*key, quantity, atp, self._cause(key)) for key, quantity, atp in self.above]
        missing = [(*key, None, None, "NewStore does not show it") for key in self.missing]
        columns = ("fulfillment_node_id", "product_id", "imported", "ATP", "cause")
        return Table("NewStore's ATP contradicts the import", columns, [*above, *missing][:SHOWN_ROWS])

    def _cause(self, key: Key) -> str:
        return "as before the import: not visible yet" if key in self.not_visible else "unexplained"

    def __str__(self) -> str:
        future = f", {self.future} above by future inventory" if self.future else ""
        if not self.is_good:
            said = f"{len(self.above)} of {self.keys} keys above the imported quantity, {len(self.missing)} not shown"
            hint = f", {len(self.not_visible)} as before the import" if self.not_visible else ""
            unasked = f", {self.unasked} of them not asked for future inventory" if self.unasked else ""
            return f"{said}{hint}{unasked}{future}"
        if not self.had_to_change:
            return f"{self.keys} keys read, none had to change and none is above the imported quantity{future}"
        return f"{self.keys} keys read, all {self.had_to_change} that had to change have, {self.changed} differ{future}"


class Verification:
    """Compares ATP before and after an import.

    Args:
        read: Reads the ATP of keys.
        find_future: Returns which of some keys have future inventory.
        sample: How many keys of an import to read; 0 reads all.
        timeout_seconds: How long NewStore may take to show an import.
        poll_seconds: Pause before the second look; later ones grow.
        sleep: Waits this many seconds.
        clock: Returns seconds that never go back.
    """

    def __init__(
        self,
        read: ReadAtp,
        find_future: FindFuture,
        *,
        sample: int,
        timeout_seconds: float,
        poll_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._find_future = find_future
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
        asked: set[Key] = set()
        future: set[Key] = set()
        open_keys = expected
        while True:
            shown.update(self._read(key.key for key in open_keys))
            open_keys = _contradicting(expected, shown, future)
            # Asked for once each: what is not promised now will hardly be while this waits.
            above = sorted({key.key for key in open_keys if key.key in shown} - asked)
            future |= self._future_of(above, asked)
            open_keys = _contradicting(open_keys, shown, future)
            if not open_keys or self._clock() >= deadline:
                return _verdict(expected, shown, future, asked)
            logger.info("NewStore does not show the import yet: %d of %d keys", len(open_keys), len(expected))
            self._sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    def _future_of(self, above: list[Key], asked: set[Key]) -> set[Key]:
        """Return which keys have future inventory, and note which were asked for.

        Once a key has none the import is contradicted, or does not show yet: of many keys the rest is not asked for.
        """
        future: set[Key] = set()
        for start in range(0, len(above), KEYS_AT_ONCE):
            some = above[start : start + KEYS_AT_ONCE]
            found = self._find_future(some)
            future |= found
            asked.update(some)
            if len(found) < len(some):
                break
        return future


def _contradicting(expected: list[Expected], shown: dict[Key, int], future: set[Key]) -> list[Expected]:
    """Return the keys that are not shown, or shown above their quantity without future inventory."""
    return [
        key for key in expected if key.key not in shown or (shown[key.key] > key.quantity and key.key not in future)
    ]


def _verdict(expected: list[Expected], shown: dict[Key, int], future: set[Key], asked: set[Key]) -> Verdict:
    contradicting = _contradicting(expected, shown, future)
    return Verdict(
        keys=len(expected),
        had_to_change=sum(key.must_change for key in expected),
        changed=sum(shown.get(key.key) != key.before for key in expected),
        above=[(key.key, key.quantity, shown[key.key]) for key in contradicting if key.key in shown],
        missing=[key.key for key in expected if key.key not in shown],
        not_visible=frozenset(key.key for key in contradicting if key.key in shown and shown[key.key] == key.before),
        future=len(future),
        unasked=sum(key.key in shown and key.key not in asked for key in contradicting),
    )
