"""Whether the import of a cut shows at NewStore: `finished` is not yet visible (newstore-api.md, section 2)."""

from __future__ import annotations

import datetime as dt
import itertools
import typing as t

import sqlalchemy as sa

from mapper_newstore_stock.comparison.causes import Line, Past, rest_of
from mapper_newstore_stock.comparison.lines import STREAMED, read_covered, read_earlier
from mapper_newstore_stock.ledger.history import confirmed_at
from mapper_newstore_stock.ledger.quantities import same_key
from mapper_newstore_stock.ledger.queries import acknowledged_cut
from mapper_newstore_stock.ledger.tables import cut, cut_item, on_hand

if t.TYPE_CHECKING:
    from mapper_newstore_stock.comparison.causes import Ways
    from mapper_newstore_stock.comparison.insights import NewStoreNumbers

#: Keys of a cut that are looked at, spread over it, and how many of them are asked for.
CANDIDATES, WITNESSES = 500, 25
#: How many cuts after one are looked at.
LATER_CUTS = 5


class ImportsSeen:
    """Says of cuts what is known of their imports; each is looked into once.

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
        self._connection = connection
        self._newstore = newstore
        self._ways = ways
        self._visible_since = visible_since
        self._acknowledged = acknowledged_cut(connection)
        self._known: dict[int | None, Past] = {None: Past()}
        self._shown: dict[int | None, bool | None] = {}

    def of(self, number: int | None) -> Past:
        """Return what is known of a cut's import; None: the key's number goes out with the next run."""
        if number not in self._known:
            is_recent = self._is_recent(number)
            self._known[number] = Past(is_recent=is_recent, shows=self._or_a_later_one(number) if is_recent else None)
        return self._known[number]

    def _or_a_later_one(self, number: int | None) -> bool | None:
        """Return whether a cut's import shows, or one after it: imports run one after another (design rule 9)."""
        found = self._shows(number)
        later = sa.select(cut.c.cut).where(cut.c.cut > number).order_by(cut.c.cut).limit(LATER_CUTS)
        for each in [] if found else list(self._connection.scalars(later)):
            if self._shows(each):
                return True
        return found

    def _is_recent(self, number: int | None) -> bool:
        if number is None or number > self._acknowledged:
            return True
        # Of its end no more is known than that it was before this; it may be hours after its own run began.
        confirmed = confirmed_at(self._connection, number)
        return confirmed is not None and dt.datetime.fromisoformat(confirmed) > self._visible_since

    def _shows(self, number: int | None) -> bool | None:
        if number not in self._shown:
            self._shown[number] = self._look_at(number)
        return self._shown[number]

    def _look_at(self, number: int | None) -> bool | None:
        """Return whether keys that the cut changed have their new numbers; None: it has no such key."""
        item, row = cut_item.c, on_hand.c
        still = sa.and_(same_key(row, item), row.sent_cut == number)
        size = self._connection.scalar(sa.select(cut.c.size).where(cut.c.cut == number)) or 0
        query = (
            sa.select(item.fulfillment_node_id, item.product_id, row.quantity, item.quantity, item.cut)
            .join(on_hand, still)
            .where(item.cut == number)
        )
        with self._connection.execute(query, execution_options=STREAMED) as rows:
            lines = [Line(*row) for row in itertools.islice(rows, 0, None, max(1, size // CANDIDATES))]
        witnesses = self._changed(lines)
        atp = self._newstore.atp(line.key for line in witnesses)
        insights = self._newstore.insights(line.key for line in witnesses)
        shown = [
            rest_of(line, atp[line.key], insights[line.key], self._ways) == 0 for line in witnesses if line.key in atp
        ]
        return any(shown) if shown else None

    def _changed(self, lines: list[Line]) -> list[Line]:
        """Return keys whose ATP must be another one once the import shows.

        What a range covers and a number leaves out changes no ATP.
        """
        earlier, covered = read_earlier(self._connection, lines), read_covered(self._connection, lines)
        changed = [
            line
            for line in lines
            if line.key in earlier
            and line.sent not in (earlier[line.key][0], earlier[line.key][0] - covered.get(line.key, 0))
        ]
        return changed[:: max(1, len(changed) // WITNESSES)]
