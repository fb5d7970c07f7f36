"""Collects records until they are an import: a whole cut, or a batch of plain records."""

from __future__ import annotations

import typing as t

from target_newstore_stock.errors import RecordError
from target_newstore_stock.records import CutHead, CutProgress, head_of
from target_newstore_stock.stock_file import StockFile

if t.TYPE_CHECKING:
    from target_newstore_stock.records import StockRecord

BYTES_PER_MB = 10**6
#: Punctuation and numbers around the ids of one item; generous.
ITEM_BYTES = 100


class Importer(t.Protocol):
    """Imports one stock file, or raises."""

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Return when NewStore has the file."""


class Intake:
    """Gives cuts and plain batches to the importer, in the order they came.

    Args:
        importer: Imports a file, or raises.
        max_file_mb: The largest file, unzipped, in millions of bytes.
    """

    def __init__(self, importer: Importer, max_file_mb: float) -> None:
        self._importer = importer
        self._max_bytes = int(max_file_mb * BYTES_PER_MB)
        self._progress = CutProgress()
        self._cut_file: StockFile | None = None
        self._plain: dict[tuple[str, str], StockRecord] = {}
        self._plain_bytes = 0

    @property
    def cut_is_open(self) -> bool:
        """Records of a cut have come, and more must follow."""
        return self._progress.is_open

    @property
    def is_empty(self) -> bool:
        """Everything that came is imported."""
        return not self._progress.is_open and not self._plain

    def add(self, record: StockRecord) -> None:
        """Take a record; the last one of a cut imports it.

        Raises:
            TargetError: the record does not fit, or the import failed.
        """
        head = head_of(record)
        if head.cut_id is None and not self._progress.is_open:
            self._add_plain(record)
        else:
            self.import_plain()
            self._add_to_cut(head, record)

    def import_plain(self) -> None:
        """Import the plain records that wait; leaves an open cut alone."""
        if not self._plain:
            return
        file = StockFile()
        try:
            for record in self._plain.values():
                file.add(record)
            self._importer.run(CutHead(), file)
        finally:
            file.close()
        self._plain.clear()
        self._plain_bytes = 0

    def refuse_open_cut(self) -> None:
        """Raise IncompleteCutError when the input ends now but a cut is not complete."""
        self._progress.refuse_open_cut()

    def close(self) -> None:
        """Drop what came but was not imported."""
        if self._cut_file:
            self._cut_file.close()

    def _add_plain(self, record: StockRecord) -> None:
        size = ITEM_BYTES + len(record.fulfillment_node_id.encode()) + len(record.product_id.encode())
        if self._plain_bytes + size > self._max_bytes:
            self.import_plain()
        # Of two records with one key the later one holds, as in any Singer stream.
        self._plain[record.fulfillment_node_id, record.product_id] = record
        self._plain_bytes += size

    def _add_to_cut(self, head: CutHead, record: StockRecord) -> None:
        self._progress.add(head)
        if self._cut_file is None:
            self._cut_file = StockFile()
        self._cut_file.add(record)
        if self._cut_file.json_bytes() > self._max_bytes:
            raise RecordError(
                f"cut {head.cut_id} is larger than max_file_mb ({self._max_bytes / BYTES_PER_MB:g}); nothing of it "
                f"was imported. Make smaller cuts: lower the mapper's max_cut_items"
            )
        if self._progress.is_complete:
            self._importer.run(head, self._cut_file)
            self._cut_file.close()
            self._cut_file = None
            self._progress.reset()
