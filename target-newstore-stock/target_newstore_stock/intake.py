"""Collects records until they are an import: a whole cut, or a batch of plain records."""

from __future__ import annotations

import typing as t

from target_newstore_stock.errors import StagingError, TooLargeError
from target_newstore_stock.masking import reason
from target_newstore_stock.records import CutHead, CutProgress, head_of
from target_newstore_stock.stock_file import BYTES_PER_MB, StockFile, encode_item

if t.TYPE_CHECKING:
    from target_newstore_stock.records import StockRecord


class Importer(t.Protocol):
    """Imports a stock file, or raises."""

    def run(self, cut: CutHead, file: StockFile) -> None:
        """Return when NewStore has the file."""


class Intake:
    """Hands cuts and batches of plain records to the importer, in the order they came.

    Args:
        importer: Imports the files.
        max_file_mb: Largest file, unzipped and with its head, in millions of bytes.

    Attributes:
        last_cut: Id of the last cut that has been imported; None: none has.
    """

    def __init__(self, importer: Importer, max_file_mb: float) -> None:
        self._importer = importer
        self._max_bytes = int(max_file_mb * BYTES_PER_MB)
        self._progress = CutProgress()
        self._cut_file: StockFile | None = None
        self._plain_file: StockFile | None = None
        self.last_cut: str | None = None

    @property
    def cut_is_open(self) -> bool:
        """A cut has begun and is not imported yet."""
        return self._progress.is_open

    @property
    def is_empty(self) -> bool:
        """Everything that came has been imported."""
        return not self._progress.is_open and self._plain_file is None

    def add(self, record: StockRecord, stream: str = "") -> None:
        """Take a record; the last record of a cut imports the cut.

        Args:
            record: The record.
            stream: Where it comes from: the records of a cut are of one stream.

        Raises:
            TargetError: the record does not fit, or the import failed.
        """
        try:
            if self._progress.continues(record, stream):
                self._add_to_cut(record)
            else:
                self._add_first(record, stream)
        except OSError as error:
            raise _disk_error(error) from error

    def import_plain(self) -> None:
        """Import the plain records that are waiting; an open cut is left alone."""
        if self._plain_file is None:
            return
        try:
            self._plain_file.keep_last_of_repeated_keys()
            self._importer.run(CutHead(), self._plain_file)
        except OSError as error:
            raise _disk_error(error) from error
        self._plain_file.close()
        self._plain_file = None

    def refuse_open_cut(self) -> None:
        """Raise IncompleteCutError if a cut is open: the input has ended."""
        self._progress.refuse_open_cut()

    def close(self) -> None:
        """Discard what came but was not imported."""
        for file in (self._cut_file, self._plain_file):
            if file:
                file.close()

    def _add_first(self, record: StockRecord, stream: str) -> None:
        """Add a plain record, or the first record of a cut."""
        head = head_of(record)
        if head.cut_id is None and not self._progress.is_open:
            self._add_plain(record)
            return
        self.import_plain()
        self._progress.begin(head, stream)
        self._add_to_cut(record)

    def _add_plain(self, record: StockRecord) -> None:
        item = encode_item(record)
        file = self._plain_file
        if file and file.json_bytes + file.growth(record, item) > self._max_bytes:
            self.import_plain()
        if self._plain_file is None:
            self._plain_file = StockFile()
        self._plain_file.add(record, item)

    def _add_to_cut(self, record: StockRecord) -> None:
        if self._cut_file is None:
            self._cut_file = StockFile()
        self._cut_file.add(record, encode_item(record))
        self._progress.count += 1
        if self._cut_file.json_bytes > self._max_bytes:
            raise TooLargeError(
                f"cut {record.cut_id} is larger than max_file_mb ({self._max_bytes / BYTES_PER_MB:g}); nothing of it "
                f"was imported. Make smaller cuts: lower the mapper's max_cut_items"
            )
        if self._progress.is_complete:
            self._import_cut(self._cut_file)

    def _import_cut(self, file: StockFile) -> None:
        file.refuse_repeated_keys()
        head = self._progress.require_head()
        self._importer.run(head, file)
        self.last_cut = head.cut_id
        file.close()
        self._cut_file = None
        self._progress.reset()


def _disk_error(error: OSError) -> StagingError:
    return StagingError(
        f"cannot keep the records on this machine's temporary disk: {reason(error)}",
        to_do="Make room, or set TMPDIR to another directory",
    )
