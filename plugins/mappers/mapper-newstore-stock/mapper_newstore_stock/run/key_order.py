"""Finds the key order of a list without sorting it.

ERPs export by product, or by node and product: the rows of each fulfillment node come in the order of their products,
though nodes are mixed. Written in short runs of one node each, all rows are in key order once the runs are.
"""

from __future__ import annotations

import collections
import itertools
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mapper_newstore_stock.run.on_hand import OnHandRow

#: Rows of one node that are written together at least, and of how many nodes rows may wait for that.
RUN_ROWS, MOST_NODES = 200, 200

#: Where rows that were written together begin and end, both included; the first row of all is 1.
Span = tuple[int, int]


class KeyOrder:
    """Puts rows together, node by node, while they are written."""

    def __init__(self) -> None:
        self._is_kept = True
        self._written = 0
        self._waiting: dict[str, list[OnHandRow]] = collections.defaultdict(list)
        self._spans: dict[str, list[Span]] = collections.defaultdict(list)
        self._last: dict[str, str] = {}

    def together(self, lists: Iterable[Sequence[OnHandRow]]) -> Iterator[Sequence[OnHandRow]]:
        """Yield lists of rows, some rows later than they came, so that those of a node are together."""
        waiting, source, come = self._waiting, iter(lists), 0
        for rows in source:
            for row in rows:
                waiting[row[0]].append(row)
            self._is_kept = len(waiting) <= MOST_NODES
            if (come := come + len(rows)) >= RUN_ROWS:
                come = 0
                yield from self._runs(RUN_ROWS)
            if not self._is_kept:
                break
        yield from self._runs(1)
        yield from source

    def spans(self) -> Iterator[Span]:
        """Yield the runs in key order; none if the rows were in no such order."""
        return itertools.chain.from_iterable(self._spans[node] for node in sorted(self._spans) if self._is_kept)

    def _runs(self, least: int) -> Iterator[list[OnHandRow]]:
        """Yield the rows of each node for which at least so many wait."""
        for node, rows in self._waiting.items():
            if len(rows) < least:
                continue
            products = [row[1] for row in rows]
            self._is_kept = self._is_kept and self._last.get(node, "") <= products[0] and products == sorted(products)
            self._last[node] = products[-1]
            self._spans[node].append((self._written + 1, self._written + len(rows)))
            self._written += len(rows)
            self._waiting[node] = []
            yield rows
