"""Reads a list of the ERP's: what differs from the list of the last run, or all of it.

Both ways read rows with the same eyes, and end with the same rows, errors and warnings. The short way is taken only
where the ledger says what the last list was, byte for byte, and every line that differs is a row by itself.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import typing as t

from mapper_newstore_stock.errors import OnHandError
from mapper_newstore_stock.ledger.database import empty, has_rows, is_postgresql, load
from mapper_newstore_stock.ledger.tables import on_hand
from mapper_newstore_stock.ledger.temporary_tables import gone_row, read_row
from mapper_newstore_stock.progress import long_step
from mapper_newstore_stock.run.csv_lists import NOT_ALONE
from mapper_newstore_stock.run.erp_rows import load_rows, load_unusable
from mapper_newstore_stock.run.kept_lists import difference_from_last
from mapper_newstore_stock.run.key_order import KeyOrder
from mapper_newstore_stock.run.line_diff import CannotCompareError
from mapper_newstore_stock.run.list_writer import ListWriter
from mapper_newstore_stock.run.row_reading import RowReader
from mapper_newstore_stock.run.sql_rows import rows_of
from mapper_newstore_stock.values import Value

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import sqlalchemy as sa

    from mapper_newstore_stock.progress import Step
    from mapper_newstore_stock.run.changed_rows import ChangedRows
    from mapper_newstore_stock.run.erp_tables import ErpTables
    from mapper_newstore_stock.run.kept_lists import KeptList, KeptPlace
    from mapper_newstore_stock.run.key_order import Span
    from mapper_newstore_stock.run.on_hand import OnHandRow, OnHandSource
    from mapper_newstore_stock.run.row_reading import UnusableRow

logger = logging.getLogger("mapper-newstore-stock.on-hand")


class ReadList(Value, frozen=True):
    """What was read of a list.

    Attributes:
        count: How many rows can be used, of the whole list.
        unusable: Of how many rows only the key can be used.
        before: How many the last list had, if only what differs from it was read; None: all was.
        changed: How many rows were read.
        spans: Where rows are together in `read_row`, in key order; empty: it is in no order that is known.
    """

    count: int
    unusable: int
    before: int | None = None
    changed: int = 0
    spans: Sequence[Span] = ()


class ListReader:
    """One reading of a list. Use it in a `with` block, and `keep` the list at its end.

    Args:
        connection: The ledger's.
        source: Where the list is.
        kept: Where it is kept between runs.
    """

    def __init__(self, connection: sa.Connection, source: OnHandSource, kept: KeptPlace) -> None:
        self._connection = connection
        self._source = source
        self._kept = kept
        self._resources = contextlib.ExitStack()
        self._writer = ListWriter(None)
        self._unusable: list[UnusableRow] = []

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def load(self, erp: ErpTables, changed: ChangedRows | None) -> ReadList:
        """Read rows into `read_row`, those that cannot be used into `unusable_row`, the keys of others into `gone_row`.

        Args:
            erp: Reads tables.
            changed: Which rows to read; None: all.

        Raises:
            OnHandError: the list cannot be read, or has rows that cannot be used; names them.
        """
        empty(self._connection, read_row, gone_row)
        if changed is not None:
            count, unusable = load_rows(self._connection, self._source, erp, changed)
            return ReadList(count, unusable, changed=count)
        read = self._load_difference(erp) or self._load_all(erp)
        load_unusable(self._connection, self._unusable)
        return read

    def keep(self, rows: int) -> KeptList | None:
        """Keep the list for the next run; return what the ledger is to say of it."""
        return self._writer.keep(self._kept.fingerprint, rows, self._latest)

    @property
    def _latest(self) -> int:
        """No row can have been taken later, epoch milliseconds; 0: they do not say when."""
        return self._source.latest if self._source.says_when else 0

    def _load_all(self, erp: ErpTables) -> ReadList:
        self._begin()
        reader = RowReader(self._source, self._unusable.append, left_out=self._writer.leave_out)
        source = self._source
        lists = reader.rows_of_blocks(erp.blocks(source.place, source.names, reader.damaged, self._writer))
        with long_step(f"Reading {source.place.name}", "rows") as step:
            order = KeyOrder()
            # Only a first list is written in key order; PostgreSQL is faster at sorting it.
            has_order = not (is_postgresql(self._connection) or has_rows(self._connection, on_hand))
            lists = _counted(lists, step)
            rows = itertools.chain.from_iterable(order.together(lists) if has_order else lists)
            count = load(self._connection, read_row, rows)
        return ReadList(count, len(self._unusable), changed=count, spans=list(order.spans()))

    def _load_difference(self, erp: ErpTables) -> ReadList | None:
        if not self._kept.can_be_compared:
            return None
        self._begin()
        try:
            return self._difference(erp)
        except CannotCompareError as error:
            self._unusable.clear()
            logger.info("All of the on-hand list is read: %s", error)
            return None
        except OnHandError as error:
            raise self._source.with_advice(error) from error

    def _begin(self) -> None:
        self._resources.close()
        self._writer = self._resources.enter_context(ListWriter(self._kept.file))

    def _difference(self, erp: ErpTables) -> ReadList:
        source, last = self._source, t.cast("KeptList", self._kept.last)
        if last.latest > self._latest:
            # A row that has not changed may be in the future now.
            raise CannotCompareError("the clock of this host was set back since the last one")
        with erp.lines(source.place, source.names) as lines:
            header = lines.header
            found = difference_from_last(self._kept, lines, self._writer)
        gone = self._rows(header, ((0, line) for line in found.gone), [], None)
        # The header is a line, too.
        first, leave_out = 1 if header else 0, self._writer.leave_out
        come = self._rows(header, ((number + first, line) for number, line in found.come), self._unusable, leave_out)
        if lines.trailer:
            lines.trailer.refuse_to_compare(found.lines, (line for _, line in found.come))
        count = last.rows - len(gone) + len(come)
        if not count:
            raise CannotCompareError("no row is left of it")
        load(self._connection, gone_row, (row[:2] for row in gone))
        load(self._connection, read_row, come)
        return ReadList(count, len(self._unusable), last.rows, len(come))

    def _rows(
        self,
        header: bytes,
        lines: Iterable[tuple[int, bytes]],
        unusable: list[UnusableRow],
        left_out: Callable[[int], None] | None,
    ) -> list[OnHandRow]:
        reader = RowReader(self._source, unusable.append, is_whole=False, left_out=left_out)
        place = self._source.place
        found = place.csv.rows_of_lines(header, lines, self._source.names) if place.is_csv else rows_of(lines)
        try:
            return list(reader.rows(found))
        except OnHandError as error:
            raise CannotCompareError(NOT_ALONE) from error


def _counted(lists: Iterator[list[OnHandRow]], step: Step) -> Iterator[list[OnHandRow]]:
    """Yield lists of rows, and count these."""
    for rows in lists:
        step.count += len(rows)
        yield rows
