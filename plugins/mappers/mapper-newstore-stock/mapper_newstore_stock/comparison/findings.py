"""Compares the ledger's numbers with NewStore's, and finds out why those differ that do."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import typing as t

from mapper_newstore_stock.comparison.causes import Finding, Insights, Known, Past, Ways, judge, rest_of
from mapper_newstore_stock.comparison.imports_seen import ImportsSeen
from mapper_newstore_stock.comparison.lines import read_covered, read_earlier, read_known

if t.TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    import sqlalchemy as sa

    from mapper_newstore_stock.comparison.causes import Line
    from mapper_newstore_stock.comparison.insights import NewStoreNumbers

    Key = tuple[str, str]

#: Keys that are looked into together.
KEYS_AT_ONCE = 1_000


class Comparison:
    """Looks into each key whose numbers differ.

    Attributes:
        keys: How many were compared.
        differing: How many differ, by cause.

    Args:
        connection: To the ledger, for reading.
        newstore: Asks NewStore for its numbers.
        ways: How this tenant counts.
        visible_since: An import that ended before this moment is visible.
    """

    def __init__(
        self,
        connection: sa.Connection,
        newstore: NewStoreNumbers,
        ways: Ways,
        visible_since: dt.datetime,
    ) -> None:
        self.keys = 0
        self.differing: collections.Counter[str] = collections.Counter()
        self._connection = connection
        self._newstore = newstore
        self._ways = ways
        self._imports = ImportsSeen(connection, newstore, ways, visible_since)

    def ask(self, lines: Iterable[Line]) -> Iterator[tuple[Line, int | None]]:
        """Yield each line with the ATP NewStore says, asked for key by key."""
        rest = iter(lines)
        while some := list(itertools.islice(rest, KEYS_AT_ONCE)):
            atp = self._newstore.atp(line.key for line in some)
            yield from ((line, atp.get(line.key)) for line in some)

    def findings(self, lines: Iterable[tuple[Line, int | None]], *, are_old: bool = False) -> Iterator[Finding]:
        """Yield a finding for each key whose numbers differ.

        Args:
            lines: Each key, with NewStore's ATP.
            are_old: The ATP may be minutes old, so it is asked for again where it differs.
        """
        differing = (pair for pair in self._counted(lines) if _differs(*pair))
        while some := list(itertools.islice(differing, KEYS_AT_ONCE)):
            keys = [line for line, _ in some]
            found = self._look_into([pair for pair in self.ask(keys) if _differs(*pair)] if are_old else some)
            self.differing.update(finding.cause for finding in found)
            yield from found

    def _counted(self, lines: Iterable[tuple[Line, int | None]]) -> Iterator[tuple[Line, int | None]]:
        for pair in lines:
            self.keys += 1
            yield pair

    def _look_into(self, pairs: list[tuple[Line, int | None]]) -> list[Finding]:
        known = read_known(self._connection, (line.key for line, _ in pairs))
        asked = [line.key for line, atp in pairs if line.sent is not None and atp not in (None, line.sent)]
        insights = self._newstore.insights(asked)
        open_keys = {
            line.key: (line, atp)
            for line, atp in pairs
            if (atp is None and line.sent is not None) or self._rest(line, atp, insights.get(line.key))
        }
        if open_keys:
            self._look_again(open_keys, insights)
        pasts = self._pasts([line for line, _ in open_keys.values()])
        found = []
        for line, first_atp in pairs:
            atp = open_keys.get(line.key, (line, first_atp))[1]
            finding = judge(
                line,
                atp,
                insights.get(line.key),
                known=known.get(line.key, Known()),
                past=pasts.get(line.key, Past()),
                ways=self._ways,
            )
            if _differs(line, finding.atp):
                found.append(finding)
        return found

    def _look_again(self, open_keys: dict[Key, tuple[Line, int | None]], insights: dict[Key, Insights]) -> None:
        """Ask again for keys that nothing explains: somebody may have bought one between two questions."""
        again = self._newstore.atp(open_keys)
        moved = [key for key, (_, atp) in open_keys.items() if again.get(key) != atp]
        insights.update(self._newstore.insights(moved))
        open_keys.update({key: (open_keys[key][0], again.get(key)) for key in moved})

    def _rest(self, line: Line, atp: int | None, insights: Insights | None) -> int:
        return rest_of(line, atp, insights or Insights(), self._ways)

    def _pasts(self, lines: list[Line]) -> dict[Key, Past]:
        if not lines:
            return {}
        earlier = read_earlier(self._connection, lines)
        covered = read_covered(self._connection, lines)
        return {
            line.key: dataclasses.replace(
                self._imports.of(line.cut),
                earlier=frozenset(earlier.get(line.key, ())) - {line.sent},
                covered=covered.get(line.key, 0),
                is_repeat=line.cut is not None and earlier.get(line.key, [None])[0] == line.sent,
            )
            for line in lines
        }


def _differs(line: Line, atp: int | None) -> bool:
    """Return whether NewStore's number, the one sent and the ERP's are not all the same."""
    return line.sent is None or atp != line.sent or line.sent != max(line.on_hand or 0, 0)
