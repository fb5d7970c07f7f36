"""The ERP's rows as the mapper finds them: some are not there, some cannot be read."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from tests.faults.stories.steps import SOURCES

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from tests.faults.stories.erps import ErpOfStory
    from tests.faults.stories.steps import Key
    from tests.faults.stories.truth import ErpRow, Truth

    Rows = dict[Key, ErpRow]


#: What stands in place of a quantity that cannot be used.
NO_NUMBER = "1.000"


class ErpRows:
    """What of an ERP's rows is there, and what can be read.

    Attributes:
        unknown: Keys the ERP has no row of yet.
        failing: Sources that cannot be read.
        lost: Keys whose rows are not in the list (False) or cannot be used (True) until they are written again.
    """

    def __init__(self, erp: ErpOfStory, unknown: Iterable[Key]) -> None:
        self._erp = erp
        self.unknown = set(unknown)
        self.failing: set[str] = set()
        self.lost: dict[Key, bool] = {}

    def there(self) -> Rows:
        """Return the rows that are there, and what the ERP has booked of those that are not in the list."""
        rows = {key: row for key, row in self._erp.rows.items() if key not in self.unknown}
        for key, is_there in self.lost.items():
            if key in rows:
                rows[key] = dataclasses.replace(rows[key], quantity=NO_NUMBER, is_listed=is_there)
        return rows

    def readable(self) -> Rows:
        """Return the rows a run can read and use."""
        unreadable = {node for source in self.failing for node in SOURCES[source]}
        there = self.there().items()
        return {key: row for key, row in there if key[0] not in unreadable and key not in self.lost}

    def note_written(self, keys: Iterable[Key]) -> None:
        """Note that the ERP has written rows."""
        for key in keys:
            self.lost.pop(key, None)

    def mend(self) -> None:
        """Let all rows be there, and be read."""
        self.unknown.clear()
        self.failing.clear()
        self.lost.clear()


class LastRead:
    """The rows a ledger may have read last: of a run that failed nobody knows how far it came.

    Args:
        truth: The shelf.
        folds: Whether the ledger folds: a row that contains less than was folded is not taken, the last one stands.
    """

    def __init__(self, truth: Truth, *, folds: bool) -> None:
        self._truth = truth
        self._folds = folds
        self._may_be: dict[Key, list[ErpRow]] = collections.defaultdict(list)
        self._now: Rows = {}

    def may_read(self, rows: Rows) -> None:
        """Note the rows a run that begins can read."""
        self._now = rows
        for key, row in rows.items():
            self._may_be[key].append(row)

    def note_read(self) -> None:
        """Note that the run has read them."""
        for key, row in self._now.items():
            self._may_be[key] = [*self._may_stand_beside(row, key), row]

    def basis(self, readable: Rows, late: AbstractSet[str]) -> tuple[Mapping[Key, int], Mapping[Key, frozenset[str]]]:
        """Return, by key, the level its number is computed from at best, and the completions its row claims.

        Args:
            readable: The rows that can be read.
            late: Completions known to be late: no row claims them.
        """
        rows = {key: list(self._may_be[key]) for key in self._truth.shelf}
        for key, row in readable.items():
            rows[key] = [*self._may_stand_beside(row, key), row]
        levels = {key: max((row.level for row in known), default=self._truth.level[key]) for key, known in rows.items()}
        claimed = {key: frozenset().union(*(row.claimed for row in known)) - late for key, known in rows.items()}
        return levels, claimed

    def _may_stand_beside(self, row: ErpRow, key: Key) -> list[ErpRow]:
        """Return the earlier rows of a key that may stand although this one was read."""
        return [last for last in self._may_be[key] if self._folds and _contains_less(row, last)]


def _contains_less(row: ErpRow, last: ErpRow) -> bool:
    said = ((row.as_of, last.as_of), (row.taken_at, last.taken_at))
    return any(before is not None and (now is None or now < before) for now, before in said)
